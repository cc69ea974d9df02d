"""The limits of a life that are no ceilings: how long it may last, say nothing, get nowhere. Values; times are seconds.

Each warns once when `WARN_AT` of its time is over, and acts once when all of it is.
"""

import math
import re
from enum import Enum

from trio_supervisor.record import record

WARN_AT = 0.8


class Then(Enum):
    """What a limit does when its time is over."""

    RESTART = "restart"
    HOLD = "hold"
    """It is stopped, and stays down until somebody resumes it."""


class LimitKind(Enum):
    """Which limit."""

    LIFETIME = "lifetime"
    IDLE = "idle"
    PROGRESS = "progress"
    METER = "meter"
    """A meter of a budget that says nothing while the child produces output."""


@record
class Lifetime:
    """How old a life may get. It ends up to `variance` of that earlier, so that a fleet does not restart as one."""

    after: float
    variance: float = 0.1
    then: Then = Then.RESTART

    def __post_init__(self) -> None:
        _check("lifetime: after", self.after)
        if not 0 <= self.variance < 1:
            raise ValueError(f"lifetime: variance must be within 0 % and 99 %, not {self.variance:.0%}")

    def drawn(self, draw: float) -> float:
        """How long a life lasts for a random `draw` in [0, 1)."""
        return self.after * (1 - self.variance * draw)


@record
class Idle:
    """How long a life may have neither output nor input nor a connection on its port, unless it is busy."""

    after: float
    then: Then = Then.RESTART

    def __post_init__(self) -> None:
        _check("idle: after", self.after)


@record
class Progress:
    """Within which time a life must make progress: a line that matches `pattern` (None: any output), or a report.

    A life that has ever said that it is busy must only make progress while it is.
    """

    within: float
    pattern: str | None = None
    then: Then = Then.RESTART

    def __post_init__(self) -> None:
        _check("progress: within", self.within)
        if self.pattern is not None:
            check_pattern("progress", self.pattern)


def _check(name: str, seconds: float) -> None:
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be > 0 seconds and finite, not {seconds:g}")


def check_pattern(name: str, pattern: str) -> re.Pattern[bytes]:
    """The pattern for output, which is bytes; raises ValueError if it is none."""
    try:
        return re.compile(pattern.encode())
    except re.error as error:
        raise ValueError(f"{name}: {pattern!r} is not a regular expression: {error}") from error


def span(seconds: float) -> str:
    """A measured span for people, as exact as matters: `2.1 s`, `45 s`, `2 min 5 s`, `3 h 20 min`, `2 days 3 h`."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, part, large, small in ((86400, 3600, "days", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= size:
            high, low = divmod(round(whole / part), size // part)
            return f"{high} {large} {low} {small}" if low else f"{high} {large}"
    return f"{whole} s"


_UNITS = ((604800.0, "week", "weeks"), (86400.0, "day", "days"), (3600.0, "h", "h"), (60.0, "min", "min"))


def in_words(seconds: float) -> str:
    """A span for people, in the greatest unit that it is a multiple of half of: `2 days`, `1.5 h`, `90 s`."""
    for size, one, many in _UNITS:
        if seconds >= size and (2 * seconds) % size == 0:
            return f"{seconds / size:g} {one if seconds == size else many}"
    return f"{round(seconds, 1):g} s"
