"""What the engine tells the machine (facts, past tense), what the machine tells the engine (commands, imperative) and
people (notices).

Every fact about a life carries its generation: what an older life says changes nothing. Times are seconds.
"""

import signal as signals
from enum import Enum

from trio_supervisor.core.answers import Answer, Counts, Row, Verb
from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.core.state import State
from trio_supervisor.record import record, unseen


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
    SHUT_DOWN = "shut down"
    """A function raised `Shutdown`: a clean end, with `value` (OTP's `{shutdown, Term}`; without a value
    `shutdown`).
    """
    KILLED = "killed"
    """It was ended by force, where there is no signal that would tell so."""
    OUT_OF_MEMORY = "out of memory"
    """It was ended by force because memory ran out: its own (a limit) or the machine's; `detail` says which."""
    IGNORED = "ignored"
    """It said in its start that there is nothing to do (OTP rule 11)."""
    GAVE_UP = "gave up"
    """A supervisor stopped everything because its restart limit was reached: `shutdown` in OTP, no clean end for us
    (rule 52).
    """
    SPAWN_FAILED = "spawn failed"
    """It never ran."""
    UNKILLABLE = "unkillable"
    """It was killed, but something of it is still there; `detail` names what."""


@record
class Exit:
    """How a life ended, in full."""

    how: How
    code: int | None = None
    signal: int | None = None
    detail: str = ""
    """In words what the fields above don't tell: the exception, the reason of the failed start."""
    exception: BaseException | None = unseen(default=None)
    value: object = None
    """With SHUT_DOWN: what `Shutdown` was raised with."""

    @property
    def clean(self) -> bool:
        """Whether this end is no failure: exit code 0, a return, or `Shutdown`."""
        return self.how in (How.RETURNED, How.SHUT_DOWN) or (self.how is How.EXITED and self.code == 0)

    def __str__(self) -> str:
        match self.how:
            case How.EXITED:
                ended = "ended" if self.code is None else f"exit code {self.code}"
                return f"{ended} ({self.detail})" if self.detail else ended
            case How.SIGNALED:
                name = f"signal {_signal_name(self.signal)}"
                return f"{name} ({self.detail})" if self.detail else name
            case How.RETURNED:
                return "returned"
            case How.RAISED:
                return f"raised {self.detail}"
            case How.CANCELLED:
                return self.detail or "cancelled"
            case How.SHUT_DOWN:
                return "shut down" if self.value is None else f"shut down: {self.value}"
            case How.KILLED:
                return f"killed: {self.detail}" if self.detail else "killed"
            case How.OUT_OF_MEMORY:
                return f"out of memory: {self.detail}"
            case How.IGNORED:
                return "its start was ignored"
            case How.GAVE_UP:
                return f"gave up: {self.detail}"
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

    STARTUP = "startup"
    """Whether its start is over. Until then nothing else is asked."""
    READINESS = "readiness"
    """Whether it is offered to others."""
    HEALTH = "health"
    """Whether it must be restarted (Kubernetes' liveness)."""


# Facts


@record
class ChildAdded:
    """A child joined the supervisor; it is not started by that."""

    child: str
    policy: ChildPolicy


@record
class StartAsked:
    """Somebody wants the child up."""

    child: str
    reason: str = ""


@record
class StopAsked:
    """Somebody wants the child down."""

    child: str
    reason: str = "stopped by hand"


@record
class RestartAsked:
    """Somebody wants a new life of the child; it does not count as a failure."""

    child: str
    reason: str = "restarted by hand"


@record
class RemoveAsked:
    """Somebody wants the child gone for good."""

    child: str
    reason: str = "removed by hand"


@record
class HoldAsked:
    """Somebody wants the child down until `ResumeAsked`, whatever becomes of its siblings."""

    child: str
    reason: str = "held by hand"


@record
class ResumeAsked:
    """Somebody ends a hold; of a child that is not held nothing changes."""

    child: str
    reason: str = "resumed by hand"


@record
class Called:
    """Somebody makes one of OTP's calls (rules 41 to 47) and waits for the `Reply`."""

    call: int
    """A number of the caller's choice, no two calls the same."""
    verb: Verb
    child: str = ""
    policy: ChildPolicy | None = None
    """Of the child to be added by START."""


