"""The search for what is expected, in what is said: over chunk borders, in partial lines, within bounded memory."""

import math
import re
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from enum import Enum

from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import SpecError
from trio_supervisor.output.ring import Entry
from trio_supervisor.record import record
from trio_supervisor.sessions.cursor import Cursor, after
from trio_supervisor.sessions.scan import scan

MOST = 1 << 20
"""Bytes that are kept while nothing matches; when there are more, the older half is dropped."""
OVERLAP = 64 << 10
"""A match that begins so many bytes before what is new is found at once. What is older is searched again from time to
time only (`Search.find(whole=True)`): else the work would grow with the square of what is said.
"""
DEAREST = 2.0
"""Seconds of the processor: what was searched is not searched again where that would probably cost more. There are
patterns (`.*x` on a long line) whose cost grows with the square of the text.
"""
COSTLY = 8 << 10
"""A search of so many bytes says what more would cost."""
LOOK_BACK = 1024
"""So many bytes before that a pattern on text can look back at."""


class End(Enum):
    """The end of a life, where a pattern may stand."""

    EOF = "EOF"


EOF = End.EOF

Expected = str | bytes | re.Pattern[str] | re.Pattern[bytes] | End
"""A regular expression, on bytes or on text (UTF-8), or the end."""


@record
class Match:
    """What was expected, and was said."""

    index: int
    """Which of the patterns it is; of those that match at the same place the first."""
    text: bytes
    """What matches."""
    before: bytes
    """What was said before it, from the cursor on."""
    next: Cursor
    """The cursor after it."""
    groups: tuple[bytes | str | None, ...] = ()
    """The groups of the pattern; text where that is text."""
    dropped: int = 0
    """So many bytes before `before` are left out, as they were too many to keep; pieces that were dropped before they
    could be read count as one each.
    """
    exit: Exit | None = None
    """With EOF: how the life ended, if that is known."""


class Patterns:
    """What is expected: any of these."""

    def __init__(self, expected: Expected | Sequence[Expected]) -> None:
        """Raises SpecError: one is no regular expression, or there is none."""
        if isinstance(expected, str | bytes | re.Pattern | End):
            expected = (expected,)
        self.eof = next((index for index, each in enumerate(expected) if isinstance(each, End)), None)
        self._compiled = [(index, _compiled(each)) for index, each in enumerate(expected) if not isinstance(each, End)]
        if not expected:
            raise SpecError("expect needs a pattern")

    def __iter__(self) -> Iterator[tuple[int, re.Pattern[str] | re.Pattern[bytes]]]:
        return iter(self._compiled)


def _compiled(pattern: str | bytes | re.Pattern[str] | re.Pattern[bytes]) -> re.Pattern[str] | re.Pattern[bytes]:
    if isinstance(pattern, re.Pattern):
        return pattern
    try:
        return re.compile(pattern)
    except re.error as error:
        raise SpecError(f"{pattern!r} is not a regular expression: {error}") from error


@record
class _Hit:
    index: int
    start: int
    end: int
    groups: tuple[bytes | str | None, ...]


