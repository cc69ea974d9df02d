"""Breadth-first search through everything that can happen to a small supervisor.

From every reachable state every fact of an alphabet is tried (nonsense too), and time passes second by second. After
each step the invariants of `World` must hold. Two states are the same if nothing that can happen later tells them
apart: times count relative to now and only as far as they matter, totals and texts don't count at all.
"""

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any

from tests.core.driver import CLEAN, CRASH, UNKILLABLE
from trio_supervisor.core.backoff import delay
from trio_supervisor.core.budget import Meter
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import (
    CutGrace,
    ForgetChild,
    LookAtLife,
    Output,
    PassStartup,
    Repace,
    Reply,
    StartChild,
    StopChild,
    WatchHealth,
)
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    ChildAdded,
    CostReported,
    DeadlineExtended,
    Exited,
    Fact,
    HeldByRule,
    HoldMoved,
    HurryAsked,
    LimitReached,
    Looked,
    ProbeAnswered,
    RemoveAsked,
    ResetAsked,
    RestartAsked,
    Role,
    ShutdownAsked,
    StartAsked,
    Started,
    StopAsked,
    TimeLost,
    TimePassed,
    Told,
)
from trio_supervisor.core.health import Health
from trio_supervisor.core.machine import Machine
from trio_supervisor.core.notices import Judged, Judgement, StateChanged, StatusTold, TreeStarted, Warned
from trio_supervisor.core.policy import ChildPolicy, Condition, ReadyBy, TreePolicy
from trio_supervisor.core.state import TRANSITIONS, State
from trio_supervisor.core.window import Window
from trio_supervisor.record import is_record

_ALIVE = {State.UNHEALTHY, State.STARTING, State.RUNNING, State.READY, State.DRAINING, State.STOPPING}
_BUSY_MATTERS = {State.STARTING, State.RUNNING, State.READY, State.DRAINING}
_DONE = {State.STOPPED, State.FINISHED, State.FAILED, State.HELD}
_SATISFIED_BY = {
    Condition.STARTED: {State.RUNNING, State.READY, State.FINISHED},
    Condition.READY: {State.READY},
    Condition.FINISHED: {State.FINISHED},
}
_OUT_OF_TURN = (StopAsked, RemoveAsked, HurryAsked, TimePassed)
"""What may stop a child before those who need it: somebody asks, or the time for the whole stop is over."""


_NOBODY = ChildPolicy()


@dataclass(slots=True)
class Life:
    """What the world knows of a life: it is between StartChild and Exited."""

    generation: int
    told_to_stop: bool = False
    watched: bool = False
    was_ready: bool = False
    passed: bool = False
    """Its startup probe has succeeded."""
    doubts: dict[Role, tuple[Judgement, float]] = field(default_factory=dict)
    """The probes that are told to fail, how badly and since when."""


