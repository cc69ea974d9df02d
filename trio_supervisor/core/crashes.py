"""A row of crashes that tells the same each time: when to stop trying, before any limit of restarts is reached."""

import math
import re

from trio_supervisor.core.exits import Exit
from trio_supervisor.core.policy import ChildPolicy

EARLY = 1.0
"""Seconds: a life without a readiness probe that is shorter than this has hardly started."""
PATIENCE = 30.0
"""Seconds from the first startup crash of a row, before which it holds nobody: what it needs may be on its way."""
SHOWN_LINES = 3

_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")


class Crashes:
    """The crashes of one child in a row."""

    __slots__ = ("_last", "first_at", "same", "startups")

    def __init__(self) -> None:
        self.startups = 0
        self.first_at = -math.inf
        self.same = 0
        self._last: object = None

    def forget(self) -> None:
        """The row is over."""
        self.startups = 0
        self.forget_same()

    def forget_same(self) -> None:
        """It was well in between; a later crash of the same kind is another story."""
        self.same = 0
        self._last = None

    def count(self, policy: ChildPolicy, exit: Exit, now: float, *, early: bool) -> str:
        """Count a bad end; returns why the child is to be held, or "". `early`: it never was up in earnest."""
        self._count_startup(now, early=early)
        if policy.same_exits:
            self._count_same(exit)
        if 0 < policy.startup_crashes <= self.startups and now - self.first_at >= PATIENCE:
            return f"{self.startups} startup crashes in a row"
        if 0 < policy.same_exits <= self.same:
            return f"ended {self.same} times in a row in the same way, with the same last lines"
        return ""

    def _count_startup(self, now: float, *, early: bool) -> None:
        if not early:
            self.startups = 0
            return
        if not self.startups:
            self.first_at = now
        self.startups += 1

    def _count_same(self, exit: Exit) -> None:
        # An end without a word proves nothing: the limit of restarts is there for it.
        print_ = (exit, tuple(_VARYING.sub("#", line) for line in exit.last_lines)) if exit.last_lines else None
        if print_ is None:
            self.forget_same()
            return
        self.same = self.same + 1 if print_ == self._last else 1
        self._last = print_


def with_last_lines(reason: str, exit: Exit | None) -> str:
    """A reason with the last that was said before the end, for people: on lines of their own."""
    lines = exit.last_lines[-SHOWN_LINES:] if exit is not None else ()
    return "\n".join([reason + ("; its last lines:" if lines else ""), *(f"  {line}" for line in lines)])
