"""A child as a session sees it: what it says, what it reads, how its lives end. Goes on from one life to the next."""

from collections import deque

import trio

from trio_supervisor.core.child import Child
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.notices import LifeEnded, Notice, StateChanged, TreeEnding
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import InputClosedError, SessionError
from trio_supervisor.output.ring import Ring
from trio_supervisor.runtimes.base import Input, Interactive
from trio_supervisor.writing import Lease

_EXITS_KEPT = 8


class Channel:
    """One child of a running supervisor, by its id; it may be about to be added. To be closed."""

    def __init__(self, engine: Supervisor, id: str) -> None:
        self.id = id
        self.path = engine.path_of(id)
        self._engine = engine
        self._child: Child | None = None
        self._ring: Ring | None = None
        self._lease: Lease | None = None
        self._exits: deque[tuple[int, Exit]] = deque(maxlen=_EXITS_KEPT)
        """By generation, the latest last."""
        self._news = trio.lowlevel.ParkingLot()
        self._closed = False
        self._listens = True
        engine.listen(self._listen)

    def close(self) -> None:
        """Learn no more of it; who waits gets a `SessionError`."""
        if not self._closed:
            self._closed = True
            self._learn_no_more()
            self._tell()

    def _learn_no_more(self) -> None:
        if self._listens:
            self._listens = False
            self._engine.ignore(self._listen)

    def again(self) -> "Channel":
        """Another one to the same child, which knows what this one does."""
        other = Channel(self._engine, self.id)
        other._child, other._ring, other._lease = self.child, self.ring, self.lease
        other._exits.extend(self._exits)
        if not self._listens:
            other._learn_no_more()
        return other

    # What is

    @property
    def child(self) -> Child | None:
        """What the supervisor knows of it, also after it was removed; None before it was added."""
        found = self._engine.children.get(self.id)
        if found is not None and self._child is None:
            self._child = found
        return self._child

    @property
    def ring(self) -> Ring:
        """What it has said."""
        if self._ring is None:
            self._ring = self._engine.ring(self.id)
        if self._ring is None:
            # It was removed before anybody looked, and has said nothing.
            self._ring = Ring()
            self._ring.close()
        return self._ring

    @property
    def lease(self) -> Lease:
        """Who may write to it."""
        if self._lease is None:
            self._lease = self._engine.lease(self.id)
        return self._lease

    @property
    def generation(self) -> int:
        """The number of its present or last life, at least 1."""
        return max(1, 0 if self.child is None else self.child.generation)

    @property
    def pid(self) -> int | None:
        """The process of its present life."""
        life = self._engine.life(self.id)
        return None if life is None or life.over else life.life.pid

    def life(self) -> Interactive:
        """Its present life. Raises InputClosedError: it has none, or none that can be talked to."""
        life = self._engine.life(self.id)
        if life is None or life.over or self._is_to_start:
            raise InputClosedError(self.path, "it does not run")
        if not isinstance(life.life, Interactive):
            raise InputClosedError(self.path, "it is no process, and reads nothing")
        return life.life

    def input(self) -> Input:
        """What its present life reads. Raises InputClosedError."""
        found = self.life().input
        if found is None:
            raise InputClosedError(self.path, "its standard input is the null device: write stdin: pipe, or pty")
        return found

    @property
    def _is_to_start(self) -> bool:
        child = self.child
        return child is not None and child.state in (State.WAITING, State.STARTING)

    async def wait_started(self) -> None:
        """Wait while it is about to start; no checkpoint when it is not."""
        while self._is_to_start and not self._engine.over:
            self._check_open()
            await self._news.park()

    def over(self, generation: int) -> bool:
        """Whether that life is over, or will never be."""
        child = self.child
        if child is None:
            return self._engine.over or any(each == generation for each, _ in self._exits)
        if child.generation == generation:
            return not child.up
        return child.generation > generation or self._engine.over or child.state.resting or child.state is State.REMOVED

    def exit(self, generation: int) -> Exit | None:
        """How that life has ended, if it is known; of one that will never be, how the last one has."""
        for each, exit in self._exits:
            if each == generation:
                return exit
        child = self.child
        return child.last_exit if child is not None and child.generation <= generation else None

    # What is done

    def kill(self) -> None:
        """SIGKILL to all of the present life; what follows is what the child's restart type says."""
        life = self._engine.life(self.id)
        if life is not None:
            life.kill()

    # What happens

    async def wait_over(self, generation: int) -> None:
        """Wait until that life is over, or will never be."""
        while not self.over(generation):
            self._check_open()
            await self._news.park()

    async def wait_said(self, piece: int, generation: int) -> None:
        """Wait until there is something at this cursor of the ring, or that life is over."""
        if self.ring.next > piece or self.over(generation):
            return
        self._check_open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_at_end, generation, nursery.cancel_scope)
            await self.ring.wait_beyond(piece)
            nursery.cancel_scope.cancel()
        self._check_open()

    async def _stop_at_end(self, generation: int, scope: trio.CancelScope) -> None:
        while not self._closed and not self.over(generation):
            await self._news.park()
        scope.cancel()

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError(f"{self.path}: the session is detached")

    def _listen(self, path: str, notice: Notice) -> None:
        if path != self._engine.path:
            return
        if isinstance(notice, LifeEnded | StateChanged):
            if notice.child != self.id:
                return
            if isinstance(notice, LifeEnded):
                self._exits.append((notice.generation, notice.exit))
            elif notice.new is State.REMOVED and self.child is not None:
                # There is nothing to come; one that is added later under its id is another child.
                self._learn_no_more()
        elif not isinstance(notice, TreeEnding):
            return
        self._tell()

    def _tell(self) -> None:
        self._news.unpark_all()