@dataclass(slots=True)
class World:
    """What the outputs say, checked against what they may say. Knows nothing of how the machine decides."""

    policies: Mapping[str, ChildPolicy]
    parallel: int
    states: dict[str, State] = field(default_factory=dict)
    lives: dict[str, Life] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    going: set[str] = field(default_factory=set)
    """Those that somebody wants gone for good."""
    ending: bool = False
    resuming: set[str] = field(default_factory=set)
    """Those whose hold ends by itself."""

    def take(self, fact: Fact, outputs: list[Output]) -> None:
        """A fact was handled with these outputs."""
        match fact:
            case ChildAdded():
                self.states[fact.child] = State.STOPPED
                self.generations[fact.child] = 0
            case RemoveAsked() if fact.child in self.states:
                self.going.add(fact.child)
            case Exited() if fact.child in self.lives and self.lives[fact.child].generation == fact.generation:
                del self.lives[fact.child]
            case ShutdownAsked() | HurryAsked():
                self.ending = True
                self.resuming.clear()
            case _:
                pass
        for output in outputs:
            if isinstance(output, StopChild) and self.ending and not isinstance(fact, _OUT_OF_TURN):
                assert not self.is_needed(output.child), "nothing is stopped before those who need it"
            self.obey(output)
        if isinstance(fact, HurryAsked):
            cut = {
                out.child for out in outputs if isinstance(out, CutGrace) or (isinstance(out, StopChild) and out.hurry)
            }
            assert cut == set(self.lives), "no life has any grace left"

    def obey(self, output: Output) -> None:
        """Check one output and do what it says."""
        assert not isinstance(output, Reply | TreeStarted), "nobody has called, and nobody starts the tree as a whole"
        child = output.child
        match output:
            case StateChanged():
                assert self.states[child] is output.old
                assert output.new in TRANSITIONS[output.old]
                assert output.generation == self.generations[child] + (output.new is State.STARTING)
                self.states[child] = output.new
                self.resuming.discard(child)
                if output.new is State.HELD and output.next_at is not None:
                    self.resuming.add(child)
                if output.new is State.READY:
                    assert self.policies[child].startup is None or self.lives[child].passed
                    self.lives[child].was_ready = True
            case StartChild():
                assert not self.ending, "nothing starts once everything is to end"
                assert child not in self.lives, "one life at a time"
                assert output.generation == self.generations[child] + 1
                assert self.unmet(child) == [], "no start before what it needs"
                self.generations[child] = output.generation
                self.lives[child] = Life(output.generation)
                assert self.starts_under_way() <= self.parallel
            case StopChild():
                assert self.lives[child].generation == output.generation
                assert not self.lives[child].told_to_stop, "a life is told to stop once"
                self.lives[child].told_to_stop = True
            case CutGrace():
                assert self.lives[child].generation == output.generation
                assert self.lives[child].told_to_stop, "only a grace that runs can be cut"
            case Repace():
                assert self.lives[child].generation == output.generation
                assert self.policies[child].remote
            case WatchHealth():
                assert self.lives[child].generation == output.generation
                assert not self.lives[child].watched
                assert self.policies[child].health is not None
                self.lives[child].watched = True
            case Warned(about=Meter()):
                assert output.generation == self.generations[child]
            case LookAtLife() | Warned():
                assert self.lives[child].generation == output.generation
                assert not self.lives[child].told_to_stop
            case PassStartup():
                assert self.lives[child].generation == output.generation
                assert self.policies[child].startup is not None
                assert not self.lives[child].passed, "a start is over once"
                self.lives[child].passed = True
            case Judged():
                self.judge(self.lives[child], output)
            case StatusTold():
                assert self.lives[child].generation == output.generation
            case ForgetChild():
                assert child not in self.lives, "a child is forgotten when nothing of it is left"
                assert self.states.pop(child) is State.REMOVED
                self.going.remove(child)

    def judge(self, life: Life, output: Judged) -> None:
        """Each edge is told once, and all of one row are about the same first failure."""
        before = life.doubts.pop(output.role, None)
        assert life.generation == output.generation
        assert before is None or before[1] == output.since
        match output.judgement:
            case Judgement.SUSPECT:
                assert before is None
            case Judgement.UNHEALTHY:
                assert before is None or before[0] is Judgement.SUSPECT
            case Judgement.RECOVERED:
                assert before is not None
                return
        life.doubts[output.role] = (output.judgement, output.since)

    def unmet(self, child: str) -> list[str]:
        """The dependencies that do not let the child start (yet)."""
        needs = self.policies[child].depends_on
        return [name for name, condition in needs.items() if self.states.get(name) not in _SATISFIED_BY[condition]]

    def hopeless(self, child: str) -> list[str]:
        """Those of them which will not let it start unless somebody does something."""
        gone = (None, State.FAILED, State.HELD, State.FINISHED)
        return [name for name in self.unmet(child) if self.states.get(name) in gone]

    def is_needed(self, child: str) -> bool:
        """Whether a child that is alive depends on it."""
        return any(child in self.policies[name].depends_on for name in self.lives)

    def starts_under_way(self) -> int:
        return sum(
            not (life.was_ready or life.passed or life.told_to_stop or self.is_watched_only(name))
            for name, life in self.lives.items()
        )

    def is_watched_only(self, name: str) -> bool:
        """Whether it is remote, and started: to wait for it takes no place."""
        return self.policies[name].remote and self.states[name] is not State.STARTING

    def check(self, machine: Machine, fact: Fact, now: float) -> None:
        """What must hold between any two facts."""
        assert {name: child.state for name, child in machine.children.items()} == self.states
        assert {name for name, state in self.states.items() if state in _ALIVE} == set(self.lives)
        assert self.going <= set(self.lives), "only a life keeps a child from going"
        assert machine.at_rest == (set(self.states.values()).issubset(_DONE) and not self.resuming)
        assert not isinstance(fact, TimePassed) or machine.next_deadline() > now
        for name, child in machine.children.items():
            self.check_deadline(name, machine.deadline_of(name))
            if name in self.lives:
                assert child.generation == self.lives[name].generation
                self.check_life(name, self.lives[name])
            elif self.ending:
                assert child.state in _DONE, "nobody waits for a start that will not come"
            else:
                self.check_waiting(name, blocked=child.blocked)

    def check_life(self, name: str, life: Life) -> None:
        policy = self.policies[name]
        if policy.ready_by is ReadyBy.HEALTH and policy.startup is None:
            assert life.watched or self.states[name] in (State.STARTING, State.STOPPING), "asked from the start on"
        else:
            assert life.watched == ((life.was_ready or life.passed) and policy.health is not None)
        assert life.told_to_stop == (self.states[name] is State.STOPPING)
        assert life.told_to_stop or not self.ending or self.is_needed(name), "in the end, only who is needed goes on"

    def check_waiting(self, name: str, *, blocked: bool) -> None:
        waiting = self.states[name] is State.WAITING
        full = self.starts_under_way() == self.parallel
        assert not waiting or full or self.unmet(name), "nobody waits for nothing"
        assert not waiting or not self.hopeless(name), "nobody waits for what will not come"
        assert not blocked or self.hopeless(name), "nobody is kept down by what may come"
        assert not blocked or self.states[name] is State.FAILED

    def check_deadline(self, name: str, due: float | None) -> None:
        """The machine acts by itself after a delay, and on a start that takes too long; not in the end."""
        life = self.lives.get(name)
        starting = life is not None and not (life.told_to_stop or life.was_ready or life.passed or self.ending)
        bounded = (
            starting and self.states[name] is not State.UNHEALTHY and self.policies[name].start_deadline < math.inf
        )
        draining = self.states[name] is State.DRAINING and not self.ending
        waits = self.states[name] is State.BACKOFF or name in self.resuming
        assert (due is not None) == (bounded or draining or waits)


