"""One lock file per port, between all supervisors of one user: a bound socket alone does not keep them off each other's
ports.

A lock lasts as long as its descriptor, so nothing is left of it after a crash; the empty files stay, because to remove
them would race.
"""

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from trio_supervisor.errors import LockedError, StartError


class PortLock:
    """A port that no other supervisor of this user takes."""

    def __init__(self, port: int, child: str) -> None:
        """Lock it.

        Raises:
            LockedError: another one holds it, in words; also when that is in this process.
            StartError: the directory of the locks can't be used.
        """
        try:
            path = lock_directory() / str(port)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StartError(f"port locks: {error.filename}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 200).decode(errors="replace").strip() or "another supervisor"
            os.close(self._fd)
            raise LockedError(f"kept by {holder}") from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"the supervisor with pid {os.getpid()} for its child {child!r}\n".encode())

    def release(self) -> None:
        """Let others have it; called once."""
        os.close(self._fd)


def lock_directory() -> Path:
    """Where the locks are: in $XDG_RUNTIME_DIR if that is ours, else in the directory of temporary files. Made when
    missing.

    Raises:
        StartError: it belongs to somebody else.
        OSError: it can't be made.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own_directory(Path(runtime)):
        base = Path(runtime, "trio-supervisor")
    else:
        base = Path(tempfile.gettempdir(), f"trio-supervisor-{os.geteuid()}")
    ports = base / "ports"
    for directory in (base, ports):
        _make_private(directory)
    return ports


def _make_private(directory: Path) -> None:
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    if not _is_own_directory(directory):
        raise StartError(f"port locks: {str(directory)!r} must be a directory that belongs to uid {os.geteuid()}")
    if stat.S_IMODE(directory.lstat().st_mode) != 0o700:
        directory.chmod(0o700)


def _is_own_directory(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
