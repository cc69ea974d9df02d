"""The children of a running supervisor: OTP's calls, and a handle for each child."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import trio

from trio_supervisor.control import asking
from trio_supervisor.control.api import Snapshot
from trio_supervisor.control.dependents import check_unneeded
from trio_supervisor.control.endpoints import endpoint_of, endpoints
from trio_supervisor.control.insights import Endpoint
from trio_supervisor.control.looks import find, snapshot_of, snapshots
from trio_supervisor.core.answers import Answer, Counts, Row, Verb
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import Reply
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.notices import LifeEnded, Notice
from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor as Engine
from trio_supervisor.errors import CallError, UnknownAgentError
from trio_supervisor.output.reading import Line, LineReader
from trio_supervisor.output.ring import Ring
from trio_supervisor.output.selection import Selection
from trio_supervisor.runtimes.base import MadeProgress, WasActive
from trio_supervisor.spec import ChildSpec

if TYPE_CHECKING:
    from trio_supervisor.embedding.sessions import SessionLimits, Sessions
    from trio_supervisor.sessions.session import Session


class Tree:
    """The children of one supervisor. A call to it that is refused raises `CallError`, whose `answer` is OTP's word for
    why.
    """

    def __init__(self, top: Engine, path: str = "") -> None:
        self._top = top
        self.path = path
        """Of the supervisor; empty for the top one."""

    @property
    def engine(self) -> Engine:
        """The supervisor's engine, for whoever needs more than is told here. Raises UnknownAgentError."""
        engine = find(self._top, self.path)
        if engine is None:
            raise UnknownAgentError(f"there is no supervisor {self.path!r}")
        return engine

    def inner(self, path: str) -> "Tree":
        """The children of an inner supervisor, by its path from here; also of its later lives."""
        return Tree(self._top, f"{self.path}/{path}" if self.path else path)

    def __getitem__(self, path: str) -> "Handle":
        """The child of that path from here. Raises UnknownAgentError."""
        way, _, name = path.rpartition("/")
        engine = (self.inner(way) if way else self).engine
        if name not in engine.children:
            raise UnknownAgentError(f"there is no child {path!r}")
        return Handle(engine, engine.children[name])

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, those of inner supervisors after their supervisor."""
        return tuple(snapshots(self.engine, time.time() - trio.current_time()))

    def sessions(self, limits: "SessionLimits | None" = None) -> "AbstractAsyncContextManager[Sessions]":
        """Sessions with programs that are started for their owners, as temporary children of this supervisor; they are
        stopped when the block is left. See `Sessions`.

        Raises:
            SpecError: the supervisor has a template.
        """
        from trio_supervisor.embedding.sessions import SessionLimits, Sessions  # noqa: PLC0415 -- as in `attach`

        return Sessions(self.engine, limits or SessionLimits()).opened()

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Which agents are ready now, and where; of inner supervisors, too."""
        return tuple(endpoints(self.engine, _to_wall()))

    # OTP's calls

    async def start_child(self, spec: ChildSpec | None = None) -> "Handle":
        """Add a child and start it; returns when it is started (profile otp: ready). An instance of a template needs no
        spec.

        A child that says in its start that there is nothing to do (`Ignore`) is no failure: see `Handle.ignored`.

        Raises:
            ChildStartError: it did not start. Profile otp: it is not kept; fleet: it is kept, failed or held.
            CallError: it is there already, or no more are allowed, or the supervisor ends.
            SpecError: the spec can't be served.
        """
        engine = self.engine
        id, reply = await engine.start_child(spec)
        return _started(engine, id, reply)

    async def restart_child(self, id: str) -> "Handle":
        """Start a child that is down; see `start_child`. Raises CallError, ChildStartError."""
        engine = self.engine
        return _started(engine, id, await engine.call(Verb.RESTART, id))

    async def terminate_child(self, id: str) -> None:
        """Stop a child; it stays down until somebody starts it or its group is restarted. Raises CallError."""
        asking.checked(id, await self.engine.call(Verb.TERMINATE, id))

    async def delete_child(self, id: str) -> None:
        """Forget a child that is down. Raises CallError."""
        asking.checked(id, await self.engine.call(Verb.DELETE, id))

    async def which_children(self) -> tuple[Row, ...]:
        """All children in start order (OTP lists the youngest first)."""
        return asking.checked(self.path, await self.engine.call(Verb.WHICH)).rows

    async def count_children(self) -> Counts:
        """How many children there are, and of which kind."""
        counts = asking.checked(self.path, await self.engine.call(Verb.COUNT)).counts
        assert counts is not None
        return counts

    async def get_child_spec(self, id: str) -> ChildSpec:
        """The spec of a child; of a template too, by its id. Raises CallError."""
        engine = self.engine
        template = engine.spec.template
        if template is not None and template.id == id:
            return template
        asking.checked(id, await engine.call(Verb.SPEC, id))
        kept = engine.kept(id)
        if kept is None:
            raise CallError(id, Answer.NOT_FOUND)
        return kept.spec


