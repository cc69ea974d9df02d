"""What has come of asking one probe, over all lives: how often, how long the answers took, how many failed."""

from bisect import bisect_left

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: the upper bounds of the buckets, each inclusive; the last bucket has none."""


class Tally:
    """Counts answers. To count one takes less than a microsecond."""

    __slots__ = ("buckets", "failed", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        """How many answers took longer than the bound before, and no longer than this one's."""
        self.seconds = 0.0
        """How long all took together."""
        self.failed = 0

    def note(self, seconds: float, ok: bool) -> None:
        """An answer came after so many seconds."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
        self.failed += not ok
