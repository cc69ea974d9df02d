"""The ring: the last of what one child has said, in the order it was read, for any number of readers at their own pace.

It keeps chunks as they were read: a chunk costs a few microseconds, whatever is in it, and nobody who reads can make
the child wait. A reader that is to miss nothing claims what it has not read: for those up to `CLAIMED_BYTES` are kept
beyond the limits. What is said is numbered in pieces, which are lines or parts of lines; a cursor is the number of the
next piece. Times are seconds.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import trio

from trio_supervisor.runtimes.base import Stream

LIMIT_BYTES = 1 << 20
LIMIT_PIECES = 10_000
CLAIMED_BYTES = 4 << 20
"""More than the pipes and buffers of a program hold that passes on what it reads."""
LONGEST_LINE = 65536
"""Bytes; chunks whose lines are longer become several entries, so that a reader can go on within them."""
ENTRY_COST = 256
"""An entry counts as so many bytes more than it holds: what it costs to keep it."""

_SAMPLE = 512
_MANY = 16
_PART = 1 << 16


class Entry(NamedTuple):
    """A chunk as it was read; an empty one: the stream is over within a line, which ends with it."""

    seq: int
    """The number of its first piece."""
    pieces: int
    """How many lines end in it, and one more if it does not end with a line end."""
    at: float
    """When it came, since the epoch."""
    mono: float
    """The same on the clock that can't jump (`time.monotonic`)."""
    stream: Stream
    generation: int
    """Which life of the child said it."""
    data: bytes
    begun: bool
    """Its beginning goes on with a line of an earlier entry of the same stream."""

    @property
    def open(self) -> bool:
        """Whether its last line goes on in a later entry of the same stream."""
        return bool(self.data) and self.data[-1] != _LF


_LF = 0x0A


class Page(NamedTuple):
    """What a reader gets at once."""

    entries: tuple[Entry, ...]
    next: int
    """The cursor to go on with."""
    dropped: int
    """So many pieces after the reader's cursor are gone: they were dropped before they were read."""


@dataclass(slots=True)
class Limits:
    """How much a ring may keep; may be changed, and shared by rings."""

    bytes: int = LIMIT_BYTES
    pieces: int = LIMIT_PIECES


# What says nothing takes no room: an empty deque has some for 64 entries.
_NOTHING: deque[Entry] = deque()
_NO_STREAM: frozenset[Stream] = frozenset()


