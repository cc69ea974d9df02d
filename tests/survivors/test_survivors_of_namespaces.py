"""Nothing outlives us where the supervisor is the first process, and where the numbers of processes come round."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running
from tests.runtimes.process_helpers import eventually
from tests.survivors.cases import ALL, HERE, shell
from tests.survivors.ground import Ground
from tests.survivors.staged import GRACE, see_nothing_left, words
from tests.survivors.table import Record, Row
from trio_supervisor.system.procfs import Process, processes

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _may_unshare() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _may_unshare(), reason="pid namespaces can't be made here"),
]


@asynccontextmanager
async def within(directory: Path, ground: Ground, *command: str) -> AsyncIterator[Running]:
    """A program as the first process of a pid namespace, its output read as it comes."""
    process = await trio.lowlevel.open_process(
        [*NAMESPACE, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TRIO_SUPERVISOR_STATE_DIR": str(directory / "state"), "PYTHONUNBUFFERED": "1"},
        preexec_fn=ground.enter,
    )
    it = Running(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.read_all)
            yield it
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def write(file: Path, agents: object) -> str:
    """A file with these agents; its path."""
    file.write_text(json.dumps({"defaults": {"stop": {"grace": GRACE}}, "agents": agents}))
    return str(file)


def children_of(pid: int) -> list[Process]:
    return [one for one in processes() if one.parent == pid]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_nothing_outlives_a_supervisor_that_is_the_first_process(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    file = write(tmp_path / "supervisor.yaml", ALL.agents)
    async with within(tmp_path, ground, sys.executable, "-m", "trio_supervisor", "run", file) as it:
        await it.see(ALL.sign, ALL.signs)
        (first,) = children_of(it.process.pid)

        begun = time.monotonic()
        os.kill(first.pid, number)
        if number is signal.SIGKILL:
            await see_nothing_left(it, ground, "PID 1 of a container", number.name, record)
        else:
            with trio.fail_after(30):
                code = await it.process.wait()
            left = ground.living()
            record(Row("PID 1 of a container", number.name, len(left), time.monotonic() - begun))
            assert not left, words(left)
            assert code == 0


async def test_the_first_process_reaps_the_orphans_of_strangers(tmp_path: Path, ground: Ground) -> None:
    file = write(tmp_path / "supervisor.yaml", {"agent": {"command": ["sleep", "600"]}})
    async with within(tmp_path, ground, sys.executable, "-m", "trio_supervisor", "run", file) as it:
        await it.see("ready after")
        (first,) = children_of(it.process.pid)
        own = {one.pid for one in children_of(first.pid)}

        # As `docker exec` does: a process that comes into the namespace from outside, and leaves an orphan there.
        await trio.run_process(["nsenter", "-t", str(first.pid), "-p", "sh", "-c", "sleep 0.3 & exit"])
        await eventually(lambda: any(one.pid not in own for one in children_of(first.pid)))
        await eventually(lambda: {one.pid for one in children_of(first.pid)} == own, 20)


async def test_who_has_got_the_number_of_an_agent_that_is_gone_is_no_agent(
    tmp_path: Path, ground: Ground, record: Record
) -> None:
    agent = write(tmp_path / "agent.yaml", {"agent": {"command": shell("echo my pid is $$; exec sleep 600")}})
    once = write(tmp_path / "once.yaml", {"once": {"command": ["true"], "restart": "temporary"}})
    async with within(tmp_path, ground, sys.executable, str(HERE / "recycle.py"), agent, once) as it:
        with trio.move_on_after(30):
            await it.process.wait()
        await it.see("stranger")
        left, seconds = await ground.empty(2)
    if "pid_max can't be set" in it.output:
        pytest.skip("the numbers of a namespace can't be limited here")
    record(Row("recycled pid", "the next start", len(left), seconds))
    assert "exit code 0" in it.output
    assert "stranger lives" in it.output
    assert "cleared" not in it.output
    assert not left, words(left)
