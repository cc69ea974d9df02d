"""Orphans that come to this process: as heir of all its descendants when the guardian is gone, or as PID 1.

They are children that nobody here has started and nobody waits for. Those that somebody did start (a task that runs
programs of its own) are waited for by whoever that was, so a zombie is only reaped when it was left lying for a while.
"""

import os
import signal
from collections.abc import Callable, Collection
from contextlib import suppress

import trio

from trio_supervisor.system.procfs import process

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2)."""
LEFT_LYING = 5.0
"""So long (seconds) a zombie is left to whoever may wait for it."""


def become_heir() -> None:
    """Get the orphans among this process's descendants that have no nearer heir (PR_SET_CHILD_SUBREAPER)."""
    import ctypes  # noqa: PLC0415 -- it takes 10 ms

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


async def tend_children(known: Callable[[], Collection[int]], look: Callable[[], None]) -> None:
    """Reap zombies until cancelled, and call `look` whenever a child of this process has ended or was stopped.

    `known`: children that are waited for elsewhere. On the main thread only. Sleeps until there is something to see.
    """
    orphanage = _Orphanage(known)
    # One receiver for both: Trio tells a signal to the last one alone.
    with trio.open_signal_receiver(signal.SIGCHLD) as seen:
        look()  # it may have happened before
        async with trio.open_nursery() as nursery:
            async for _ in seen:
                look()
                if not orphanage.busy:
                    nursery.start_soon(orphanage.reap)


class _Orphanage:
    """Zombies that nobody has asked for yet."""

    def __init__(self, known: Callable[[], Collection[int]]) -> None:
        self._known = known
        self.busy = False

    async def reap(self) -> None:
        """Wait until those that lie about are reaped, by whoever waits for them or else here."""
        self.busy = True
        seen = _zombies()
        while seen - set(self._known()):
            await trio.sleep(LEFT_LYING)
            still = _zombies()
            for pid in (seen & still) - set(self._known()):
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 -- for that reason it does not wait
            seen = still - seen
        self.busy = False


def _zombies() -> set[int]:
    """The children of this process that have ended and were not waited for."""
    children: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", "rb", buffering=0) as file:
                children.update(map(int, file.readall().split()))
    return {pid for pid in children if (found := process(pid)) is not None and not found.alive}
