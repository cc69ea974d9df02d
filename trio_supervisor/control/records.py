"""What is told of a running tree: records for people and programs. Wall times are seconds since the epoch."""

from enum import Enum

from trio_supervisor.core.exits import Exit
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.notices import Judged, StateChanged, StatusTold
from trio_supervisor.core.state import Desired, State
from trio_supervisor.record import record


@record
class Event:
    """A change of state, as it is told to people and programs. Wall times are seconds since the epoch."""

    seq: int
    """Each event has the number after the one before it. Numbers also grow from one run of a supervisor to the next."""
    at: float
    change: StateChanged
    next_in: float | None
    """Seconds from `at` to the moment when the supervisor acts by itself next."""
    lasted: float
    """Seconds that the state before lasted."""
    pid: int | None
    port: int | None


@record
class Remark:
    """What is told of a child while its state stays as it is: how its probes answer, what it says it is doing."""

    at: float
    """Seconds since the epoch."""
    agent: str
    notice: Judged | StatusTold
    lasted: float
    """Of a judgement: seconds since the first failed answer that it is about."""


@record
class Usage:
    """What an agent uses, with all that it has started."""

    cpu_seconds: float
    """CPU time since its life began."""
    memory_bytes: int
    processes: int


@record
class Snapshot:
    """A child as it is. Wall times are seconds since the epoch."""

    agent: str
    state: State
    desired: Desired
    since: float
    reason: str
    next_at: float | None
    restarts: int
    generation: int
    pid: int | None
    port: int | None
    last_exit: Exit | None
    """How the last life ended."""
    status: str = ""
    """What it says it is doing (sd_notify(3), STATUS)."""
    failing_since: float | None = None
    """When the first failed answer to a probe came that is not made up for yet: since when an agent is down that is
    `unhealthy`. Not when the state began: that is `since`.
    """
    usage: Usage | None = None
    """What it uses, where that was asked for (`Control.measured`) and can be told."""


@record
class Gap:
    """Events can't be told one by one: they are not kept any more, or of another run. What is the case is told
    instead.
    """

    seq: int
    """The number of the last event that is in it already."""
    agents: tuple[Snapshot, ...]


@record
class Explanation:
    """Why an agent is as it is."""

    agent: Snapshot
    outlook: str
    """What comes next, in words."""
    standing: tuple[Ground, ...]
    """Each rule that it is subject to, with its numbers as they are now."""
    decisions: tuple[Event, ...]
    """The last changes of state that decided something, the latest last; `change.grounds` tells by what."""


@record
class LogLine:
    """A line that a child has said."""

    agent: str
    seq: int
    """Who goes on after this line has the cursor `seq + 1`."""
    at: float
    """Seconds since the epoch."""
    stream: str
    generation: int
    text: str
    partial: bool = False
    """It is not over: the next one of the same agent and stream goes on with it."""
    dropped: int = 0
    """So many lines before it could not be read any more."""
    level: str | None = None
    """That it says itself; None: it says none."""


class Action(Enum):
    """What becomes of a child when what is written is applied."""

    KEEP = "keep"
    """It is never touched: the same life goes on."""
    CHANGE = "change"
    """In place, in the life that it has."""
    RESTART = "restart"
    """It gets a new life."""
    ADD = "add"
    REMOVE = "remove"


@record
class AgentChange:
    """What becomes of one child."""

    agent: str
    """Empty for the supervisor of all."""
    action: Action
    because: tuple[str, ...] = ()
    """RESTART: the keys that only a new life can have."""
    fields: tuple[str, ...] = ()
    """All keys that are others."""
    note: str = ""
    """What else is to be said of it, for people."""


@record
class Plan:
    """What it takes to bring the tree to what is written."""

    changes: tuple[AgentChange, ...]
    """In the order in which they are written; also of those that are kept."""
    warnings: tuple[str, ...] = ()
    """What is hardly meant in what is written, a line each."""
    refusals: tuple[str, ...] = ()
    """Why nothing of it can be done as things are."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return all(change.action is Action.KEEP for change in self.changes)


class Verb(Enum):
    """What a command does."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    HOLD = "hold"
    RESUME = "resume"
    RESET = "reset"
    REMOVE = "remove"
    SIGNAL = "signal"
    SEND = "send"
    ADD = "add"
    SCALE = "scale"
    APPLY = "apply"
    SHUTDOWN = "shutdown"


class Phase(Enum):
    """How far a command is."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@record
class Heard:
    """What an agent has answered to what was sent."""

    text: str
    """What matches what was expected."""
    before: str
    """What it said before that, from the moment of sending on."""
    groups: tuple[str | None, ...] = ()
    """The groups of the regular expression."""
    dropped: int = 0
    """So many bytes before `before` were too many to keep."""


@record
class Operation:
    """A command that was given, and what has become of it."""

    id: int
    verb: Verb
    agent: str
    """Empty for the whole tree."""
    phase: Phase
    generation: int
    """The present or last life of the child."""
    awaits: str = ""
    """PENDING: what is waited for."""
    error: str = ""
    """FAILED: why."""
    heard: Heard | None = None
    """DONE, where an answer was expected: that."""
    changes: tuple[AgentChange, ...] = ()
    """Of APPLY: what was to become of each child."""
    warnings: tuple[str, ...] = ()
    """What else should be known: what others lose by it, that the next run will not know of it."""
