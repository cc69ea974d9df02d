"""Probe answers in a row become a verdict, with hysteresis: one edge, however often the same answer comes."""

from enum import Enum

from trio_supervisor.core.policy import Thresholds


class Edge(Enum):
    """What an answer changed."""

    NONE = "none"
    SUSPECT = "suspect"
    """The verdict is good still, but this answer is the first that speaks against it."""
    DOWN = "down"
    CLEARED = "cleared"
    """The verdict was never lost, and nothing speaks against it any more."""
    UP = "up"


class Health:
    """The verdict on one question about one life, and how far the answers are from changing it."""

    __slots__ = ("failed", "failing_since", "good", "run", "said", "thresholds", "worked")

    def __init__(self, thresholds: Thresholds, *, good: bool) -> None:
        self.thresholds = thresholds
        self.good = good
        """The verdict."""
        self.run = 0
        """Answers that speak against the verdict, since there were enough in a row for it."""
        self.failed = 0
        """Failed answers in a row, the last one included."""
        self.worked = 0
        """The same of good answers."""
        self.failing_since: float | None = None
        """When the first failed answer came that is not made up for yet; None if there is none."""
        self.said = ""
        """What the last answer said, for people."""

    def answered(self, ok: bool, now: float, *, decisive: bool = False, said: str = "") -> Edge:
        """Count one answer; a `decisive` one is as good as all that the threshold asks for. `said`: its words."""
        self.said = said
        self.failed = 0 if ok else self.failed + 1
        self.worked = self.worked + 1 if ok else 0
        if not ok and self.failing_since is None:
            self.failing_since = now
        if ok is self.good:
            return self._confirmed()
        self.run += 1
        if not decisive and self.run < (self.thresholds.successes if ok else self.thresholds.failures):
            return Edge.SUSPECT if self.good and self.run == 1 else Edge.NONE
        return self._turn(ok)

    def _confirmed(self) -> Edge:
        """The answer is that of the verdict."""
        if not self.good:
            # One failure ends a row of good answers.
            self.run = 0
        elif self.run and self.worked >= self.thresholds.successes:
            self.run = 0
            self.failing_since = None
            return Edge.CLEARED
        return Edge.NONE

    def _turn(self, good: bool) -> Edge:
        self.good = good
        self.run = 0
        if good:
            self.failing_since = None
        return Edge.UP if good else Edge.DOWN
