"""What a supervisor that is gone has left with an engine: removed by its guardian, or by the next start. A row of the
table of survivors for each end.
"""

import json
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running
from tests.containers.helpers import eventually
from tests.containers.real_engines import IMAGE, RealEngine
from tests.survivors.staged import guardian_of, kill
from tests.survivors.table import Record, Row, recorder
from trio_supervisor.system import containers

pytestmark = pytest.mark.containers

STUBBORN = ["sh", "-c", "trap '' TERM INT HUP; echo in place; while true; do sleep 1; done"]
DAEMON = ["sh", "-c", "(setsid sleep 600 &) ; echo in place; sleep 600"]
WITHIN = 10.0


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    node = request.node
    assert isinstance(node, pytest.Item)
    return recorder(node)


@asynccontextmanager
async def staged(directory: Path, engine: RealEngine, *arguments: str) -> AsyncIterator[Running]:
    """Run two agents in containers, and wait until both are in place."""
    agents: Mapping[str, object] = {
        name: {"container": {"image": IMAGE, "command": command, "engine": engine.address, "pull": "never"}}
        for name, command in (("stubborn", STUBBORN), ("daemon", DAEMON))
    }
    text = json.dumps({"version": 1, "defaults": {"stop": {"grace": "300ms"}}, "agents": agents})
    async with running(directory, text, *arguments) as it:
        await it.see("| in place", 2)
        yield it


async def see_none(engine: RealEngine, case: str, end: str, record: Record) -> None:
    """All must be gone soon."""
    begun = time.monotonic()
    with trio.move_on_after(WITHIN):
        await eventually(lambda: not engine.containers(), WITHIN)
    left = engine.containers()
    record(Row(f"container, {case}", end, len(left), time.monotonic() - begun))
    assert not left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_no_container_outlives_an_orderly_end(
    tmp_path: Path, real: RealEngine, record: Record, number: signal.Signals
) -> None:
    async with staged(tmp_path, real) as it:
        it.send(number)
        assert await it.end() == 0
    left = real.containers()
    record(Row(f"container, {real.kind}", number.name, len(left), 0.0))
    assert not left
    assert "killed what had left all trees" not in it.output
    assert containers.owed(str(tmp_path / "state" / "lease")) == []


async def test_no_container_outlives_a_supervisor_that_is_killed(
    tmp_path: Path, real: RealEngine, record: Record
) -> None:
    async with staged(tmp_path, real) as it:
        assert len(real.containers(all=False)) == 2
        it.send(signal.SIGKILL)
        await see_none(real, real.kind, "SIGKILL", record)


async def test_the_guardian_removes_nobody_elses(tmp_path: Path, real: RealEngine, record: Record) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with staged(tmp_path / "one", real) as one, staged(tmp_path / "two", real) as two:
        assert len(real.containers(all=False)) == 4
        before = {str(each["Id"]) for each in real.containers()}
        one.send(signal.SIGKILL)

        await eventually(lambda: len(real.containers()) == 2)
        await trio.sleep(1.5)
        left = {str(each["Id"]) for each in real.containers(all=False)}
        assert len(left) == 2
        assert left < before
        two.send(signal.SIGINT)
        assert await two.end() == 0
    assert "restart" not in two.output
    await see_none(real, f"{real.kind}, of two runs", "SIGKILL", record)


async def test_a_guardian_that_has_taken_over_knows_the_engines(
    tmp_path: Path, real: RealEngine, record: Record
) -> None:
    async with staged(tmp_path, real) as it:
        kill(guardian_of(it))
        await it.see("has taken over")
        it.send(signal.SIGKILL)
        await see_none(real, real.kind, "SIGKILL of guardian, then of it", record)


async def test_what_a_double_kill_leaves_is_removed_by_the_next_start(
    tmp_path: Path, real: RealEngine, record: Record
) -> None:
    async with staged(tmp_path, real) as it:
        guardian = guardian_of(it)
        it.send(signal.SIGSTOP)
        kill(guardian)
        it.send(signal.SIGKILL)
        await it.process.wait()
        assert len(real.containers(all=False)) == 2
        stranger = real.call("POST", "/containers/create?name=stranger", _stranger()).json()["Id"]
        # A lease of another boot says nothing of processes; containers do not go with the machine.
        lease = tmp_path / "state" / "lease"
        lease.write_bytes(lease.read_bytes().replace(b"\t", b"another boot\t", 1))

    async with running(tmp_path, "agents: {a: {command: ['true'], restart: temporary}}\n") as again:
        assert await again.end() == 0

    assert "removed 2 containers that an earlier run left behind: " in again.output
    assert [each["Id"] for each in real.containers()] == [stranger]
    real.clear()
    await see_none(real, real.kind, "double kill, next start", record)


def _stranger() -> dict[str, object]:
    return {
        "Image": IMAGE,
        "Cmd": ["true"],
        "HostConfig": {"NetworkMode": "none"},
        "Labels": {"trio-supervisor.instance": "another"},
    }


async def test_an_engine_that_does_not_answer_is_not_forgotten(tmp_path: Path, podman: RealEngine) -> None:
    lease = tmp_path / "state" / "lease"
    async with staged(tmp_path, podman) as it:
        guardian = guardian_of(it)
        it.send(signal.SIGSTOP)
        kill(guardian)
        it.send(signal.SIGKILL)
        await it.process.wait()
    podman.stop()
    try:
        async with running(tmp_path, "agents: {a: {command: ['true'], restart: temporary}}\n") as without:
            assert await without.end() == 0
        assert "not removed, and tried again at the next start: containers of instance" in without.output
        assert len(containers.owed(str(lease))) == 1
    finally:
        podman.start()
    async with running(tmp_path, "agents: {a: {command: ['true'], restart: temporary}}\n") as again:
        assert await again.end() == 0

    assert "removed 2 containers" in again.output
    assert containers.owed(str(lease)) == []
    assert podman.containers() == []
