"""The end of the pipe that a child reads its standard input from: written with backpressure, closed once."""

import os

import trio


class InputPipe:
    """Writes to a child; belongs to one life."""

    def __init__(self, fd: int) -> None:
        """`fd` is non-blocking and belongs to the pipe from now on."""
        self._fd = fd

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
            if not self.open:
                raise BrokenPipeError("its standard input is closed")
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._wait_for_room()
            except BrokenPipeError:
                self.close()
                raise BrokenPipeError("it has closed its standard input") from None

    async def _wait_for_room(self) -> None:
        try:
            await trio.lowlevel.wait_writable(self._fd)
        except trio.ClosedResourceError:
            raise BrokenPipeError("its standard input was closed meanwhile") from None

    def close(self) -> None:
        """End the child's input; harmless when it is closed."""
        if self.open:
            fd, self._fd = self._fd, -1
            trio.lowlevel.notify_closing(fd)
            os.close(fd)
