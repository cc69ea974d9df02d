"""When the machine wants to be asked again: one deadline for each key, the nearest found without looking at the
others.
"""

import heapq
import math
from collections.abc import Iterator


class Timers:
    """Deadlines by key; each key has at most one. Setting and taking cost O(log n)."""

    def __init__(self) -> None:
        self._when: dict[str, float] = {}
        # Entries whose deadline was set anew or cleared stay in the heap and are passed over when they come up.
        self._heap: list[tuple[float, str]] = []

    def set(self, key: str, when: float) -> None:
        """Give `key` a deadline in place of any other; `math.inf` clears it."""
        if when == math.inf:
            self.clear(key)
            return
        self._when[key] = when
        heapq.heappush(self._heap, (when, key))
        if len(self._heap) > 64 + 4 * len(self._when):
            self._heap = sorted((when, key) for key, when in self._when.items())

    def clear(self, key: str) -> None:
        """Take away the deadline of `key`, if there is one."""
        self._when.pop(key, None)

    def get(self, key: str) -> float | None:
        """The deadline of `key`."""
        return self._when.get(key)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        """All keys with their deadlines, as they are now: they may be set meanwhile."""
        return iter(list(self._when.items()))

    def nearest(self) -> float:
        """The next deadline of all; `math.inf` if there is none."""
        while self._heap and self._when.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def take_due(self, now: float) -> list[str]:
        """Take out the keys whose deadline has come, in the order of their deadlines."""
        due = []
        while self.nearest() <= now:
            key = heapq.heappop(self._heap)[1]
            del self._when[key]
            due.append(key)
        return due
