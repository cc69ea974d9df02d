"""What a container reads: the connection to it, as the end of a pipe or of a terminal."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from trio_supervisor.runtimes.process.input import InputPipe

_KEYS = {signal.SIGINT: b"\x03", signal.SIGQUIT: b"\x1c", signal.SIGTSTP: b"\x1a"}
"""What is typed for these in a terminal (termios(3), VINTR, VQUIT, VSUSP)."""
_END = b"\x04"


class ContainerInput(InputPipe):
    """An `Input` whose end is the end of what is sent over a connection that is still heard."""

    broken = "it has closed its standard input, or its engine is away"

    def __init__(self, fd: int, *, terminal: bool, resized: Callable[[int, int], None]) -> None:
        """`fd`: of the connection, of its own; `resized` is told the size that the terminal is to have."""
        super().__init__(fd)
        self.terminal = terminal
        self._resized = resized

    async def end(self) -> None:
        """Send no more, or type ^D; harmless when it is closed."""
        if self.terminal:
            await self.write(_END)
            return
        if self.open:
            with socket.socket(fileno=os.dup(self._fd)) as connection, suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal."""
        if self.terminal:
            self._resized(columns, rows)

    def interrupt(self, number: int) -> bool:
        """Type the key that signals the foreground; False: there is no terminal, or no such key."""
        key = _KEYS.get(signal.Signals(number)) if self.terminal else None
        if key is None or not self.open:
            return False
        with suppress(OSError):
            return os.write(self._fd, key) == len(key)
        return False
