"""How a child lives, as the engine sees it: one `Life` for each start, four verbs.

A `Life` is made without any I/O, and the engine keeps it before it calls `start()`: whatever a cancelled start has
begun can therefore still be killed and waited for. Times are seconds.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

from trio_supervisor.commands import Completed
from trio_supervisor.core.exits import Exit
from trio_supervisor.record import record
from trio_supervisor.spec import Address, AskStep, ChildSpec


class Stream(Enum):
    """Where a piece of output comes from."""

    STDOUT = "stdout"
    STDERR = "stderr"
    LOG = "log"
    """What an async function has logged: whole records, each begins with its level."""
    SUPERVISOR = "supervisor"
    """Not said by the child but about it."""


AtOnce = Callable[[], int]
"""How many bytes of a stream may be handed over at once, at the most; may change from one to the next."""


def a_little_at_once() -> int:
    """What every taker can take."""
    return 64 * 1024


@record
class MadeProgress:
    """A life says that it gets on (for `limits: progress`)."""


@record
class WasActive:
    """A life was given something to do that is no output: input, a request (for `limits: idle`)."""


@record
class IsBusy:
    """A life is busy, or is not any more, as one of several sources has it; busy is who is it by any of them."""

    busy: bool
    source: str
    """A name of its own for each that can tell: "notify", "health probe"."""


@record
class HasCost:
    """A life has cost something."""

    usd: float
    total: bool = False
    """It is what this life has cost in all, as far as that meter knows; else what was added."""
    meter: str = ""
    """With `total`: which meter tells; each counts for itself."""
    lasting: bool = False
    """With `total`: the meter goes on with the next life (of a session that is resumed)."""


Said = MadeProgress | WasActive | IsBusy | HasCost
"""What a life says of itself, by whatever way."""


class Launch(Protocol):
    """What one life gets from the engine, and by what it tells."""

    @property
    def child(self) -> str:
        """The path of the child, its AGENT_ID."""

    @property
    def generation(self) -> int:
        """1 for the first life."""

    @property
    def restart_count(self) -> int:
        """How often the child was restarted, which nobody had asked for."""

    @property
    def restart_reason(self) -> str:
        """Empty for the first life."""

    def output(self, stream: Stream, chunk: bytes, /) -> None:
        """Take a chunk as it was read; b"" is the end of that stream."""

    def room(self) -> Awaitable[None]:
        """Wait, within bounds, until a chunk can be handed over, which is then done without a checkpoint between."""

    def at_once(self, stream: Stream, /) -> int:
        """How many bytes of a stream may be handed over at once, at the most: few where somebody has to look at them,
        very many where nobody has to.
        """

    def ready(self, value: object = None, /) -> None:
        """The child announces its own readiness, perhaps with a value; may be called more than once."""

    def limit_reached(self, reason: str, /) -> None:
        """The child must be stopped and started again (a soft limit)."""

    def report(self, said: Said, /) -> None:
        """The child says this of itself."""

    def remains_gone(self) -> None:
        """What could not be killed of this life is gone after all."""

    def notified(self, fields: Mapping[str, str], /) -> None:
        """The child has sent a notification (sd_notify(3)) with these variables."""


class Ownership(Enum):
    """Whose the socket is that listens on a port."""

    OURS = "ours"
    STRANGER = "stranger"
    UNKNOWN = "unknown"
    """The platform does not tell."""


class Life(Protocol):
    """One life of one child, from start to the moment when nothing of it is left."""

    async def start(self) -> None:
        """Start; returns when the child runs. May be cancelled.

        Raises:
            StartError: it can't be started; nothing is left of it.
        """

    @property
    def starts_at_once(self) -> bool:
        """Whether `start` never waits: then nobody needs to be able to cancel it."""

    @property
    def pid(self) -> int | None:
        """The process id of the leader, once started; None where there is no process."""

    async def wait(self) -> Exit:
        """Wait until the whole life is over: the leader and everything that it started.

        Called once, after `start()` has returned or was cancelled; in the second case after `kill()`.
        """

    async def ask(self, step: AskStep) -> None:
        """Ask the child to end, in the way that the step names; does not wait for the end.

        Raises:
            StepError: it can't be asked so (its input is closed, it runs as another user).
        """

    def kill(self) -> None:
        """End the whole tree by force, at once; legal at any time, again and again."""


@runtime_checkable
class OwnsPorts(Protocol):
    """A life that can tell whether a listening socket belongs to its tree."""

    async def owner(self, port: int) -> tuple[Ownership, str]:
        """Whose the listening TCP socket on `port` is, and in words who holds it."""


@runtime_checkable
class CountsConnections(Protocol):
    """A life that can tell whether somebody is connected to it."""

    async def connections(self) -> int:
        """How many connections are open on its port; 0 without a port, and where the platform does not tell."""


@runtime_checkable
class KnowsItsOwn(Protocol):
    """A life that can tell whether a process is of its tree."""

    def owns(self, pid: int) -> tuple[Ownership, str]:
        """Whose a process is, and in words who it is."""


@runtime_checkable
class RunsCommands(Protocol):
    """A life in whose directory and environment a short command can run (see `trio_supervisor.commands.RunCommand`)."""

    async def run(self, command: Sequence[str], timeout: float) -> Completed: ...


@runtime_checkable
class HasEngine(Protocol):
    """A life in a container, whose engine can tell how it is."""

    async def engine_health(self) -> tuple[str, str]:
        """starting, healthy or unhealthy, and what was seen; both empty where the engine does not look.

        Raises ProbeError: it can't be asked.
        """


@runtime_checkable
class ListsMembers(Protocol):
    """A life that can tell which processes are left of it."""

    async def members(self) -> list[str]:
        """All processes of its tree, each in words: `123 (node)`."""


@record
class Usage:
    """What a life uses, with all that it has started."""

    cpu_seconds: float
    """CPU time since it began."""
    memory_bytes: int
    """What is in memory now; what is shared with others is divided among all, where the kernel tells."""
    processes: int


@runtime_checkable
class MeasuresItself(Protocol):
    """A life that can tell what it uses."""

    async def usage(self) -> Usage | None:
        """As it is now; None when it does not run, or can't be looked at. Many who ask at once are measured
        together.
        """


class Input(Protocol):
    """What a life reads, as its standard input or from its terminal."""

    @property
    def terminal(self) -> bool:
        """Whether it is a terminal."""

    @property
    def open(self) -> bool:
        """Whether it can be written to, as far as is known."""

    async def take(self, data: memoryview) -> int:
        """Write what there is room for, and return how many bytes; waits for room for one. No checkpoint where there
        is room.

        Raises:
            BrokenPipeError: it is closed, by us or by the child.
            OSError: the child would not get it whole.
        """

    async def end(self) -> None:
        """End the input: close it, or type ^D. Raises BrokenPipeError."""

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal; nothing happens where there is none."""


