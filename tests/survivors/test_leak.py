"""Ten thousand lives later nothing has grown, in the supervisor or in its guardian."""

import gc
import os
from pathlib import Path

import pytest
import trio
from attrs import frozen

from tests.runtimes.process_helpers import descriptors
from trio_supervisor import Supervisor, process
from trio_supervisor.embedding import supervisor as embedding
from trio_supervisor.embedding.tree import Handle
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.guarded import GuardedSpawner
from trio_supervisor.system.procfs import process as look_at
from trio_supervisor.system.procfs import processes

LIVES = 10_000
AT_ONCE = 20
"""Children, each with one life after the other."""
FIRST = 1_000
"""Lives after which everything has its size."""
MOST_GROWTH = (4 << 20, 1 << 20)
"""Bytes, of the supervisor and of the guardian: the allocator's slack. A leak shows in the number of objects."""
MOST_MORE_OBJECTS = 500


@frozen
class Figures:
    """What a process uses."""

    fds: int
    memory: int
    """Bytes in RAM that nobody shares."""
    threads: int
    zombies: int

    def __str__(self) -> str:
        return f"{self.fds} fds, {self.memory / 1e6:.1f} MB, {self.threads} threads, {self.zombies} zombies"


def figures(pid: int) -> Figures:
    found = look_at(pid)
    assert found is not None
    zombies = sum(one.parent == pid and not one.alive for one in processes())
    return Figures(len(descriptors(pid)), _memory(pid), found.threads, zombies)


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


async def live(child: Handle, lives: int) -> None:
    for _ in range(lives):
        await child.restart()


@pytest.mark.slow
async def test_ten_thousand_lives_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = tmp_path / "lease"
    told: list[str] = []
    monkeypatch.setattr(embedding, "Guard", lambda tell: Guard(told.append, lease=str(lease)))
    children = [process(f"c{number}", ["sleep", "600"]) for number in range(AT_ONCE)]
    async with Supervisor(*children) as tree:
        for child in children:
            await tree[child.id].wait_ready()
        spawner = current_spawner()
        assert isinstance(spawner, GuardedSpawner)
        assert spawner.pid is not None
        seen: list[tuple[Figures, Figures]] = []
        objects: list[int] = []
        for lives in (FIRST, LIVES - FIRST):
            async with trio.open_nursery() as nursery:
                for child in children:
                    nursery.start_soon(live, tree[child.id], lives // AT_ONCE)
            await trio.sleep(0.2)
            gc.collect()
            objects.append(len(gc.get_objects()))
            seen.append((figures(os.getpid()), figures(spawner.pid)))
        largest = lease.stat().st_size
    with capsys.disabled():
        for who, before, after in zip(("supervisor", "guardian"), *seen, strict=True):
            print(f"\n{who} after {FIRST} lives: {before}; after {LIVES}: {after}", end="")  # noqa: T201

    assert not told
    assert largest < 1 << 20
    assert objects[1] - objects[0] < MOST_MORE_OBJECTS
    for before, after, growth in zip(*seen, MOST_GROWTH, strict=True):
        assert after.fds == before.fds
        assert after.threads <= before.threads + 1
        assert after.zombies == before.zombies == 0
        assert after.memory - before.memory < growth
