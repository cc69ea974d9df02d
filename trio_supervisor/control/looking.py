"""What can be seen of a supervisor in the same process: the first half of a `LocalControl`."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import TYPE_CHECKING

import trio

from trio_supervisor.control.api import Event, Explanation, Gap, LogLine, Remark, Snapshot
from trio_supervisor.control.decisions import Decisions
from trio_supervisor.control.history import Follower, History, Pages
from trio_supervisor.control.logs import Reading, Source, merged
from trio_supervisor.control.looks import find, locate, pid_of, port_of, snapshot_of, snapshots
from trio_supervisor.core.notices import Judged, Notice, StateChanged, StatusTold
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import JournalError, RequestError
from trio_supervisor.output.ring import Ring
from trio_supervisor.output.selection import Selection
from trio_supervisor.record import changed

if TYPE_CHECKING:
    from trio_supervisor.control.endpoints import EndpointFollower
    from trio_supervisor.control.insights import Endpoint, EndpointChange, Node, Probed, Role
    from trio_supervisor.journal.entries import Stored


class Looking:
    """Looks at a supervisor, and hears what it tells."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._history = History()
        self._listeners: list[Callable[[Event], None]] = []
        self._remark_listeners: list[Callable[[Remark], None]] = []
        self._since: dict[str, float] = {}
        self._decisions = Decisions()
        self._readers_of_endpoints: set[EndpointFollower] = set()
        self._journal: str | None = None
        self._trouble: Callable[[], str] = str
        supervisor.listen(self._tell)
        supervisor.at_end(self._close)

    def _close(self) -> None:
        self._history.close()
        for each in tuple(self._readers_of_endpoints):
            each.end()

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, in the order of the file; those of a supervisor after it."""
        return tuple(snapshots(self._supervisor, _to_wall()))

    def agent(self, agent: str) -> Snapshot:
        """One child as it is now. Raises UnknownAgentError."""
        return snapshot_of(*locate(self._supervisor, agent), _to_wall())

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the supervisor itself just now, for people, a line each."""
        trouble = self._trouble()
        return (f"{trouble}; the next run will not know who was held, stopped or added meanwhile",) if trouble else ()

    async def measured(self) -> tuple[Snapshot, ...]:
        """The same with what each uses."""
        from trio_supervisor.control.measuring import measured  # noqa: PLC0415 -- most runs are never asked

        return await measured(self._supervisor, self.snapshot())

    def explain(self, agent: str) -> Explanation:
        """Why it is as it is, and what comes next. Raises UnknownAgentError."""
        from trio_supervisor.control.explaining import explanation  # noqa: PLC0415 -- most runs are never asked

        engine, child = locate(self._supervisor, agent)
        return explanation(engine, child, self._decisions.of(agent), _to_wall())

    def tree(self) -> "tuple[Node, ...]":
        """The tree with its rules: the top first, each supervisor before its children."""
        from trio_supervisor.control.explaining import nodes  # noqa: PLC0415 -- most runs are never asked

        return tuple(nodes(self._supervisor))

    def endpoints(self) -> "tuple[Endpoint, ...]":
        """Which agents are ready, and where."""
        from trio_supervisor.control.endpoints import endpoints  # noqa: PLC0415 -- most runs are never asked

        return tuple(endpoints(self._supervisor, _to_wall()))

    def endpoint_changes(self) -> "AbstractAsyncContextManager[AsyncIterator[EndpointChange]]":
        """What is there, then what comes and goes; see `Control`."""
        from trio_supervisor.control.endpoints import EndpointFollower  # noqa: PLC0415 -- most runs are never asked

        follower = EndpointFollower(self._supervisor, _to_wall, self._readers_of_endpoints)
        if self._history.closed:
            follower.end()
        return aclosing(follower)

    async def probe(self, agent: str, role: "Role | None" = None) -> "tuple[Probed, ...]":
        """Ask its probes now, all or one. Raises UnknownAgentError, ConflictError."""
        from trio_supervisor.control.probing import probe  # noqa: PLC0415 -- most runs are never asked

        return await probe(*locate(self._supervisor, agent), role)

    async def metrics(self, *, openmetrics: bool = False) -> bytes:
        """All figures as Prometheus reads them."""
        from trio_supervisor.control.metrics import scrape  # noqa: PLC0415 -- most runs are never asked

        up = None if self._journal is None else not self._trouble()
        return await scrape(self._supervisor, await self.measured(), up, openmetrics=openmetrics)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event from now on, in order; it must not raise or block."""
        self._listeners.append(listener)

    def listen_to_remarks(self, listener: Callable[[Remark], None]) -> None:
        """The same for every remark."""
        self._remark_listeners.append(listener)

    def events(self, after: int | None = None, *, follow: bool = True) -> AsyncIterator[Event | Gap]:
        """All events after that number, then those to come; see `Control`."""
        return Follower(self.event_pages(after, follow=follow))

    def event_pages(self, after: int | None = None, *, follow: bool = True) -> Pages:
        """The same, as many at a time as there are; see `Control`."""
        after = self._history.last if after is None else after
        return Pages(self._history, after, self.snapshot, follow=follow)

    def logs(
        self,
        agents: Iterable[str] = (),
        *,
        since: int = 0,
        since_time: float | None = None,
        tail: int | None = None,
        follow: bool = False,
        selection: Selection | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        """What children have said; see `Control`."""
        agents = tuple(agents)
        if since and len(agents) != 1:
            raise RequestError("since: a cursor is that of one agent; name it, and no other")
        sources = [source for agent in agents for source in self._sources(agent)]
        if not agents:
            sources = [source for one in self.snapshot() for source in self._sources(one.agent, deep=False)]
        reading = Reading(since, tail, follow, selection, since_time)
        return merged(sources, reading, None if agents else partial(self._new_sources, {s.agent for s in sources}))

    def _sources(self, agent: str, *, deep: bool = True) -> list[Source]:
        ring = self._ring(agent)
        inner = find(self._supervisor, agent) if deep else None
        below = [] if inner is None else [one.agent for one in snapshots(inner, 0.0)]
        return [Source(agent, ring), *(source for one in below for source in self._sources(one, deep=False))]

    def _ring(self, agent: str) -> Ring:
        way, _, name = agent.rpartition("/")
        engine = find(self._supervisor, way)
        # What was removed lately can still be read.
        ring = None if engine is None else engine.ring(name)
        if ring is None:
            locate(self._supervisor, agent)
            ring = Ring()
            ring.close()
        return ring

    async def _new_sources(self, known: set[str]) -> AsyncIterator[Source]:
        async for event in self.events():
            paths = [one.agent for one in event.agents] if isinstance(event, Gap) else [event.change.child]
            for path in paths:
                if path not in known and not (isinstance(event, Event) and event.change.new is State.REMOVED):
                    known.add(path)
                    for source in self._sources(path, deep=False):
                        yield source

    async def journal(
        self, after: int = 0, *, since: float = 0.0, agent: str = "", tail: int | None = None
    ) -> "tuple[Stored, ...]":
        """What the journal holds; see `Control`. Raises JournalError: there is none."""
        if self._journal is None:
            raise JournalError("this run keeps no journal")
        from trio_supervisor.control.past import read  # noqa: PLC0415 -- nobody else needs SQLite here

        return await read(self._journal, after, since, agent, tail)

    # Telling

    def _remark(self, path: str, notice: Judged | StatusTold) -> None:
        since = notice.since if isinstance(notice, Judged) else trio.current_time()
        agent = f"{path}/{notice.child}" if path else notice.child
        remark = Remark(time.time(), agent, notice, trio.current_time() - since)
        for listener in self._remark_listeners:
            listener(remark)

    def _tell(self, path: str, notice: Notice) -> None:
        if not isinstance(notice, StateChanged):
            if isinstance(notice, (Judged, StatusTold)):
                self._remark(path, notice)
            return
        now = trio.current_time()
        agent = f"{path}/{notice.child}" if path else notice.child
        supervisor = find(self._supervisor, path)
        event = Event(
            seq=self._history.last + 1,
            at=time.time(),
            change=changed(notice, child=agent) if path else notice,
            next_in=None if notice.next_at is None else max(0.0, notice.next_at - now),
            lasted=now - self._since.get(agent, now),
            pid=pid_of(supervisor, notice.child) if supervisor else None,
            port=port_of(supervisor, notice.child) if supervisor else None,
        )
        self._since[agent] = now
        if notice.new is State.REMOVED:
            del self._since[agent]
        self._history.add(event)
        self._decisions.note(event)
        for listener in self._listeners:
            listener(event)


def _to_wall() -> float:
    # Wall time can jump; it is asked once and everything else is counted from it.
    return time.time() - trio.current_time()
