"""The limits of one life as clocks: when each has to be looked at next. They tick for nobody."""

import math
from collections.abc import Iterator

from trio_supervisor.core.limits import WARN_AT, LimitKind


class Clock:
    """One limit of one life."""

    __slots__ = ("done", "kind", "looking", "paused", "since", "warned", "within")

    def __init__(self, kind: LimitKind, within: float, now: float, *, paused: bool = False) -> None:
        self.kind = kind
        self.within = within
        self.since = now
        """What happened last that counts, as far as anybody has looked."""
        self.paused = paused
        self.warned = False
        """Once in a life, however often it begins anew."""
        self.looking = False
        """Somebody was asked what happened since."""
        self.done = False
        """It has acted."""

    @property
    def due(self) -> float:
        """When it warns or acts, if nothing happens."""
        if self.paused or self.looking or self.done:
            return math.inf
        return self.since + self.within * (1.0 if self.warned else WARN_AT)

    def begin(self, when: float) -> None:
        """Something happened that counts; no later than what is known already."""
        self.since = max(self.since, when)


class Clocks:
    """All limits of one life."""

    __slots__ = ("_clocks",)

    def __init__(self) -> None:
        self._clocks: dict[LimitKind, Clock] = {}

    def add(self, clock: Clock) -> None:
        """Begin to watch a limit."""
        self._clocks[clock.kind] = clock

    def get(self, kind: LimitKind) -> Clock | None:
        """The clock of a limit, if it is watched."""
        return self._clocks.get(kind)

    def drop(self, kind: LimitKind) -> Clock | None:
        """Watch a limit no longer; returns its clock."""
        return self._clocks.pop(kind, None)

    def __iter__(self) -> Iterator[Clock]:
        return iter(self._clocks.values())

    @property
    def due(self) -> float:
        """When one of them has to be looked at."""
        return min((clock.due for clock in self), default=math.inf)
