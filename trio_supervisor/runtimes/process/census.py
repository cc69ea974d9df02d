"""Looks into /proc from Trio: in few threads, and shared by all who look at the same time."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

from trio_supervisor.system.procfs import Process, processes

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREADS = 2
"""At most so many look into /proc at a time; they never wait for anybody else's threads."""

_limiter: "trio.lowlevel.RunVar[trio.CapacityLimiter]" = trio.lowlevel.RunVar("trio_supervisor.procfs.limiter")
_census: "trio.lowlevel.RunVar[Census]" = trio.lowlevel.RunVar("trio_supervisor.procfs.census")


async def in_thread(look: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call `look` in a worker thread, among at most `THREADS`: for what may take more than a few milliseconds.

    Where no thread can be started (a limit of processes is reached), everybody else waits for it.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
    try:
        return await trio.to_thread.run_sync(look, *args, limiter=limiter)
    except RuntimeError:
        return look(*args)


async def census() -> list[Process]:
    """All processes, by a scan that begins after this call; whoever calls before it begins shares it.

    When a thousand trees end at once, that is a few scans and not a thousand.

    Raises:
        OSError: there is no descriptor left to look with.
    """
    try:
        shared = _census.get()
    except LookupError:
        shared = Census()
        _census.set(shared)
    return await shared.take()


class _Scan:
    def __init__(self) -> None:
        self.over = trio.Event()
        self.found: list[Process] | None = None


class Census:
    """Shares scans of all processes."""

    def __init__(self) -> None:
        self._next: _Scan | None = None

    async def take(self) -> list[Process]:
        """See `census`."""
        while True:
            scan = self._next
            if scan is None:
                return await self._lead()
            await scan.over.wait()
            if scan.found is not None:  # else its leader was cancelled, or could not look
                return scan.found

    async def _lead(self) -> list[Process]:
        scan = self._next = _Scan()
        try:
            found = scan.found = await in_thread(self._run)
        finally:
            if self._next is scan:
                self._next = None
            scan.over.set()
        return found

    def _run(self) -> list[Process]:
        # From here on it is too late to join.
        self._next = None
        return processes()
