"""Restart intensity: the sliding window of OTP's supervisor (rules 17 and 18)."""

import math
from collections import deque

from trio_supervisor.core.policy import Intensity


class Window:
    """The restarts of a supervisor that still count."""

    def __init__(self, intensity: Intensity) -> None:
        self.intensity = intensity
        self._times: deque[float] = deque()

    def has_room(self, now: float) -> bool:
        """Whether one more restart at `now` is within the limit."""
        return self.used(now) < self.intensity.restarts

    def used(self, now: float) -> int:
        """How many restarts count at `now`."""
        # The edge counts as inside, as in supervisor:add_restart/3.
        while self._times and now - self._times[0] > self.intensity.within:
            self._times.popleft()
        return len(self._times)

    def frees_at(self) -> float:
        """When the oldest of those that were counted stops to count; `math.inf` if none was."""
        return self._times[0] + self.intensity.within if self._times else math.inf

    def add(self, now: float) -> None:
        """Count a restart."""
        self._times.append(now)

    def insert(self, when: float) -> None:
        """Count a restart of the past."""
        self._times = deque(sorted((*self._times, when)))

    @property
    def times(self) -> tuple[float, ...]:
        """When the restarts were that may still count."""
        return tuple(self._times)

    def clear(self) -> None:
        """Begin the count anew."""
        self._times.clear()
