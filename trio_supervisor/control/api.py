"""What anybody may see of a running tree and do to it."""

import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from trio_supervisor.control.records import (
    Action,
    AgentChange,
    Event,
    Explanation,
    Gap,
    Heard,
    LogLine,
    Operation,
    Phase,
    Plan,
    Remark,
    Snapshot,
    Usage,
    Verb,
)
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.notices import Judged, Judgement, StateChanged, StatusTold
from trio_supervisor.core.state import Desired, State

if TYPE_CHECKING:
    from trio_supervisor.control.insights import Endpoint, EndpointChange, Node, Probed
    from trio_supervisor.core.role import Role
    from trio_supervisor.journal.entries import Stored
    from trio_supervisor.output.selection import Selection
    from trio_supervisor.sessions.session import Session
    from trio_supervisor.spec import ChildSpec

__all__ = [
    "Action",
    "AgentChange",
    "Control",
    "Desired",
    "Event",
    "Exit",
    "Explanation",
    "Gap",
    "Ground",
    "Heard",
    "How",
    "Judged",
    "Judgement",
    "LogLine",
    "Operation",
    "Phase",
    "Plan",
    "Remark",
    "Rule",
    "Snapshot",
    "State",
    "StateChanged",
    "StatusTold",
    "Usage",
    "Verb",
    "patience",
]

Wait = bool | float
"""Whether to wait for the effect of a command, or how many seconds at the most."""


def patience(wait: Wait) -> float:
    """In seconds. Raises ValueError for a time that is none."""
    if isinstance(wait, bool):
        return math.inf if wait else 0.0
    if not wait >= 0:
        raise ValueError(f"wait must be true, false or seconds >= 0, not {wait!r}")
    return wait