def _to_wall() -> float:
    """Seconds from Trio's clock to the wall's."""
    return time.time() - trio.current_time()


def _started(engine: Engine, id: str, reply: Reply) -> "Handle":
    asking.checked(id, reply)
    ignored = reply.answer is not Answer.OK
    return Handle(engine, engine.children.get(id) or _gone(id), reply.value, ignored=ignored)


def _gone(id: str) -> Child:
    """What a child is like that was removed as soon as it was started."""
    child = Child(id, ChildPolicy(), trio.current_time())
    child.enter(State.REMOVED, trio.current_time(), "its start was ignored")
    return child


class Handle:
    """One child, as long as its supervisor lives; the child may have many lives."""

    def __init__(self, engine: Engine, child: Child, info: object = None, *, ignored: bool = False) -> None:
        self._engine = engine
        self._child = child
        self.info = info
        """What the child announced its readiness with, in the start that this handle comes from."""
        self.ignored = ignored
        """Whether that start ended with "nothing to do"."""

    def __repr__(self) -> str:
        return f"<child {self.path!r}: {self.state.value}>"

    @property
    def id(self) -> str:
        """Its id among its siblings."""
        return self._child.id

    @property
    def path(self) -> str:
        """Its path from the top."""
        return self._engine.path_of(self._child.id)

    @property
    def state(self) -> State:
        """What is the case with it."""
        return self._child.state

    def snapshot(self) -> Snapshot:
        """As it is now."""
        return snapshot_of(self._engine, self._child, time.time() - trio.current_time())

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it is; None if it is not ready, or listens nowhere."""
        return endpoint_of(self._engine, self._child, _to_wall())

    # What it says

    @property
    def ring(self) -> Ring:
        """The last of what it has said, as it was read, for any number of readers; also when it is down or removed."""
        ring = self._engine.ring(self.id)
        if ring is None:
            # It was removed long ago: nothing is left, and nothing will come.
            ring = Ring()
            ring.close()
        return ring

    def output(self, since: int = 0, selection: Selection | None = None) -> tuple[Line, ...]:
        """The lines that it has said from a cursor on (`line.seq + 1`), as far as they are kept; see `LineReader`."""
        reader = LineReader(self.ring, since, selection)
        found = list(reader.read())
        while reader.cursor < self.ring.next:
            found += reader.read()
        return tuple(found)

    def follow(self, since: int | None = None, selection: Selection | None = None) -> LineReader:
        """What it says, line by line, from a cursor or from now on, in this life and all later ones; ends when it is
        removed, or with the tree. `line.dropped` tells what was lost to a slow reader.
        """
        return LineReader(self.ring, self.ring.next if since is None else since, selection)

    # What is said of it

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """It is busy while the block lasts: it is not idle, and a planned restart with `drain` waits for the end.

        Blocks may overlap. A block belongs to the life in which it begins; the next one knows nothing of it.
        """
        life = self._engine.life(self.id)
        with nullcontext() if life is None else life.while_busy():
            yield

    def report_progress(self) -> None:
        """It gets on (for `limits: progress`)."""
        if life := self._engine.life(self.id):
            life.report(MadeProgress())

    def report_activity(self) -> None:
        """It was given something to do (for `limits: idle`)."""
        if life := self._engine.life(self.id):
            life.report(WasActive())

    def report_cost(self, usd: float) -> None:
        """It has cost so much more, against its own budget and that of its account. Raises ValueError if it is no
        cost.
        """
        self._engine.report_cost(self.id, usd)

    # Talking with it

    def attach(
        self, holder: str = "", *, write: bool = True, replay: bool | int = True, force: bool = False
    ) -> "Session":
        """Talk with it, or only listen (`write=False`); goes on from one life to the next. See `Session`.

        `holder`: the name that others are told who want to write too. `replay`: begin with what the present life has
        said, as far as it is kept (True), with so many of the last pieces, or with what comes from now on (False).
        `force`: take the right to write away from whoever has it.

        Raises:
            WriterBusyError: somebody else writes; names who.
        """
        from trio_supervisor.sessions.attaching import attach_to  # noqa: PLC0415 -- many trees talk with nobody

        return attach_to(self._engine, self.id, holder or "somebody", write=write, replay=replay, force=force)

    async def wait_ready(self) -> None:
        """Wait until it is ready. Raises ChildStartError if it comes to rest instead."""
        while self.state is not State.READY:
            self._check_going()
            await self._engine.wait_change()

    async def wait_exit(self) -> Exit:
        """Wait until its present life is over; returns how. If it has none, at once, with how the last one ended.

        Raises ChildStartError if it has never lived and never will.
        """
        if not self._child.state.alive:
            while self._child.last_exit is None and not self._child.state.alive:
                self._check_going()
                await self._engine.wait_change()
            if not self._child.state.alive:
                assert self._child.last_exit is not None
                return self._child.last_exit
        return await self._end_of(self._child.generation)

    async def _end_of(self, generation: int) -> Exit:
        exits: list[Exit] = []
        over = trio.Event()

        def listen(path: str, notice: Notice) -> None:
            mine = path == self._engine.path and isinstance(notice, LifeEnded) and notice.child == self.id
            if mine and isinstance(notice, LifeEnded) and notice.generation == generation:
                exits.append(notice.exit)
                over.set()

        self._engine.listen(listen)
        try:
            await over.wait()
        finally:
            self._engine.ignore(listen)
        return exits[0]

    async def start(self) -> None:
        """Have it up; returns when it is started, at once if it is. Raises ChildStartError if it comes to rest."""
        await asking.start(self._engine, self._child)

    async def stop(self) -> None:
        """Stop it; it stays down until somebody starts it or its group is restarted. Harmless if it is gone."""
        await asking.stop(self._engine, self._child)

    async def restart(self) -> None:
        """Begin a new life, whatever it does now; returns when it is started. Raises ChildStartError."""
        await asking.restart(self._engine, self._child)

    async def resume(self) -> None:
        """End a hold; returns when it is started. Raises ChildStartError. Without a hold nothing changes."""
        await asking.resume(self._engine, self._child)

    async def hold(self, reason: str = "held by hand") -> None:
        """Keep it down until `resume()`, whatever becomes of its siblings; returns when it is down.

        Raises:
            ConflictError: somebody else wants it otherwise meanwhile.
        """
        await asking.hold(self._engine, self._child, reason)

    async def reset(self) -> None:
        """Forget how often it has failed: restarts, delay and its own limits begin anew."""
        await asking.reset(self._engine, self._child)

    async def remove(self, *, force: bool = False) -> None:
        """Stop it and forget it; returns when it is gone.

        Raises:
            NeededError: others depend on it; with `force` it goes all the same, and they can't be started again.
        """
        if not force:
            check_unneeded(self._engine, self.id)
        await asking.remove(self._engine, self._child)

    def _check_going(self) -> None:
        asking.check_going(self._engine, self._child)
