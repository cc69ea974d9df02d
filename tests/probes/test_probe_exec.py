"""The exec probe with real processes."""

import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from trio_supervisor.commands import Completed, RunCommand
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.exec import open_exec
from trio_supervisor.spec import Exec


async def run(command: Sequence[str], timeout: float) -> Completed:
    """Runs a command as a process runtime would, as far as a probe can tell."""
    options: dict[str, Any] = {"capture_stdout": True, "stderr": subprocess.STDOUT, "check": False}
    try:
        with trio.move_on_after(timeout):
            done = await trio.run_process(command, **options)
            return Completed(done.returncode, done.stdout[-4096:])
    except FileNotFoundError as error:
        raise ProbeError(f"{command[0]}: not found") from error
    return Completed(None, b"still at it\n")


async def ask_once(*command: str, port: int | None = None, runner: RunCommand | None = run, limit: float = 5) -> Answer:
    async with open_exec(Exec(command), Target("researcher", port, runner), limit) as probe:
        assert probe.port is None
        return await probe.ask()


def shell(script: str) -> tuple[str, str, str]:
    return ("sh", "-c", script)


async def test_exit_code_0_is_a_success() -> None:
    answer = await ask_once("true")

    assert answer.ok
    assert answer.detail.startswith("exit code 0 in ")


async def test_another_exit_code_is_a_failure_with_the_last_line_of_output() -> None:
    answer = await ask_once(*shell("echo checking; echo no database >&2; echo; exit 3"))

    assert answer == Answer(False, "exit code 3: no database")


async def test_a_silent_failure_is_told_by_its_code() -> None:
    assert await ask_once("false") == Answer(False, "exit code 1")


async def test_a_signal_is_told_by_its_name() -> None:
    assert await ask_once(*shell("kill -SEGV $$")) == Answer(False, "ended by SIGSEGV")
    assert await ask_once(*shell("kill -40 $$")) == Answer(False, "ended by signal 40")


async def test_a_command_that_takes_too_long_is_a_failure() -> None:
    answer = await ask_once("sleep", "60", limit=0.05)

    assert answer == Answer(False, "killed, it did not end within 0.05 s: still at it")


async def test_output_for_a_terminal_becomes_plain_text() -> None:
    answer = await ask_once(*shell(r"printf 'x\n\033[31mred\033[0m\a\tand \377'; exit 1"))

    assert answer == Answer(False, "exit code 1: red\N{REPLACEMENT CHARACTER} and \N{REPLACEMENT CHARACTER}")


async def test_placeholders_are_replaced() -> None:
    assert (await ask_once("test", "{id}:{port}", "=", "researcher:8080", port=8080)).ok


async def test_a_command_that_can_not_be_run_says_nothing_of_the_child() -> None:
    with pytest.raises(ProbeError, match="not found"):
        await ask_once("no-such-program")


async def test_a_child_in_which_no_command_can_run_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="no command can be run"):
        await ask_once("true", runner=None)


async def test_a_port_that_the_child_does_not_have_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="needs a port"):
        await ask_once("nc", "-z", "127.0.0.1", "{port}")
