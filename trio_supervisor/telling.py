"""What one life says and tells by itself, kept from its beginning on for those who look for something in it.

Nothing waits here and nothing is polled: the engine hands over each chunk and each notification as it comes.
"""

import math
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping

import trio

from trio_supervisor.core.facts import Role
from trio_supervisor.spec import Check, Log, LogStream

LONGEST_LINE = 65536
"""Bytes; a longer line is looked at in pieces."""
PARTIAL_AFTER = 0.1
"""Seconds: a line that is not over is looked at when nothing more of it has come for so long."""
_KEPT = 16
"""So many lines that were found are kept until somebody asks."""

_REALTIME_COARSE = 5  # clock_getres(2); Python has no name for it
_ESCAPE_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")  # ECMA-48, 5.4 and 8.3.89


class Found:
    """A line that was looked for. Not to be changed."""

    __slots__ = ("failure", "line")

    def __init__(self, line: str, *, failure: bool) -> None:
        self.line = line
        self.failure = failure
        """Whether it is one of `fail`."""


class Search:
    """Looks for the patterns of one probe in all lines of one life; tells only what is another news than the last."""

    def __init__(self, check: Log, expanded: Callable[[str], str]) -> None:
        self._check = check
        self._expanded = expanded
        self._patterns: tuple[tuple[re.Pattern[str], bool], ...] | None = None
        """What is looked for, and whether that is a failure; None before the first line."""
        self._stream = check.stream
        self._found: deque[Found] = deque(maxlen=_KEPT)
        self._last: bool | None = None
        """What was found last; None before anything was."""
        self.latest: Found | None = None
        """The same with its line, for who must not wait."""
        self._partial: dict[Hashable, bytes] = {}
        """The line of each stream that is not over, as far as it has come."""
        self._unseen: set[Hashable] = set()
        """The streams whose partial line has grown since it was looked at."""
        self._done_with: set[Hashable] = set()
        """The streams of whose present line nothing more is wanted."""
        self._news = trio.Event()

    def take(self, stream: Hashable, chunk: bytes, *, error: bool) -> None:
        """Take in a chunk of a stream; b"" is its end. `error`: it is standard error, or as good as that."""
        if self._stream is not LogStream.BOTH and error is not (self._stream is LogStream.STDERR):
            return
        if stream in self._done_with:
            _, end, chunk = chunk.partition(b"\n")
            if not end:
                return
            self._done_with.remove(stream)
        *lines, rest = (self._partial.pop(stream, b"") + chunk).split(b"\n")
        for line in lines if chunk else (rest,):
            self._look_at(line)
        while len(rest) > LONGEST_LINE:
            self._look_at(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        self._unseen.discard(stream)
        if rest and chunk:
            self._partial[stream] = rest
            self._unseen.add(stream)
            self._wake()

    async def next(self) -> Found:
        """Wait for the next news; what came before anybody asked is given first."""
        await trio.lowlevel.checkpoint()
        while not self._found:
            with trio.move_on_after(PARTIAL_AFTER if self._unseen else math.inf) as patience:
                await self._news.wait()
            if patience.cancelled_caught:
                self._look_at_partial_lines()
        return self._found.popleft()

    def _look_at_partial_lines(self) -> None:
        for stream in self._unseen:
            if self._look_at(self._partial[stream]):
                del self._partial[stream]
                self._done_with.add(stream)
        self._unseen.clear()

    def _look_at(self, line: bytes) -> bool:
        """Whether something was found in a line."""
        text = _ESCAPE_SEQUENCE.sub(b"", line).decode(errors="replace").rstrip("\r")
        for pattern, failure in self._looked_for():
            if pattern.search(text):
                if failure is not self._last:
                    self._last = failure
                    self.latest = Found(text, failure=failure)
                    self._found.append(self.latest)
                    self._wake()
                return True
        return False

    def _looked_for(self) -> "tuple[tuple[re.Pattern[str], bool], ...]":
        if self._patterns is None:
            # Not before: the port is known only when the child runs. A failure first: "address in use, can't start
            # listening" is one, whatever else is found in it.
            both = ((self._check.fail, True), (self._check.log, False))
            self._patterns = tuple((re.compile(self._expanded(text)), kind) for text, kind in both if text)
        return self._patterns

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()


class Notifications:
    """What one life has notified its supervisor of (sd_notify(3)), as far as its probes want to know."""

    def __init__(self) -> None:
        self.ready: bool | None = None
        """Whether it is, by its own words; None before the first."""
        self.why = ""
        """Why it is not ready any more."""
        self.heartbeats = 0
        """WATCHDOG=1, so many times."""
        self.heartbeat_at: float | None = None
        """When the last of these came, on Trio's clock."""
        self.trigger = False
        """It has said itself that it is to be taken for failed (WATCHDOG=trigger)."""
        self.watchdog: float | None = None
        """The seconds between heartbeats, where it has asked for others."""
        self._news = trio.Event()

    def take(self, fields: Mapping[str, str]) -> None:
        """Take in a notification."""
        if fields.get("READY") == "1":
            self.ready = True
        elif fields.get("RELOADING") == "1":
            self.ready, self.why = False, "reloading"
        elif fields.get("STOPPING") == "1":
            self.ready, self.why = False, "stopping by itself"
        watchdog = fields.get("WATCHDOG")
        if watchdog == "1":
            self.heartbeats += 1
            self.heartbeat_at = trio.current_time()
        self.trigger = self.trigger or watchdog == "trigger"
        if (interval := seconds(fields.get("WATCHDOG_USEC"))) is not None and interval > 0:
            self.watchdog = interval
        self._news.set()
        self._news = trio.Event()

    async def change(self) -> None:
        """Wait for the next one."""
        await self._news.wait()


class Telling:
    """All that one life says and tells, for its probes."""

    def __init__(self, checks: Mapping[Role, Check], expanded: Callable[[str], str], began: float) -> None:
        """`expanded`: replaces the placeholders in a text, once the child runs. `began`: the `file_time` then."""
        self.began = began
        """When this life began, in seconds since the epoch, as the kernel would write it to a file."""
        self.searches = {role: Search(check, expanded) for role, check in checks.items() if isinstance(check, Log)}
        self.notifications = Notifications()

    def said(self, stream: Hashable, chunk: bytes, *, error: bool) -> None:
        """It has said something; b"" is the end of that stream."""
        for search in self.searches.values():
            search.take(stream, chunk, error=error)


def file_time() -> float:
    """What the kernel writes to a file that is changed now, in seconds since the epoch."""
    # Files get the time of the last tick, which is some milliseconds behind that of `time.time()`.
    return time.clock_gettime(_REALTIME_COARSE) if sys.platform == "linux" else time.time()


def seconds(microseconds: str | None) -> float | None:
    """A number of microseconds, as notifications have it; None if it is none."""
    if microseconds is None or not (microseconds.isascii() and microseconds.isdecimal()) or len(microseconds) > 18:
        return None
    return int(microseconds) / 1e6
