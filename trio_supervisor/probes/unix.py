"""Asks by connecting to a unix socket, which is closed at once."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.network import why
from trio_supervisor.spec import Unix, expand
from trio_supervisor.words import took

_CREDENTIALS = struct.Struct("iII")


@asynccontextmanager
async def open_unix(check: Unix, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when a connection can be made; who listens must be of the child.

    Raises:
        ProbeError: its path needs the child's port, and the child has none; or no socket can have such a path.
    """
    if target.port is None and "{port}" in check.unix:
        raise ProbeError(f"unix {check.unix!r} needs a port, and the child has none")
    path = expand(check.unix, target.child, target.port)
    if len(path.encode()) > 107:  # unix(7): sun_path
        raise ProbeError(f"unix {path!r}: a socket's path has at most 107 bytes")

    async def ask() -> Answer:
        begun = trio.current_time()
        await trio.lowlevel.checkpoint()
        try:
            peer = _touch(path)
        except FileNotFoundError:
            return Answer(False, f"there is no socket {path}")
        except BlockingIOError:
            return Answer(False, f"nobody takes the connections that wait at {path}")
        except OSError as error:
            return Answer(False, why(error, path))
        return Answer(True, f"connected in {took(trio.current_time() - begun)}", peer=peer)

    yield OpenProbe(ask)


def _touch(path: str) -> int | None:
    """Connect; returns who called listen(2) (unix(7), SO_PEERCRED), None where that can't be seen from here.

    Not by Trio's sockets: to a full queue a connection is refused at once (EAGAIN), and is never under way.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect(path)
        pid, _, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid or None
