"""Nothing outlives us: programs that somebody is talking with, in terminals of their own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from tests.survivors.cases import HERE, Case
from tests.survivors.ground import Ground
from tests.survivors.staged import end, staged, words
from tests.survivors.table import Record, Row

pytestmark = pytest.mark.slow

TALKING = 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
async def test_no_session_outlives_the_program_that_has_it(
    number: signal.Signals, ground: Ground, record: Record
) -> None:
    async with trio.open_nursery() as nursery:
        program: trio.Process = await nursery.start(_talk, ground)
        assert sum(one.name == "sleep" for one in ground.living()) >= 2 * TALKING

        begun = time.monotonic()
        program.send_signal(number)
        if number is signal.SIGINT:
            with trio.fail_after(30):
                await program.wait()
            left = ground.living()
        else:
            left, _ = await ground.empty(2)
        record(Row("live sessions", number.name, len(left), time.monotonic() - begun))

    assert not left, words(left)


async def _talk(ground: Ground, task_status: trio.TaskStatus[trio.Process]) -> None:
    program = await trio.lowlevel.open_process(
        [sys.executable, str(HERE / "talk.py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=ground.enter,
    )
    assert program.stdout is not None
    with trio.fail_after(30):
        assert b"in place" in await program.stdout.receive_some()
    task_status.started(program)
    await program.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_an_agent_in_a_terminal_does_not_outlive_us(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    jobs = "trap '' HUP TERM; setsid sleep 600 & sleep 600 & echo in place; wait"
    agent = {"command": ["bash", "-c", jobs], "stdin": "pty", "window": {"rows": 40}}
    case = Case("in a terminal, ignores HUP and TERM", {"agent": agent})
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see(case.sign)

        await end(it, ground, case, number, record)
