"""The lease: a file that says who lives, for the next start to clear when supervisor and guardian are killed at once.

A line per fact, after a head; what is over is left out when the file is written anew, which is by a file beside it that
takes its place: a reader finds the old one or the new one. Only whole lines count, so a write may be torn anywhere.
Its writer holds an flock on it, which ends with the writer. Nothing is synced to the disk: after a crash of the machine
nobody lives, and the head tells that it was before.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from errno import EEXIST, ENOSPC

from trio_supervisor.system.procfs import process

_FIRST = b"trio-supervisor lease 1"
"""The first line, with the number of the format."""
_NEEDLESS_LINES = 1000
_RETRY_AFTER = 1.0


class Born:
    """The leader of one life of a child. Not to be changed."""

    __slots__ = ("cgroup", "child", "generation", "pid", "started")

    def __init__(self, pid: int, started: int, child: str, generation: int, cgroup: str) -> None:
        """`started`: as in `Process`; `cgroup`: the directory of its own, or ""."""
        self.pid = pid
        self.started = started
        self.child = child
        self.generation = generation
        self.cgroup = cgroup


class Leftovers:
    """What a lease says. Not to be changed."""

    __slots__ = ("cgroup", "forks", "instance", "keeper", "keeper_started", "living", "numbering", "since")

    def __init__(
        self,
        numbering: str,
        instance: str,
        since: float,
        forks: int,
        keeper: int,
        keeper_started: int,
        cgroup: str,
        living: tuple[Born, ...] = (),
    ) -> None:
        """`since`: when the instance began, in seconds since the epoch; `keeper`: the pid of who wrote the lease;
        `numbering` and `forks`: those of the functions, when the instance began.
        """
        self.numbering = numbering
        self.instance = instance
        self.since = since
        self.forks = forks
        self.keeper = keeper
        self.keeper_started = keeper_started
        self.cgroup = cgroup
        self.living = living


class Lease:
    """Keeps the file. Nothing here raises or waits for anybody.

    What `path` says of the same instance is kept: so a new guardian goes on where another one was killed.
    """

    def __init__(self, path: str, instance: str, cgroup: str, on_trouble: Callable[[OSError], None]) -> None:
        """`cgroup`: the directory in which the children have theirs, or "".

        `on_trouble` is called when the file can't be written; again only if it could be meanwhile. It is written anew
        with all who live as soon as that works, which is tried at the next fact, at most once a second.
        """
        self._path = path
        self._on_trouble = on_trouble
        self._fd = -1
        self._lines = 0
        self._troubled = False
        self._retry_at = 0.0
        before = read(path)
        if before is None or before.instance != instance or before.numbering != numbering():
            before = Leftovers(numbering(), instance, time.time(), forks(), 0, 0, cgroup)
        self._head = _head(before, os.getpid())
        self._living = {(one.pid, one.started): _born(one) for one in before.living}
        self._write_anew()

    def born(self, pid: int, started: int, child: str, generation: int, cgroup: str = "") -> None:
        """A life has begun; `started` as in `Process`; `cgroup`: the directory of its own."""
        line = _born(Born(pid, started, child, generation, cgroup))
        self._living[pid, started] = line
        self._append(line)

    def gone(self, pid: int, started: int) -> None:
        """Nothing is left of a life."""
        if self._living.pop((pid, started), None) is not None:
            self._append(f"gone\t{pid}\t{started}\n".encode())

    def close(self) -> None:
        """Empty the file: nobody lives. Called once, and the last."""
        if self._fd >= 0:
            with suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1

    def _append(self, line: bytes) -> None:
        self._lines += 1
        if self._fd < 0 or self._troubled or self._lines > _NEEDLESS_LINES + 2 * len(self._living):
            self._write_anew()
            return
        try:
            _write(self._fd, line)
        except OSError as error:
            self._tell(error)

    def _write_anew(self) -> None:
        if self._troubled and time.monotonic() < self._retry_at:
            return
        try:
            fd = self._replace(b"".join((self._head, *self._living.values())))
        except OSError as error:
            self._tell(error)
            return
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._lines = 0
        self._troubled = False

    def _tell(self, error: OSError) -> None:
        first = not self._troubled
        self._troubled = True
        self._retry_at = time.monotonic() + _RETRY_AFTER
        if first:
            self._on_trouble(error)

    def _replace(self, content: bytes) -> int:
        """Put a file with this content in the place of the lease; returns its descriptor, with the lock on it."""
        beside = f"{self._path}.new"
        with suppress(FileNotFoundError):
            os.unlink(beside)
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(fd, content)
            if self._fd >= 0 and not is_at(self._fd, self._path):
                raise FileExistsError(EEXIST, "somebody else has replaced it", self._path)
            os.rename(beside, self._path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                os.unlink(beside)
            raise
        return fd


def read(path: str) -> Leftovers | None:
    """What a lease says; None if there is none, it is empty, no lease, or another user's. Lines that are no facts are
    passed over.
    """
    lines = _content(path, os.geteuid()).split(b"\n")[:-1]  # what stands behind the last end of a line is torn
    if len(lines) < 2 or lines[0] != _FIRST:
        return None
    try:
        return _parse(_fields(lines[1]), _living(lines[2:]))
    except ValueError:
        return None


def numbering() -> str:
    """Which numbers of processes these are: those of this boot, in this pid namespace; "" where there is no /proc."""
    boot = _content("/proc/sys/kernel/random/boot_id").decode().strip()
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    # A namespace's own number is given away again after its end; its first process tells it from a later one.
    first = process(1)
    return f"{boot} {namespace} {first.started if first is not None else ''}".strip()


def forks() -> int:
    """How many processes and threads this machine has started since its boot; -1 if it does not tell."""
    for line in _content("/proc/stat").split(b"\n"):
        if line.startswith(b"processes "):
            return int(line.split()[1])
    return -1


def came_round(forks_then: int) -> bool:
    """Whether a number that was in use then may have been given to another process since; True if that can't be told.

    Numbers are given in turn, so for that all the others have to be given first.
    """
    forks_now = forks()
    limit = _content("/proc/sys/kernel/pid_max").strip()
    return forks_then < 0 or forks_now < 0 or not limit.isdigit() or forks_now - forks_then > int(limit) // 2


def is_at(fd: int, path: str) -> bool:
    """Whether a path leads to the file that is open as `fd`, or nowhere."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return True
    return os.path.samestat(os.fstat(fd), there)


