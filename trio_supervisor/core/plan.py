"""What a supervisor does one thing after the other: the plan under way, and what waits for its turn. Plain data."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import AskFact, Called, ShutdownAsked
from trio_supervisor.record import record


class Purpose(Enum):
    """What a plan is for; decides what a failed start means."""

    FIRST_START = "first start"
    """A failed start rolls all back."""
    RESTART = "restart"
    """A failed start is tried again, as a restart of its own."""
    ASKED = "asked"
    """A failed start is told to whoever asked."""
    END = "end"
    """Nothing starts."""


@dataclass(slots=True)
class Plan:
    """First the stops in order, each child dead before the next is told; then the starts in order, each over before the
    next.
    """

    purpose: Purpose
    stops: deque[str] = field(default_factory=deque)
    starts: deque[str] = field(default_factory=deque)
    reason: str = ""
    """Why, for people."""
    offender: str = ""
    """RESTART: the child that it began with."""
    known: int | None = None
    """RESTART: the generation by which OTP would know the offender."""
    wait: float = 0.0
    """RESTART: seconds between the stops and the starts; the plan itself does not wait for them."""
    together: bool = False
    """The stops all at once."""
    told: bool = False
    """With `together`: whether they were told."""
    starting: str = ""
    """The child whose start is under way."""
    call: Called | None = None
    """ASKED: who waits for the answer."""
    drop: bool = False
    """ASKED: a child that is stopped is removed."""
    errors: list[tuple[Exit, int]] = field(default_factory=list)
    """With `together`: the ends that were none as asked for, and how often each came."""


@record
class DecideExit:
    """A life is over; what follows?"""

    child: str
    generation: int


@record
class Retry:
    """A restart failed, or its delay is over: try again."""

    child: str
    generation: int
    """Of the child when this was put down: a later life has made it void."""
    draw: float = 0.5
    counts: bool = False
    """Whether it is a restart decision of its own (a failed start is; the end of a delay is not)."""


Item = DecideExit | Retry | AskFact | Called | ShutdownAsked
