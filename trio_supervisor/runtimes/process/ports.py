"""The port of a child: found before its first life, kept for all of them, given back when nothing of the child is left.

It is kept by a lock file, against other supervisors of the same user, and by a reservation, against everybody else. A
server that binds without SO_REUSEADDR can't get past a reservation, and which ones do so can't be known in advance. So,
from its second life on, the reservation of a child that was never seen to listen beside one is lifted while it lives.
"""

import socket
from collections.abc import Callable
from contextlib import suppress

from trio_supervisor.errors import LockedError, StartError
from trio_supervisor.runtimes.process.census import in_thread
from trio_supervisor.runtimes.process.port_locks import PortLock
from trio_supervisor.runtimes.process.reservation import PortTakenError, Reservation, is_listened_on
from trio_supervisor.runtimes.process.sockets import holder_of
from trio_supervisor.spec import Port

_BACKLOG = 511
"""So many connections wait while the child starts, or starts again."""

Say = Callable[[str], None]
"""Takes what the owner of the child should know."""


def first_free(wanted: Port, take: Callable[[int], bool]) -> int | None:
    """The first port of the range that `take` can take; None when there is none."""
    return next((port for port in range(wanted.first, wanted.last + 1) if take(port)), None)


class PortLease:
    """A port for one child."""

    def __init__(self, wanted: Port, child: str, listen: str | None = None) -> None:
        """Take a fixed port at once if it can be had; else, and for a range, `secure` sees to it.

        `listen`: the address at which the supervisor itself listens, for all lives of the child.
        """
        self._wanted = wanted
        self._child = child
        self._listen = listen
        self._listening: socket.socket | None = None
        self._port: int | None = None
        self._lock: PortLock | None = None
        self._reservation: Reservation | None = None
        self._lived = False
        self._gets_past = False
        if self._fixed:
            with suppress(LockedError, PortTakenError, StartError, OSError):
                self._take(wanted.first)

    @property
    def port(self) -> int | None:
        """The port that is kept; None as long as none could be had."""
        return self._port

    @property
    def sockets(self) -> tuple[int, ...]:
        """The descriptors that a life is handed: the listening socket, if the supervisor listens for the child."""
        return () if self._listening is None else (self._listening.fileno(),)

    @property
    def _fixed(self) -> bool:
        return self._wanted.first == self._wanted.last

    async def secure(self, say: Say) -> None:
        """Make sure of a port for the life that begins now: the one of the lives before, if there were any.

        Only when a stranger listens on that, and a range was wanted, it becomes another one.

        Raises:
            StartError: there is none, and who has it.
        """
        try:
            if self._port is None:
                await self._find()
            elif self._listening is None and not self._is_still_free(self._port):
                await self._replace(self._port, say)
            if self._listen is not None and self._listening is None:
                self._listening = _listen_at(self._listen, self._port or 0)
        except OSError as error:
            raise StartError(f"port {self._wanted}: {error.strerror}") from error
        if self._listening is None and self._lived and not self._gets_past:
            self._lift()
        self._lived = True

    def may_be_in_the_way(self, port: int) -> bool:
        """Whether a child that can't bind `port` perhaps can't because of the reservation; not so from its second life
        on.
        """
        reserved = self._reservation is not None and self._listening is None
        return reserved and port == self._port and not self._gets_past

    def seen_listening(self) -> None:
        """The child listens on the port."""
        self._gets_past = self._gets_past or self._reservation is not None

    def life_over(self) -> None:
        """Reserve the port again for the time until the next life; if that fails, `secure` will find out why."""
        if self._port is not None and self._reservation is None:
            with suppress(PortTakenError, OSError):
                self._reservation = Reservation(self._port)

    def release(self) -> None:
        """Give the port back; harmless when there is none."""
        self._lift()
        if self._listening is not None:
            # Who waits in its queue is refused; the child that would have answered is gone.
            self._listening.close()
            self._listening = None
        if self._lock is not None:
            self._lock.release()
        self._port = self._lock = None

    def _lift(self) -> None:
        if self._reservation is not None:
            self._reservation.release()
            self._reservation = None

    def _take(self, port: int) -> None:
        lock = PortLock(port, self._child)
        try:
            self._reservation = Reservation(port)
        except BaseException:
            lock.release()
            raise
        self._port, self._lock = port, lock

    def _can_take(self, port: int) -> bool:
        try:
            self._take(port)
        except (LockedError, PortTakenError):
            return False
        return True

    async def _find(self) -> int:
        if not self._fixed:
            found = first_free(self._wanted, self._can_take)
            if found is None:
                raise StartError(f"all ports of {self._wanted} are taken")
            return found
        port = self._wanted.first
        try:
            self._take(port)
        except LockedError as error:
            raise StartError(f"port {port} is {error}") from None
        except PortTakenError:
            raise StartError(f"port {port} is taken by {await _holder(port)}") from None
        return port

    def _is_still_free(self, port: int) -> bool:
        if self._reservation is not None:
            return not is_listened_on(port)
        try:
            self._reservation = Reservation(port)
        except PortTakenError:
            return False
        return True

    async def _replace(self, lost: int, say: Say) -> None:
        holder = await _holder(lost)
        if self._fixed:
            raise StartError(f"port {lost} is taken by {holder}")
        self.release()
        found = await self._find()
        say(f"port {lost} is taken by {holder}; from now on it is port {found}")


def _listen_at(address: str, port: int) -> socket.socket:
    """Listen beside our reservation. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"can't listen at {address}: {error.strerror}") from error
    return listening


async def _holder(port: int) -> str:
    return await in_thread(holder_of, port) or "somebody who has bound it and does not listen"
