"""What is to be sent to a guardian: in order, at once or as soon as there is room; never waited for."""

import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import trio

from trio_supervisor.system import wire

_BETWEEN_TRIES = 0.01


class Outbox:
    """Sends to one guardian."""

    def __init__(self, link: socket.socket) -> None:
        """`link` is non-blocking, and stays the caller's."""
        self._link = link
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._waiting = False

    def send(self, message: wire.Message, fds: tuple[int, ...] = ()) -> None:
        """Send a message; copies of its descriptors are kept open until then.

        Raises:
            OSError: there are no descriptors left for the copies.
        """
        packet, file = wire.pack(message)
        kept = [] if file is None else [file]
        if not self._unsent and self._is_sent(packet, [*kept, *fds]):
            _close_all(kept)
            return
        try:
            for fd in fds:
                kept.append(os.dup(fd))
        except OSError:
            _close_all(kept)
            raise
        self._unsent.append((packet, kept))
        self._flush()

    def _is_sent(self, packet: bytes, fds: list[int]) -> bool:
        """One try, without copies: mostly there is room."""
        try:
            wire.send_packet(self._link, packet, fds)
        except OSError:
            return False
        return True

    def drop(self) -> None:
        """Nobody reads it any more: give up what is not sent."""
        while self._unsent:
            _close_all(self._unsent.popleft()[1])

    def _flush(self) -> None:
        while self._unsent:
            packet, fds = self._unsent[0]
            try:
                wire.send_packet(self._link, packet, fds)
            except BlockingIOError:
                self._flush_after(partial(_until_writable, self._link))
                return
            except OSError as error:
                if error.errno in wire.NOT_NOW:
                    self._flush_after(partial(trio.sleep, _BETWEEN_TRIES))
                # Else the guardian is lost, as its end of the socket is about to tell.
                return
            self._unsent.popleft()
            _close_all(fds)

    def _flush_after(self, wait: Callable[[], Awaitable[None]]) -> None:
        async def flush_later() -> None:
            await wait()
            self._waiting = False
            self._flush()

        if not self._waiting:
            self._waiting = True
            trio.lowlevel.spawn_system_task(flush_later, name="trio_supervisor guardian")


async def _until_writable(link: socket.socket) -> None:
    with suppress(trio.ClosedResourceError):
        await trio.lowlevel.wait_writable(link)


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
