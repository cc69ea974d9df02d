"""What a container engine is to us: six verbs, and the values that they take and give.

Containers are addressed by a name that we choose before anything is made: so one whose creation was cancelled half way
is found again. An order that is repeated is harmless.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Protocol

from trio_supervisor.record import record, unseen
from trio_supervisor.runtimes.base import Stream


class EngineError(Exception):
    """An engine has refused what it was asked, or does not answer; in words for people."""

    def __init__(self, words: str, status: int = 0, *, reached: bool = True, away: bool = False) -> None:
        super().__init__(words)
        self.status = status
        """What it answers in HTTP; 0: it does not answer."""
        self.reached = reached
        """Whether it may have heard the question."""
        self.away = away
        """Nobody answers there now: it may come later, without anybody changing anything here."""


class Phase(Enum):
    """How far a container is."""

    MADE = "made"
    """It was never started."""
    RUNNING = "running"
    """It runs, or is paused."""
    OVER = "over"
    """It has run, and does so no more."""


@record
class Plan:
    """A container that is to be made."""

    name: str
    image: str
    form: Mapping[str, object]
    """The body of the request (Docker Engine API, ContainerCreate), with the image."""


@record
class Seen:
    """A container as its engine shows it."""

    id: str
    phase: Phase
    labels: Mapping[str, str] = unseen(default={})
    pid: int | None = None
    """Its first process, as the engine's machine numbers it."""
    code: int = 0
    """When it is over: its exit code; 128 and the number of a signal that has ended it."""
    out_of_memory: bool = False
    tells_memory: bool = False
    """Whether its engine knows when memory ran out."""
    error: str = ""
    """Why it could not be started."""
    stop_signal: str = ""
    """How it is asked to end, as it or its image has it: "SIGQUIT", "15"; empty: nobody says."""
    health: str = ""
    """As the engine has it: starting, healthy, unhealthy; empty: it looks after none."""
    health_detail: str = ""
    """What its last check has said."""


@record
class Attach:
    """Hear what a container says from now on, and say something to it."""

    name: str
    stdin: bool = False
    terminal: bool = False


@record
class Run:
    """Run a command in a container, and hear what it says."""

    name: str
    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    """NAME=value, beside what the container has."""


@record
class Missed:
    """Hear what a container has said since it was started, as far as its engine has kept that."""

    name: str
    terminal: bool = False
    follow: bool = False
    """And what it says from then on, until it is over."""


@record
class Watch:
    """Hear of every change of the containers with a label: the stream is SUPERVISOR, the text a container's name."""

    label: str
    """`name=value`."""


@record
class Fetch:
    """Fetch an image from its registry, anew if it is there: what is heard are remarks of the engine (SUPERVISOR)."""

    image: str
    credentials: str = unseen(default="")
    """For the registry, as an engine takes them (Docker Engine API, X-Registry-Auth); empty: none."""


Request = Attach | Run | Missed | Watch | Fetch


class Talk(Protocol):
    """A stream between a container, or the engine, and us."""

    async def heard(self) -> tuple[Stream, bytes] | None:
        """Wait for what is said next; None: it is over.

        Raises:
            EngineError: it broke off.
        """

    def socket(self) -> int | None:
        """A descriptor of its own that what is said to the container is written to; None: nothing can be said."""

    async def code(self) -> int | None:
        """After the end of a `Run`: the exit code of the command; None: it has not ended."""

    async def resize(self, columns: int, rows: int) -> None:
        """Set the size of the container's terminal."""


class ContainerEngine(Protocol):
    """Makes and ends containers. All verbs raise EngineError, and may be cancelled at any time."""

    async def create(self, plan: Plan) -> str:
        """Make a container that is not started; returns its id. EngineError 404: its image is not there."""

    async def start(self, name: str) -> None:
        """Start it; nothing happens if it runs."""

    async def look(self, name: str) -> Seen | None:
        """How it is; None: there is none."""

    async def signal(self, name: str, number: int) -> None:
        """Signal its first process; nothing happens if it does not run."""

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Remove it and its anonymous volumes; nothing happens if there is none. One that runs is not removed, unless
        by `force`.
        """

    def open(self, request: Request) -> AbstractAsyncContextManager[Talk]:
        """Open a stream, closed at the end of the block."""
