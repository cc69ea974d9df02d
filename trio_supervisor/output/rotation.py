"""Rotated log files: `file` becomes `file.1`, that one `file.2`, and so on; the oldest go. Blocking."""

import gzip
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress

_GZ = ".gz"
_PART = ".gz.part"
"""A file that is being compressed; one that is left over is overwritten."""


class Rotation:
    """The rotated files of one log file; of two at a time only one may be made for a path."""

    def __init__(self, path: str, keep: int, total: int | None, *, compress: bool) -> None:
        self._path = path
        self._keep = keep
        self._total = total
        self._compress = compress
        self._lock = threading.Lock()
        """Nobody but who holds it renames or removes."""
        self._compressing: threading.Thread | None = None

    def turn(self) -> None:
        """Put the file away, so that a new one can be begun.

        Raises:
            OSError: it can't be; the file is where it was.
        """
        with self._lock:
            for number, path in sorted(self._rotated(), reverse=True):
                if number >= self._keep:
                    os.unlink(path)
                else:
                    os.rename(path, self._name(number + 1, path))
            if self._keep:
                os.rename(self._path, self._name(1))
            else:
                os.unlink(self._path)
        if self._compress and self._keep and (self._compressing is None or not self._compressing.is_alive()):
            # A daemon: the next run finds what was not compressed.
            self._compressing = threading.Thread(target=self._compress_all, name=f"gzip {self._path}", daemon=True)
            self._compressing.start()

    def _name(self, number: int, like: str = "") -> str:
        return f"{self._path}.{number}{_GZ if like.endswith(_GZ) else ''}"

    def _rotated(self) -> Iterator[tuple[int, str]]:
        directory, name = os.path.split(self._path)
        pattern = re.compile(re.escape(name) + r"\.([1-9][0-9]{0,5})(?:\.gz)?")
        for entry in os.listdir(directory or "."):
            if match := pattern.fullmatch(entry):
                yield int(match[1]), os.path.join(directory, entry)

    def make_room(self, size: int) -> int:
        """Remove the oldest rotated files, so that those that stay and a file of `size` are within the total; returns
        how great the file may become before more must go.

        Raises:
            OSError: one can't be removed.
        """
        assert self._total is not None
        with self._lock, suppress(FileNotFoundError):  # The directory was removed, and all of them with it.
            return self._total - self._remove_beyond(self._total - size)
        return self._total

    def _remove_beyond(self, limit: int) -> int:
        """Remove the oldest; returns the size of those that stay."""
        size = 0
        for _, path in sorted(self._rotated()):
            of_this = os.stat(path).st_size
            if size + of_this <= limit:
                size += of_this
            else:
                os.unlink(path)
                limit = 0  # An older one that is small must not outlive a younger one.
        return size

    def _compress_all(self) -> None:
        """In a thread of its own."""
        with suppress(OSError):  # A disk without room: they stay as they are, and the next rotation tries again.
            while plain := max((each for each in self._rotated() if not each[1].endswith(_GZ)), default=None):
                self._compress_one(plain[1])

    def _compress_one(self, path: str) -> None:
        part = self._path + _PART
        try:
            with open(path, "rb") as source:
                before = os.fstat(source.fileno())
                with open(part, "wb") as target, gzip.open(target, "wb", compresslevel=6) as packed:
                    shutil.copyfileobj(source, packed, 256 * 1024)
                os.chmod(part, before.st_mode & 0o777)
                os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
        except FileNotFoundError:
            return  # It was renamed between the look and the opening.
        except OSError:
            with suppress(OSError):
                os.unlink(part)
            raise
        with self._lock:
            # It may have moved on meanwhile, or be gone.
            for number, now in self._rotated():
                if not now.endswith(_GZ) and os.path.samestat(os.stat(now), before):
                    os.rename(part, self._name(number, _GZ))
                    os.unlink(now)
                    return
            os.unlink(part)
