"""Who is at the other end of a connection, as far as the kernel tells."""

import os
import socket
import struct

import trio

from trio_supervisor.control.callers import Caller

_UCRED = struct.Struct("iII")
"""`struct ucred` of unix(7): pid, uid, gid."""
STRANGER = "no token"
"""Who has come over TCP, and has shown nothing yet."""


def peer_of(connection: trio.socket.SocketType) -> Caller:
    """Who has connected. Raises OSError: nobody, any more."""
    if connection.family == socket.AF_UNIX:
        # As it was at the time of connect(2): who hands the connection on is not seen.
        pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        door = os.path.basename(os.fsdecode(connection.getsockname()))
        # 0: it is in a pid namespace that ours does not show.
        return Caller(f"uid {uid}, pid {pid}" if pid else f"uid {uid}", door)
    host, port = connection.getpeername()[:2]
    return Caller(STRANGER, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", operates=False)
