"""A log file as the thread sees that writes: opened, appended to, rotated, and put up with when it can't be. Blocking.

It never raises: while the disk is full, or the directory gone, what comes is counted, and the count is written when
there is room again. Times are seconds.
"""

import math
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress

from trio_supervisor.output.looks import note
from trio_supervisor.output.rotation import Rotation
from trio_supervisor.spec import LogFile

RETRY_AFTER = 1.0
"""A file that could not be written to is tried again after so long, when there is something to write ..."""
LONGEST_RETRY = 60.0
"""... and ever more seldom, up to this, when it fails again soon."""
LOOK_AGAIN_AFTER = 1.0
"""At most so often it is looked whether the file is still there."""

_MODE = 0o640
_PARTS = 512


class Appender:
    """One file. `tell` is called, in whatever thread this is, with what people should know of it; `opened` with its
    descriptor, each time when it is opened.
    """

    def __init__(
        self, path: str, spec: LogFile, tell: Callable[[str], None], opened: Callable[[int], None] | None = None
    ) -> None:
        self.path = path
        self._spec = spec
        self._tell = tell
        self._opened = opened
        self._rotation = Rotation(path, spec.keep, spec.total, compress=spec.gzip)
        self._limit = max(1, spec.total // 2) if spec.size is None and spec.total is not None else spec.size
        self._room: float = math.inf if spec.total is None else 0
        """So great the file may become before rotated ones must go, as far as is known."""
        self._fd = -1
        self._size = 0
        self._span = 0
        self._mid_line = False
        self._looked_at = 0.0
        self._lost = 0
        self.lost = 0
        """How many bytes were ever lost; to be read by anybody."""
        self._lost_because = ""
        self._trouble = ""
        self._retry_at = 0.0
        self._retry_after = RETRY_AFTER
        self._well_since = 0.0

    def write(self, parts: list[bytes]) -> None:
        """Append all of them, or count them as lost."""
        now = time.monotonic()
        try:
            if self._trouble and now < self._retry_at:
                self.lose(sum(map(len, parts)), self._lost_because)
                return
            if self._fd >= 0 and now - self._looked_at >= LOOK_AGAIN_AFTER:
                self._look(now)
            if self._fd < 0:
                self._open(now)
            # Together: where there is room for the note only, it would be written again and again.
            self._append([self._note_of_loss(), *parts] if self._lost else parts)
            self._lost = 0
        except OSError as error:
            self.lose(sum(map(len, parts)), self._lost_because)
            self._give_up(error.strerror or str(error), now)
        else:
            if self._trouble:
                self._tell(f"log {self.path}: written to again")
                self._trouble, self._well_since = "", now

    def lose(self, size: int, because: str) -> None:
        """Count so many bytes that were never given."""
        self._lost += size
        self.lost += size
        self._lost_because = because

    def reopen(self) -> None:
        """Go on in the file that has the name by now."""
        self.close()
        self._retry_at = 0.0

    def finish(self) -> None:
        """Say what was lost, as far as that is possible, and close the file."""
        if self._lost:
            self.write([])
        self.close()

    def close(self) -> None:
        """Close the file; what is written later opens it again."""
        if self._fd >= 0:
            with suppress(OSError):  # Some file systems tell only now what went wrong; nothing can be done then.
                os.close(self._fd)
            self._fd = -1

    # Opening

    def _open(self, now: float) -> None:
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        # Not to wait for the reader of a named pipe.
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, _MODE)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise OSError("it is no regular file")
        self._size, self._looked_at = status.st_size, now
        self._mid_line = self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"
        self._span = self._span_of(status.st_mtime) if self._size else self._span_of(time.time())
        if self._opened is not None:
            self._opened(self._fd)

    def _look(self, now: float) -> None:
        """A file that was removed would swallow what is written, and nobody would ever see it."""
        self._looked_at = now
        if os.fstat(self._fd).st_nlink == 0:
            self.close()
            self._tell(f"log {self.path}: the file was removed; a new one is begun")

    def _give_up(self, reason: str, now: float) -> None:
        self.close()
        if not self._trouble:
            self._tell(f"log {self.path}: {reason}: nothing is written until that works again")
            lasted = now - self._well_since
            self._retry_after = RETRY_AFTER if lasted > LONGEST_RETRY else min(self._retry_after * 2, LONGEST_RETRY)
        self._trouble = self._lost_because = reason
        self._retry_at = now + self._retry_after

    # Writing

    def _append(self, parts: list[bytes]) -> None:
        size = sum(map(len, parts))
        limit = self._limit
        is_due = self._spec.age is not None and self._span_of(time.time()) != self._span
        if not is_due and (limit is None or self._size + size <= limit):
            for start in range(0, len(parts), _PARTS):
                self._put(parts[start : start + _PARTS])
            return
        if is_due and self._size and not self._mid_line:
            self._turn()
        self._put_turning(b"".join(parts), limit)

    def _put_turning(self, data: bytes, limit: int | None) -> None:
        """Rotate where it is time, after a whole line; a line that is longer than a file goes over the limit."""
        while limit is not None and self._size + len(data) > limit:
            room = limit - self._size
            end = data.rfind(b"\n", 0, max(0, room)) + 1
            if not end and (self._mid_line or not self._size):
                end = data.find(b"\n") + 1 or len(data)
            if end:
                self._put([data[:end]])
                data = data[end:]
            if not data or self._mid_line:
                break
            self._turn()
        if data:
            self._put([data])

    def _turn(self) -> None:
        self._rotation.turn()
        if self._spec.total is not None:
            self._room = 0
        self.close()
        self._open(time.monotonic())

    def _put(self, parts: list[bytes]) -> None:
        """Write them all, or nothing of them; raises OSError."""
        wanted = sum(map(len, parts))
        if self._size + wanted > self._room:
            self._room = self._rotation.make_room(self._size + wanted)
        written = 0
        try:
            written = os.writev(self._fd, parts)
            if written < wanted:
                rest = memoryview(b"".join(parts))
                while written < wanted:
                    written += os.write(self._fd, rest[written:])
        except OSError:
            # A part of a line would be worse than none.
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += wanted
        last = next((part for part in reversed(parts) if part), b"\n")
        self._mid_line = last[-1:] != b"\n"

    def _note_of_loss(self) -> bytes:
        text = f"{self._lost} bytes were lost here: {self._lost_because}"
        return (b"\n" if self._mid_line else b"") + note(self._spec.format, time.time(), text)

    def _span_of(self, at: float) -> int:
        return 0 if self._spec.age is None else int(at // self._spec.age)
