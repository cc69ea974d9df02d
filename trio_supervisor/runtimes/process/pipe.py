"""The end of a pipe that we read a child's output from: always drained, also when nobody wants what it says."""

import errno
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable

import trio

from trio_supervisor.runtimes.base import AtOnce, Stream, a_little_at_once
from trio_supervisor.runtimes.process.mouth import Mouth
from trio_supervisor.runtimes.process.pipe_size import LARGE, SMALL, PipeSize
from trio_supervisor.runtimes.reactor import Flow, current_reactor, flow

CHUNK = SMALL
"""As much as a pipe holds: one read empties it."""
LAST_WORDS = 2 * LARGE
"""At most so many bytes are read after the exit: what still holds the other end may write for ever."""
LAST_WORDS_PATIENCE = 1.0
"""At most so long (seconds) room for them is waited for, unless said otherwise."""

_log = logging.getLogger(__name__)


class Pipe(ABC):
    """Hands over what arrives, whole chunks at a time, and b"" once at the end."""

    __slots__ = ("_fd", "_reactor", "_size")

    def __init__(self, fd: int) -> None:
        """`fd` is non-blocking and belongs to the pipe from now on."""
        self._fd = fd
        self._size = PipeSize(fd)
        self._reactor = current_reactor()
        self._reactor.watch_source(fd, self)

    @abstractmethod
    def take(self, chunk: bytes) -> None:
        """Take in what has arrived."""

    @abstractmethod
    async def room(self) -> None:
        """Wait for room for a chunk, within bounds; see `Room`."""

    @abstractmethod
    def at_once(self) -> int:
        """How many bytes a chunk may have at the most; may change from one to the next."""

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
                        await self.room()
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

    def readable(self, _fd: int) -> Flow | None:
        """Read once; see `Source`."""
        size = self._read() or 0
        found = flow(size, min(self._size.bytes, self.at_once()))
        if found is Flow.FULL and self.open and self.at_once() > SMALL:
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
        most = min(self._size.bytes, self.at_once())
        # To ask for much more than there is would take fresh memory from the kernel each time, which costs a quarter.
        return most if most <= SMALL else min(most, max(SMALL, self._size.waiting()))

    def _hand_over(self, chunk: bytes) -> None:
        try:
            self.take(chunk)
        except Exception:
            # A mistake of the listener must not stop the reading: the child would block.
            _log.exception("what a child said could not be passed on")


class OutputPipe(Pipe):
    """One that hands over to a callback."""

    __slots__ = ("_at_once", "_take")

    def __init__(self, fd: int, take: Callable[[bytes], None], at_once: AtOnce = a_little_at_once) -> None:
        self._take = take
        self._at_once = at_once
        super().__init__(fd)

    def take(self, chunk: bytes) -> None:
        """See `Pipe`."""
        self._take(chunk)

    async def room(self) -> None:
        """There always is."""

    def at_once(self) -> int:
        """See `Pipe`."""
        return self._at_once()


class LifePipe(Pipe):
    """One of a life's streams. Of these there are many: nothing in it is made for one alone that all can share."""

    __slots__ = ("_mouth", "_stream")

    def __init__(self, fd: int, stream: Stream, mouth: Mouth) -> None:
        self._stream = stream
        self._mouth = mouth
        super().__init__(fd)

    def take(self, chunk: bytes) -> None:
        """See `Pipe`."""
        self._mouth.take(self._stream, chunk)

    async def room(self) -> None:
        """See `Pipe`."""
        await self._mouth.launch.room()

    def at_once(self) -> int:
        """See `Pipe`."""
        return self._mouth.launch.at_once(self._stream)
