"""Looks at a file that a child writes: that it is there, that it is of this life, that it is fresh."""

import math
import os
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.spec import File, expand
from trio_supervisor.words import took

_THREADS = 4
_limiter: "trio.lowlevel.RunVar[trio.CapacityLimiter]" = trio.lowlevel.RunVar("trio_supervisor.probes.file")

_Look = tuple[int, int, int, int]


@asynccontextmanager
async def open_file(check: File, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the file is there, and as new as it should be.

    Raises:
        ProbeError: its name needs the child's port, and the child has none.
    """
    if target.port is None and "{port}" in check.file:
        raise ProbeError(f"file {check.file!r} needs a port, and the child has none")
    path = expand(check.file, target.child, target.port)
    began = None if target.telling is None else target.telling.began
    yield OpenProbe(_FileProbe(check, path, began).ask)


class _FileProbe:
    """Remembers what the file looked like."""

    def __init__(self, check: File, path: str, began: float | None) -> None:
        self._check = check
        self._path = path
        self._began = began
        self._last: _Look | None = None
        self._seen_at = trio.current_time()
        """When it was seen for the first time, or else to have changed, by the clock that can't be set."""
        self._changed = False
        """Whether it was seen to change."""

    async def ask(self) -> Answer:
        begun = trio.current_time()
        try:
            status = await self._look()
        except FileNotFoundError:
            self._last = None
            return Answer(False, f"there is no file {self._path}")
        except OSError as error:
            return Answer(False, f"{self._path}: {error.strerror}")
        if stat.S_ISDIR(status.st_mode):
            return Answer(False, f"{self._path} is a directory")
        fault = self._fault(status)
        return Answer(fault is None, fault or f"the file is there, seen in {took(trio.current_time() - begun)}")

    async def _look(self) -> os.stat_result:
        # A network file system may hang; then a thread of few is left behind, and nobody else waits for it.
        try:
            limiter = _limiter.get()
        except LookupError:
            limiter = trio.CapacityLimiter(_THREADS)
            _limiter.set(limiter)
        return await trio.to_thread.run_sync(os.stat, self._path, limiter=limiter, abandon_on_cancel=True)

    def _fault(self, status: os.stat_result) -> str | None:
        """What is wrong, or None."""
        look = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        if look != self._last:
            self._changed = self._changed or self._last is not None
            self._seen_at = trio.current_time()
            self._last = look
        if self._check.newer and not self._changed and self._is_older(status):
            return f"{self._path} was written before this life began"
        age = self._age(status.st_mtime)
        if age > self._check.max_age:
            return f"{self._path} was written {age:.1f} s ago, longer than {self._check.max_age:g} s"
        return None

    def _is_older(self, status: os.stat_result) -> bool:
        """Whether it was written before the life began."""
        if self._began is None:
            return False
        # Renamed into its place, or given a time of its own choice: that is to write it, too.
        written = max(status.st_mtime, status.st_ctime)
        return written < (math.floor(self._began) if written == math.floor(written) else self._began)

    def _age(self, written: float) -> float:
        """Seconds since it was written, whatever the clock of the machine has been set to meanwhile."""
        by_wall, seen = time.time() - written, trio.current_time() - self._seen_at
        if by_wall < 0:
            # A time to come: the clock was set back.
            return seen
        # Set forward, it makes everything old.
        return min(by_wall, seen) if self._changed else by_wall
