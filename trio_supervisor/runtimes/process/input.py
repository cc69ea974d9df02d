"""The end that a child's standard input is written to: with backpressure, and ended once."""

import os
import select
from collections.abc import Callable

import trio

_LF = 0x0A


def _unnoticed() -> None:
    """Nobody wants to know."""


class HeldEnd:
    """The child's end of its terminal, held open; closed once."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Let it go; harmless when repeated."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class InputPipe:
    """Writes to a child; an `Input` (see `trio_supervisor.runtimes.base`) that belongs to one life."""

    terminal = False
    broken = "it has closed its standard input"
    """What it means, in words, that nothing is taken any more."""

    def __init__(self, fd: int) -> None:
        """`fd` is non-blocking and belongs to the pipe from now on."""
        self._fd = fd
        self.taken: Callable[[], None] = _unnoticed
        """Called whenever the pipe has taken something."""
        self.in_line = False
        """Whether what was written last does not end with the end of a line."""
        self._waited_for = False
        self._others = trio.lowlevel.ParkingLot()
        """Who wants to write while somebody waits for room already."""

    @property
    def open(self) -> bool:
        """Whether it can be written to, as far as is known."""
        return self._fd >= 0

    async def write(self, data: bytes) -> None:
        """Write all of `data`, as fast as the child reads; cancelled, a part of it may be written.

        Raises:
            BrokenPipeError: it is closed, by us or by the child.
        """
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest:
            rest = rest[await self.take(rest) :]

    async def take(self, data: memoryview) -> int:
        """Write what there is room for, and return how many bytes; waits for room for one. No checkpoint where there
        is room.

        Raises:
            BrokenPipeError: it is closed, by us or by the child.
        """
        while True:
            if not self.open:
                raise BrokenPipeError("its standard input is closed")
            try:
                size = self._put(data)
            except BlockingIOError:
                await self._wait_for_room()
            except ConnectionError:  # of a socket also ECONNRESET
                self.close()
                raise BrokenPipeError(self.broken) from None
            else:
                self.in_line = data[size - 1] != _LF
                self.taken()
                return size

    def put_line(self, line: bytes) -> bool:
        """Write a whole line, or, where there is no room for all of it now, nothing; whether it was written. Nobody is
        told that the pipe has taken something.

        Up to PIPE_BUF bytes go into a pipe at once or not at all (pipe(7)). Raises BrokenPipeError as `take`.
        """
        assert len(line) <= select.PIPE_BUF
        if not self.open:
            raise BrokenPipeError("its standard input is closed")
        try:
            os.write(self._fd, line)
        except BlockingIOError:
            return False
        except ConnectionError:
            self.close()
            raise BrokenPipeError(self.broken) from None
        return True

    async def wait_room(self) -> None:
        """Wait until there may be room; raises BrokenPipeError when it is closed meanwhile."""
        await self._wait_for_room()

    async def end(self) -> None:
        """End the child's input; harmless when it is closed."""
        self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Nothing: it is no terminal."""

    def interrupt(self, number: int) -> bool:
        """Signal the foreground; False: it is no terminal, or it can't be done so."""
        return False

    def close(self) -> None:
        """Let it go; harmless when it is closed."""
        if self.open:
            fd, self._fd = self._fd, -1
            trio.lowlevel.notify_closing(fd)
            os.close(fd)

    def _put(self, data: memoryview) -> int:
        return os.write(self._fd, data)

    async def _wait_for_room(self) -> None:
        if self._waited_for:
            # Trio lets only one wait for a descriptor.
            await self._others.park()
            return
        self._waited_for = True
        try:
            await trio.lowlevel.wait_writable(self._fd)
        except trio.ClosedResourceError:
            raise BrokenPipeError("its standard input was closed meanwhile") from None
        finally:
            self._waited_for = False
            self._others.unpark_all()
