"""A program that lives through many lives of agents: lives.py LEASE FIRST MORE AT_ONCE.

Prints what it and its guardian use after the first lives, and after more, as JSON. A process of its own, because the
memory of one that has run other tests moves by more than the lives cost.
"""

import gc
import json
import os
import sys
from pathlib import Path

import trio

from trio_supervisor import Supervisor, process
from trio_supervisor.embedding import supervisor as embedding
from trio_supervisor.embedding.tree import Handle
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.guarded import GuardedSpawner
from trio_supervisor.system.procfs import process as look_at
from trio_supervisor.system.procfs import processes


def figures(pid: int) -> dict[str, int]:
    """What a process uses; `memory` is bytes in RAM that nobody shares."""
    found = look_at(pid)
    assert found is not None
    zombies = sum(one.parent == pid and not one.alive for one in processes())
    names = [name for name in os.listdir(f"/proc/{pid}/fd") if os.path.lexists(f"/proc/{pid}/fd/{name}")]
    return {"fds": len(names), "memory": _memory(pid), "threads": found.threads, "zombies": zombies}


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


async def live(child: Handle, lives: int) -> None:
    for _ in range(lives):
        await child.restart()


async def main(lease: str, *numbers: int) -> None:
    first, more, at_once = numbers
    told: list[str] = []
    setattr(embedding, "Guard", lambda tell: Guard(told.append, lease=lease))  # noqa: B010
    children = [process(f"c{number}", ["sleep", "600"]) for number in range(at_once)]
    seen: list[dict[str, object]] = []
    async with Supervisor(*children) as tree:
        for child in children:
            await tree[child.id].wait_ready()
        spawner = current_spawner()
        assert isinstance(spawner, GuardedSpawner)
        assert spawner.pid is not None
        for lives in (first, more):
            async with trio.open_nursery() as nursery:
                for child in children:
                    nursery.start_soon(live, tree[child.id], lives // at_once)
            await trio.sleep(0.2)
            gc.collect()
            objects = len(gc.get_objects())
            seen.append({"objects": objects, "supervisor": figures(os.getpid()), "guardian": figures(spawner.pid)})
        size = os.stat(lease).st_size
    print(json.dumps({"told": told, "lease": size, "seen": seen}))


trio.run(main, sys.argv[1], *map(int, sys.argv[2:]))