class Search:
    """One search, from a cursor on."""

    def __init__(self, patterns: Patterns, since: Cursor) -> None:
        self._patterns = patterns
        self._buffer = bytearray()
        self._sources: deque[tuple[int, Entry]] = deque()
        """Where in the buffer each entry begins, or would."""
        self._searched = 0
        self._whole_searched = 0
        self._cost = 0.0
        """Seconds for each square byte, by the last search that says something."""
        self.unfinished = False
        """Whether a search was broken off."""
        self._dropped = 0
        self._since = since
        self.next = since
        """The cursor after all that was fed."""

    @property
    def before(self) -> bytes:
        """What has come, as far as it is kept."""
        return bytes(self._buffer)

    @property
    def partly(self) -> bool:
        """Whether `find(whole=True)` could find what `find()` has not."""
        return len(self._buffer) > max(OVERLAP, self._whole_searched) and not self._is_too_dear

    @property
    def _is_too_dear(self) -> bool:
        return self._cost * len(self._buffer) ** 2 > DEAREST

    def skip(self, dropped: int) -> None:
        """So many pieces could not be read: nothing matches over the gap."""
        if dropped:
            self._drop(len(self._buffer))
            self._dropped += dropped
            self._since = self.next

    def feed(self, entry: Entry) -> None:
        """Take in an entry of the ring, without what the cursor says was read."""
        skip = self.next.skip if entry.seq == self.next.piece else 0
        self._sources.append((len(self._buffer) - skip, entry))
        self._buffer += entry.data[skip:] if skip else entry.data
        self.next = Cursor(entry.seq + entry.pieces)

    def pass_over(self, entry: Entry) -> None:
        """Leave out an entry of the ring."""
        self.next = Cursor(entry.seq + entry.pieces)

    def find(self, *, over: bool = False, whole: bool = False) -> Match | None:
        """All the steps of `finding` at once."""
        steps = self.finding(over=over, whole=whole)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: Match | None = end.value
                return found

    def finding(self, *, over: bool = False, whole: bool = False) -> Generator[None, None, Match | None]:
        """What matches first, if anything does. To be called after each `feed`, which it holds within bounds. Yields
        where others should have their turn; nothing is to be fed meanwhile.

        `over`: nothing more will come. `whole`: search all that is kept, not only what is new.
        """
        self.unfinished = True
        hit = yield from self._first_hit(max(0, self._searched - self._overlap), over=over)
        if hit is None and (over or whole or len(self._buffer) > MOST) and self.partly:
            hit = yield from self._first_hit(0, over=over)
        self.unfinished = False
        if hit is None:
            if len(self._buffer) > MOST:
                self._drop(len(self._buffer) - MOST // 2)
            return None
        text, before = bytes(self._buffer[hit.start : hit.end]), bytes(self._buffer[: hit.start])
        return Match(hit.index, text, before, self._cursor(hit.end), hit.groups, self._dropped)

    def at_end(self, index: int, exit: Exit | None) -> Match:
        """The end is what was expected."""
        return Match(index, b"", self.before, self.next, (), self._dropped, exit)

    @property
    def _overlap(self) -> int:
        """How much of what was searched is searched again with what is new: less where that would be too dear."""
        if self._cost * OVERLAP**2 <= DEAREST:
            return OVERLAP
        return int(math.sqrt(DEAREST / self._cost))

    def _first_hit(self, since: int, *, over: bool) -> Generator[None, None, _Hit | None]:
        hits: list[_Hit] = []
        spent = 0.0
        for index, pattern in self._patterns:
            steps = self._hit(index, pattern, since, over=over)
            while True:
                began = time.thread_time()
                try:
                    next(steps)
                except StopIteration as end:
                    hits += [end.value] if end.value is not None else []
                    break
                finally:
                    spent += time.thread_time() - began
                yield
        size = self._searched = len(self._buffer)
        if size - since >= COSTLY:
            self._cost = spent / (size - since) ** 2
        if not since:
            self._whole_searched = size
        return min(hits, key=lambda each: (each.start, each.index), default=None)

    def _hit(
        self, index: int, pattern: re.Pattern[str] | re.Pattern[bytes], since: int, *, over: bool
    ) -> Generator[None, None, _Hit | None]:
        if isinstance(pattern.pattern, bytes):
            of_bytes = yield from scan(pattern, self._buffer, since)
            return of_bytes and _Hit(index, of_bytes.start(), of_bytes.end(), of_bytes.groups())
        # What is searched already is not made text again, but for what a pattern may look back at.
        context = self._whole(max(0, since - LOOK_BACK))
        start = len(_text(self._buffer[context : self._whole(since)]))
        size = len(self._buffer)
        text = _text(self._buffer[context : size if over else size - _half(self._buffer)])
        of_text = yield from scan(pattern, text, start)
        if of_text is None:
            return None
        assert isinstance(of_text[0], str)
        first = context + _size(text[: of_text.start()])
        return _Hit(index, first, first + _size(of_text[0]), of_text.groups())

    def _whole(self, at: int) -> int:
        """The place of the character that this byte belongs to."""
        for place in range(at, max(0, at - 3), -1):
            if place == len(self._buffer) or self._buffer[place] & 0xC0 != 0x80:
                return place
        return max(0, at - 3)

    def _cursor(self, end: int) -> Cursor:
        for start, entry in reversed(self._sources):
            if start < end:
                return after(entry, end - start)
        return self._since

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._dropped += size
        self._searched = max(0, self._searched - size)
        self._whole_searched = max(0, self._whole_searched - size)
        kept = [(start - size, entry) for start, entry in self._sources if start + len(entry.data) > size]
        self._sources = deque(kept)


def _half(data: bytearray) -> int:
    """How many bytes at the end are the beginning of a character of UTF-8."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            needed = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4 if byte & 0xF8 == 0xF0 else 1
            return back if needed > back else 0
    return 0


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "surrogateescape")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
