"""What /proc tells about processes. Where there is no /proc, it tells of none."""

import errno
import os

NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE})
"""Error numbers that say nothing of what was looked for: this process, or the system, has no descriptor left."""


class Process:
    """One line of /proc/PID/stat (proc_pid_stat(5)). Not to be changed."""

    __slots__ = ("group", "name", "parent", "pid", "session", "started", "state", "threads")

    def __init__(
        self, pid: int, name: str, state: str, parent: int, group: int, session: int, threads: int, started: int
    ) -> None:
        """`started`: in clock ticks since boot; with `pid` it names one process for ever."""
        self.pid = pid
        self.name = name
        self.state = state
        self.parent = parent
        self.group = group
        self.session = session
        self.threads = threads
        self.started = started

    @property
    def alive(self) -> bool:
        """Whether it can still do something; where only the first thread has ended, the state is a zombie's too."""
        return self.state not in "ZXx" or self.threads > 1

    def __str__(self) -> str:
        return f"{self.pid} ({self.name})"


def process(pid: int) -> Process | None:
    """One process; None when there is none with this number (or it must not be looked at)."""
    try:
        return _look_at(pid)
    except OSError:
        return None


def _look_at(pid: int) -> Process | None:
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
    """All processes; costs about 15 microseconds each.

    Raises:
        OSError: there is no descriptor left to look with: that is not the same as nobody.
    """
    return [found for pid in _numbers() if (found := _look_at(pid)) is not None]


def pids() -> list[int]:
    """The numbers of all processes, as far as we can look."""
    try:
        return _numbers()
    except OSError:
        return []


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return []


def cpu_ticks(pid: int) -> int:
    """The CPU time of a process, and of those of its children that it has waited for, in clock ticks; 0 for what is
    gone.
    """
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) if len(fields) >= 20 else 0


def heeds(pid: int, number: int) -> bool | None:
    """Whether a process does something with a signal, or keeps it for later; None for what is gone."""
    try:
        lines = _read(f"/proc/{pid}/status").splitlines()
    except OSError:
        return None
    masks = {name: value for name, _, value in (line.partition(b":") for line in lines)}
    if b"SigCgt" not in masks or b"SigBlk" not in masks:
        return None
    return bool((int(masks[b"SigCgt"], 16) | int(masks[b"SigBlk"], 16)) >> (number - 1) & 1)


def command_line(pid: int) -> str:
    """Program and arguments, at most 80 characters of them; the bare name for what has none; "" for what is gone."""
    try:
        words = _read(f"/proc/{pid}/cmdline")
    except OSError:
        words = b""
    text = words.rstrip(b"\0").replace(b"\0", b" ").decode(errors="backslashreplace")
    if not text:
        found = process(pid)
        return found.name if found is not None else ""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 80 else text[:79] + "…"


def _read(path: str) -> bytes:
    """The beginning of a file; nothing of what is gone, or must not be looked at.

    Raises:
        OSError: there is no descriptor left to look with.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return b""
    try:
        return os.read(fd, 4096)
    except OSError:  # it has ended between open and read
        return b""
    finally:
        os.close(fd)