@record
class TreeStartAsked:
    """All children that were added are to start: in order with rollback (profile otp), or by dependency."""


@record
class Started:
    """The runtime has started this life."""

    child: str
    generation: int
    pid: int | None = None


@record
class BecameReady:
    """The child itself said that it is ready."""

    child: str
    generation: int
    value: object = None
    """What it said with it; for whoever asked for the start."""


@record
class ProbeAnswered:
    """A probe was asked once, and this is what came of it."""

    child: str
    generation: int
    role: Role
    ok: bool
    detail: str = ""
    decisive: bool = False
    """It alone decides, whatever the thresholds are; to fail so before the start is over is to fail the start."""


@record
class DeadlineExtended:
    """This life says that it needs more time to start (sd_notify(3), EXTEND_TIMEOUT_USEC)."""

    child: str
    generation: int
    seconds: float
    """From now on."""


@record
class Told:
    """This life says something about itself (sd_notify(3)): STATUS, or a variable of our own, X_AGENT_*."""

    child: str
    generation: int
    name: str
    value: str


@record
class LimitReached:
    """This life is over a soft limit: it must end, and counts as failed."""

    child: str
    generation: int
    reason: str
    """For people."""


@record
class Exited:
    """This life is over and nothing of it is left (unless `exit.how` says so); a failed start comes as this fact too.

    `draw` is a random number in [0, 1), for the jitter of the delay before the next life.
    """

    child: str
    generation: int
    exit: Exit
    draw: float = 0.5


@record
class ShutdownAsked:
    """Everything is to end."""

    reason: str
    in_turn: bool = False
    """Profile otp: only when all is done that was asked for before, as OTP does; else what is under way is broken
    off.
    """


@record
class HurryAsked:
    """No grace any more, for any stop."""

    reason: str


@record
class TimePassed:
    """`next_deadline()` may have come; harmless when it has not."""


@record
class TimeLost:
    """Nobody ran for so long (the program or the machine was suspended): that was no time to start or to stop in."""

    seconds: float


LifeFact = Started | BecameReady | ProbeAnswered | DeadlineExtended | Told | LimitReached | Exited
AskFact = StartAsked | StopAsked | RestartAsked | RemoveAsked | HoldAsked | ResumeAsked
Fact = ChildAdded | AskFact | Called | TreeStartAsked | LifeFact | ShutdownAsked | HurryAsked | TimePassed | TimeLost

# Commands


@record
class StartChild:
    """Begin a life."""

    child: str
    generation: int
    restart_count: int
    reason: str
    """Why there is a restart; empty for a first start."""


@record
class WatchHealth:
    """Begin to ask the health probe of this life."""

    child: str
    generation: int


@record
class PassStartup:
    """Ask the startup probe of this life no more, and begin to ask its readiness probe."""

    child: str
    generation: int


@record
class Repace:
    """Ask a probe of this life, which is only watched, at the pace of one that is lost, or at its usual one again."""

    child: str
    generation: int
    role: Role
    lost: bool


@record
class StopChild:
    """End this life by its stop steps; `hurry`: by force at once."""

    child: str
    generation: int
    reason: str
    hurry: bool = False


@record
class CutGrace:
    """End this life, whose stop is under way, by force at once."""

    child: str
    generation: int


@record
class ForgetChild:
    """The child is removed; free what was kept for it."""

    child: str


@record
class AdmitChild:
    """The child of this call of START is accepted; keep what it needs."""

    call: int
    child: str


@record
class Reply:
    """The answer to a call."""

    call: int
    answer: Answer
    exit: Exit | None = None
    """With START_FAILED: how the start ended."""
    value: object = None
    """With OK to a start: what the child announced its readiness with."""
    rows: tuple[Row, ...] = ()
    """To WHICH."""
    counts: Counts | None = None
    """To COUNT."""


Command = StartChild | WatchHealth | PassStartup | Repace | StopChild | CutGrace | ForgetChild | AdmitChild | Reply

# Notices


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


Notice = StateChanged | Judged | StatusTold | Report | LifeEnded | TreeStarted | TreeEnding
Output = Command | Notice
