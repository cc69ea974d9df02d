"""The end of a pipe that we read a child's output from: always drained, also when nobody wants what it says."""

import errno
import logging
import os
from collections.abc import Callable

import trio

from trio_supervisor.runtimes.base import AtOnce, a_little_at_once
from trio_supervisor.runtimes.process.pipe_size import LARGE, SMALL, PipeSize
from trio_supervisor.runtimes.reactor import Flow, Room, always_room, current_reactor, flow

CHUNK = SMALL
"""As much as a pipe holds: one read empties it."""
LAST_WORDS = 2 * LARGE
"""At most so many bytes are read after the exit: what still holds the other end may write for ever."""
LAST_WORDS_PATIENCE = 1.0
"""At most so long (seconds) room for them is waited for, unless said otherwise."""

_log = logging.getLogger(__name__)


class OutputPipe:
    """Hands over what arrives, whole chunks at a time, and b"" once at the end."""

    __slots__ = ("_at_once", "_fd", "_reactor", "_room", "_size", "_take")

    def __init__(
        self,
        fd: int,
        take: Callable[[bytes], None],
        room: Room = always_room,
        at_once: AtOnce = a_little_at_once,
    ) -> None:
        """`fd` is non-blocking and belongs to the pipe from now on; `room` is awaited before each chunk, which has no
        more bytes than `at_once` tells.
        """
        self._fd = fd
        self._take = take
        self._room = room
        self._at_once = at_once
        self._size = PipeSize(fd)
        self._reactor = current_reactor()
        self._reactor.watch_output(fd, self._readable, room)

    @property
    def open(self) -> bool:
        """Whether more can come."""
        return self._fd >= 0

    async def finish(self, patience: float = LAST_WORDS_PATIENCE) -> None:
        """Hand over what is in the pipe by now, then close it, whoever may still hold the other end.

        Room for it is waited for at most `patience` seconds.
        """
        if not self.open:
            return
        # From here on nobody else reads it.
        self._reactor.forget(self._fd)
        allowed = LAST_WORDS
        until = trio.current_time() + patience
        try:
            while allowed > 0 and self.open:
                if self._size.waiting():
                    with trio.move_on_at(until):
                        await self._room()
                size = self._read()
                if size is None:
                    break
                allowed -= size
        finally:
            self.close()

    def close(self) -> None:
        """Close it, and hand over the end; harmless when it is closed."""
        if self.open:
            self._reactor.forget(self._fd)
            self._size.forget()
            os.close(self._fd)
            self._fd = -1
            self._hand_over(b"")

    def _readable(self, _fd: int) -> Flow | None:
        size = self._read() or 0
        found = flow(size, min(self._size.bytes, self._at_once()))
        if found is Flow.FULL and self.open and self._at_once() > SMALL:
            self._size.note_full()
        # A pipe that holds little can't gather anything.
        return found if found is Flow.FULL or self._size.bytes > SMALL else None

    def _read(self) -> int | None:
        """Hand over one chunk, or close at the end; None when there is nothing now."""
        try:
            chunk = os.read(self._fd, self._most())
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:  # the end of a terminal that nobody holds any more
                raise
            chunk = b""
        if chunk:
            self._hand_over(chunk)
        else:
            self.close()
        return len(chunk)

    def _most(self) -> int:
        """How many bytes to read at once."""
        most = min(self._size.bytes, self._at_once())
        # To ask for much more than there is would take fresh memory from the kernel each time, which costs a quarter.
        return most if most <= SMALL else min(most, max(SMALL, self._size.waiting()))

    def _hand_over(self, chunk: bytes) -> None:
        try:
            self._take(chunk)
        except Exception:
            # A mistake of the listener must not stop the reading: the child would block.
            _log.exception("what a child said could not be passed on")
