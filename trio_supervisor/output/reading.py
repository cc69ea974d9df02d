"""Reading a ring line by line: pieces are joined over chunks, and what a selection leaves out is left out."""

from collections import deque
from typing import NamedTuple, Self

import trio
from attrs import Factory, define

from trio_supervisor.output.lines import Block, Lines
from trio_supervisor.output.ring import Entry, Ring
from trio_supervisor.output.selection import Selection
from trio_supervisor.runtimes.base import Stream

LONGEST_JUDGED = 1 << 20
"""Bytes of a line that came in pieces that are judged as a whole; of a longer one its rest is judged piece by piece."""
_PAGE = 256 * 1024


class Line(NamedTuple):
    """A line, or a part of one. Times are seconds."""

    seq: int
    """The number of its last piece: who goes on after this line has the cursor `seq + 1`."""
    at: float
    """When its end came, since the epoch."""
    mono: float
    """The same by `time.monotonic`."""
    stream: Stream
    generation: int
    data: bytes
    """Without the line end."""
    begun: bool
    """It goes on with the line before it of the same stream."""
    open: bool
    """It is not over: a later one of the same stream goes on with it."""
    dropped: int = 0
    """So many pieces before it could not be read any more."""

    @property
    def text(self) -> str:
        """As text; bytes that are no UTF-8 come as `\\xff`."""
        return self.data.decode("utf-8", "backslashreplace")


@define
class _Judged:
    """A line that comes in pieces, up to its end."""

    pieces: list[Line] = Factory(list)
    """Those that wait for what is judged."""
    size: int = 0
    taken: bool | None = None
    """None: not judged yet."""


class LineReader:
    """Reads the lines of a ring from a cursor on. A slow reader loses lines and is told; it never holds up anybody."""

    def __init__(self, ring: Ring, since: int = 0, selection: Selection | None = None) -> None:
        self._ring = ring
        self._selection = selection
        self._streams: dict[Stream, Lines] = {}
        self._lives: dict[Stream, int] = {}
        self._long: dict[Stream, _Judged] = {}
        self._dropped = 0
        self._read: deque[Line] = deque()
        self.cursor = since
        """What will be read next. Who goes on from it later has a line that was begun before it only in part."""

    def read(self) -> tuple[Line, ...]:
        """What is there to be read now, up to a good page; nothing: all was read.

        Without a selection a line that is not over is given as far as it has come; with one, lines are given whole,
        and judged whole: one that comes in pieces is given in all of them, or not at all.
        """
        page = self._ring.read(self.cursor, _PAGE)
        found: list[Line] = []
        if page.dropped:
            for long in self._long.values():
                self._judge(found, long)
            self._long.clear()
            self._streams.clear()
            self._dropped += page.dropped
        for entry in page.entries:
            self._cut(entry, found)
        self.cursor = page.next
        if self._selection is None and page.entries and page.next == self._ring.next:
            for stream, lines in self._streams.items():
                self._add(found, lines.flush(), _latest(page.entries, stream))
        return tuple(found)

    def __aiter__(self) -> Self:
        """Line by line, all that is there and all that comes, until nothing more can come. There is nothing to
        close.
        """
        return self

    async def __anext__(self) -> Line:
        while not self._read:
            await trio.lowlevel.checkpoint()
            self._read.extend(self.read())
            if self._read or self.cursor < self._ring.next:
                continue
            if self._ring.closed:
                raise StopAsyncIteration
            await self._ring.wait_beyond(self.cursor)
        return self._read.popleft()

    def _cut(self, entry: Entry, found: list[Line]) -> None:
        lines = self._streams.get(entry.stream)
        if lines is None:
            lines = self._streams[entry.stream] = Lines()
        elif self._lives[entry.stream] != entry.generation:
            self._add(found, lines.end(), entry._replace(generation=self._lives[entry.stream]))
        self._lives[entry.stream] = entry.generation
        self._add(found, lines.feed(entry.data) if entry.data else lines.end(), entry)

    def _add(self, found: list[Line], blocks: list[Block], entry: Entry | None) -> None:
        if entry is None:
            return
        seq, last = entry.seq, entry.seq + entry.pieces - 1
        for block in blocks:
            parts = block.lines
            for number, data in enumerate(parts):
                is_open = block.open and number == len(parts) - 1
                line = Line(
                    min(seq, last),
                    entry.at,
                    entry.mono,
                    entry.stream,
                    entry.generation,
                    data,
                    block.begun and number == 0,
                    is_open,
                )
                seq += not is_open
                if self._selection is None:
                    self._give(found, line)
                elif is_open or line.stream in self._long:
                    self._take_piece(found, line)
                elif self._selection.takes(line.stream, data):
                    self._give(found, line)

    def _take_piece(self, found: list[Line], line: Line) -> None:
        long = self._long.setdefault(line.stream, _Judged())
        if long.taken is None:
            long.pieces.append(line)
            long.size += len(line.data)
            if not line.open or long.size >= LONGEST_JUDGED:
                self._judge(found, long)
        elif long.taken or self._takes(line.stream, line.data):
            self._give(found, line)
        if not line.open:
            del self._long[line.stream]

    def _judge(self, found: list[Line], long: _Judged) -> None:
        if long.pieces:
            long.taken = self._takes(long.pieces[0].stream, b"".join([piece.data for piece in long.pieces]))
            for piece in long.pieces if long.taken else ():
                self._give(found, piece)
            long.pieces.clear()

    def _takes(self, stream: Stream, data: bytes) -> bool:
        return self._selection is None or self._selection.takes(stream, data)

    def _give(self, found: list[Line], line: Line) -> None:
        found.append(line._replace(dropped=self._dropped) if self._dropped else line)
        self._dropped = 0


def _latest(entries: tuple[Entry, ...], stream: Stream) -> Entry | None:
    """The last entry of a stream, as if it had only its last piece."""
    for entry in reversed(entries):
        if entry.stream is stream:
            return entry._replace(seq=entry.seq + entry.pieces - 1, pieces=1)
    return None