@runtime_checkable
class Interactive(Protocol):
    """A life that can be talked to."""

    @property
    def input(self) -> Input | None:
        """What it reads; None: nothing, or it has not started."""

    async def signal(self, number: int, *, group: bool = True) -> None:
        """Send a signal that is no request to end; in a terminal SIGINT, SIGQUIT and SIGTSTP go to the foreground.

        Raises:
            PermissionError: it runs as another user.
        """


@runtime_checkable
class LivesElsewhere(Protocol):
    """A life of which nothing is here: it is only watched."""

    @property
    def address(self) -> Address:
        """Where it is, and what is sent along with each question; once started."""


class Runtime(Protocol):
    """Makes the lives of one child, and keeps what outlasts a life (its port)."""

    @property
    def port(self) -> int | None:
        """The port held for the child; None without one, or as long as none could be had."""

    @property
    def announces(self) -> bool:
        """Whether the child announces its own readiness by `Launch.ready`; else it is ready when started (or by a
        probe).
        """

    def life(self, launch: Launch) -> Life:
        """A new life, not started yet; the one before is over."""

    def close(self) -> None:
        """Free what was kept for the child; called once, when no life is left and none will follow."""


@runtime_checkable
class Succeeds(Protocol):
    """A runtime that takes the place of another one of the same child, whose spec has changed."""

    def succeed(self, before: Runtime) -> None:
        """Take over what is left of the lives before. `before` is closed already."""


RuntimeFactory = Callable[[ChildSpec], Runtime]
"""May raise SpecError for a spec that it can't serve; does no lasting I/O except reserving a fixed port."""
