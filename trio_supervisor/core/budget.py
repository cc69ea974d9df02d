"""Budgets: how much a child, or all of an account, may use up in a window of time. Values; times are seconds."""

import math
from enum import Enum

from trio_supervisor.core.limits import check_pattern, in_words
from trio_supervisor.record import record


class Meter(Enum):
    """What is counted."""

    USD = "usd"
    RESTARTS = "restarts"


class AtBudget(Enum):
    """What happens at the limit."""

    HOLD = "hold"
    """Down until somebody resumes it, who approves of as much again."""
    PAUSE = "pause"
    """Down until there is room in the window again."""


@record
class Rate:
    """So much in any window of `within` seconds."""

    amount: float
    within: float

    def __post_init__(self) -> None:
        if not 0 < self.amount < math.inf:
            raise ValueError(f"the amount must be > 0, not {self.amount:g}")
        if not 0 < self.within < math.inf:
            raise ValueError(f"the window must be > 0 seconds and finite, not {self.within:g}")

    def __str__(self) -> str:
        return f"{self.amount:g} per {in_words(self.within).removeprefix('1 ')}"


@record
class Budget:
    """What may be used up; None: as much as you like. USD are counted by what is reported, or by what `pattern` finds
    in the output.

    A declared meter that says nothing for `silent_after` seconds while there is output is a meter that fails: the
    child is held. `math.inf` lets it be.
    """

    usd: Rate | None = None
    restarts: Rate | None = None
    pattern: str | None = None
    """Its first group, or the one named `usd`, is a number of USD."""
    total: bool = False
    """The pattern gives what a life has cost in all so far, not what was added."""
    silent_after: float = 3600.0
    then: AtBudget = AtBudget.HOLD

    def __post_init__(self) -> None:
        if self.pattern is not None and check_pattern("budget", self.pattern).groups < 1:
            raise ValueError(f"budget: the pattern {self.pattern!r} needs a group for the number: ([0-9.]+)")
        if not self.silent_after > 0:
            raise ValueError(f"budget: silent_after must be > 0 seconds, not {self.silent_after:g}")
        if self.restarts is not None and self.restarts.amount != int(self.restarts.amount):
            raise ValueError(f"budget: restarts must be a whole number, not {self.restarts.amount:g}")

    def rate(self, meter: Meter) -> Rate | None:
        """The limit of a meter."""
        return self.usd if meter is Meter.USD else self.restarts
