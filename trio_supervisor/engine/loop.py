"""The task that owns a machine: a mailbox of facts, the lives that follow from its commands, and the shielded end."""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self, TypeGuard

import trio

from trio_supervisor.core.answers import Verb
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import (
    AdmitChild,
    Command,
    CutGrace,
    ForgetChild,
    LookAtLife,
    PassStartup,
    Repace,
    Reply,
    StartChild,
    StopChild,
    WatchHealth,
    WatchReadiness,
)
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import (
    Called,
    ChildAdded,
    CostReported,
    Fact,
    HeldByRule,
    HoldAsked,
    Reconfigured,
    RestartAsked,
    Restored,
    ResumeAsked,
    ShutdownAsked,
    SpendingRestored,
    StartAsked,
    TimeLost,
    TimePassed,
    TreeStartAsked,
)
from trio_supervisor.core.machine import Machine
from trio_supervisor.core.notices import (
    Cause,
    Judged,
    LifeEnded,
    Notice,
    Report,
    StateChanged,
    StatusTold,
    TreeEnding,
    TreeStarted,
    Warned,
)
from trio_supervisor.engine.accounts import Accounts
from trio_supervisor.engine.calls import Calls
from trio_supervisor.engine.hooking import Hooking
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.lateness import time_lost
from trio_supervisor.engine.lives import Lives
from trio_supervisor.engine.policies import tree_policy
from trio_supervisor.engine.roster import Roster
from trio_supervisor.engine.spendings import Spendings
from trio_supervisor.engine.world import World
from trio_supervisor.record import changed
from trio_supervisor.spec import ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from trio_supervisor.writing import Lease

Listener = Callable[[str, Notice], None]
"""Called with the path of the supervisor ("" for the top one) and what it tells."""
_NOTICES = (StateChanged, Judged, StatusTold, Report, LifeEnded, Warned, TreeStarted, TreeEnding)


def _wants_up(fact: Fact) -> TypeGuard[StartAsked | RestartAsked | ResumeAsked | Called]:
    """Whether somebody asks for a child that may be down."""
    by_call = isinstance(fact, Called) and fact.verb is Verb.RESTART
    return by_call or isinstance(fact, StartAsked | RestartAsked | ResumeAsked)


