"""A case on its ground: `trio-supervisor run` with its agents, the end of that, and what is alive then."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.cli.running import Running, running
from tests.survivors.cases import Case, told, wrong
from tests.survivors.ground import Ground
from tests.survivors.table import Record, Row
from trio_supervisor.system.procfs import Process, processes

WITHIN = 2.0
"""Seconds after a SIGKILL in which all must be gone."""
GRACE = "300ms"


@asynccontextmanager
async def staged(directory: Path, ground: Ground, agents: Mapping[str, object]) -> AsyncIterator[Running]:
    """Run these agents, on this ground."""
    text = json.dumps({"version": 1, "defaults": {"stop": {"grace": GRACE}}, "agents": agents})
    async with running(directory, text, preexec_fn=ground.enter) as it:
        yield it


async def end(it: Running, ground: Ground, case: Case, number: signal.Signals, record: Record) -> None:
    """End the supervisor by a signal, and see that nothing outlives it."""
    if number is signal.SIGKILL:
        it.send(number)
        await see_nothing_left(it, ground, case.name, number.name, record)
    else:
        await end_gracefully(it, ground, case, number, record)


async def end_gracefully(it: Running, ground: Ground, case: Case, number: signal.Signals, record: Record) -> None:
    """Ask for the end; everything must be gone when the supervisor is, and nothing wrong have been told."""
    begun = time.monotonic()
    it.send(number)
    with trio.fail_after(30):
        code = await it.process.wait()
    left = ground.living()
    record(Row(case.name, number.name, len(left), time.monotonic() - begun))
    assert not left, words(left)
    assert await it.end() == code == 0, it.output
    assert not wrong(case, it.output), it.output


async def see_nothing_left(it: Running, ground: Ground, name: str, how: str, record: Record) -> None:
    """See the end of a supervisor that was just killed, and of everything soon after."""
    left, seconds = await ground.empty(WITHIN)
    record(Row(name, how, len(left), seconds))
    assert not left, words(left)
    with trio.fail_after(10):
        await it.process.wait()


def guardian_of(it: Running) -> int:
    """The pid of the guardian of a running supervisor."""
    children = (one.pid for one in processes() if one.parent == it.process.pid)
    return next(pid for pid in children if b"guardian/__main__.py" in command_line(pid))


def command_line(pid: int) -> bytes:
    """What a process was started with; nothing, if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def agent_of(it: Running, agent: str = "agent") -> int:
    """The pid of an agent's last life, as it was told when it was ready."""
    pids = [line.partition("pid ")[2] for line in told(it.output, agent) if "pid " in line]
    return int(pids[-1].partition(")")[0])


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to one process."""
    os.kill(pid, number)


def words(left: list[Process]) -> str:
    """Who is alive, for a report."""
    return "alive: " + ", ".join(map(str, left))
