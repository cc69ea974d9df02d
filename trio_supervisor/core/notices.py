"""Notices: what the machine tells people and programs. Times are seconds.

Clients that only show them load this module too, and next to nothing else of the core.
"""

from enum import Enum
from typing import TYPE_CHECKING

from trio_supervisor.core.exits import Exit
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.role import Role
from trio_supervisor.core.state import State
from trio_supervisor.record import record, unseen

if TYPE_CHECKING:
    from trio_supervisor.core.budget import Meter
    from trio_supervisor.core.limits import LimitKind


@record
class StateChanged:
    """A child went from one state to another."""

    child: str
    generation: int
    old: State
    new: State
    reason: str
    """Why, for people."""
    next_at: float | None = None
    """When the machine will act by itself next, if it will."""
    restarts: int = 0
    exit: Exit | None = None
    """The end of the life that this change comes from, if it does."""
    grounds: tuple[Ground, ...] = unseen(default=())
    """The rules behind it, with their numbers; no part of the value."""
    failing_since: float | None = None
    """When the first failed answer to a probe came that is not made up for; it stays the same from edge to edge."""


class Judgement(Enum):
    """How the answers of a probe look now; told once, when it changes."""

    SUSPECT = "suspect"
    """One has failed, and more may follow."""
    UNHEALTHY = "unhealthy"
    """So many have failed that it counts."""
    RECOVERED = "recovered"
    """So many have succeeded since that it is over."""


@record
class Judged:
    """The answers of a readiness or health probe look different from now on."""

    child: str
    generation: int
    role: Role
    judgement: Judgement
    since: float
    """When the first of the failed answers came that this is about."""
    failed: int
    """How many failed answers it is about; with RECOVERED 0 where the verdict had been lost."""
    detail: str
    """What the last answer said."""


@record
class StatusTold:
    """A life says what it is doing."""

    child: str
    generation: int
    status: str


class Context(Enum):
    """What a report is about, in OTP's words (rules 48 and 49)."""

    PROGRESS = "progress"
    """A child has started."""
    CHILD_TERMINATED = "child_terminated"
    START_ERROR = "start_error"
    SHUTDOWN_ERROR = "shutdown_error"
    """A child that was being stopped ended otherwise than it should."""
    SHUTDOWN = "shutdown"
    """The restart limit is reached."""


@record
class Report:
    """One of OTP's supervisor reports (section 1.11)."""

    context: Context
    child: str
    generation: int | None
    """The life it is about; None where the supervisor knows none (a start within a group)."""
    exit: Exit | None = None
    """How that life, or the start, ended; not with PROGRESS and SHUTDOWN."""
    by_hand: bool = False
    """PROGRESS of a start that somebody asked for: OTP tells it at level debug."""
    count: int = 1
    """How many children it is about; more than one only for instances of a template (rule 37)."""


@record
class LifeEnded:
    """A life is over. Told at once, while what follows from it may have to wait."""

    child: str
    generation: int
    exit: Exit


@record
class Warned:
    """A limit or a budget is not reached yet, but nearly. Told once for each life, or until it is far away again."""

    child: str
    generation: int
    about: "LimitKind | Meter"
    reason: str
    """For people."""
    value: float
    """How much of it: seconds, or what the meter counts."""
    limit: float


class Cause(Enum):
    """Why a supervisor ended."""

    ASKED = "asked"
    START_FAILED = "start failed"
    """A child failed in the first start; the others were stopped again (OTP rule 10)."""
    LIMIT = "restart limit"
    AUTO_SHUTDOWN = "automatic shutdown"
    KILLED = "killed"


@record
class TreeStarted:
    """The first start of all children is over."""


@record
class TreeEnding:
    """The supervisor has begun to end; nothing starts any more."""

    cause: Cause
    reason: str
    child: str = ""
    """START_FAILED, LIMIT and AUTO_SHUTDOWN: the child that it comes from."""
    exit: Exit | None = None
    """How its last life or start ended."""


Notice = StateChanged | Judged | StatusTold | Report | LifeEnded | Warned | TreeStarted | TreeEnding