@dataclass(slots=True)
class Node:
    """A supervisor at a moment."""

    machine: Machine
    world: World
    now: float

    def branch(self) -> "Node":
        """The same moment once more, for another future."""
        twin: Node = _copy(self)
        return twin

    def step(self, fact: Fact) -> None:
        """Handle one fact and check everything."""
        before = dict(self.machine._tree.timers)
        outputs = self.machine.handle(fact, self.now)
        if isinstance(fact, TimeLost):
            assert outputs == [], "that time was lost is no event"
            self.check_given_back(before, fact.seconds)
        for output in outputs:
            if isinstance(output, StateChanged):
                assert output.next_at is None or output.next_at >= self.now
                child = self.machine.children.get(output.child)
                if child and child.state is output.new and not self.machine.shutting_down:
                    assert output.next_at == self.machine.deadline_of(output.child)
        self.world.take(fact, outputs)
        self.world.check(self.machine, fact, self.now)

    def check_given_back(self, before: Mapping[str, float], seconds: float) -> None:
        """Who starts and who stops has its time again, who waits for its start has waited."""
        for key, when in self.machine._tree.timers:
            if key in self.world.states and self.world.states[key] in (State.BACKOFF, State.HELD):
                assert when == before[key]
            else:
                assert when - seconds >= min(before[key], self.now)
                assert when > self.now

    def key(self) -> object:
        """What can be told apart later."""
        machine = self.machine
        return (
            tuple(_child_key(child, self.now) for child in machine.children.values()),
            tuple(sorted((key, when - self.now) for key, when in machine._tree.timers._when.items())),
            tuple(sorted((key, when - self.now) for key, when in machine._tree.clocks._when.items())),
            tuple(machine._tree.places._queue),
            frozenset(machine._tree.places._holders),
            machine.shutting_down,
            machine._tree.hurry,
        )


