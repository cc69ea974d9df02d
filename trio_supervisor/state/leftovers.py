"""What a run has left alive that was killed together with its guardian: finds and kills it, by the lease."""

import fcntl
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import trio

from trio_supervisor.record import record
from trio_supervisor.state.belonging import belonging
from trio_supervisor.system import lease
from trio_supervisor.system.cgroup import Cgroup, kill, remove
from trio_supervisor.system.cgroup_leaf import leave
from trio_supervisor.system.kill import signal_exactly
from trio_supervisor.system.lease import Leftovers
from trio_supervisor.system.procfs import Process, processes

PATIENCE = 5.0
"""So long (seconds) a guardian may need for its own sweep, and then again what is killed for its end."""

_PAUSE = 0.02
_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1
_FREEZES = 10
"""So many looks may find processes that the one before has not; then what is known is killed."""


@record
class Cleared:
    """What became of what a run has left."""

    since: float = 0.0
    """When that run began, in seconds since the epoch; 0: there was none."""
    killed: tuple[Process, ...] = ()
    left: tuple[Process, ...] = ()
    """What is alive although it was to be killed."""
    containers: tuple[str, ...] = ()
    """The names of those that were removed."""
    owed: tuple[str, ...] = ()
    """Why containers could not be looked for, or removed, in words."""


async def clear(path: Path, patience: float = PATIENCE) -> Cleared:
    """Wait until the guardian that wrote this lease is gone, then kill what is left of its instance.

    When nothing is alive any more the lease is empty. It must be nobody's who is still needed.
    """
    await _wait_for_keeper(path, patience)
    # They outlive the machine itself, so it does not matter of which boot the lease is.
    containers, owed = await _clear_containers(path, patience)
    left = lease.read(str(path))
    if left is None or not left.numbering or left.numbering != lease.numbering():
        return Cleared(containers=containers, owed=owed)
    hunt = _Hunt(left)
    alive = await hunt.run(patience)
    if not alive:
        for one in left.living:
            if one.cgroup:
                remove(one.cgroup)
        for path_of_slice in filter(None, left.cgroup.split(os.pathsep)):
            remove(path_of_slice)
            leave(path_of_slice + ".self")
        with suppress(OSError):  # the next lease replaces it
            os.truncate(path, 0)
    stubborn = {(one.pid, one.started) for one in alive}
    killed = tuple(one for key, one in hunt.found.items() if key not in stubborn)
    return Cleared(left.since, killed, tuple(alive), containers, owed)


async def _clear_containers(path: Path, patience: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove those of earlier runs; what can't be is remembered, for the next start."""
    if not (path.parent / "containers").exists():
        return (), ()
    from trio_supervisor.system import containers  # noqa: PLC0415 -- HTTP, which most runs do not need here

    removed: list[str] = []
    why: list[str] = []
    still: list[tuple[str, str]] = []
    for instance, address in containers.owed(str(path)):
        names, trouble = await trio.to_thread.run_sync(containers.sweep, address, instance, patience)
        removed += names
        if trouble:
            still.append((instance, address))
            why.append(f"containers of instance {instance}: {trouble}")
    with suppress(OSError):  # then they are looked for once more
        containers.settle(str(path), still)
    return tuple(removed), tuple(why)


async def _wait_for_keeper(path: Path, patience: float) -> None:
    """Wait until nobody writes the lease any more, or there is none; at most `patience`."""
    with trio.move_on_after(patience), suppress(OSError):
        while _is_kept(path):  # noqa: ASYNC110 - the lock of another process tells nobody of its end
            await trio.sleep(_PAUSE)


def _is_kept(path: Path) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It may have been replaced, with a lock of its own, after it was opened.
        return not lease.is_at(fd, str(path))
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


class _Hunt:
    """Looks for what an instance has left, and kills it, until nothing is found."""

    def __init__(self, left: Leftovers) -> None:
        self._left = left
        self.found: dict[tuple[int, int], Process] = {}
        """All that was ever found, by pid and start."""

    async def run(self, patience: float) -> list[Process]:
        """Kill; returns what is alive after `patience`."""
        until = trio.current_time() + patience
        freezes, pause = 0, _SHORTEST_PAUSE
        while alive := self._look():
            late = trio.current_time() >= until
            # What is stopped starts nothing more, so nobody is killed before its children were found through it.
            if self._freeze(alive) and freezes < _FREEZES and not late:
                freezes += 1
                await trio.lowlevel.checkpoint()
                continue
            self._kill(alive)
            if late:
                return alive
            await trio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return []

    def _look(self) -> list[Process]:
        return [one for one in belonging(self._left, processes()) if one.alive]

    def _freeze(self, alive: Iterable[Process]) -> bool:
        """Stop those that are new; returns whether there were any."""
        new = [one for one in alive if (one.pid, one.started) not in self.found]
        for one in new:
            self.found[one.pid, one.started] = one
            signal_exactly(one, signal.SIGSTOP)
        return bool(new)

    def _kill(self, alive: Iterable[Process]) -> None:
        for born in self._left.living:
            if born.cgroup and os.getpid() not in Cgroup(born.cgroup).members():
                kill(born.cgroup)
        for one in alive:
            signal_exactly(one)
