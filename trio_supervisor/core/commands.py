"""Commands: what the machine tells the engine to do; and all that it gives out. Times are seconds."""

from trio_supervisor.core.answers import Answer, Counts, Row
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.notices import Notice
from trio_supervisor.core.role import Role
from trio_supervisor.record import record


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
class WatchReadiness:
    """Begin to ask the readiness probe of this life, which had none when it began."""

    child: str
    generation: int


@record
class LookAtLife:
    """Tell by `Looked` when this life was last active; with `connections` also how many are open on its port."""

    child: str
    generation: int
    connections: bool = False


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


Command = (
    StartChild
    | WatchHealth
    | WatchReadiness
    | PassStartup
    | Repace
    | LookAtLife
    | StopChild
    | CutGrace
    | ForgetChild
    | AdmitChild
    | Reply
)

Output = Command | Notice