class Loop(ABC):
    """The inside of a supervisor: `run()` is its task; what else there is sends facts to it or looks."""

    def __init__(
        self,
        spec: SupervisorSpec,
        world: World,
        path: str = "",
        tell: Listener | None = None,
        started: Callable[[], None] | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self.path = path
        self._world = world
        self.accounts = accounts or Accounts(spec.accounts, Spendings(world.remember, world.recall))
        """Those of the whole tree."""
        self._machine = Machine(tree_policy(spec))
        self._inbox: deque[Fact] = deque()
        self._posted = trio.lowlevel.ParkingLot()
        """Where the loop waits while the inbox is empty."""
        self._hooks = Hooking(world, path)
        self._roster = Roster(spec, world, self.accounts, self._hooks, self)
        self._lives = Lives(world, self.post)
        self._calls = Calls()
        self._leases: dict[str, Lease] = {}
        self._listeners: list[Listener] = [tell] if tell else []
        self._started_listeners: list[Callable[[], None]] = [started] if started else []
        self._waiters = trio.lowlevel.ParkingLot()
        self._begun = False
        self._ended = trio.Event()
        self._at_end: list[Callable[[], None]] = []
        self._stop_asked = ""
        self._end_by = math.inf
        """When it is to have ended, by its stop deadline."""
        self._killed = False
        self._inner_in_order = False
        self.patient = True
        """Whether an order to stop may wait for its turn; not once somebody was cancelled."""
        self.ending: TreeEnding | None = None
        """Why it ends or has ended; None as long as it does not."""
        self.exit_as: Exit | None = None
        """As what its end is to be told to its own supervisor, if somebody said so."""

    # What is

    @property
    def spec(self) -> SupervisorSpec:
        """What it goes by now."""
        return self._roster.spec

    @property
    def children(self) -> Mapping[str, Child]:
        """The children by id, as they are now. To be read only."""
        return self._machine.children

    @property
    def over(self) -> bool:
        """Whether nothing of it is left."""
        return self._ended.is_set()

    def path_of(self, child: str) -> str:
        """The path of a child from the top."""
        return f"{self.path}/{child}" if self.path else child

    def kept(self, child: str) -> Kept | None:
        """The spec and the runtime of a child."""
        return self._roster.kept.get(child)

    @abstractmethod
    def inner(self, child: str) -> "Loop | None":
        """The present or last supervisor that is the child of that id."""

    def lease(self, child: str) -> "Lease":
        """Who may write to a child; one for all its lives."""
        from trio_supervisor.writing import Lease  # noqa: PLC0415 -- most runs write to nobody

        if child not in self._machine.children:
            return Lease(self.path_of(child))
        return self._leases.setdefault(child, Lease(self.path_of(child)))

    @abstractmethod
    def make_inner(self, child: str, ready: Callable[[], None]) -> "Loop":
        """The next life of a child that is a supervisor; `ready` is called when its children are started."""

    @property
    def all_down(self) -> bool:
        """Whether it has ended as far as the machine can tell; what is posted after that is not taken in any more."""
        return self._ended.is_set() or (self._machine.shutting_down and self._machine.at_rest)

    # What it is sent

    def post(self, fact: Fact) -> None:
        """Send a fact to the machine."""
        self._inbox.append(fact)
        self._posted.unpark()

    def make_impatient(self) -> None:
        """Somebody was cancelled: a stop, here and further in, does not wait for its turn any more."""
        self.patient = False
        if self._stop_asked:
            self.post(ShutdownAsked(self._stop_asked))
        for child in self._roster.kept:
            if inner := self.inner(child):
                inner.make_impatient()

    @abstractmethod
    def stop(self, reason: str = ..., *, in_turn: bool = ..., exit_as: Exit | None = ...) -> None:
        """Begin the orderly stop of everything."""

    @abstractmethod
    def kill(self, reason: str = ...) -> None:
        """Kill everything at once."""

    # Its task

    async def run(self, *, task_status: trio.TaskStatus[Self] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children and supervise until `stop()`; a cancellation from outside becomes an orderly, bounded
        stop.

        Usable once, also as `await nursery.start(supervisor.run)`; in profile otp that returns when all children are
        started.
        """
        if self._begun:
            raise RuntimeError("a supervisor runs once")
        self._begun = True
        try:
            async with trio.open_nursery() as nursery:
                self._lives.open(nursery)
                try:
                    if not self.path:
                        self.accounts.begin(nursery.start_soon)
                    self._add_all()
                    self._hooks.begin(nursery)
                    self._begin(lambda: task_status.started(self))
                    await self._serve()
                finally:
                    await self._end()  # noqa: ASYNC102 -- shields itself, and the stop deadline bounds it
                    self._lives.close()
                    self._hooks.close(self._end_by - trio.current_time())
                    if not self.path:
                        self.accounts.close()
        finally:
            self._close()

    def _add_all(self) -> None:
        # All first, then the starts: a fixed port is reserved before anybody picks one from a range.
        for spec in self.spec.children:
            runtime = self._roster.runtime(spec)
            self._roster.add(spec, runtime)
            self._take(ChildAdded(spec.id, self._roster.policy(spec, runtime)))
            self._restore(spec)

    def _restore(self, spec: ChildSpec) -> None:
        """Take over what an earlier run, or an earlier life of this supervisor, has left for a child."""
        path, seat = self.path_of(spec.id), self._roster.kept[spec.id].seat
        past, named = self._world.restored(path), self._world.named(path)
        if named:
            seat.approve()
        elif (held := seat.standing()) and not (past and (past.held or past.stopped)):
            past = changed(past or Restored(spec.id), held=held[0], until=held[1], by_rule=True)
        if past:
            self._take(past)
        if spec.budget and (spent := self.accounts.spendings.spent(path)):
            self._take(SpendingRestored(spec.id, spent, named))

    def _begin(self, tell_started: Callable[[], None]) -> None:
        if self._machine.policy.ordered:
            self._started_listeners.append(tell_started)
        else:
            tell_started()
        # Who was asked to stop before it ran starts nobody.
        self._take_waiting()
        self._take(TreeStartAsked())
        for kept in self._roster.kept.values():
            kept.seat.catch_up()

    async def _serve(self) -> None:
        while not (self._machine.shutting_down and self._machine.at_rest):
            deadline = self._machine.next_deadline()
            if self._inbox:
                await trio.lowlevel.checkpoint()
            else:
                with trio.move_on_at(deadline):
                    await self._posted.park()
            # Before anything else: nobody is too late to start or to stop by time in which nobody ran.
            if lost := time_lost(deadline):
                self._take(TimeLost(lost))
            self._take_waiting()
            if trio.current_time() >= self._machine.next_deadline():
                self._take(TimePassed())
            self.accounts.spendings.flush()
            self._waiters.unpark_all()

    def _take_waiting(self) -> None:
        while self._inbox:
            self._take(self._inbox.popleft())

    async def _end(self) -> None:
        """Stop all that is left. Bounded: by the stop deadline, after which everything is killed."""
        with trio.CancelScope(shield=True):
            try:
                if not (self._machine.shutting_down and self._machine.at_rest):
                    self.make_impatient()
                    self._take(ShutdownAsked("cancelled"))
                await self._serve()
            finally:
                # Only if the machine itself failed is anybody left here.
                self._lives.kill_rest()

    def _close(self) -> None:
        self._roster.close()
        # Those of the spec come again with the next life of this supervisor, and go on where they were.
        for child in self._roster.kept.keys() - {each.id for each in self.spec.children}:
            self._forget_words(child)
        self._ended.set()
        self._calls.close()
        self._waiters.unpark_all()
        for call in self._at_end:
            call()

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, HoldAsked | HeldByRule):
            self._hooks.held(fact.child, by_rule=isinstance(fact, HeldByRule))
        if isinstance(fact, Reconfigured):
            for child in self._roster.go_by_next():
                self._lives.adopt(child)
        if _wants_up(fact) and (kept := self.kept(fact.child)):
            kept.seat.approve()
            self._touch(fact.child)
        elif isinstance(fact, CostReported):
            self._touch(fact.child)
        for output in self._machine.handle(fact, trio.current_time()):
            if isinstance(output, StateChanged):
                self._note_change(output)
            elif isinstance(output, _NOTICES):
                self.note(output)
            else:
                self._obey(output)

    def _note_change(self, change: StateChanged) -> None:
        self._touch(change.child)
        self._hooks.note(
            self.kept(change.child), self.children.get(change.child), self._lives.get(change.child), change
        )
        self._tell(self.path, change)
        if change.exit is not None:
            self._count_restart(change)
        if not change.new.alive:
            self._roster.note_down(change.child)

    def note(self, notice: Notice) -> None:
        """Tell something of it, or of its account."""
        if isinstance(notice, TreeEnding):
            if self._killed:
                notice = changed(notice, cause=Cause.KILLED)
            self.ending = notice
            self._end_by = trio.current_time() + self._machine.policy.stop_deadline
        elif isinstance(notice, Report) and self._killed:
            # Who was killed reports nothing any more.
            return
        if isinstance(notice, Warned) and (life := self._lives.get(notice.child)):
            life.say(notice.reason)
        self._tell(self.path, notice)
        if isinstance(notice, TreeStarted):
            for started in self._started_listeners:
                started()

    def _touch(self, child: str) -> None:
        """What it has used up of its budget may have changed."""
        found = self._machine.children.get(child)
        if found is not None and found.ledger is not None:
            self.accounts.spendings.touch(self.path_of(child), found.ledger)

    def _count_restart(self, notice: StateChanged) -> None:
        """Tell its account of a restart that nobody has asked for."""
        kept = self._roster.kept[notice.child]
        if notice.restarts > kept.restarts:
            kept.restarts = notice.restarts
            kept.seat.restarted()

    def _tell(self, path: str, notice: Notice) -> None:
        for listener in tuple(self._listeners):
            listener(path, notice)

    def _obey(self, command: Command) -> None:
        match command:
            case StartChild():
                self._lives.begin(self._roster.kept[command.child], command)
            case StopChild():
                self._stop_life(command)
            case WatchHealth() | WatchReadiness() | LookAtLife() | PassStartup() | Repace() | CutGrace():
                self._lives.obey(command)
            case ForgetChild():
                self._forget(command.child)
            case AdmitChild():
                self._roster.add(*self._calls.admit(command.call))
                self._roster.kept[command.child].seat.catch_up()
            case Reply():
                self._calls.answer(command)

    def _forget(self, child: str) -> None:
        self._hooks.forget(child)
        self._lives.forget(child)
        self._leases.pop(child, None)
        self._forget_words(child)
        self._roster.remove(child)

    def _forget_words(self, child: str) -> None:
        """What it has said, and what all in it have, is of the past."""
        if inner := self.inner(child):
            for each in inner._roster.kept:
                inner._forget_words(each)
        self._world.forget(self.path_of(child))

    def _stop_life(self, command: StopChild) -> None:
        hurry = command.hurry
        if hurry and self._inner_in_order and (inner := self.inner(command.child)):
            inner.stop("its supervisor was killed", exit_as=Exit(How.KILLED))
            hurry = False
        self._lives.stop(command.child, hurry=hurry)
