"""What the engine tells the machine (facts, past tense), what the machine tells the engine (commands, imperative) and
people (notices).

Every fact about a life carries its generation: what an older life says changes nothing. Times are seconds.
"""

import signal as signals
from dataclasses import dataclass, field
from enum import Enum

from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.core.state import State


class How(Enum):
    """How a life ended."""

    EXITED = "exited"
    """A process ended with an exit code."""
    SIGNALED = "signaled"
    """A process was ended by a signal."""
    RETURNED = "returned"
    """A function returned."""
    RAISED = "raised"
    """A function raised."""
    CANCELLED = "cancelled"
    """A function ended because it was cancelled."""
    SPAWN_FAILED = "spawn failed"
    """It never ran."""
    UNKILLABLE = "unkillable"
    """It was killed, but something of it is still there; `detail` names what."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a life ended, in full."""

    how: How
    code: int | None = None
    signal: int | None = None
    detail: str = ""
    """In words what the fields above don't tell: the exception, the reason of the failed start."""
    exception: BaseException | None = field(default=None, compare=False, repr=False)

    @property
    def clean(self) -> bool:
        """Whether this end is no failure: exit code 0, or a return."""
        return self.how is How.RETURNED or (self.how is How.EXITED and self.code == 0)

    def __str__(self) -> str:
        match self.how:
            case How.EXITED:
                return f"exit code {self.code}"
            case How.SIGNALED:
                return f"signal {_signal_name(self.signal)}"
            case How.RETURNED:
                return "returned"
            case How.RAISED:
                return f"raised {self.detail}"
            case How.CANCELLED:
                return "cancelled"
            case How.SPAWN_FAILED:
                return f"cannot be started: {self.detail}"
            case How.UNKILLABLE:
                return f"cannot be killed: {self.detail}"


def _signal_name(number: int | None) -> str:
    try:
        return signals.Signals(number or 0).name
    except ValueError:
        return str(number)


class Role(Enum):
    """What a probe is asked for."""

    READINESS = "readiness"
    HEALTH = "health"


# Facts


@dataclass(frozen=True, slots=True)
class ChildAdded:
    """A child joined the supervisor; it is not started by that."""

    child: str
    policy: ChildPolicy


@dataclass(frozen=True, slots=True)
class StartAsked:
    """Somebody wants the child up."""

    child: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the child down."""

    child: str
    reason: str = "stopped by hand"


@dataclass(frozen=True, slots=True)
class RestartAsked:
    """Somebody wants a new life of the child; it does not count as a failure."""

    child: str
    reason: str = "restarted by hand"


@dataclass(frozen=True, slots=True)
class RemoveAsked:
    """Somebody wants the child gone for good."""

    child: str
    reason: str = "removed by hand"


@dataclass(frozen=True, slots=True)
class Started:
    """The runtime has started this life."""

    child: str
    generation: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class BecameReady:
    """The child itself said that it is ready."""

    child: str
    generation: int


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """A probe was asked once, and this is what came of it."""

    child: str
    generation: int
    role: Role
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """This life is over and nothing of it is left (unless `exit.how` says so); a failed start comes as this fact too.

    `draw` is a random number in [0, 1), for the jitter of the delay before the next life.
    """

    child: str
    generation: int
    exit: Exit
    draw: float = 0.5


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """Everything is to end."""

    reason: str


@dataclass(frozen=True, slots=True)
class HurryAsked:
    """No grace any more, for any stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """`next_deadline()` may have come; harmless when it has not."""


LifeFact = Started | BecameReady | ProbeAnswered | Exited
AskFact = StartAsked | StopAsked | RestartAsked | RemoveAsked
Fact = ChildAdded | AskFact | LifeFact | ShutdownAsked | HurryAsked | TimePassed

# Commands


@dataclass(frozen=True, slots=True)
class StartChild:
    """Begin a life."""

    child: str
    generation: int
    restart_count: int
    reason: str
    """Why there is a restart; empty for a first start."""


@dataclass(frozen=True, slots=True)
class WatchHealth:
    """Begin to ask the health probe of this life."""

    child: str
    generation: int


@dataclass(frozen=True, slots=True)
class StopChild:
    """End this life by its stop steps; `hurry`: by force at once."""

    child: str
    generation: int
    reason: str
    hurry: bool = False


@dataclass(frozen=True, slots=True)
class CutGrace:
    """End this life, whose stop is under way, by force at once."""

    child: str
    generation: int


@dataclass(frozen=True, slots=True)
class ForgetChild:
    """The child is removed; free what was kept for it."""

    child: str


Command = StartChild | WatchHealth | StopChild | CutGrace | ForgetChild

# Notices


@dataclass(frozen=True, slots=True)
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


Notice = StateChanged
Output = Command | Notice
