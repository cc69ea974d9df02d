"""Probe answers in a row become a verdict, with hysteresis: one edge, however often the same answer comes."""

from enum import Enum

from trio_supervisor.core.policy import Thresholds


class Edge(Enum):
    """What an answer changed."""

    NONE = "none"
    UP = "up"
    DOWN = "down"


class Health:
    """The verdict on one question about one life, and how far the answers are from changing it."""

    __slots__ = ("failing_since", "good", "run", "thresholds")

    def __init__(self, thresholds: Thresholds, *, good: bool) -> None:
        self.thresholds = thresholds
        self.good = good
        """The verdict."""
        self.run = 0
        """Answers in a row that speak against the verdict."""
        self.failing_since: float | None = None
        """When the first of the failed answers in a row came; None after a good one."""

    def answered(self, ok: bool, now: float) -> Edge:
        """Count one answer."""
        if ok:
            self.failing_since = None
        elif self.failing_since is None:
            self.failing_since = now
        if ok is self.good:
            self.run = 0
            return Edge.NONE
        self.run += 1
        if self.run < (self.thresholds.successes if ok else self.thresholds.failures):
            return Edge.NONE
        self.good = ok
        self.run = 0
        return Edge.UP if ok else Edge.DOWN
