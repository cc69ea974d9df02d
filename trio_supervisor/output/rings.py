"""The rings of all children: one for each path, also for a while after its child was removed. Times are seconds."""

import time
from dataclasses import dataclass

from trio_supervisor.output.ring import Limits, Ring
from trio_supervisor.spec import RingLimits, TailLimits

TOTAL_BYTES = 256 << 20
"""For all rings without limits of their own together: where there are so many that this would be more, each gets
less.
"""
LEAST_BYTES = 16 << 10


@dataclass(slots=True)
class _Retired:
    ring: Ring
    since: float


class Rings:
    """Rings by the path of their child."""

    def __init__(self, limits: RingLimits | None = None, tails: TailLimits | None = None) -> None:
        """`limits`: of a ring that has none of its own. `tails`: of the rings of removed children."""
        self._limits = limits or RingLimits()
        self._shared = _limits_of(self._limits)
        """What all rings have that have no limits of their own."""
        self._sharing = 0
        """So many rings of children that are there have it."""
        self._tails = tails or TailLimits()
        self._rings: dict[str, Ring] = {}
        self._retired: dict[str, _Retired] = {}
        """The latest last."""

    def of(self, child: str) -> Ring:
        """The ring of a child that is there; made when there is none."""
        ring = self._rings.get(child)
        if ring is None:
            retired = self._retired.pop(child, None)
            ring = self._rings[child] = Ring() if retired is None else retired.ring
            ring.limits = self._shared
            ring.reopen()
            self._share(1)
        return ring

    def limit(self, child: str, limits: RingLimits | None) -> None:
        """Give the ring of a child limits of its own, or (None) those that all have."""
        ring = self.of(child)
        was_shared = ring.limits is self._shared
        ring.limits = self._shared if limits is None else _limits_of(limits)
        self._share((limits is None) - was_shared)

    def find(self, child: str) -> Ring | None:
        """The ring of a child that is there, or was removed lately."""
        self._expire()
        retired = self._retired.get(child)
        return self._rings.get(child) or (None if retired is None else retired.ring)

    def retire(self, child: str) -> None:
        """The child is removed; what it has said last can be read for a while. Harmless if it has no ring."""
        ring = self._rings.pop(child, None)
        if ring is None:
            return
        ring.close()
        self._retired[child] = _Retired(ring, time.monotonic())
        self._share(-(ring.limits is self._shared))
        self._expire()

    def close(self) -> None:
        """Nothing more will be said by anybody."""
        for ring in self._rings.values():
            ring.close()

    def _share(self, more: int) -> None:
        self._sharing += more
        share = TOTAL_BYTES // max(1, self._sharing)
        self._shared.bytes = max(LEAST_BYTES, min(self._limits.size, share))

    def _expire(self) -> None:
        tails = self._tails
        size = sum(each.ring.size for each in self._retired.values())
        until = time.monotonic() - tails.age
        for child, each in tuple(self._retired.items()):
            if len(self._retired) <= tails.keep and size <= tails.size and each.since > until:
                return
            size -= each.ring.size
            del self._retired[child]


def _limits_of(limits: RingLimits) -> Limits:
    return Limits(limits.size, limits.lines)
