"""One cgroup for one life of a child: who is in it, its end, its ceilings, what the kernel counted against them.

The group of version 2 (`tree`) holds the child with all that it starts, whatever that does to get away. Controllers
that version 2 does not have here are used in version 1, in a group of their own beside it; either may be missing.
"""

import os
import select
import signal
import time
from contextlib import suppress

from trio_supervisor.system.cgroup_places import members
from trio_supervisor.system.procfs import NO_ROOM

DESTROY_PATIENCE = 2.0
"""So long (seconds) `destroy` waits, unless told otherwise."""

_BATCH = 64 * os.sysconf("SC_PAGE_SIZE")
"""The kernel counts memory in steps of at most so many bytes."""
_PAUSE = 0.005
"""Seconds between two looks, where no event tells."""


class Cgroup:
    """The groups of one life; each is a directory, or None. Made by `Slice.make`."""

    __slots__ = ("memory", "pids", "tree")

    def __init__(self, tree: str | None = None, memory: str | None = None, pids: str | None = None) -> None:
        """`memory`, `pids`: the group with that controller; the same as `tree` where version 2 has it."""
        self.tree = tree
        self.memory = memory
        self.pids = pids

    @property
    def directories(self) -> tuple[str, ...]:
        """All groups, each once; that of version 2 first."""
        return tuple(dict.fromkeys(path for path in (self.tree, self.memory, self.pids) if path is not None))

    @property
    def join_files(self) -> tuple[str, ...]:
        """Where a process with one thread writes "0", before exec, to be born in the groups."""
        if self.tree is not None and self.memory is None and self.pids is None:
            return (self.tree + "/cgroup.procs",)  # that of nearly all
        # `tasks` means the same to it as `cgroup.procs`, but takes no lock that all forks of the machine wait for.
        return tuple(path + ("/cgroup.procs" if path == self.tree else "/tasks") for path in self.directories)

    def kill(self) -> bool:
        """SIGKILL to all in it, and in the groups below it; without version 2 to all that are found at this moment.

        False: there was no descriptor for it.
        """
        return kill(self.directories[0])

    def members(self) -> list[int]:
        """The numbers of all in it and below it, zombies among them."""
        return [pid for path in self.directories for each in _with_groups_below(path) for pid in members(each)]

    def populated(self) -> bool:
        """Whether anybody lives in it or below it; a zombie does not."""
        return any(populated(path) for path in self.directories)

    def is_over(self) -> bool:
        """Whether nobody lives in it any more. One that has counted nothing is mostly gone by then: the kernel removes
        only what is empty, so one call does for five.
        """
        counted_nothing = self.memory is None and self.pids is None
        return (counted_nothing and self.tree is not None and _remove_one(self.tree)) or not self.populated()

    def remove(self) -> bool:
        """Remove it with the groups that the child has made in it; False if it can't be, as somebody lives in it."""
        left = [path for path in self.directories if not remove(path)]
        return not left

    def open_events(self) -> "Events | None":
        """What becomes readable when it becomes empty; None without version 2, where nothing tells."""
        return None if self.tree is None else Events(self.tree)

    def memory_used(self) -> int | None:
        """Bytes that count against its ceiling and that the kernel can't simply take back; None: it does not count.

        File contents that nobody has asked for lately are taken back before anybody is killed.
        """
        if self.memory is None:
            return None
        v2 = self.memory == self.tree
        usage = _number(self.memory + ("/memory.current" if v2 else "/memory.usage_in_bytes"))
        cache = _counter(self.memory + "/memory.stat", "inactive_file" if v2 else "total_inactive_file")
        return None if usage is None else max(0, usage - cache)

    def cpu_used(self) -> float | None:
        """Seconds of CPU time of all that were ever in it; None without version 2, which alone counts it always."""
        return None if self.tree is None else _counter(self.tree + "/cpu.stat", "usage_usec") / 1e6

    def memory_kills(self) -> int:
        """How many in it the kernel has killed for want of memory, of the group or of the whole machine.

        A ceiling that somebody has set further below, for a part of it, is none of our business.
        """
        if self.memory is None:
            return 0
        if self.memory != self.tree:
            return _counter(self.memory + "/memory.oom_control", "oom_kill")
        events = "/memory.events" if self.memory_ran_out() else "/memory.events.local"
        return _counter(self.memory + events, "oom_kill")

    def memory_ran_out(self) -> bool:
        """Whether its own ceiling was reached."""
        if self.memory is None:
            return False
        if self.memory == self.tree:
            return _counter(self.memory + "/memory.events.local", "oom") > 0
        # The counters of version 1 for that stay 0 in newer kernels; its highest mark does not lie.
        highest = _number(self.memory + "/memory.max_usage_in_bytes") or 0
        limit = _number(self.memory + "/memory.limit_in_bytes")
        return limit is not None and highest + _BATCH >= limit

    def pids_refused(self) -> int:
        """How often a process or thread could not be started, because there were too many already."""
        return 0 if self.pids is None else _counter(self.pids + "/pids.events", "max")