class Ring:
    """What one child says, in all of its lives. Belongs to one Trio run."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.closed = False
        """Nothing more will be said."""
        self._entries = _NOTHING
        self._size = 0
        self._next = 1
        self._open = _NO_STREAM
        self._readers: trio.lowlevel.ParkingLot | None = None
        """Where those wait who follow."""
        self._claims: tuple[Callable[[], int], ...] = ()
        self.said: dict[Stream, int] = {}
        """How many bytes were ever said, by stream."""

    @property
    def first(self) -> int:
        """The cursor of the oldest that is kept."""
        return self._entries[0].seq if self._entries else self._next

    @property
    def next(self) -> int:
        """The cursor of what will be said next."""
        return self._next

    @property
    def size(self) -> int:
        """What is kept, in bytes, with what it costs to keep it."""
        return self._size

    def append(self, stream: Stream, chunk: bytes, generation: int) -> None:
        """Take in a chunk; b"" ends the stream."""
        if not chunk and stream not in self._open:
            return
        pieces = _pieces(chunk)
        self.said[stream] = self.said.get(stream, 0) + len(chunk)
        if len(chunk) > LONGEST_LINE * pieces:
            for start in range(0, len(chunk), LONGEST_LINE):
                part = chunk[start : start + LONGEST_LINE]
                self._add(stream, part, _pieces(part), generation)
        else:
            self._add(stream, chunk, pieces, generation)
        self._trim()
        if self._readers:
            self._readers.unpark_all()

    def read(self, since: int = 0, most: int = LIMIT_BYTES) -> Page:
        """What was said from the cursor on, up to about `most` bytes of it."""
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.seq + entry.pieces <= since:
                break
            found.append(entry)
        found.reverse()
        dropped = max(0, self.first - max(since, 1))
        if found and found[0].seq < since:
            found[0] = _from(found[0], since)
        size = 0
        for count, entry in enumerate(found, 1):
            size += len(entry.data)
            if size >= most:
                del found[count:]
        return Page(tuple(found), _after(found[-1]) if found else max(self._next, since), dropped)

    def tail(self, pieces: int) -> Page:
        """The last so many pieces, or as many as are kept; it is no loss that there were more."""
        since = max(self.first, self._next - max(0, pieces))
        return self.read(since, self.limits.bytes)

    def follow(self, since: int | None = None, most: int = LIMIT_BYTES) -> "Follower":
        """What was said from the cursor on (None: from now on), and all that will be; ends when nothing more can
        come.
        """
        return Follower(self, self._next if since is None else since, most)

    def claim(self, unread: Callable[[], int]) -> None:
        """Keep what comes from this reader's cursor on until it was read; to be given up by `forget`."""
        self._claims += (unread,)

    def forget(self, unread: Callable[[], int]) -> None:
        """The reader has gone. Harmless when it has claimed nothing."""
        self._claims = tuple([each for each in self._claims if each != unread])
        self._trim()

    async def wait_beyond(self, cursor: int) -> None:
        """Wait until something is there at the cursor, or nothing more can come."""
        if self._readers is None:
            self._readers = trio.lowlevel.ParkingLot()
        while self._next <= cursor and not self.closed:
            await self._readers.park()

    def reopen(self) -> None:
        """There is a child again whose ring it is."""
        self.closed = False

    def close(self) -> None:
        """The child is gone for good: those who follow come to an end."""
        self.closed = True
        if self._readers is not None:
            self._readers.unpark_all()

    def _add(self, stream: Stream, data: bytes, pieces: int, generation: int) -> None:
        begun = stream in self._open
        entry = Entry(self._next, pieces, time.time(), time.monotonic(), stream, generation, data, begun)
        if entry.open:
            self._open |= {stream}
        elif begun:
            self._open -= {stream}
        if self._entries is _NOTHING:
            self._entries = deque()
        self._entries.append(entry)
        self._next += pieces
        self._size += len(data) + ENTRY_COST

    def _trim(self) -> None:
        entries, limits = self._entries, self.limits
        while entries and (self._size > limits.bytes or self._next - entries[0].seq > limits.pieces):
            if self._claims and self._is_claimed(entries[0]):
                return
            first = entries[0]
            size_after = self._size - len(first.data) - ENTRY_COST
            # To cut a long entry is to copy it; a flood gives up whole ones, as long as much is left.
            is_much = 2 * size_after >= limits.bytes or 2 * (self._next - _after(first)) >= limits.pieces
            if not is_much and self._split_first():
                continue
            if len(entries) == 1:
                return
            entries.popleft()
            self._size = size_after

    def _is_claimed(self, entry: Entry) -> bool:
        return self._size <= CLAIMED_BYTES and any(unread() < _after(entry) for unread in self._claims)

    def _split_first(self) -> bool:
        """Make several of an entry of which only a part must go; False if it is short, or one line."""
        first, limits = self._entries[0], self.limits
        by_pieces = len(first.data) * limits.pieces // first.pieces
        longest = max(1, min(limits.bytes, by_pieces) // 8)
        parts = tuple(_cut(first.data, longest)) if len(first.data) > longest and first.pieces > 1 else ()
        if len(parts) < 2:
            return False
        self._entries.popleft()
        seq = first.seq + first.pieces
        for part in reversed(parts):
            pieces = _pieces(part)
            seq -= pieces
            begun = first.begun and seq == first.seq
            self._entries.appendleft(first._replace(seq=seq, pieces=pieces, data=part, begun=begun))
        self._size += (len(parts) - 1) * ENTRY_COST
        return True


class Follower:
    """Reads a ring to its end, page by page. There is nothing to close: who stops reading just stops."""

    def __init__(self, ring: Ring, cursor: int, most: int) -> None:
        self._ring = ring
        self._most = most
        self.cursor = cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        await trio.lowlevel.checkpoint()
        while True:
            page = self._ring.read(self.cursor, self._most)
            if page.entries or page.dropped:
                self.cursor = page.next
                return page
            if self._ring.closed:
                raise StopAsyncIteration
            await self._ring.wait_beyond(self.cursor)


def _pieces(data: bytes) -> int:
    """How many pieces are in it; an empty one counts too, so that a reader can be told of it."""
    if not data or data[-1] != _LF:
        return _line_ends(data) + 1
    return _line_ends(data)


def _cut(data: bytes, longest: int) -> Iterator[bytes]:
    """Parts of about so many bytes, none of which ends within a line, but perhaps the last."""
    start = 0
    while len(data) - start > longest:
        end = data.rfind(b"\n", start, start + longest) + 1 or data.find(b"\n", start + longest) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]


def _line_ends(data: bytes) -> int:
    # To take them out goes from one to the next and costs a quarter of counting, as long as there are not very many. Of
    # a great chunk part by part: the copies stay in the processor's cache.
    if len(data) <= _SAMPLE or data.count(b"\n", 0, _SAMPLE) > _MANY:
        return data.count(b"\n")
    if len(data) <= _PART:
        return len(data) - len(data.replace(b"\n", b""))
    parts = (data[start : start + _PART] for start in range(0, len(data), _PART))
    return sum(len(part) - len(part.replace(b"\n", b"")) for part in parts)


def _from(entry: Entry, cursor: int) -> Entry:
    """What is left of an entry from a cursor within it on."""
    skipped = cursor - entry.seq
    at = 0
    for _ in range(skipped):
        at = entry.data.index(b"\n", at) + 1
    return entry._replace(seq=cursor, pieces=entry.pieces - skipped, data=entry.data[at:], begun=False)


def _after(entry: Entry) -> int:
    return entry.seq + entry.pieces
