"""Facts: what the engine tells the machine, in the past tense.

Every fact about a life carries its generation: what an older life says changes nothing. Times are seconds.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

from trio_supervisor.core.answers import Verb
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.policy import ChildPolicy, TreePolicy
from trio_supervisor.core.role import Role as Role
from trio_supervisor.core.spending import Exported
from trio_supervisor.record import record, unseen


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
    ground: Ground | None = unseen(default=None)
    """The rule that asks for it; None: a person does."""


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
    until: float = math.inf
    """When it is resumed by itself."""
    ground: Ground | None = unseen(default=None)
    """The rule that asks for it; None: a person does."""


@record
class ResumeAsked:
    """Somebody ends a hold; of a child that is not held nothing changes."""

    child: str
    reason: str = "resumed by hand"
    ground: Ground | None = unseen(default=None)
    """The rule that asks for it; None: a person does."""


@record
class HeldByRule:
    """A rule from outside (its account is out of quota, or over its budget) wants the child down; one that somebody
    wants down anyway stays as it is.
    """

    child: str
    reason: str
    until: float = math.inf
    """When it is resumed by itself."""
    ground: Ground | None = unseen(default=None)
    """The rule, with its numbers."""


@record
class HoldMoved:
    """The hold by a rule, for this reason, ends at another time than was told (a clock was set, the machine slept); of
    who is not held for it nothing changes.
    """

    child: str
    reason: str
    until: float


@record
class CostReported:
    """The child has cost so much more; no matter which of its lives says so, and when."""

    child: str
    usd: float


@record
class SpendingRestored:
    """What the child had used up of its budget before this machine was made; see `Ledger.export`."""

    child: str
    exported: Exported
    approved: bool = False
    """Somebody wants the child up although it may be used up."""


@record
class ResetAsked:
    """Somebody forgets how often the child has failed: its restarts, its delay, its own limits begin anew."""

    child: str


@record
class Called:
    """Somebody makes one of OTP's calls (rules 41 to 47) and waits for the `Reply`."""

    call: int
    """A number of the caller's choice, no two calls the same."""
    verb: Verb
    child: str = ""
    policy: ChildPolicy | None = None
    """Of the child to be added by START."""
    idle: bool = False
    """START only adds it."""


@record
class Restored:
    """What is known of a child from an earlier run of this tree; told after `ChildAdded`, before the first start."""

    child: str
    held: str = ""
    """Why it was held; empty if it was not."""
    until: float = math.inf
    """With `held`: when it is resumed by itself."""
    by_rule: bool = False
    """With `held`: nobody wants it down but a rule, ..."""
    by_limit: bool = False
    """... which is a limit of restarts."""
    stopped: str = ""
    """Why somebody had stopped it; empty if nobody had."""
    restarts: int = 0
    attempts: int = 0
    """Restarts in a row, for the backoff."""
    times: tuple[float, ...] = ()
    """When it was restarted lately, in order."""


@record
class Reconfigured:
    """Somebody has written it anew: what the supervisor and some of its children go by from now on. Nobody is started,
    stopped or restarted by that; who is not there any more is passed over.

    Profile, and whether children are instances of a template, must stay as they are.
    """

    children: Mapping[str, ChildPolicy] = MappingProxyType({})
    """By this they go at once, also in the life that they have."""
    later: Mapping[str, ChildPolicy] = MappingProxyType({})
    """By this they go from their next life on; only what they depend on holds at once."""
    tree: TreePolicy | None = None
    order: tuple[str, ...] = ()
    """The first ones of the start order; the others come after them as they were."""
    draw: float = 0.5
    """A random number in [0, 1), for how long lives may last whose limit is new."""


@record
class TreeStartAsked:
    """All children that were added are to start: in order with rollback (profile otp), or by dependency."""


@record
class Started:
    """The runtime has started this life."""

    child: str
    generation: int
    pid: int | None = None
    draw: float = 0.0
    """A random number in [0, 1), for how long this life may last."""


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
class Looked:
    """The answer to `LookAtLife`: when what was seen of this life last. `-math.inf`: never."""

    child: str
    generation: int
    output_at: float = -math.inf
    active_at: float = -math.inf
    """Output or input."""
    progress_at: float = -math.inf
    meter_at: float = -math.inf
    """A report of what it costs."""
    connections: int = 0
    """Open now, on its port; 0 where nobody can tell."""


@record
class BusyChanged:
    """This life has begun or ended to be busy with something; told at the edges only."""

    child: str
    generation: int
    busy: bool


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
class RemainsGone:
    """What could not be killed of this life is gone by now."""

    child: str
    generation: int


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


LifeFact = (
    Started | BecameReady | ProbeAnswered | DeadlineExtended | Told | LimitReached | Looked | BusyChanged | Exited
)


AskFact = StartAsked | StopAsked | RestartAsked | RemoveAsked | HoldAsked | ResumeAsked | HeldByRule


Fact = (
    ChildAdded
    | Reconfigured
    | Restored
    | AskFact
    | CostReported
    | SpendingRestored
    | HoldMoved
    | ResetAsked
    | Called
    | TreeStartAsked
    | LifeFact
    | RemainsGone
    | ShutdownAsked
    | HurryAsked
    | TimePassed
    | TimeLost
)
