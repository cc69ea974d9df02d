"""Messages between supervisor and guardian: tuples of plain values, with descriptors, over a SEQPACKET socket pair.

Both ends are the same Python, so `marshal` does, which is built in and fast. A message that is too long for a packet
travels in a memory file.
"""

import array
import errno
import marshal
import os
import socket

Value = str | int | bytes | None | list[str]
Message = tuple[Value, ...]

LONGEST = 60_000
"""Bytes that go into one packet; the kernel's default limit is 208 KiB."""
MOST_DESCRIPTORS = 64
NOT_NOW = frozenset({errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})
"""Error numbers of a packet that could be sent later: too many descriptors of this user are under way, for one."""

_INLINE, _IN_MEMORY_FILE = b"i", b"m"
_CLOEXEC, _CUT_OFF = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC)
"""As plain numbers: an operation on flags takes longer than the system call."""


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends; neither is inherited by other programs."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def pack(message: Message) -> tuple[bytes, int | None]:
    """The packet for a message, and the memory file that has to go first among its descriptors, if there is one."""
    data = marshal.dumps(message)
    if len(data) <= LONGEST:
        return _INLINE + data, None
    file = os.memfd_create("trio-supervisor")
    try:
        with open(file, "wb", closefd=False) as writer:
            writer.write(data)
    except OSError:
        os.close(file)
        raise
    return _IN_MEMORY_FILE + marshal.dumps(_heading(message)), file


def _heading(message: Message) -> Message:
    """What a message is about: at most its first two values."""
    return tuple(value for value in message[:2] if isinstance(value, str | int))


def send_packet(end: socket.socket, packet: bytes, fds: list[int]) -> None:
    """Send a packet with descriptors. Raises OSError; BlockingIOError: there is no room now, nothing was sent."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    end.sendmsg([packet], ancillary, socket.MSG_NOSIGNAL)


def send(end: socket.socket, message: Message, fds: list[int] | None = None) -> None:
    """Send a message; waits for room if `end` is blocking. Raises OSError."""
    packet, file = pack(message)
    try:
        send_packet(end, packet, [*([] if file is None else [file]), *(fds or [])])
    finally:
        if file is not None:
            os.close(file)


def receive(end: socket.socket, flags: int = 0) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors, which belong to the caller; None when the other end is closed.

    Where this process has no room for all its descriptors, a message comes without any of them, and a long one shrinks
    to its first two values.

    Raises:
        OSError: BlockingIOError when there is none now and `end` or `flags` say not to wait.
    """
    try:
        packet, fds = _receive_packet(end, flags)
    except ConnectionResetError:
        # The other end has not read all that it was sent; what it has said itself can still be read.
        packet, fds = _receive_packet(end, flags)
    if not packet:
        return None
    if packet[:1] == _INLINE or not fds:
        return marshal.loads(packet[1:]), fds
    with open(fds[0], "rb") as file:
        file.seek(0)
        return marshal.loads(file.read()), fds[1:]


def _receive_packet(end: socket.socket, flags: int) -> tuple[bytes, list[int]]:
    size = MOST_DESCRIPTORS * array.array("i").itemsize
    packet, ancillary, found, _ = end.recvmsg(LONGEST + 1, socket.CMSG_SPACE(size), flags | _CLOEXEC)
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if found & _CUT_OFF:
        while fds:
            os.close(fds.pop())
    return packet, list(fds)
