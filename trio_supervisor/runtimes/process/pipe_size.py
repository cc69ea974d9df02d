"""How much a pipe holds: those that a flood comes through are made large, so that it can be read in few great pieces.

Linux counts what all pipes of a user may hold (pipe(7), `pipe-user-pages-soft`, 64 MiB) and beyond that gives new ones
next to nothing; therefore only a few are large at a time, and one that has not been full for long is made small again.
"""

import fcntl
import sys
import termios
from contextlib import suppress

import trio

SMALL = 64 * 1024
"""What a pipe holds if nobody changes it."""
LARGE = 1024 * 1024
"""As much as a user may have without privileges (`pipe-max-size`)."""
MOST_LARGE = 16

_large: "trio.lowlevel.RunVar[dict[int, PipeSize]]" = trio.lowlevel.RunVar("trio_supervisor.large_pipes")


class PipeSize:
    """How much one pipe holds."""

    __slots__ = ("_fd", "_may_grow", "bytes")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.bytes = SMALL
        self._may_grow = sys.platform == "linux"

    def waiting(self) -> int:
        """How many bytes wait in it to be read."""
        found = fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4))
        return int.from_bytes(found, sys.byteorder)

    def note_full(self) -> None:
        """It was found to be full: make it large if that is possible, at the cost of one that is calm."""
        large = _large_pipes()
        if self._fd in large:
            large[self._fd] = large.pop(self._fd)  # the latest last
        elif self._may_grow and (len(large) < MOST_LARGE or next(iter(large.values()))._shrink(large)):
            self._grow(large)

    def forget(self) -> None:
        """It is about to be closed."""
        with suppress(RuntimeError):  # Trio is over; so is the memory of this run.
            _large_pipes().pop(self._fd, None)

    def _grow(self, large: "dict[int, PipeSize]") -> None:
        try:
            self.bytes = fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, LARGE)
        except OSError:
            # It is no pipe, or the user's pipes hold as much as they may.
            self._may_grow = False
        else:
            large[self._fd] = self

    def _shrink(self, large: "dict[int, PipeSize]") -> bool:
        try:
            self.bytes = fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, SMALL)
        except OSError:
            # It holds more than that at the moment: it is not calm.
            return False
        del large[self._fd]
        return True


def _large_pipes() -> dict[int, PipeSize]:
    try:
        return _large.get()
    except LookupError:
        large: dict[int, PipeSize] = {}
        _large.set(large)
        return large
