"""The door: the unix socket that the server listens on, open as long as the supervisor runs."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKLOG = 128


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen there, for us alone; the caller holds the lock under which nobody else does. What an earlier run has left
    there is replaced, and nothing is left afterwards.

    Raises:
        OSError: it can't be.
    """
    _make_directory(path.parent)
    with suppress(FileNotFoundError):
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
        listener.setblocking(False)
        listener.bind(os.fspath(path))
        try:
            # Before it listens nobody can connect, so nobody can while the mode is another.
            path.chmod(0o600)
            listener.listen(BACKLOG)
            made = path.stat()
            yield listener
        finally:
            with suppress(OSError):
                if os.path.samestat(path.stat(), made):
                    path.unlink()


def _make_directory(directory: Path) -> None:
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(1, f"it belongs to uid {status.st_uid}", str(directory))