def _write(fd: int, data: bytes) -> None:
    if os.write(fd, data) != len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))


def _content(path: str, owner: int | None = None) -> bytes:
    """What is in a file, if it belongs to that user; nothing if it can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            if owner is not None and os.fstat(file.fileno()).st_uid != owner:
                return b""
            return file.readall()
    except OSError:
        return b""


def _head(run: Leftovers, keeper: int) -> bytes:
    itself = process(keeper)
    started = itself.started if itself is not None else 0
    numbers = (run.since, run.forks, keeper, started)
    return _FIRST + b"\n" + _line(run.numbering, run.instance, *numbers, run.cgroup)


def _born(one: Born) -> bytes:
    return _line("born", one.pid, one.started, one.generation, one.child, one.cgroup)


def _line(*fields: object) -> bytes:
    # A name or path with these in it is none of ours; it must not take the other fields along.
    plain = (str(field).replace("\t", "?").replace("\n", "?") for field in fields)
    return "\t".join(plain).encode("utf-8", "surrogateescape") + b"\n"


def _fields(line: bytes) -> list[str]:
    return line.decode("utf-8", "surrogateescape").split("\t")


def _parse(fields: list[str], living: tuple[Born, ...]) -> Leftovers:
    numbering, instance, since, forks, keeper, started, cgroup = fields
    return Leftovers(numbering, instance, _time(since), int(forks), int(keeper), int(started), cgroup, living)


def _time(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e11:
        raise ValueError(f"{text} is no time")
    return seconds


def _child(text: str) -> int:
    """A pid that a child can have: 0 and 1 are the kernel's and the first process's."""
    pid = int(text)
    if pid <= 1:
        raise ValueError(f"the pid of a child must be > 1, not {pid}")
    return pid


def _living(lines: Iterable[bytes]) -> tuple[Born, ...]:
    living: dict[tuple[int, int], Born] = {}
    for line in lines:
        kind, *fields = _fields(line)
        with suppress(ValueError):  # no fact
            match kind:
                case "born":
                    pid, started, generation, child, cgroup = fields
                    one = Born(_child(pid), int(started), child, int(generation), cgroup)
                    living[one.pid, one.started] = one
                case "gone":
                    pid, started = fields
                    living.pop((int(pid), int(started)), None)
                case _:
                    pass
    return tuple(living.values())
