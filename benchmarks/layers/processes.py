"""What a process child costs: spawn and exit beside plain Popen, memory while it runs, a mass stop, floods of output.

With a guardian and without it.

python benchmarks/layers/processes.py
"""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path

import trio

from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.runtimes.process.guarding import open_guarded
from trio_supervisor.spec import ChildSpec, ProcessSpec
from trio_supervisor.testing import ScriptedLaunch

SPAWNS = 400
AT_A_TIME = 40
RUNNING = 1000
_numbers = count(1)
FLOOD = Path(__file__).parent.parent.parent / "tests" / "subjects" / "progs" / "flood.py"


async def always_room() -> None:
    """A listener that is never full."""


def ignore(_: Stream, __: bytes) -> None:
    """A listener that costs nothing."""


def life_of(*command: str, output: Callable[[Stream, bytes], None] = ignore) -> ProcessLife:
    """A life, not started yet."""
    name = f"agent-{next(_numbers)}"
    launch = ScriptedLaunch(name, output=output, room=always_room)
    return ProcessRuntime(ChildSpec(name, ProcessSpec(command))).life(launch)


async def live(*command: str, output: Callable[[Stream, bytes], None] = ignore) -> None:
    """From the start to the end."""
    life = life_of(*command, output=output)
    await life.start()
    assert (await life.wait()).clean


async def lives(count: int) -> None:
    """One after the other."""
    for _ in range(count):
        await live("/bin/true")


async def many_lives() -> None:
    """The same number, `AT_A_TIME`."""
    async with trio.open_nursery() as nursery:
        for _ in range(AT_A_TIME):
            nursery.start_soon(lives, SPAWNS // AT_A_TIME)


def proportional_kib(pid: int | None) -> int:
    """PSS of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


async def guarded(run: Callable[..., Awaitable[object]], *args: object) -> None:
    """The same with processes that are spawned by a guardian, and what that one is like in the end."""
    async with open_guarded(Guard(print)) as spawner:
        await run(*args)
        print(f"the guardian: {proportional_kib(spawner.pid)} KiB")


def popens(at_a_time: int) -> None:
    """The floor: the standard library, with the pipes that a life has."""
    for _ in range(SPAWNS // at_a_time):
        processes = [
            subprocess.Popen(
                ["/bin/true"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            for _ in range(at_a_time)
        ]
        for process in processes:
            process.communicate()


def time_each(label: str, run: Callable[..., object], *args: object) -> None:
    """Print what one of `SPAWNS` takes."""
    begun, cpu = time.perf_counter(), time.process_time()
    run(*args)
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(f"{label:32} {wall / SPAWNS * 1e6:6.0f} us each, {cpu / SPAWNS * 1e6:4.0f} us of them our CPU")


def resident_bytes() -> int:
    """RSS of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def running_and_stopped(command: list[str]) -> None:
    """Memory and idle CPU of `RUNNING` children, and the time to end them all. Who comes second reuses the memory."""
    await live("/bin/true")
    gc.collect()
    before = resident_bytes()
    all_lives = [life_of(*command) for _ in range(RUNNING)]
    async with trio.open_nursery() as nursery:
        begun = time.perf_counter()
        for life in all_lives:
            await life.start()
            nursery.start_soon(life.wait)
        started = time.perf_counter() - begun
        await trio.sleep(1)
        grown = (resident_bytes() - before) / 1024
        cpu = time.process_time()
        await trio.sleep(2)
        idle = (time.process_time() - cpu) / 2
        begun = time.perf_counter()
        for life in all_lives:
            life.kill()
    print(
        f"{RUNNING} x {' '.join(command)!r}: up in {started:.2f} s, killed in {time.perf_counter() - begun:.2f} s; "
        f"idle {idle:.3%} CPU; we grew by {grown:.0f} KiB"
    )


async def floods(count: int, size_mib: int) -> None:
    """Throughput of reading."""
    read = 0

    def take(_: Stream, chunk: bytes) -> None:
        nonlocal read
        read += len(chunk)

    begun, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(partial(live, sys.executable, str(FLOOD), str(size_mib), output=take))
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    assert read == count * size_mib << 20
    print(f"{count} x {size_mib} MiB read: {read / wall / 2**20:.0f} MiB/s, CPU {cpu / wall:.0%}")


def main() -> None:
    """Everything, in about 30 s."""
    time_each("Popen, one at a time", popens, 1)
    time_each(f"Popen, {AT_A_TIME} at a time", popens, AT_A_TIME)
    time_each("a life, one at a time", trio.run, lives, SPAWNS)
    time_each(f"a life, {AT_A_TIME} at a time", trio.run, many_lives)
    time_each("by the guardian, one at a time", trio.run, guarded, lives, SPAWNS)
    time_each(f"by the guardian, {AT_A_TIME} at a time", trio.run, guarded, many_lives)
    trio.run(running_and_stopped, ["sleep", "300"])
    trio.run(running_and_stopped, ["sh", "-c", "sleep 300 & wait"])
    trio.run(guarded, running_and_stopped, ["sleep", "300"])
    trio.run(guarded, running_and_stopped, ["sh", "-c", "sleep 300 & wait"])
    trio.run(floods, 1, 1000)
    trio.run(floods, 10, 100)


if __name__ == "__main__":
    main()