def _child_key(child: Child, now: float) -> object:
    return (
        child.id,
        child.state,
        child.desired,
        child.cause,
        child.blocked,
        child.was_ready,
        _attempts_key(child),
        _healthy_key(child, child.ready_since, now),
        (child.announced, child.status) if child.policy.startup else None,
        _health_key(child, child.startup),
        _health_key(child, child.readiness),
        _health_key(child, child.health),
        tuple(_window_key(window, now) for window in child.windows),
        child.busy if child.state in _BUSY_MATTERS else None,
        bool(child.hold),
        max(0.0, child.hold_until - now),
        max(0.0, child.resume_at - now),
        _clocks_key(child, now),
        _ledger_key(child, now),
    )


def _clocks_key(child: Child, now: float) -> object:
    # Those of a life that is over, or about to be, are never looked at again.
    if child.state not in _BUSY_MATTERS - {State.DRAINING}:
        return None
    return tuple(
        (clock.kind, min(now - clock.since, clock.within), clock.paused, clock.warned, clock.looking, clock.done)
        for clock in child.clocks or ()
    )


def _ledger_key(child: Child, now: float) -> object:
    if child.ledger is None:
        return None
    return tuple((meter, tuple(spending.export(now))) for meter, spending in child.ledger._meters.items())


def _window_key(window: Window, now: float) -> object:
    """How many restarts count, and how long yet."""
    within = window.intensity.within
    ages = [now - time for time in window._times if now - time <= within]
    return len(ages) if within == math.inf else tuple(ages)


def _attempts_key(child: Child) -> int:
    """Attempts from which on the delay does not grow any more are all the same."""
    attempts, backoff = child.attempts, child.policy.backoff
    while attempts and delay(backoff, attempts - 1, 0.5) == delay(backoff, attempts, 0.5):
        attempts -= 1
    return attempts


def _healthy_key(child: Child, since: float | None, until: float) -> float | None:
    """How much healthy time there is, as far as it matters."""
    enough = child.policy.backoff.reset_after
    if since is None or enough == math.inf:
        return None
    return min(max(0.0, until - since), enough)


def _health_key(child: Child, health: Health | None) -> object:
    if health is None:
        return None
    failing = health.failing_since
    healthy = None if failing is None else (True, _healthy_key(child, child.ready_since, failing))
    needed = health.thresholds
    failed = min(health.failed, needed.failures) if health is child.startup and needed.failures < math.inf else 0
    worked = min(health.worked, needed.successes) if health.good and health.run else 0
    return health.good, health.run, failed, worked, None if child.policy.backoff.reset_after == math.inf else healthy


def _never_changes(kind: type) -> bool:
    """Whether objects of this class are values."""
    frozen = is_dataclass(kind) and getattr(kind, "__dataclass_params__").frozen  # noqa: B009 - typeshed does not know it
    return frozen or is_record(kind) or issubclass(kind, Enum | str | int | float | tuple | MappingProxyType | NoneType)


_is_value: Callable[[type], bool] = cache(_never_changes)


def _copy(value: Any) -> Any:
    """copy.deepcopy, much faster: for trees of objects whose leaves are values."""
    kind: Any = type(value)
    if kind is dict:
        return {key: item if _is_value(type(item)) else _copy(item) for key, item in value.items()}
    if kind is list:
        return [item if _is_value(type(item)) else _copy(item) for item in value]
    if kind in (set, deque, Counter, OrderedDict):
        return value.copy()
    twin = kind.__new__(kind)
    for name in getattr(kind, "__slots__", None) or vars(value):
        item = getattr(value, name)
        setattr(twin, name, item if _is_value(type(item)) else _copy(item))
    return twin