class Events:
    """Tells when a group of version 2 becomes empty, or is joined again."""

    def __init__(self, path: str) -> None:
        """Raises OSError when there is no such group (any more)."""
        self._file = os.open(path + "/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._file, select.EPOLLPRI)

    def fileno(self) -> int:
        """Readable as soon as something has changed since `populated` was last called; at first at once."""
        return self._epoll.fileno()

    def populated(self) -> bool:
        """Whether anybody lives in the group or below it."""
        try:
            return b"populated 1" in os.pread(self._file, 4096, 0)
        except OSError:  # it is removed
            return False

    def close(self) -> None:
        """Give the two descriptors back."""
        self._epoll.close()
        os.close(self._file)


def destroy(path: str, patience: float = DESTROY_PATIENCE) -> bool:
    """Kill everybody in a group and below it, and remove it; waits at most `patience` seconds. True: it is gone."""
    until = time.monotonic() + patience
    while os.path.isdir(path):
        kill(path)
        _wait_empty(path, until)
        if remove(path):
            break
        if time.monotonic() >= until:
            return False
        time.sleep(_PAUSE)
    return True


def kill(path: str) -> bool:
    """SIGKILL to all in a group and below it; nothing happens when it is gone. False: no descriptor was left for it."""
    try:
        write(path + "/cgroup.kill", "1")
    except OSError as error:
        if error.errno in NO_ROOM:
            return False
        # Version 1, or an old kernel, or it is gone.
        for group in _with_groups_below(path):
            _kill_members(group)
    return True


def _kill_members(path: str) -> None:
    pidfds: dict[int, int] = {}
    try:
        for pid in members(path):
            with suppress(OSError):  # it has ended, or is none that we see
                pidfds[pid] = os.pidfd_open(pid)
        # Whose number is still there is who was meant: from now on the descriptor stands for it and nobody else.
        for pid in set(members(path)) & set(pidfds):
            with suppress(OSError):
                signal.pidfd_send_signal(pidfds[pid], signal.SIGKILL)
    finally:
        for pidfd in pidfds.values():
            os.close(pidfd)


def populated(path: str) -> bool:
    """Whether anybody lives in a group or below it."""
    try:
        with open(path + "/cgroup.events", "rb", buffering=0) as file:
            return b"populated 1" in file.readall()
    except OSError as error:
        if error.errno in NO_ROOM:
            # What can be removed was empty; to find that out takes no descriptor.
            return not remove(path)
        # Version 1, or it is gone.
        return any(members(group) for group in _with_groups_below(path))


def remove(path: str) -> bool:
    """Remove a group and those below it; False as long as somebody lives in one of them."""
    # Hardly any child makes groups of its own.
    return _remove_one(path) or all(_remove_one(group) for group in reversed(_with_groups_below(path)))


def _remove_one(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _wait_empty(path: str, until: float) -> None:
    try:
        events = Events(path)
    except OSError:  # version 1 has no events; whoever calls looks again
        return
    try:
        waiting = select.poll()
        waiting.register(events.fileno(), select.POLLIN)
        while events.populated() and (left := until - time.monotonic()) > 0:
            waiting.poll(left * 1000)
    finally:
        events.close()


def _with_groups_below(path: str) -> list[str]:
    """A group and all below it, each before those that it contains."""
    found = [path]
    for group in found:
        with suppress(OSError), os.scandir(group) as entries:
            found += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    return found


def join(path: str) -> None:
    """Bring this process, which has one thread, into a group by its `cgroup.procs` or `tasks` file; makes the group if
    it was only named.

    Raises:
        OSError: it can't be made, or joined.
    """
    with suppress(FileExistsError):
        os.mkdir(os.path.dirname(path))
    write(path, "0")


def write(path: str, text: str) -> None:
    """Write to a file of a group, in the one call that the kernel takes as one wish. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def _number(path: str) -> int | None:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _counter(path: str, name: str) -> int:
    """The number after `name` in a file with a name and a number in each line; 0 when it is not there."""
    try:
        with open(path) as file:
            return next((int(line.split()[1]) for line in file if line.startswith(name + " ")), 0)
    except OSError:
        return 0
