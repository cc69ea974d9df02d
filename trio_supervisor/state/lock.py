"""The lock on a state directory: one supervisor at a time, and the second one learns who the first is.

It is the kernel's flock(2), which ends with its holder, however that ends: on a file, and on the directory itself, as
the file may be removed by who tidies up. What stands in the file is only for telling: it may be that of a holder who is
dead, and then it is not believed.
"""

import fcntl
import json
import os
import time
from pathlib import Path

from trio_supervisor.errors import LockedError
from trio_supervisor.record import record
from trio_supervisor.system.procfs import command_line, process

PATIENCE = 1.0
"""So long (seconds) a holder has to say who it is, and one that ends just now to be gone."""
_PAUSE = 0.01


@record
class Holder:
    """Who holds a lock, as it has written there."""

    pid: int
    started: int
    """In clock ticks since boot, as in `Process`."""
    since: str
    """Local time, for people."""
    file: str
    """The configuration file that it runs."""

    @property
    def lives(self) -> bool:
        """Whether it is there, seen from here."""
        found = process(self.pid)
        return found is not None and found.started == self.started


class Lock:
    """A state directory that no other supervisor uses."""

    def __init__(self, directory: Path, file: str) -> None:
        """Lock it for running this file. Blocks for up to `PATIENCE` where somebody else holds it.

        Raises:
            LockedError: somebody else does; who, and what can be done, in words.
            OSError: the lock file can't be used.
        """
        path = directory / "lock"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _acquire(self._fd, directory, file)
            self._directory_fd = _acquire_directory(directory, file)
            _write(self._fd, file)
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Let others have it; called once."""
        # In this order: who has the lock of the file gets that of the directory.
        if self._directory_fd is not None:
            os.close(self._directory_fd)
        os.close(self._fd)


def holder_of(directory: Path) -> Holder | None:
    """Who holds the lock of a state directory; None: nobody, or it has not said so."""
    try:
        fd = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return _holder(fd)
    finally:
        os.close(fd)


def _acquire(fd: int, directory: Path, file: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _holder(fd)
        if holder is not None or time.monotonic() >= until:
            raise LockedError(_held(holder, directory, file)) from None
        time.sleep(_PAUSE)


def _acquire_directory(directory: Path, file: str) -> int | None:
    """The descriptor that holds the directory; None where directories can't be locked."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            # One that is killed gives up the one just before the other.
            if time.monotonic() < until:
                time.sleep(_PAUSE)
                continue
            os.close(fd)
            raise LockedError(_held(None, directory, file)) from None
        except OSError:
            os.close(fd)
            return None


def _holder(fd: int) -> Holder | None:
    """Who holds it; None while it has not said so, or can't be seen from here."""
    try:
        holder = Holder(**json.loads(os.pread(fd, 1 << 16, 0)))
        return holder if holder.lives else None
    except (ValueError, TypeError):  # it has not written yet, or is only at it
        return None


def _write(fd: int, file: str) -> None:
    pid = os.getpid()
    itself = process(pid)
    started = itself.started if itself is not None else 0
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    text = json.dumps({"pid": pid, "started": started, "since": since, "file": file})
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{text}\n".encode(), 0)


def _held(holder: Holder | None, directory: Path, file: str) -> str:
    elsewhere = "give this one a state directory of its own: --state-dir"
    if holder is None:
        return f"{file}: another supervisor, which can't be seen from here, holds {directory}; stop it, or {elsewhere}"
    who = f"the supervisor with pid {holder.pid} ({command_line(holder.pid)})"
    stop = f"stop it (kill {holder.pid}), or {elsewhere}"
    if holder.file == file:
        return f"{file}: {who} has been running it since {holder.since}; {stop}"
    return f"{file}: {who} has been running {holder.file} in {directory} since {holder.since}; {stop}"
