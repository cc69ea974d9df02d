"""The history: the latest events with their numbers, for any number of readers at their own pace."""

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, Self

import trio

from trio_supervisor.control.api import Event, Gap, Snapshot

LIMIT = 2000
"""So many events are kept; a reader that is further behind is told of a gap."""

PAGE = 100
"""So many events are told at a time, at the most."""


class Page(NamedTuple):
    """What a reader gets at once."""

    events: tuple[Event, ...]
    gap: bool
    """Some after the reader's number are not kept, or the number is none of this run."""


class History:
    """What has happened lately. Belongs to one Trio run; who reads holds up nobody."""

    def __init__(self, limit: int = LIMIT) -> None:
        # Later runs go on with greater numbers, as long as there are fewer than a thousand events in each second: then
        # a reader that comes with a number of an earlier run is told of a gap, and not taken for one of this run.
        self._first_ever = self.last = int(time.time() * 1000)
        """`last`: the number of the last event."""
        self._events: deque[Event] = deque(maxlen=limit)
        self._closed = False
        self._readers = trio.lowlevel.ParkingLot()

    @property
    def closed(self) -> bool:
        """Whether nothing more will happen."""
        return self._closed

    def add(self, event: Event) -> None:
        """Take in the next event, whose number is `last + 1`."""
        assert event.seq == self.last + 1
        self.last = event.seq
        self._events.append(event)
        if self._readers:
            self._readers.unpark_all()

    def close(self) -> None:
        """Nothing more will happen: those who wait come to an end."""
        self._closed = True
        self._readers.unpark_all()

    def read(self, after: int) -> Page:
        """What happened after that number; 0: all that is kept."""
        oldest = self._events[0].seq if self._events else self.last + 1
        gap = not oldest - 1 <= after <= self.last and (after != 0 or oldest - 1 > self._first_ever)
        # From the end: who follows is behind by one, and there may be hundreds who do.
        newest = list(islice(reversed(self._events), max(0, self.last - after)))
        return Page(tuple(reversed(newest)), gap)

    async def wait_beyond(self, after: int) -> None:
        """Wait until something has happened after that number, or nothing more can."""
        while self.last <= after and not self._closed:
            await self._readers.park()


class Pages:
    """Reads the history to its end, as much at a time as there is, up to `PAGE`. There is nothing to close: who stops
    reading just stops.
    """

    def __init__(
        self, history: History, after: int, snapshot: Callable[[], tuple[Snapshot, ...]], *, follow: bool
    ) -> None:
        self._history = history
        self._after = after
        self._snapshot = snapshot
        self._follow = follow
        self._read: tuple[Event, ...] = ()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Event, ...] | Gap:
        await trio.lowlevel.checkpoint()
        while not self._read:
            page = self._history.read(self._after)
            if page.gap:
                self._after = self._history.last
                return Gap(self._after, self._snapshot())
            self._read = page.events
            if not self._read:
                if self._history.closed or not self._follow:
                    raise StopAsyncIteration
                await self._history.wait_beyond(self._after)
        found, self._read = self._read[:PAGE], self._read[PAGE:]
        self._after = found[-1].seq
        return found


class Follower:
    """The same, one event after the other."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._read: list[Event] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | Gap:
        if not self._read:
            page = await anext(self._pages)
            if isinstance(page, Gap):
                return page
            self._read = list(reversed(page))
        else:
            await trio.lowlevel.checkpoint()
        return self._read.pop()
