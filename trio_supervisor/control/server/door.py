"""The doors: what the server listens on as long as the supervisor runs. The unix socket, and TCP where asked for."""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trio_supervisor.errors import ConfigError, LockedError

BACKLOG = 128
LOST_AFTER = 60
"""So many seconds after its last sign of life a machine is taken for lost that is connected over TCP."""


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


def listening_at(place: str) -> socket.socket:
    """Listen at HOST:PORT over TCP. Port 0 is one that is free.

    Raises:
        ConfigError: there is no such place.
        LockedError: somebody else listens there.
    """
    host, port = split_place(place)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"--listen {place}: there is no host {host!r}: {error}") from None
    # Of a name that has both, everybody tries that of IPv4.
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
    listener = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
    try:
        _listen(listener, address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise LockedError(f"--listen {place}: somebody else listens there") from None
        raise ConfigError(f"--listen {place}: {error.strerror}") from None
    return listener


def _listen(listener: socket.socket, address: tuple[str | int | bytes, ...]) -> None:
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What is accepted inherits these (tcp(7)): who is gone without a word is noticed, idle or amid an answer.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, LOST_AFTER // 2)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, LOST_AFTER // 6)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_AFTER * 1000)
    listener.bind(address)
    listener.listen(BACKLOG)


def split_place(place: str) -> tuple[str, int]:
    """HOST and PORT of HOST:PORT, [HOST]:PORT or PORT; the host is this machine alone where none is given.

    Raises:
        ConfigError: it is none of these.
    """
    host, _, port = place.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") and host.endswith("]") else host
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535) or (":" in bare and bare == host):
        raise ConfigError(f"--listen must be HOST:PORT, as 127.0.0.1:7070, [::1]:7070 or 7070, not {place!r}")
    return bare or "127.0.0.1", int(port)


def is_open_to_others(listener: socket.socket) -> bool:
    """Whether other machines can connect."""
    return not ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback
