"""What /proc tells about processes. Where there is no /proc, it tells of none."""

import os
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio
from attrs import frozen

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREADS = 2
"""At most so many look into /proc at a time; they never wait for anybody else's threads."""

_limiter: "trio.lowlevel.RunVar[trio.CapacityLimiter]" = trio.lowlevel.RunVar("trio_supervisor.procfs.limiter")
_census: "trio.lowlevel.RunVar[Census]" = trio.lowlevel.RunVar("trio_supervisor.procfs.census")


@frozen
class Process:
    """One line of /proc/PID/stat (proc_pid_stat(5))."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    threads: int
    started: int
    """Clock ticks since boot; with `pid` it names one process for ever."""

    @property
    def alive(self) -> bool:
        """Whether it can still do something; where only the first thread has ended, the state is a zombie's too."""
        return self.state not in "ZXx" or self.threads > 1

    def __str__(self) -> str:
        return f"{self.pid} ({self.name})"


def process(pid: int) -> Process | None:
    """One process; None when there is none with this number (or it must not be looked at)."""
    stat = _read(f"/proc/{pid}/stat")
    # The name may hold spaces and parentheses itself.
    head, _, tail = stat.rpartition(b")")
    fields = tail.split()
    if len(fields) < 20:
        return None
    name = head.partition(b"(")[2].decode(errors="backslashreplace")
    parent, group, session = map(int, fields[1:4])
    return Process(pid, name, fields[0].decode(), parent, group, session, int(fields[17]), int(fields[19]))


def processes() -> list[Process]:
    """All processes; costs about 15 microseconds each."""
    return [found for pid in pids() if (found := process(pid)) is not None]


def pids() -> list[int]:
    """The numbers of all processes."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def command_line(pid: int) -> str:
    """Program and arguments, at most 80 characters of them; the bare name for what has none; "" for what is gone."""
    text = _read(f"/proc/{pid}/cmdline").rstrip(b"\0").replace(b"\0", b" ").decode(errors="backslashreplace")
    if not text:
        found = process(pid)
        return found.name if found is not None else ""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 80 else text[:79] + "…"


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 4096)
    except OSError:  # it has ended between open and read
        return b""
    finally:
        os.close(fd)


async def in_thread(look: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call `look` in a worker thread, among at most `THREADS`: for what may take more than a few milliseconds."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return await trio.to_thread.run_sync(look, *args, limiter=limiter)


async def census() -> list[Process]:
    """All processes, by a scan that begins after this call; whoever calls before it begins shares it.

    When a thousand trees end at once, that is a few scans and not a thousand.
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
            if scan.found is not None:  # else its leader was cancelled
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
