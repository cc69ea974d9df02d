"""The state directory as a user meets it: a second supervisor, the start after a kill, a place that is not writable."""

import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import trio

from tests.cli.running import running, survivors
from tests.runtimes.process_helpers import kill
from tests.state.leavings import Family, environment, leave, leave_lease
from trio_supervisor.cli.leftovers import describe
from trio_supervisor.cli.wording import Tone
from trio_supervisor.system.procfs import Process
from trio_supervisor.wiring import Cleared

SLEEPER = "agents: {a: {command: [sleep, '600']}}\n"
ONCE = "agents: {a: {command: ['true'], restart: temporary}}\n"


@pytest.mark.slow
async def test_the_second_supervisor_of_a_file_says_who_runs_it_and_starts_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, SLEEPER) as first:
        await first.see("ready")
        agents = survivors(first.process.pid)

        with trio.fail_after(20):
            second = await trio.run_process(
                [sys.executable, "-m", "trio_supervisor", "run", f"{tmp_path}/supervisor.yaml"],
                env={**os.environ, "TRIO_SUPERVISOR_STATE_DIR": str(tmp_path / "state")},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )

        assert survivors(first.process.pid) == agents
        first.send(signal.SIGINT)
        assert await first.end() == 0
    assert second.returncode == 3
    assert second.stdout == b""
    said = second.stderr.decode()
    assert said.startswith(f"{tmp_path}/supervisor.yaml: the supervisor with pid {first.process.pid} (")
    assert "has been running it since" in said
    assert f"kill {first.process.pid}" in said


@pytest.mark.slow
async def test_with_a_state_directory_of_its_own_a_second_one_may_run_the_file(tmp_path: Path) -> None:
    async with running(tmp_path, SLEEPER) as first:
        await first.see("ready")
        async with running(tmp_path, "", "--state-dir", os.path.relpath(tmp_path / "other")) as second:
            await second.see("ready")
            second.send(signal.SIGINT)
            with trio.fail_after(20):
                assert await second.process.wait() == 0
    assert (tmp_path / "other" / "lock").exists()


@pytest.mark.slow
async def test_after_a_kill_the_file_is_free_for_the_next(tmp_path: Path) -> None:
    async with running(tmp_path, SLEEPER) as first:
        await first.see("ready")
        first.send(signal.SIGKILL)
        await first.process.wait()
        for pid in survivors(first.process.pid):
            kill(pid)

        async with running(tmp_path, ONCE) as second:
            assert await second.end() == 0


@pytest.mark.slow
async def test_what_a_double_kill_left_alive_is_killed_and_told_before_anything_is_started(tmp_path: Path) -> None:
    instance = uuid.uuid4().hex[:16]
    daemon = Family("daemon", session=True)
    left = leave(Family("leader", (Family("between", (daemon,), ends=True),)), environment(instance))
    try:
        (tmp_path / "state").mkdir()
        leave_lease(tmp_path / "state" / "lease", instance, left["leader"].born)

        async with running(tmp_path, ONCE) as it:
            assert await it.end() == 0

        assert not any(one.now for one in left.values())
    finally:
        for one in left.values():
            if one.now:
                kill(one.pid)
    said = re.search(r"cleared 2 processes that the run of \d\d:\d\d left behind: (.*)", it.output)
    assert said is not None
    assert {f"{left[name].pid} (sleep)" for name in ("leader", "daemon")} == set(said[1].split(", "))
    assert it.output.index("cleared") < it.output.index("finished")


@pytest.mark.slow
async def test_a_state_directory_that_cannot_be_written_is_warned_of_and_the_agents_run(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    async with running(tmp_path, ONCE) as it:
        assert await it.end() == 0
    assert f"no state directory: {tmp_path}/state: Not a directory; so nothing keeps a second supervisor" in it.output
    assert "1 finished" in it.output


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
async def test_a_state_directory_of_somebody_else_is_a_mistake_of_usage(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, -1)
    async with running(tmp_path, ONCE) as it:
        assert await it.end() == 2
    assert f"{tmp_path}/state: the state directory must belong to uid 0, not to uid 65534" in it.output


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
async def test_a_read_only_file_system_is_warned_of_too(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", tmp_path / "state"], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        async with running(tmp_path, ONCE) as it:
            assert await it.end() == 0
    finally:
        subprocess.run(["umount", tmp_path / "state"], check=True)
    assert f"no state directory: {tmp_path}/state/lock: Read-only file system" in it.output


def some(count: int) -> tuple[Process, ...]:
    return tuple(Process(100 + number, "node", "S", 1, 1, 1, 1, 1) for number in range(count))


def test_where_nothing_was_left_nothing_is_said() -> None:
    assert describe(Cleared()) == []


def test_what_could_not_be_killed_is_said_on_its_own() -> None:
    (good, good_tone), (bad, bad_tone) = describe(Cleared(86400.0, some(1), some(2)))

    assert re.fullmatch(r"cleared 1 process that the run of 1970-01-0\d \d\d:\d\d left behind: 100 \(node\)", good)
    assert re.fullmatch(r"could not kill 2 processes that the run of .* left behind: 100 \(node\), 101 \(node\)", bad)
    assert (good_tone, bad_tone) == (Tone.WARNING, Tone.BAD)


def test_of_many_only_some_are_named() -> None:
    ((text, _),) = describe(Cleared(86400.0, some(1000)))

    assert text.startswith("cleared 1000 processes that")
    assert text.endswith("109 (node) and 990 more")
