"""A person at a terminal: a command that runs in a pty of its own, what it shows, and what is typed."""

import fcntl
import os
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.cli.running import TIMEOUT


class Seat:
    """One of them."""

    def __init__(self, process: trio.Process, terminal: int) -> None:
        self.process = process
        self.shown = b""
        self._terminal = terminal
        self._stream = trio.lowlevel.FdStream(os.dup(terminal))
        self._arrived = trio.Event()

    async def read_all(self) -> None:
        """Collect what is shown."""
        try:
            async for chunk in self._stream:
                self.shown += chunk
                self._arrived.set()
                self._arrived = trio.Event()
        except trio.BrokenResourceError:
            return  # Nobody has it open any more.

    async def see(self, text: bytes, count: int = 1) -> None:
        """Wait until it is shown, so often."""
        with trio.move_on_after(TIMEOUT) as scope:
            while self.shown.count(text) < count:
                await self._arrived.wait()
        assert not scope.cancelled_caught, f"{text!r} was not shown {count} times in {self.shown!r}"

    async def type(self, data: bytes) -> None:
        """Press keys."""
        await self._stream.send_all(data)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window so big."""
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self) -> list[object]:
        """Of the terminal, as termios has them."""
        return termios.tcgetattr(self._terminal)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command."""
        self.process.send_signal(number)

    async def end(self) -> int:
        """Wait for the end; returns the exit code."""
        with trio.fail_after(TIMEOUT):
            return await self.process.wait()


@asynccontextmanager
async def seated(*words: str, columns: int = 80, rows: int = 24) -> AsyncIterator[Seat]:
    """Run `trio-supervisor WORDS` in a terminal of its own."""
    terminal, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "trio_supervisor", *words],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        preexec_fn=take_terminal,
    )
    seat = Seat(process, terminal)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seat.read_all)
            yield seat
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            await seat._stream.aclose()
        os.close(inner)
        os.close(terminal)
