"""The socket of a child's notifications (sd_notify(3)): who sent what, with which descriptors.

It has an abstract name (unix(7)): nothing of it is left on the disk, however this process ends.
"""

import os
import socket
import struct
from contextlib import suppress

LONGEST = 4096
"""Bytes of a message; a longer one is cut."""
_MOST_DESCRIPTORS = 253  # SCM_MAX_FD
_CREDENTIALS = struct.Struct("iii")


class Message:
    """A notification that has come in. Not to be changed."""

    __slots__ = ("fields", "pid", "uid")

    def __init__(self, fields: dict[str, str], pid: int, uid: int) -> None:
        """`pid`, `uid`: of the sender, as the kernel tells (SCM_CREDENTIALS); 0 for a pid that we can't see."""
        self.fields = fields
        self.pid = pid
        self.uid = uid


def open_socket() -> tuple[socket.socket, str]:
    """A socket for one child, and its name as NOTIFY_SOCKET has it. Raises OSError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        name = f"trio-supervisor/notify/{os.urandom(8).hex()}"
        made.bind(f"\0{name}")
    except BaseException:
        made.close()
        raise
    return made, f"@{name}"


def receive(sock: socket.socket) -> Message | None:
    """The next message; None when there is none now.

    Descriptors that came with it are closed, which is the answer to BARRIER=1 (sd_notify_barrier(3)).
    """
    space = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS)
    try:
        data, extra, _, _ = sock.recvmsg(LONGEST, space, socket.MSG_CMSG_CLOEXEC)
    except OSError:
        # It may be closed meanwhile, or there is no descriptor left for those that come with it.
        return None
    pid, uid = 0, -1
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid, uid, _ = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])
        elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            _close_all(content)
    return Message(_parse(data), pid, uid)


def _close_all(content: bytes) -> None:
    for (number,) in struct.iter_unpack("i", content[: len(content) // 4 * 4]):
        with suppress(OSError):
            os.close(number)


def _parse(data: bytes) -> dict[str, str]:
    """Variables by name, of lines NAME=value; of two of a name the last counts, as systemd has it."""
    lines = data.decode(errors="replace").split("\n")
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals and name}
