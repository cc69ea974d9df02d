"""Lanes: how many questions are under way at the same time, of all probes of a Trio run together.

A thousand agents that are due at once are asked one lane full after the other, first come, first served. Whoever did
not answer the last time has a lane of its own, in which it waits for its likes only; so have questions that start a
process. To wait for a place is no part of the time that an answer may take.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

QUICK = 128
"""Questions at a time; each has a descriptor at the most."""
SLOW = 128
HEAVY = 8
"""More processes at a time make no machine faster."""

_current: "trio.lowlevel.RunVar[Lanes]" = trio.lowlevel.RunVar("trio_supervisor.engine.lanes")


@define
class Lane:
    """At most so many at a time."""

    places: int
    taken: int = 0
    most: int = 0
    """The most that were ever taken."""
    _queue: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while inside; no checkpoint where one is free."""
        if self.taken >= self.places:
            # Whoever leaves hands over its place.
            await self._queue.park()
        else:
            self.taken += 1
            self.most = max(self.most, self.taken)
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        if not self._queue.unpark():
            self.taken -= 1


@define
class Lanes:
    """All lanes of a Trio run."""

    quick: Lane = field(factory=lambda: Lane(QUICK))
    slow: Lane = field(factory=lambda: Lane(SLOW))
    heavy: Lane = field(factory=lambda: Lane(HEAVY))


def current_lanes() -> Lanes:
    """The lanes of this Trio run."""
    try:
        return _current.get()
    except LookupError:
        lanes = Lanes()
        _current.set(lanes)
        return lanes
