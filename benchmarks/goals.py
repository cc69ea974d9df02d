"""What is asked for, and whether it is reached. All medians are of the same run, so goals may be relative to others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.figures import FIGURES

US = "trio-supervisor"
FLOOR, LIMIT = "trio-plain", "floor-c"

Median = Callable[[str, str], float | None]
"""The median of a figure of a contestant: (figure, contestant)."""


@dataclass(frozen=True)
class Goal:
    """A bound for a figure of ours."""

    figure: str
    words: str
    bound: Callable[[str, Median], float | None]
    """For the figure, by the medians; None: who it is measured by was not there."""

    def reached(self, median: Median) -> bool | None:
        """Whether it is; None: nobody knows."""
        ours, bound = median(self.figure, US), self.bound(self.figure, median)
        if bound is None or ours is None:
            return None
        return ours <= bound if FIGURES[self.figure].less_is_better else ours >= bound

    def distance(self, median: Median) -> float | None:
        """How many times more (or less, where more is better) than asked for."""
        ours, bound = median(self.figure, US), self.bound(self.figure, median)
        if not ours or not bound:
            return None
        return ours / bound if FIGURES[self.figure].less_is_better else bound / ours


def fixed(figure: str, bound: float) -> Goal:
    """A number."""
    least = "at most" if FIGURES[figure].less_is_better else "at least"
    return Goal(figure, f"{least} {bound:,g} {FIGURES[figure].unit}", lambda _, __: bound)


def times(figure: str, factor: float, whom: str) -> Goal:
    """So many times what another one needs, or has."""
    words = f"{factor:g} x {whom}" if factor != 1 else f"as {whom}"

    def bound(figure: str, median: Median) -> float | None:
        theirs = median(figure, whom)
        return None if theirs is None else theirs * factor

    return Goal(figure, words, bound)


GOALS = (
    times("W1.p50_ms", 2, FLOOR),
    times("W1.p50_ms", 1, "pm2"),
    times("W1.p50_ms", 1, "circus"),
    times("W2.few.all_s", 1.6, FLOOR),
    times("W2.many.all_s", 1.6, FLOOR),
    times("W2.many.all_s", 1, "process-compose"),
    fixed("W3.few.wakeups", 0),
    fixed("W3.many.wakeups", 0),
    fixed("W3.few.pss_mb", 40),
    fixed("W3.many.pss_mb", 55),
    fixed("W4.few.all_s", 0.1),
    fixed("W4.many.all_s", 0.4),
    fixed("W4.stubborn_s", 2.05),
    times("W5.small.mb_s", 1, "supervisord"),
    fixed("W5.small.cores", 1),
    times("W5.big.mb_s", 1, "supervisord"),
    fixed("W5.big.cores", 1),
    fixed("W5.raw.lines_s", 198_000),
    fixed("W5.marked.lines_s", 198_000),
    fixed("W6.few.cores", 0.15),
    times("W6.few.cores", 1, "process-compose"),
    fixed("W6.many.cores", 1),
    fixed("W6.many.probes_s", 990),
    *(
        times(f"W7.{size}.{figure}", 2, FLOOR)
        for size in ("tasks", "many_tasks")
        for figure in ("start_us", "kb", "all_restart_us", "restart_us")
    ),
    fixed("W8.events_s", 9_900),
    fixed("W8.lag_p99_ms", 10),
    fixed("W9.snapshot_ms", 50),
    fixed("W9.status_ms", 150),
)


def by_figure() -> Mapping[str, tuple[Goal, ...]]:
    """All goals of each figure."""
    return {key: found for key in FIGURES if (found := tuple(goal for goal in GOALS if goal.figure == key))}