class Explorer:
    """Searches all that can happen to one supervisor."""

    def __init__(self, tree: TreePolicy, children: Mapping[str, ChildPolicy]) -> None:
        self.policies = children
        self.edges: set[tuple[State, State]] = set()
        self.steps = 0
        root = Node(Machine(tree), World(MappingProxyType(dict(children)), tree.max_parallel_starts), now=100.0)
        for name, policy in children.items():
            root.step(ChildAdded(name, policy))
        self.found: dict[object, Node] = {root.key(): root}
        self.unseen = deque(self.found.items())

    def search(self) -> None:
        """Visit every state that can be reached."""
        while self.unseen:
            key, node = self.unseen.popleft()
            self.try_nonsense(node, key)
            branch = node.branch()
            for fact in self.sense(node):
                branch.step(fact)
                if self.visit(branch) != key:
                    branch = node.branch()
            if node.machine.next_deadline() > node.now:
                branch.now += 1
                self.visit(branch)
        for key, node in self.found.items():
            assert node.key() == key, "nothing that happened to a branch happened to its root"

    def visit(self, node: Node) -> object:
        """Take note of where a step led; returns the key."""
        self.steps += 1
        self.edges.update((out.old, out.new) for out in node.machine._tree.out if isinstance(out, StateChanged))
        key = node.key()
        if key not in self.found:
            self.found[key] = node
            self.unseen.append((key, node))
        return key

    def sense(self, node: Node) -> Iterator[Fact]:
        """The facts that may change something."""
        for name, policy in self.policies.items():
            if name not in node.machine.children:
                yield ChildAdded(name, policy)
                continue
            yield StartAsked(name)
            yield StopAsked(name)
            yield RestartAsked(name)
            yield ResetAsked(name)
            yield RemoveAsked(name)
            ledger = node.machine.children[name].ledger
            if ledger:
                if ledger._meters[Meter.USD].used(node.now) < 1:
                    yield CostReported(name, 1.0)
                yield HeldByRule(name, "out of quota", node.now + 1)
                yield HoldMoved(name, "out of quota", node.now)
            if name in node.world.lives:
                yield from self.about_life(name, node.world.lives[name].generation)
        yield ShutdownAsked("the end")
        yield HurryAsked("now")
        if all(when <= node.now + 1 for _, when in node.machine._tree.timers):
            # Time that is lost on top of lost time tells nothing new, and there would be no end of it.
            yield TimeLost(1.0)
        yield TimePassed()

    def about_life(self, name: str, generation: int) -> Iterator[Fact]:
        yield Started(name, generation)
        yield BecameReady(name, generation)
        for role in (
            *([Role.STARTUP] if self.policies.get(name, _NOBODY).startup else []),
            Role.READINESS,
            Role.HEALTH,
        ):
            yield ProbeAnswered(name, generation, role, ok=True)
            yield ProbeAnswered(name, generation, role, ok=False)
            yield ProbeAnswered(name, generation, role, ok=False, decisive=True)
        yield DeadlineExtended(name, generation, 1.0)
        if self.policies.get(name, _NOBODY).startup is not None:
            yield Told(name, generation, "STATUS", "busy")
            yield Told(name, generation, "X_AGENT_SOMETHING", "1")
        yield LimitReached(name, generation, "over its limit")
        if name in self.policies and self.policies[name].watched:
            yield BusyChanged(name, generation, True)
            yield BusyChanged(name, generation, False)
            yield Looked(name, generation)
            yield Looked(name, generation, connections=1)
        for exit in (CLEAN, CRASH, UNKILLABLE):
            yield Exited(name, generation, exit)

    def try_nonsense(self, node: Node, key: object) -> None:
        """Facts about other lives and children that are not there: they change nothing."""
        for name in (*self.policies, "nobody"):
            present = node.world.lives[name].generation if name in node.world.lives else None
            last = node.world.generations.get(name, 0)
            for generation in {last - 1, last, last + 1} - {present}:
                for fact in self.about_life(name, generation):
                    assert node.machine.handle(fact, node.now) == []
            if name in node.machine.children:
                self.add_twice(node, name)
            else:
                for ask in (StartAsked, StopAsked, RestartAsked, RemoveAsked):
                    assert node.machine.handle(ask(name), node.now) == []
        assert node.key() == key

    def add_twice(self, node: Node, name: str) -> None:
        try:
            node.machine.handle(ChildAdded(name, self.policies[name]), node.now)
        except ValueError:
            return
        raise AssertionError(f"{name} was added twice")
