"""Events at a rate, told as a tree tells them: into the history, the journal, and to those who follow over the socket.
Meanwhile a task wants to run every millisecond; how late it is, is the lag.

python -m benchmarks.programs.events RATE FOLLOWERS SECONDS
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.recording import Recorder
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.journal.journal import Journal
from trio_supervisor.output.hub import Hub
from trio_supervisor.spec import ChildSpec, JournalLimits, SupervisorSpec, TaskSpec
from trio_supervisor.wiring import make_supervisor, served

AGENTS = 100
STEP = 0.002
"""Seconds between the small lots that events come in."""
ROUND = (State.WAITING, State.STARTING, State.READY)


async def tell(supervisor: Supervisor, rate: float, seconds: float) -> float:
    """What children that come and go tell; returns how many in a second."""
    begun, told = trio.current_time(), 0
    while (passed := trio.current_time() - begun) < seconds:
        for told in range(told + 1, int(passed * rate) + 1):  # noqa: B020 -- goes on where it was
            turn, agent = divmod(told, AGENTS)
            old, new = ROUND[turn % 3 - 1], ROUND[turn % 3]
            notice = StateChanged(
                f"agent-{agent}", turn + 1, old, new, "raised ValueError: no luck", restarts=turn // 3
            )
            supervisor._tell("", notice)  # as its machine has them told
        await trio.sleep(STEP)
    return told / (trio.current_time() - begun)


async def lag(lags: list[float]) -> None:
    """How late a task is that wants to run every millisecond."""
    while True:
        due = trio.current_time() + 0.001
        await trio.sleep_until(due)
        lags.append(trio.current_time() - due)


@asynccontextmanager
async def tree(place: Path) -> AsyncIterator[Supervisor]:
    """Idle agents, with a journal, served on a socket, as under `run`."""
    journal = Journal(os.fspath(place / "journal.sqlite"), JournalLimits(), print)
    children = tuple(ChildSpec(f"agent-{number}", TaskSpec(trio.sleep_forever)) for number in range(AGENTS))
    hub = Hub()
    supervisor = make_supervisor(SupervisorSpec(children), hub, None, journal)
    async with trio.open_nursery() as nursery:
        control = LocalControl(supervisor, nursery)
        Recorder(journal, supervisor, control)
        await nursery.start(hub.run)
        async with supervisor.open(), served(control, place, os.environ, print):
            yield supervisor
        await journal.aclose(10)
        nursery.cancel_scope.cancel()


# `run_process` calls started().
async def follow(  # noqa: ASYNC128
    place: Path, followers: int, *, task_status: trio.TaskStatus[trio.Process]
) -> None:
    """A process that follows."""
    command = [sys.executable, "-m", "benchmarks.programs.followers", str(place / "control.sock"), str(followers)]
    await trio.run_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, task_status=task_status)


async def main(rate: float, followers: int, seconds: float) -> dict[str, float]:
    """For so many seconds, after a moment to come to rest."""
    lags: list[float] = []
    heard = 0.0
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        async with tree(place) as supervisor, trio.open_nursery() as nursery:
            process = await nursery.start(follow, place, followers)
            assert process.stdin is not None
            assert process.stdout is not None
            with trio.fail_after(30):
                await process.stdout.receive_some()
            await trio.sleep(0.5)
            async with trio.open_nursery() as watch:
                watch.start_soon(lag, lags)
                told = await tell(supervisor, rate, seconds)
                watch.cancel_scope.cancel()
            await trio.sleep(1)
            await process.stdin.aclose()
            said = b"".join([chunk async for chunk in process.stdout])
            heard = json.loads(said)["least"] if followers else told * seconds
    lags.sort()
    return {
        "events_s": told,
        "lag_p50_ms": 1000 * lags[len(lags) // 2],
        "lag_p99_ms": 1000 * lags[int(len(lags) * 0.99)],
        "lag_max_ms": 1000 * lags[-1],
        "heard": min(100.0, 100 * heard / (told * seconds)),
    }


if __name__ == "__main__":
    print(json.dumps(trio.run(main, float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