class Control(Protocol):
    """The tree, for front ends.

    A child is named by its path (`team/planner`). A command returns when its effect is there; `wait` can shorten that:
    then the operation that it returns names what is awaited, and can be asked about. Commands may be given again and
    again: what is the case already is done at once, and the same command that is still under way is joined. One that
    wants something else takes its place, and it fails.

    All commands raise UnknownAgentError for a child that is not there, ConflictError for what can't be done as things
    are, RequestError for a value that can't be right.
    """

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, in the order of the file; those of a supervisor after it."""

    def agent(self, agent: str) -> Snapshot:
        """One child as it is now. Raises UnknownAgentError."""

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the supervisor itself just now, for people, a line each: its journal can't be written."""

    async def measured(self) -> tuple[Snapshot, ...]:
        """The same with what each uses, which takes a look at all processes of the machine."""

    def explain(self, agent: str) -> Explanation:
        """Why it is as it is, and what comes next. Raises UnknownAgentError."""

    def tree(self) -> "tuple[Node, ...]":
        """The tree with its rules: the top first, each supervisor before its children."""

    def endpoints(self) -> "tuple[Endpoint, ...]":
        """Which agents are ready, and where."""

    def endpoint_changes(self) -> "AbstractAsyncContextManager[AsyncIterator[EndpointChange]]":
        """First each endpoint that is there; then those that come and go, until the tree has ended. A slow reader gets
        only the last news of each agent.
        """

    async def probe(self, agent: str, role: "Role | None" = None) -> "tuple[Probed, ...]":
        """Ask its probes now, all or one. Nothing follows from the answers. Raises UnknownAgentError, ConflictError."""

    async def metrics(self, *, openmetrics: bool = False) -> bytes:
        """All figures as Prometheus reads them: its text format, or OpenMetrics."""

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event from now on, in order; it must not raise or block."""

    def listen_to_remarks(self, listener: Callable[[Remark], None]) -> None:
        """The same for every remark."""

    def events(self, after: int | None = None, *, follow: bool = True) -> AsyncIterator[Event | Gap]:
        """All events after that number (None: from now on; 0: from the oldest that is kept), then those to come, until
        the tree has ended (`follow`). Nobody waits for a slow reader: it is told of a gap.
        """

    def event_pages(self, after: int | None = None, *, follow: bool = True) -> AsyncIterator[tuple[Event, ...] | Gap]:
        """The same, as many at a time as there are: for who has to keep up with thousands a second."""

    def logs(
        self,
        agents: Iterable[str] = (),
        *,
        since: int = 0,
        since_time: float | None = None,
        tail: int | None = None,
        follow: bool = False,
        selection: "Selection | None" = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        """What children have said, in the order of time, as far as it is kept; a supervisor stands for all in it, no
        name for everybody.

        `since`: a cursor (`line.seq + 1`), for one child. `since_time`: nothing older, in seconds since the epoch.
        `tail`: only the last so many lines of each. `follow`: go on with what is said from then on. Nobody waits for a
        slow reader: `line.dropped` tells what it has lost.
        """

    async def journal(
        self, after: int = 0, *, since: float = 0.0, agent: str = "", tail: int | None = None
    ) -> tuple["Stored", ...]:
        """What the journal holds after a number, in order, at most a thousand entries; `tail`: the last so many.
        See `journal.reading.Reader`. Raises JournalError: there is none.
        """

    async def start(self, agent: str, *, reason: str = ..., wait: Wait = True) -> Operation:
        """Have it up. Raises ChildStartError if it comes to rest instead."""

    async def stop(self, agent: str, *, wait: Wait = True) -> Operation:
        """Have it down until somebody starts it, or its group is restarted."""

    async def restart(
        self, agent: str, *, reason: str = ..., generation: int | None = None, wait: Wait = True
    ) -> Operation:
        """Begin a new life; with `generation`, only if that life is still the present one. Raises ChildStartError."""

    async def hold(self, agent: str, *, reason: str = ..., wait: Wait = True) -> Operation:
        """Keep it down until it is resumed or started, whatever becomes of its siblings."""

    async def resume(self, agent: str, *, reason: str = ..., wait: Wait = True) -> Operation:
        """End a hold; without one nothing changes. Raises ChildStartError."""

    async def reset(self, agent: str) -> Operation:
        """Forget how often it has failed: restarts, delay and limit begin anew."""

    async def remove(
        self, agent: str, *, reason: str = ..., purge: bool = False, force: bool = False, wait: Wait = True
    ) -> Operation:
        """Stop it and forget it; `purge`: with its workspace, if that is in the state directory. `force`: also if
        others depend on it, of which the warnings of the answer tell. Raises NeededError: others depend on it.
        """

    async def signal(self, agent: str, number: int, *, group: bool = True) -> Operation:
        """Send a signal that is no request to end, to its group or to the leader alone."""

    async def send(
        self, agent: str, data: bytes, *, expect: str | None = None, timeout: float = 30.0, wait: Wait = True
    ) -> Operation:
        """Write to its standard input, as fast as it reads; with `expect`, wait until it says what matches this regular
        expression, for `timeout` seconds at the most. Nobody else writes meanwhile.
        """

    async def attach(self, agent: str, *, write: bool = True, force: bool = False) -> "Session":
        """Talk with it, or only watch (`write=False`), as the caller; `force`: take the right to write away from who
        has it. The session begins with the present life, and is to be detached from.

        Raises:
            WriterBusyError: somebody else writes; names who.
        """

    async def add(self, spec: "ChildSpec", *, under: str = "", wait: Wait = True) -> Operation:
        """Add a child and start it; `under`: the path of its supervisor. Raises ChildStartError, SpecError."""

    async def register(self, agent: str, text: str, *, start: bool = True, wait: Wait = True) -> Operation:
        """Add an agent by what would stand under its name in a file, in YAML or JSON, and start it. It comes back in
        the next run, until it is removed. `agent`: its path. The same again is done at once.

        Raises ConfigError with all mistakes, SpecError, ConflictError: there is another one, ChildStartError.
        """

    async def scale(self, agent: str, replicas: int, *, wait: Wait = True) -> Operation:
        """Have so many replicas of an agent (`web` stands for `web-1`, `web-2`, ...), or instances of a template (by
        the path of its supervisor); the last ones go first.
        """

    async def plan(self, *, file: str | None = None) -> Plan:
        """Read what is written, and compare the tree with it; nothing moves. `file`: an absolute path, the file that is
        meant. Raises ConfigError with all mistakes, ConflictError: the tree comes from no file, RequestError: from
        another one.
        """

    async def apply(self, *, file: str | None = None, wait: Wait = True) -> Operation:
        """Read what is written, and bring the tree to it; what is wrong with it is found before anything moves.

        A later one takes the place of one that is under way, unless it reads the same. Raises as `plan`, and
        ConflictError, ChildStartError, SpecError, NotKilledError.
        """

    def operation(self, number: int) -> Operation:
        """What has become of a command. Raises UnknownOperationError: there is none, or it is long over."""

    async def outcome(self, number: int, *, wait: Wait = True) -> Operation:
        """The same at the end of the command, whose error is raised."""

    async def shutdown(self, *, reason: str = ..., now: bool = False, wait: Wait = True) -> Operation:
        """Stop everything, as somebody asked for it; `now`: without any grace."""

    def end(self, reason: str) -> None:
        """Begin the orderly stop of everything."""

    def hurry(self, reason: str) -> None:
        """Stop everything without any grace."""

    def on_shutdown(self, call: Callable[[], None]) -> None:
        """Have `call` called when somebody asks for the end by `shutdown`."""

    async def wait(self) -> None:
        """Wait until nothing is left to run. While a child is down because of a command, there is: somebody may start
        it again.
        """
