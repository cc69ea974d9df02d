"""Sockets that are bound to a port and do not listen: they keep everybody off it but the child.

They are bound alone and shared afterwards (SO_REUSEADDR, SO_REUSEPORT set after the bind), so that taking a free port
is one step. A server that sets one of these options, as nearly all do, can then bind and listen beside them.
"""

import errno
import socket
from contextlib import ExitStack

from trio_supervisor.runtimes.process.sockets import entries

_FAMILIES = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))
_ODD_LOOPBACK = "127.255.71.3"
"""An address of this machine that nobody uses."""
_NOTHING_TO_RESERVE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EACCES)
"""This family is switched off; or the port is privileged, and perhaps the child has the right that we have not."""


class PortTakenError(Exception):
    """Somebody else has the port."""


class Reservation:
    """A port on all addresses of this machine."""

    def __init__(self, port: int) -> None:
        """Reserve it; connections that were closed lately (TIME_WAIT) are no obstacle.

        Raises:
            PortTakenError: somebody listens on it or has bound it.
            OSError: there are no descriptors left.
        """
        try:
            self._sockets = _bind_all(port, shared=False)
        except PortTakenError:
            _check_remains(port)
            self._sockets = _bind_all(port, shared=True)
        for held in self._sockets:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def release(self) -> None:
        """Let others have it; harmless when it is released."""
        while self._sockets:
            self._sockets.pop().close()


def is_listened_on(port: int) -> bool:
    """Whether anybody listens on `port`, at any address; sockets that are only bound and shared do not count."""
    try:
        for held in _bind_all(port, shared=True):
            held.close()
    except PortTakenError:
        return True
    return False


def _bind_all(port: int, *, shared: bool) -> list[socket.socket]:
    """One socket for each family in which that is possible.

    Raises:
        PortTakenError: some socket stands in the way; a `shared` one is not stopped by shared ones that don't listen.
    """
    bound: list[socket.socket] = []
    with ExitStack() as undo:
        for family, wildcard in _FAMILIES:
            try:
                bound.append(_bind(family, wildcard, port, shared=shared))
                undo.callback(bound[-1].close)
            except OSError as error:
                if _is_taken(error, port, shared=shared):
                    raise PortTakenError from None
        undo.pop_all()
    return bound


def _is_taken(error: OSError, port: int, *, shared: bool) -> bool:
    """Whether a failed bind says that somebody has the port; raises what says something else."""
    if error.errno == errno.EADDRINUSE:
        # Closed connections of a server that did not share its address can't be joined. They go within a minute, and
        # keep nobody off whom they would not keep off without us.
        return not shared or any(not entry.lingers for entry in entries(port) or ())
    if error.errno not in _NOTHING_TO_RESERVE:
        raise error
    return any(entry.listens for entry in entries(port) or ())


def _check_remains(port: int) -> None:
    """Tell the remains of closed connections, which are no obstacle, from a reservation like ours.

    Raises:
        PortTakenError: it is the latter.
    """
    if entries(port) == []:
        raise PortTakenError  # bound and not listening, which no table of the kernel shows
    try:
        # Connections have the address that they were made to. A reservation has the wildcard, which comprises this one
        # too.
        _bind(socket.AF_INET, _ODD_LOOPBACK, port, shared=False).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError from None


def _bind(family: socket.AddressFamily, address: str, port: int, *, shared: bool) -> socket.socket:
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((address, port))
    except OSError:
        held.close()
        raise
    return held
