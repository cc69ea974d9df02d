"""The rings of all children: one for each path, also for a while after its child was removed. Times are seconds."""

import time
from dataclasses import dataclass

from trio_supervisor.output.ring import LIMIT_BYTES, LIMIT_PIECES, Limits, Ring

TOTAL_BYTES = 256 << 20
"""For all rings together: where there are so many that this would be more, each gets less."""
LEAST_BYTES = 16 << 10
KEPT_RINGS = 200
"""So many rings of removed children are kept at the most, the latest ..."""
KEPT_BYTES = 16 << 20
"""... with so many bytes together ..."""
KEPT_FOR = 3600.0
"""... and for so long."""


@dataclass(slots=True)
class _Retired:
    ring: Ring
    since: float


class Rings:
    """Rings by the path of their child."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES, limit_pieces: int = LIMIT_PIECES) -> None:
        self._limit_bytes = limit_bytes
        self._limits = Limits(limit_bytes, limit_pieces)
        self._rings: dict[str, Ring] = {}
        self._retired: dict[str, _Retired] = {}
        """The latest last."""

    def of(self, child: str) -> Ring:
        """The ring of a child that is there; made when there is none."""
        ring = self._rings.get(child)
        if ring is None:
            retired = self._retired.pop(child, None)
            ring = self._rings[child] = Ring() if retired is None else retired.ring
            ring.limits = self._limits
            ring.reopen()
            self._share()
        return ring

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
        self._share()
        self._expire()

    def close(self) -> None:
        """Nothing more will be said by anybody."""
        for ring in self._rings.values():
            ring.close()

    def _share(self) -> None:
        share = TOTAL_BYTES // max(1, len(self._rings))
        self._limits.bytes = max(LEAST_BYTES, min(self._limit_bytes, share))

    def _expire(self) -> None:
        size = sum(each.ring.size for each in self._retired.values())
        until = time.monotonic() - KEPT_FOR
        for child, each in tuple(self._retired.items()):
            if len(self._retired) <= KEPT_RINGS and size <= KEPT_BYTES and each.since > until:
                return
            size -= each.ring.size
            del self._retired[child]
