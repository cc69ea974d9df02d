"""The terminal of a child (pty(7)): its size, its signals, and what is typed into it.

One end is the child's standard input, output and error; we have the other one, twice: to read and to write.
"""

import errno
import fcntl
import os
import platform
import re
import struct
import termios
from signal import Signals

from trio_supervisor.runtimes.process.input import HeldEnd, InputPipe
from trio_supervisor.spec import Window

LONGEST_LINE = 4095
"""Bytes, without its end: what is more in one line the kernel drops, as long as the terminal takes whole lines (the
canonical mode of termios(3)).
"""
_LOOKED_AT = 65536
_LINE_ENDS = rb"\n\r\x04"
_TOO_LONG = re.compile(rb"[^%b]{%d}" % (_LINE_ENDS, LONGEST_LINE + 1))
_OF_ONE_LINE = re.compile(rb"[^%b]*" % _LINE_ENDS)
_LAST_LINE = re.compile(rb"[^%b]*\Z" % _LINE_ENDS)
_EOF = b"\x04"

_FROM_KEYS = frozenset({Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTSTP})
_TIOCSIG = 0x80045436 if platform.machine().startswith(("ppc", "mips", "sparc", "alpha")) else 0x40045436
"""ioctl_tty(2): `_IOW('T', 0x36, int)`, which Python does not name."""


def open_terminal(window: Window) -> tuple[int, int]:
    """A new terminal: our end, non-blocking, and the child's. Raises OSError."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    _set_size(ours, window.columns, window.rows)
    return ours, theirs


def _set_size(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class TerminalInput(InputPipe):
    """Types into the terminal of a child; an `Input` that belongs to one life."""

    terminal = True

    def __init__(self, fd: int, held: HeldEnd) -> None:
        """`fd` is our end, `held` the child's: both belong to this from now on.

        The child's end is held open as long as the life lasts: when nobody held it, what is said later through
        /dev/tty could not be read, and the end of the terminal would come before that of the child.
        """
        super().__init__(fd)
        self._held = held
        self._typed = 0
        """So many bytes were typed into the present line."""

    async def end(self) -> None:
        """Type ^D, as a person does: whoever reads is told that the input is over, and may read on.

        In the middle of a line the first one would only hand over what was typed; so it is typed twice there. What
        reads keys by itself (an editor, readline) takes it as it likes.
        """
        if not self.open:
            return
        key = termios.tcgetattr(self._fd)[6][termios.VEOF]
        key = key if isinstance(key, bytes) and key != b"\0" else _EOF
        await self.write(key * 2 if self._takes_lines and self._typed else key)

    def resize(self, columns: int, rows: int) -> None:
        """Set the size; if that changes it, whoever is in the foreground gets SIGWINCH."""
        if self.open:
            _set_size(self._fd, columns, rows)

    def interrupt(self, number: int) -> bool:
        """Signal whoever is in the foreground, as ^C, ^\\ and ^Z do; False if that can't be done so."""
        if number not in _FROM_KEYS or not self.open:
            return False
        try:
            fcntl.ioctl(self._fd, _TIOCSIG, number)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let both ends go."""
        super().close()
        self._held.close()

    def _put(self, data: memoryview) -> int:
        looked_at = bytes(data[:_LOOKED_AT])
        if self._takes_lines:
            looked_at = looked_at[: self._sure(looked_at)]
        try:
            size = os.write(self._fd, looked_at)
        except OSError as error:
            if error.errno == errno.EIO:
                raise BrokenPipeError(error.errno, "nobody has the terminal any more") from None
            raise
        if line := _LAST_LINE.search(looked_at, 0, size):
            self._typed = len(line[0]) + (self._typed if not line.start() else 0)
        return size

    @property
    def _takes_lines(self) -> bool:
        return bool(termios.tcgetattr(self._fd)[3] & termios.ICANON)

    def _sure(self, data: bytes) -> int:
        """How much of it is in lines that are not too long. Raises OSError: not even the first is."""
        first = _OF_ONE_LINE.match(data)
        assert first is not None
        if self._typed + len(first[0]) > LONGEST_LINE:
            words = f"a terminal takes lines of at most {LONGEST_LINE} bytes; the rest of a longer one would be lost"
            raise OSError(errno.EMSGSIZE, words)
        found = _TOO_LONG.search(data)
        return found.start() if found else len(data)
