"""What children have said and say, merged in the order of time."""

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import trio

from trio_supervisor.control.api import LogLine
from trio_supervisor.output.reading import Line, LineReader
from trio_supervisor.output.ring import Ring
from trio_supervisor.output.selection import Selection, level_name
from trio_supervisor.record import record


@record
class Source:
    """One child that is read."""

    agent: str
    ring: Ring


@record
class Reading:
    """What of it is wanted."""

    since: int = 0
    tail: int | None = None
    follow: bool = False
    selection: Selection | None = None
    since_time: float | None = None
    """Seconds since the epoch."""


class _Past:
    """What one child has said up to now, page by page."""

    def __init__(self, source: Source, reading: Reading) -> None:
        self.agent = source.agent
        self._end = source.ring.next
        since = reading.since
        if reading.since_time is not None:
            since = max(since, _at(source.ring, reading.since_time))
        if reading.tail is not None and reading.selection is None:
            since = max(since, source.ring.first, source.ring.next - reading.tail)
        self.reader = LineReader(source.ring, since, reading.selection)
        self._tail = reading.tail if reading.selection is not None else None
        self._lines: deque[Line] = deque(maxlen=self._tail)

    async def next(self) -> Line | None:
        """The next line; None at the end."""
        if self._tail is not None:
            await self._read_all()
            self._tail = None
        more = not self._lines
        while more:
            more = self._read() and not self._lines
            await trio.lowlevel.checkpoint()
        return self._lines.popleft() if self._lines else None

    async def _read_all(self) -> None:
        more = True
        while more:
            more = self._read()
            await trio.lowlevel.checkpoint()

    def _read(self) -> bool:
        if self.reader.cursor >= self._end:
            return False
        self._lines.extend(self.reader.read())
        return True


def _at(ring: Ring, time: float) -> int:
    """The cursor of the first that is not older."""
    entries = ring.read(0, sys.maxsize).entries
    return next((entry.seq for entry in entries if entry.at >= time), ring.next)


@asynccontextmanager
async def merged(
    sources: Sequence[Source], reading: Reading, more: Callable[[], AsyncIterator[Source]] | None = None
) -> AsyncIterator[AsyncIterator[LogLine]]:
    """The lines of all sources; with `follow` also those to come, and of those that `more` brings."""
    send, receive = trio.open_memory_channel[LogLine](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pump, sources, reading, more, send)
        try:
            yield receive
        finally:
            nursery.cancel_scope.cancel()


async def _pump(
    sources: Sequence[Source],
    reading: Reading,
    more: Callable[[], AsyncIterator[Source]] | None,
    send: trio.MemorySendChannel[LogLine],
) -> None:
    async with send:
        pasts = [_Past(source, reading) for source in sources]
        await _send_past(pasts, send)
        if not reading.follow:
            return
        async with trio.open_nursery() as nursery:
            for past in pasts:
                nursery.start_soon(_follow, past.agent, past.reader, send)
            if more is not None:
                async for source in more():
                    reader = LineReader(source.ring, 0, reading.selection)
                    nursery.start_soon(_follow, source.agent, reader, send)


async def _send_past(pasts: Iterable[_Past], send: trio.MemorySendChannel[LogLine]) -> None:
    heads = {past: line for past in pasts if (line := await past.next()) is not None}
    while heads:
        past = min(heads, key=lambda each: heads[each].mono)
        await send.send(_told(past.agent, heads.pop(past)))
        if (line := await past.next()) is not None:
            heads[past] = line


async def _follow(agent: str, reader: LineReader, send: trio.MemorySendChannel[LogLine]) -> None:
    async for line in reader:
        await send.send(_told(agent, line))


def _told(agent: str, line: Line) -> LogLine:
    # A part of a line says nothing of the level of the whole.
    level = None if line.begun or line.open else level_name(line.stream, line.data)
    stream = line.stream.value
    return LogLine(agent, line.seq, line.at, stream, line.generation, line.text, line.open, line.dropped, level)
