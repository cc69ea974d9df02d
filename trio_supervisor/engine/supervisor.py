"""The task that owns a machine: a mailbox of facts, the lives that follow from its commands, and the shielded end."""

import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeGuard

import trio
from attrs import define, evolve, field

from trio_supervisor.core.answers import Answer, Verb
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
    HurryAsked,
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
from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.engine.accounts import Accounts, Seat
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.child import ChildLife, Kept
from trio_supervisor.engine.lateness import time_lost
from trio_supervisor.engine.policies import child_policy, stop_steps, tree_policy
from trio_supervisor.engine.spendings import Spendings
from trio_supervisor.engine.subtree import SubtreeRuntime
from trio_supervisor.engine.world import World
from trio_supervisor.errors import SpecError
from trio_supervisor.output.ring import Ring
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import HasCost, Runtime, Stream, Succeeds
from trio_supervisor.spec import DEFAULT_PORT_RANGE, Account, ChildSpec, Port, SupervisorSpec

_NOTICES = (StateChanged, Judged, StatusTold, Report, LifeEnded, Warned, TreeStarted, TreeEnding)

if TYPE_CHECKING:
    from trio_supervisor.core.grounds import Ground
    from trio_supervisor.core.look import Look
    from trio_supervisor.engine.hooks import HookCaller
    from trio_supervisor.writing import Lease

Listener = Callable[[str, Notice], None]
"""Called with the path of the supervisor ("" for the top one) and what it tells."""


def _wants_up(fact: Fact) -> TypeGuard[StartAsked | RestartAsked | ResumeAsked | Called]:
    """Whether somebody asks for a child that may be down."""
    by_call = isinstance(fact, Called) and fact.verb is Verb.RESTART
    return by_call or isinstance(fact, StartAsked | RestartAsked | ResumeAsked)


@define
class _Call:
    """Somebody waits for an answer."""

    spec: ChildSpec | None
    runtime: Runtime | None
    answered: trio.Event = field(factory=trio.Event)
    reply: Reply | None = None


