"""The same children under a supervisor of ours, as an embedding program has them. What it would tell of each crash goes nowhere."""
import logging
import trio
from trio_supervisor import Backoff, Supervisor, task
from trio_supervisor import supervisor as inner
from measuring import measure

logging.disable()
OPTIONS = {"intensity": (10**9, 1), "max_parallel_starts": 10**6}
CHILD = {"backoff": Backoff(initial=0), "same_exits": 0, "startup_crashes": 0}


async def main():
    async with Supervisor(**OPTIONS) as tree:
        names = iter(range(10**9))

        async def many(fn, n):
            await tree.start_child(inner("many", *(task(f"c{next(names)}", fn, **CHILD) for _ in range(n)), **OPTIONS))

        async def one(fn):
            await tree.start_child(task(f"c{next(names)}", fn, **CHILD))
        await measure(trio, many, one)

trio.run(main)