class Supervisor:
    """One supervisor. `run()` is its task; everything else only sends facts to it or looks."""

    def __init__(
        self,
        spec: SupervisorSpec,
        world: World,
        path: str = "",
        tell: Listener | None = None,
        started: Callable[[], None] | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self.spec = spec
        self.path = path
        self._world = world
        self.accounts = accounts or Accounts(spec.accounts, Spendings(world.remember, world.recall))
        """Those of the whole tree."""
        self._machine = Machine(tree_policy(spec))
        self._inbox: deque[Fact] = deque()
        self._posted = trio.lowlevel.ParkingLot()
        """Where the loop waits while the inbox is empty."""
        self._kept: dict[str, Kept] = {}
        self._folded: dict[str, str] = {}
        """The ids of all children by themselves in lower case."""
        self._wanted: dict[str, ChildSpec] = {}
        """By what children go from their next lives on, where that is something else."""
        self._changes: deque[Change] = deque()
        """Those whose fact is not taken in yet."""
        self._lives: dict[str, ChildLife] = {}
        self._leases: dict[str, Lease] = {}
        self._nursery: trio.Nursery | None = None
        self._listeners: list[Listener] = [tell] if tell else []
        self._started_listeners: list[Callable[[], None]] = [started] if started else []
        self._waiters = trio.lowlevel.ParkingLot()
        self._calls: dict[int, _Call] = {}
        self._numbers = count(1)
        self._begun = False
        self._begun_to_start = False
        """What comes before that is of an earlier run."""
        self._ended = trio.Event()
        self._hooks: HookCaller | None = None
        """Made when it is needed first."""
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

    # For everybody

    @property
    def children(self) -> Mapping[str, Child]:
        """The children by id, as they are now. To be read only."""
        return self._machine.children

    @property
    def busy(self) -> bool:
        """Whether it has something to do that it does one after the other, or facts to take in."""
        return self._machine.busy or bool(self._inbox)

    @property
    def has_waiting(self) -> bool:
        """Whether it has facts to take in."""
        return bool(self._inbox)

    @property
    def over(self) -> bool:
        """Whether nothing of it is left."""
        return self._ended.is_set()

    def kept(self, child: str) -> Kept | None:
        """The spec and the runtime of a child."""
        return self._kept.get(child)

    def wanted(self, child: str) -> ChildSpec | None:
        """What a child is to be, from its next life on at the latest."""
        kept = self._kept.get(child)
        return self._wanted.get(child) or (None if kept is None else kept.spec)

    def is_to_be_replaced(self, child: str) -> bool:
        """Whether its present life goes by another spec than the next one will."""
        return child in self._wanted

    def life(self, child: str) -> ChildLife | None:
        """The present life of a child."""
        return self._lives.get(child)

    def inner(self, child: str) -> "Supervisor | None":
        """The present or last supervisor that is the child of that id; None if it is none, or has never been
        started.
        """
        kept = self._kept.get(child)
        if kept is None or not isinstance(kept.runtime, SubtreeRuntime):
            return None
        inner = kept.runtime.inner
        assert inner is None or isinstance(inner, Supervisor)
        return inner

    def ring(self, child: str) -> Ring | None:
        """What a child has said lately; None if nobody keeps it."""
        there = child in self._machine.children and not self.over
        return self._world.ring(self.path_of(child), there=there)

    def lost(self, child: str) -> int:
        """How many bytes of what a child has said could not be written to its log files."""
        return self._world.lost(self.path_of(child))

    def lease(self, child: str) -> "Lease":
        """Who may write to a child; one for all its lives."""
        from trio_supervisor.writing import Lease  # noqa: PLC0415 -- most runs write to nobody

        if child not in self._machine.children:
            return Lease(self.path_of(child))
        return self._leases.setdefault(child, Lease(self.path_of(child)))

    def path_of(self, child: str) -> str:
        """The path of a child from the top."""
        return f"{self.path}/{child}" if self.path else child

    def look_at(self, child: str) -> "Look":
        """All that the machine knows of why a child is as it is. Raises KeyError."""
        return self._machine.look_at(child, trio.current_time())

    def look_at_limit(self) -> "Ground":
        """The limit of restarts that all children share, and how much of it is used up."""
        return self._machine.look_at_limit(trio.current_time())

    def next_at(self, child: str) -> float | None:
        """When the machine will act on a child by itself, on Trio's clock."""
        return self._machine.deadline_of(child)

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with every notice, also of inner supervisors, in order; it must not raise or block."""
        self._listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """The opposite of `listen`."""
        self._listeners.remove(listener)

    def stop(self, reason: str = "asked to stop", *, in_turn: bool = False, exit_as: Exit | None = None) -> None:
        """Begin the orderly stop of everything; `run()` returns when it is done.

        `in_turn`: in profile otp, only after all that was asked for before. `exit_as`: how its own supervisor is to see
        the end.
        """
        self._stop_asked = reason
        self.exit_as = exit_as or self.exit_as
        self.post(ShutdownAsked(reason, in_turn))

    def hurry(self, reason: str = "asked to hurry") -> None:
        """Stop everything without any grace."""
        self.post(HurryAsked(reason))
        if self._hooks is not None:
            self._hooks.close(0.0)

    def kill(self, reason: str = "killed", *, inner_in_order: bool = False) -> None:
        """Kill everything at once; the end of it is no orderly one (rule 36).

        `inner_in_order`: as in OTP, the inner supervisors are not killed but end in order, with the graces of their
        children.
        """
        if self.ending is None:
            self._killed = True
        self._inner_in_order = inner_in_order
        self.hurry(reason)

    def make_impatient(self) -> None:
        """Somebody was cancelled: a stop, here and further in, does not wait for its turn any more."""
        self.patient = False
        if self._stop_asked:
            self.post(ShutdownAsked(self._stop_asked))
        for child in self._kept:
            if inner := self.inner(child):
                inner.make_impatient()

    def post(self, fact: Fact) -> None:
        """Send a fact to the machine."""
        self._inbox.append(fact)
        self._posted.unpark()

    async def start_child(self, spec: ChildSpec | None = None) -> tuple[str, Reply]:
        """Add a child and start it; returns its id and the answer. Without a spec it is an instance of the template.

        Raises:
            SpecError: the child can't be served.
        """
        id, answer = self.post_start(spec)
        return id, await answer()

    def post_start(
        self, spec: ChildSpec | None = None, *, idle: bool = False
    ) -> tuple[str, Callable[[], Awaitable[Reply]]]:
        """The same without waiting: returns the id, and what waits for the answer. `idle`: it is added, not started.

        Raises:
            SpecError: the child can't be served.
        """
        spec = self._spec_to_start(spec)
        self.check_new(spec)
        runtime = self._runtime(spec)
        fact = Called(next(self._numbers), Verb.START, spec.id, self._policy(spec, runtime), idle)
        return spec.id, partial(self._answer_to, self._place(_Call(spec, runtime), fact))

    def check_new(self, spec: ChildSpec) -> None:
        """Raises SpecError: there is one whose id differs only in case."""
        other = self._folded.get(spec.id.lower(), spec.id)
        if other != spec.id:
            raise SpecError(f"child {self.path_of(spec.id)!r}: there is {other!r}, which differs only in case")

    async def call(self, verb: Verb, child: str = "") -> Reply:
        """Make one of OTP's other calls and wait for the answer."""
        return await self._answer_to(self._place(_Call(None, None), Called(next(self._numbers), verb, child)))

    def _place(self, call: _Call, fact: Called) -> _Call:
        self._calls[fact.call] = call
        if self._ended.is_set() or not self._begun:
            self._answer(Reply(fact.call, Answer.SHUTTING_DOWN))
        else:
            self.post(fact)
        return call

    @staticmethod
    async def _answer_to(call: _Call) -> Reply:
        await call.answered.wait()
        assert call.reply is not None
        return call.reply

    def recall_spending(self, spec: ChildSpec) -> None:
        """Have a child that comes again go on with what it had used up of its budget before."""
        if spec.budget and (spent := self.accounts.spendings.spent(self.path_of(spec.id))):
            self.post(SpendingRestored(spec.id, spent))

    def trial_policy(self, spec: ChildSpec) -> ChildPolicy:
        """What the machine would have to know of a child. Raises SpecError: it can't be served."""
        # Nothing is kept for it meanwhile: its port may be that of its own present life. Of a range none is taken yet.
        port = None if spec.port is None else Port(*DEFAULT_PORT_RANGE)
        runtime = self._runtime(evolve(spec, port=port))
        try:
            if isinstance(spec.run, SupervisorSpec):
                for child in (*spec.run.children, *filter(None, (spec.run.template,))):
                    self.trial_policy(child)
            return self._policy(spec, runtime)
        finally:
            runtime.close()

    def change(self, change: Change) -> None:
        """Go by a new spec from now on; done when what was posted is taken in. Raises SpecError."""
        fact = Reconfigured(
            {spec.id: self.trial_policy(spec) for spec in change.at_once},
            {spec.id: self.trial_policy(spec) for spec in change.later},
            tree_policy(change.spec),
            tuple(child.id for child in change.spec.children),
            self._world.draw(),
        )
        self._changes.append(change)
        self.post(fact)

    def _spec_to_start(self, spec: ChildSpec | None) -> ChildSpec:
        spec = spec or self.spec.template
        if spec is None:
            raise SpecError("start_child needs a spec, as there is no template")
        if self._machine.policy.dynamic:
            spec = evolve(spec, id=self._machine.next_name(spec.id))
        return spec

    async def wait(self) -> None:
        """Wait until nothing is left to run: every child is finished, failed, held or stopped."""
        while not self._all_down and (not self._begun or not self._machine.at_rest or self.busy):
            await self._waiters.park()

    @property
    def _all_down(self) -> bool:
        """Whether it has ended as far as the machine can tell; what is posted after that is not taken in any more."""
        return self._ended.is_set() or (self._machine.shutting_down and self._machine.at_rest)

    async def wait_over(self) -> None:
        """Wait until nothing of it is left."""
        await self._ended.wait()

    async def wait_change(self) -> None:
        """Wait until facts were taken in, or it is over."""
        await self._waiters.park()

    def at_end(self, call: Callable[[], None]) -> None:
        """Have `call` called when nothing of it is left; at once if that is so already."""
        if self._ended.is_set():
            call()
        else:
            self._at_end.append(call)

    async def run(self, *, task_status: trio.TaskStatus["Supervisor"] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children and supervise until `stop()`; a cancellation from outside becomes an orderly, bounded
        stop.

        Usable once, also as `await nursery.start(supervisor.run)`; in profile otp that returns when all children are
        started.
        """
        if self._begun:
            raise RuntimeError("a supervisor runs once")
        self._begun = True
        try:
            async with trio.open_nursery() as self._nursery:
                try:
                    if not self.path:
                        self.accounts.begin(self._nursery.start_soon)
                    self._add_all()
                    self._begin(lambda: task_status.started(self))
                    await self._serve()
                finally:
                    await self._end()  # noqa: ASYNC102 -- shields itself, and the stop deadline bounds it
                    self._close_hooks()
                    if not self.path:
                        self.accounts.close()
        finally:
            self._close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Supervisor"]:
        """Run while the block lasts; leaving it, in any way, stops everything first.

        An exception of the block comes out as it is, not in a group.
        """
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.run)
                try:
                    yield self
                except BaseException as error:
                    failure = error
                    raise
                finally:
                    self.stop("the block was left")
                    with trio.CancelScope(shield=True):
                        await self._ended.wait()
        except BaseExceptionGroup as group:
            if failure is None or group.exceptions != (failure,):
                raise
        if failure is not None:
            raise failure

    # The loop

    def _add_all(self) -> None:
        # All first, then the starts: a fixed port is reserved before anybody picks one from a range.
        for spec in self.spec.children:
            runtime = self._runtime(spec)
            self._keep(spec, runtime)
            self._take(ChildAdded(spec.id, self._policy(spec, runtime)))
            self._restore(spec)

    def _restore(self, spec: ChildSpec) -> None:
        """Take over what an earlier run, or an earlier life of this supervisor, has left for a child."""
        path, seat = self.path_of(spec.id), self._kept[spec.id].seat
        past, named = self._world.restored(path), self._world.named(path)
        if named:
            seat.approve()
        elif (held := seat.standing()) and not (past and (past.held or past.stopped)):
            past = changed(past or Restored(spec.id), held=held[0], until=held[1])
        if past:
            self._take(past)
        if spec.budget and (spent := self.accounts.spendings.spent(path)):
            self._take(SpendingRestored(spec.id, spent, named))

    def _begin(self, tell_started: Callable[[], None]) -> None:
        self._begun_to_start = True
        if self._machine.policy.ordered:
            self._started_listeners.append(tell_started)
        else:
            tell_started()
        # Who was asked to stop before it ran starts nobody.
        self._take_waiting()
        self._take(TreeStartAsked())
        for kept in self._kept.values():
            kept.seat.catch_up()

    def _runtime(self, spec: ChildSpec) -> Runtime:
        if not isinstance(spec.run, SupervisorSpec):
            return self._world.runtime(spec)
        return SubtreeRuntime(partial(self._make_inner, spec.id))

    def _make_inner(self, child: str, ready: Callable[[], None]) -> "Supervisor":
        # Not of the spec that it had first: what has changed since holds for the next life.
        inner = self._kept[child].spec.run
        assert isinstance(inner, SupervisorSpec)
        return Supervisor(inner, self._world, self.path_of(child), self._tell, ready, self.accounts)

    def _policy(self, spec: ChildSpec, runtime: Runtime) -> ChildPolicy:
        return child_policy(spec, runtime, self.spec.profile, self._account(spec))

    def _account(self, spec: ChildSpec) -> Account | None:
        return None if spec.account is None else self.accounts.specs.get(spec.account)

    def _keep(self, spec: ChildSpec, runtime: Runtime) -> None:
        steps, account = stop_steps(spec, self.spec.profile), self._account(spec) or Account()
        self._folded[spec.id.lower()] = spec.id
        self._kept[spec.id] = Kept(
            self.path_of(spec.id), spec, runtime, steps, self._seat(spec), account, partial(self.lease, spec.id)
        )

    def _seat(self, spec: ChildSpec) -> Seat:
        return self.accounts.join(
            spec.account,
            spec.id,
            self.path_of(spec.id),
            self.post,
            self._note,
            lambda: self._machine.children[spec.id].generation,
        )

    def _go_by(self, change: Change) -> None:
        self.spec = change.spec
        assert self._nursery is not None
        for spec in change.at_once:
            if spec.id in self._kept:
                self._rewrite(self._kept[spec.id], spec)
                if life := self._lives.get(spec.id):
                    life.adopt(self._nursery)
        for spec in change.later:
            child = self._machine.children.get(spec.id)
            if child is not None and child.state.alive:
                self._wanted[spec.id] = spec
            elif child is not None:
                self._replace(self._kept[spec.id], spec)

    def _rewrite(self, kept: Kept, spec: ChildSpec) -> None:
        if spec.account != kept.spec.account:
            kept.seat.leave()
            kept.seat = self._seat(spec)
        kept.spec, kept.account = spec, self._account(spec) or Account()
        kept.stop = stop_steps(spec, self.spec.profile)
        if self._hooks is not None:
            self._hooks.change(spec.id, spec.hooks)

    def _replace(self, kept: Kept, spec: ChildSpec) -> None:
        """Nothing is left of its life before; what comes now is something else."""
        before = kept.runtime
        before.close()
        kept.runtime = self._runtime(spec)
        if isinstance(kept.runtime, Succeeds):
            kept.runtime.succeed(before)
        self._rewrite(kept, spec)

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
                for life in self._lives.values():
                    if not life.over.is_set():
                        life.life.kill()

    def _close(self) -> None:
        for kept in self._kept.values():
            kept.seat.leave()
            kept.runtime.close()
        # Those of the spec come again with the next life of this supervisor, and go on where they were.
        for child in self._kept.keys() - {each.id for each in self.spec.children}:
            self._forget_words(child)
        self._ended.set()
        for number in list(self._calls):
            self._answer(Reply(number, Answer.SHUTTING_DOWN))
        self._waiters.unpark_all()
        for call in self._at_end:
            call()

    def report_cost(self, child: str, usd: float) -> None:
        """A child has cost so much more, whether it lives now or not. Raises ValueError for a cost that is none."""
        if not 0 <= usd < math.inf:
            raise ValueError(f"a cost must be >= 0 USD and finite, not {usd}")
        if life := self._lives.get(child):
            life.report(HasCost(usd))
        elif kept := self._kept.get(child):
            self.post(CostReported(child, usd))
            kept.seat.cost(usd)

    def _take(self, fact: Fact) -> None:
        if self._hooks is not None and isinstance(fact, HoldAsked | HeldByRule):
            self._hooks.held(fact.child, by_rule=isinstance(fact, HeldByRule))
        if isinstance(fact, Reconfigured):
            self._go_by(self._changes.popleft())
        if _wants_up(fact) and (kept := self._kept.get(fact.child)):
            kept.seat.approve()
            self._touch(fact.child)
        elif isinstance(fact, CostReported):
            self._touch(fact.child)
        for output in self._machine.handle(fact, trio.current_time()):
            if isinstance(output, StateChanged):
                self._note_change(output)
            elif isinstance(output, _NOTICES):
                self._note(output)
            else:
                self._obey(output)

    def _note_change(self, change: StateChanged) -> None:
        self._touch(change.child)
        self._call_hooks(change)
        self._tell(self.path, change)
        if change.exit is not None:
            self._count_restart(change)

    def _note(self, notice: Notice) -> None:
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

    def _call_hooks(self, change: StateChanged) -> None:
        kept = self._kept.get(change.child)
        if kept is None or kept.spec.hooks is None or not self._begun_to_start:
            return
        # Most trees have none.
        from trio_supervisor.engine.hooks import About, HookCaller  # noqa: PLC0415

        if self._hooks is None:
            outbound = self._world.outbound
            self._hooks = HookCaller(self._start_hooks, outbound and outbound(), self._world.redact)
        life = self._lives.get(change.child)
        about = About(kept.path, None if life is None else life.life.pid, kept.runtime.port)
        say = partial(self._say_of, kept) if life is None else life.say
        self._hooks.note(kept.spec.hooks, self.children.get(change.child), change, about, say)

    def _say_of(self, kept: Kept, text: str) -> None:
        """Tell something of a child that has not lived yet among what it says."""
        take = self._world.sink(kept.path, 0, kept.spec.log, kept.spec.ring)
        take(Stream.SUPERVISOR, self._world.redact(text).encode(errors="backslashreplace") + b"\n")

    def _close_hooks(self) -> None:
        """Those under way have what is left of the stop deadline, and not much of it."""
        if self._hooks is not None:
            self._hooks.close(self._end_by - trio.current_time())

    def _start_hooks(self, calls: Callable[[], Awaitable[None]]) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(calls, name=f"hooks in {self.path or 'the top supervisor'}")

    def _count_restart(self, notice: StateChanged) -> None:
        """Tell its account of a restart that nobody has asked for."""
        kept = self._kept[notice.child]
        if notice.restarts > kept.restarts:
            kept.restarts = notice.restarts
            kept.seat.restarted()

    def _tell(self, path: str, notice: Notice) -> None:
        for listener in tuple(self._listeners):
            listener(path, notice)

    def _obey(self, command: Command) -> None:
        assert self._nursery is not None
        match command:
            case StartChild():
                if wanted := self._wanted.pop(command.child, None):
                    self._replace(self._kept[command.child], wanted)
                life = ChildLife(self._kept[command.child], command, self._world, self.post)
                self._lives[command.child] = life
                self._nursery.start_soon(life.run, name=f"{command.child} #{command.generation}")
            case WatchHealth():
                self._lives[command.child].watch_health()
            case WatchReadiness():
                self._lives[command.child].watch_readiness()
            case LookAtLife():
                look = partial(self._lives[command.child].look, connections=command.connections)
                self._nursery.start_soon(look, name=f"look at {command.child}")
            case PassStartup():
                self._lives[command.child].pass_startup()
            case Repace():
                self._lives[command.child].repace(command.role, lost=command.lost)
            case StopChild():
                self._stop_life(command)
            case CutGrace():
                self._lives[command.child].cut_grace()
            case ForgetChild():
                if self._hooks is not None:
                    self._hooks.forget(command.child)
                self._lives.pop(command.child, None)
                self._leases.pop(command.child, None)
                self._forget_words(command.child)
                self._wanted.pop(command.child, None)
                self._folded.pop(command.child.lower(), None)
                kept = self._kept.pop(command.child)
                kept.seat.leave()
                kept.runtime.close()
            case AdmitChild():
                call = self._calls[command.call]
                assert call.spec is not None
                assert call.runtime is not None
                self._keep(call.spec, call.runtime)
                self._kept[command.child].seat.catch_up()
                call.runtime = None
            case Reply():
                self._answer(command)

    def _forget_words(self, child: str) -> None:
        """What it has said, and what all in it have, is of the past."""
        if inner := self.inner(child):
            for each in inner._kept:
                inner._forget_words(each)
        self._world.forget(self.path_of(child))

    def _stop_life(self, command: StopChild) -> None:
        assert self._nursery is not None
        life, hurry = self._lives[command.child], command.hurry
        if hurry and self._inner_in_order and (inner := self.inner(command.child)):
            inner.stop("its supervisor was killed", exit_as=Exit(How.KILLED))
            hurry = False
        if hurry:
            # Now, not when the task below runs: who is stopped later is killed later.
            life.kill()
        self._nursery.start_soon(life.stop, hurry, name=f"stop of {command.child}")

    def _answer(self, reply: Reply) -> None:
        call = self._calls.pop(reply.call, None)
        if call is None:
            return
        if call.runtime is not None:
            # The start was refused.
            call.runtime.close()
        call.reply = reply
        call.answered.set()
