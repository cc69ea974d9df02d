"""Random fleets over random time, against a model of the rules that knows nothing of the machine.

The world answers commands at once or late, the clock may be late too. `World` (of the exhaustive search) checks every
output; `Account` predicts what becomes of every life that ends: restart, delay, hold.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.core.driver import CLEAN, CRASH, SPAWN_FAILED, TERMED, UNKILLABLE
from tests.core.explorer import Life, World
from trio_supervisor.core.commands import CutGrace, ForgetChild, Output, PassStartup, StartChild, StopChild, WatchHealth
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    ChildAdded,
    DeadlineExtended,
    Exited,
    Fact,
    HurryAsked,
    LimitReached,
    Looked,
    ProbeAnswered,
    RemoveAsked,
    RestartAsked,
    Role,
    ShutdownAsked,
    StartAsked,
    Started,
    StopAsked,
    TimeLost,
    TimePassed,
)
from trio_supervisor.core.limits import Idle, Lifetime, Progress, Then
from trio_supervisor.core.machine import Machine
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.policy import (
    Backoff,
    ChildPolicy,
    Condition,
    Intensity,
    ReadyBy,
    Restart,
    Thresholds,
    TreePolicy,
)
from trio_supervisor.core.state import State

# What fleets are made of

_thresholds = st.builds(Thresholds, failures=st.integers(1, 3), successes=st.integers(1, 2))
_startups = st.builds(Thresholds, failures=st.sampled_from([math.inf, 1, 3]), successes=st.integers(1, 2))
_backoffs = st.builds(
    Backoff,
    initial=st.sampled_from([0.5, 2.0, 0.0]),
    factor=st.sampled_from([1.0, 2.0, 3.0]),
    max=st.sampled_from([30.0, 3.0, 0.0]),
    jitter=st.sampled_from([0.0, 0.2, 1.0]),
    reset_after=st.sampled_from([60.0, 5.0, 0.0]),
)
_trees = st.builds(
    TreePolicy,
    intensity=st.builds(Intensity, restarts=st.sampled_from([3, 20, 1, 0]), within=st.sampled_from([1.0, 10.0, 60.0])),
    max_parallel_starts=st.integers(1, 3),
    stop_deadline=st.sampled_from([0.0, 5.0, math.inf]),
)


@st.composite
def _fleets(draw: st.DrawFn) -> dict[str, ChildPolicy]:
    """One to six children; each needs some of those before it, but they are added in any order."""
    names = "abcdef"[: draw(st.integers(1, 6))]
    fleet = {}
    for index, name in enumerate(names):
        ready_by = draw(st.sampled_from([each for each in ReadyBy if each is not ReadyBy.HEALTH]))
        fleet[name] = ChildPolicy(
            restart=draw(st.sampled_from([Restart.PERMANENT, *Restart])),
            backoff=draw(_backoffs),
            ready_by=ready_by,
            start_deadline=math.inf if ready_by is ReadyBy.START else draw(st.sampled_from([2.0, 20.0, math.inf])),
            readiness=draw(_thresholds),
            startup=draw(st.none() | st.none() | _startups) if ready_by is not ReadyBy.START else None,
            health=draw(st.none() | _thresholds),
            depends_on=draw(st.dictionaries(st.sampled_from(names[:index]), st.sampled_from(Condition), max_size=2))
            if index
            else {},
            lifetime=draw(st.none() | st.sampled_from([Lifetime(5.0, 0.5), Lifetime(20.0, then=Then.HOLD)])),
            idle=draw(st.none() | st.just(Idle(5.0))),
            progress=draw(st.none() | st.just(Progress(5.0))),
            drain=draw(st.sampled_from([0.0, 2.0])),
        )
    return {name: fleet[name] for name in draw(st.permutations(names))}


_ALIVE = (State.STARTING, State.RUNNING, State.READY, State.DRAINING, State.STOPPING)
_which = st.integers(0, 5)
_draws = st.sampled_from([0.0, 0.25, 0.5, 0.999])
_exits = st.sampled_from([CLEAN, CRASH, CRASH, TERMED, UNKILLABLE, Exit(How.RAISED, detail="ValueError")])
_seconds = st.sampled_from([1.0, 0.0, 0.25, 0.5, 2.0, 5.0, 10.0, 61.0])


# The model


_Booked = StateChanged | StartChild | WatchHealth | PassStartup | StopChild | CutGrace | ForgetChild
"""What is about one child."""


@dataclass
class Account:
    """What the rules of the design say about one child."""

    wanted: str = "down"
    asked: bool = False
    """Somebody asked for the stop that is under way, or a limit did that is no failure."""
    failed: bool = False
    """It drains because it has failed."""
    restarts: int = 0
    row: int = 0
    """Restarts in a row."""
    due: float = 0.0
    """When its start has taken too long."""
    ready_since: float = 0.0
    failing_since: dict[Role, float] = field(default_factory=dict)
    worked: dict[Role, int] = field(default_factory=dict)
    """Good answers in a row."""
    restart_times: list[float] = field(default_factory=list)

    def leave_ready(self, policy: ChildPolicy, now: float) -> None:
        healthy = min([now, *self.failing_since.values()]) - self.ready_since
        if healthy >= policy.backoff.reset_after:
            self.row = 0


def expected_delay(policy: Backoff, number: int, draw: float) -> float:
    """Nothing, then the initial delay, which grows step by step; moved by the jitter at last."""
    if number == 1:
        return 0.0
    plain = policy.initial
    for _ in range(number - 2):
        plain = min(plain * policy.factor, 1e9)
    plain = min(plain, policy.max)
    lowest, highest = plain - plain * policy.jitter, plain + plain * policy.jitter
    return lowest + (highest - lowest) * draw


class Fleet(RuleBasedStateMachine):
    """Everything that may happen to a fleet."""

    @initialize(tree=_trees, children=_fleets(), prompt=st.sets(st.sampled_from("abcdef")))
    def begin(self, tree: TreePolicy, children: dict[str, ChildPolicy], prompt: set[str]) -> None:
        self.tree, self.policies, self.prompt = tree, children, prompt
        self.names = sorted(children)
        self.facts = 0
        self.now = 1000.0
        self.machine = Machine(tree)
        self.world = World(children, tree.max_parallel_starts)
        self.accounts: dict[str, Account] = {}
        for child, policy in children.items():
            self.tell(ChildAdded(child, policy))
        for child in children:
            self.tell(StartAsked(child))

    # The rules

    def child(self, which: int) -> str:
        return self.names[which % len(self.names)]

    def one_of(self, which: int, *states: State) -> Iterator[tuple[str, int]]:
        """One child with a life in one of these states, and its generation; nothing if there is none."""
        if living := [child for child in sorted(self.world.lives) if self.world.states[child] in (states or _ALIVE)]:
            child = living[which % len(living)]
            yield child, self.world.lives[child].generation

    @rule(which=_which, ask=st.sampled_from([StartAsked, StopAsked, RestartAsked, StartAsked, RestartAsked]))
    def somebody_asks(self, which: int, ask: type[StartAsked | StopAsked | RestartAsked]) -> None:
        self.tell(ask(self.child(which)))

    @rule(which=_which)
    def somebody_removes_a_child_or_adds_it_again(self, which: int) -> None:
        child = self.child(which)
        if child in self.machine.children:
            self.tell(RemoveAsked(child))
        else:
            self.tell(ChildAdded(child, self.policies[child]))
            self.tell(StartAsked(child))

    @rule(which=_which, well=st.sampled_from([True, True, False]), draw=_draws)
    def a_life_goes_on(self, which: int, well: bool, draw: float) -> None:
        for child, generation in self.one_of(which):
            match self.world.states[child]:
                case State.STARTING:
                    self.tell(Started(child, generation) if well else Exited(child, generation, SPAWN_FAILED, draw))
                case State.RUNNING:
                    self.tell(BecameReady(child, generation))
                    self.tell(ProbeAnswered(child, generation, Role.STARTUP, well))
                    self.tell(ProbeAnswered(child, generation, Role.READINESS, well))
                case State.STOPPING:
                    self.tell(Exited(child, generation, TERMED if well else CLEAN, draw))
                case _:
                    self.tell(ProbeAnswered(child, generation, Role.HEALTH, well))

    @rule(which=_which, role=st.sampled_from(Role), ok=st.booleans(), pauses=st.lists(_seconds, min_size=1, max_size=3))
    def a_probe_answers(self, which: int, role: Role, ok: bool, pauses: list[float]) -> None:
        for child, generation in self.one_of(which, State.RUNNING, State.READY):
            for pause in pauses:
                self.tell(ProbeAnswered(child, generation, role, ok, "so"))
                self.time_passes(pause)

    @rule(which=_which, role=st.sampled_from(Role))
    def a_probe_answers_decisively(self, which: int, role: Role) -> None:
        for child, generation in self.one_of(which, State.RUNNING, State.READY):
            self.tell(ProbeAnswered(child, generation, role, ok=False, detail="so", decisive=True))

    @rule(which=_which, seconds=_seconds)
    def a_start_needs_more_time(self, which: int, seconds: float) -> None:
        for child, generation in self.one_of(which, State.STARTING, State.RUNNING):
            self.tell(DeadlineExtended(child, generation, seconds))

    @rule()
    def everybody_comes_up(self) -> None:
        for child, life in list(self.world.lives.items()):
            self.tell(Started(child, life.generation))
            self.tell(BecameReady(child, life.generation))
            for role in (Role.STARTUP, Role.READINESS):
                for _ in range(2):
                    self.tell(ProbeAnswered(child, life.generation, role, True))

    @rule(which=_which, exit=_exits, draw=_draws)
    def a_life_ends(self, which: int, exit: Exit, draw: float) -> None:
        for child, generation in self.one_of(which):
            self.tell(Exited(child, generation, exit, draw))

    @rule(
        which=_which, draws=st.lists(_draws, min_size=2, max_size=6), ails=st.booleans(), lasts=_seconds, pause=_seconds
    )
    def a_child_crashes_again_and_again(
        self, which: int, draws: list[float], ails: bool, lasts: float, pause: float
    ) -> None:
        child = self.child(which)
        for draw in draws:
            self.everybody_comes_up()
            if ails and child in self.world.lives:
                self.tell(ProbeAnswered(child, self.world.lives[child].generation, Role.HEALTH, False))
            self.time_passes(lasts)
            if child in self.world.lives:
                self.tell(Exited(child, self.world.lives[child].generation, CRASH, draw))
            self.time_passes(pause)

    @rule(which=_which, ago=st.integers(1, 3))
    def an_older_life_speaks(self, which: int, ago: int) -> None:
        child = self.child(which)
        generation = self.world.generations.get(child, 0) - ago
        assert self.machine.handle(Exited(child, generation, CRASH), self.now) == []
        assert self.machine.handle(Started(child, generation), self.now) == []

    @rule(seconds=_seconds)
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        while (deadline := self.machine.next_deadline()) <= end:
            self.now = max(self.now, deadline)
            self.tell(TimePassed())
        self.now = end

    @rule(seconds=_seconds)
    def nobody_looks_at_the_clock(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=_seconds)
    def nobody_runs_for_a_while(self, seconds: float) -> None:
        self.now += seconds
        self.tell(TimeLost(seconds))

    @rule(which=_which)
    def a_life_is_over_its_limit(self, which: int) -> None:
        for child, generation in self.one_of(which):
            self.tell(LimitReached(child, generation, "over its limit"))

    @rule(which=_which, ago=_seconds, connections=st.integers(0, 1))
    def somebody_looks_at_a_life(self, which: int, ago: float, connections: int) -> None:
        for child, generation in self.one_of(which):
            seen = self.now - ago
            self.tell(Looked(child, generation, seen, seen, seen - 1, connections=connections))

    @rule(which=_which, busy=st.booleans())
    def a_life_is_busy_or_not(self, which: int, busy: bool) -> None:
        for child, generation in self.one_of(which):
            self.tell(BusyChanged(child, generation, busy))

    @precondition(lambda self: self.facts > 100)
    @rule(hurry=st.booleans())
    def everything_is_to_end(self, hurry: bool) -> None:
        self.tell(HurryAsked("now") if hurry else ShutdownAsked("the end"))

    # Prediction and check

    def tell(self, fact: Fact) -> None:
        self.sound = False
        self.facts += 1
        self.prepare(fact)
        expected = self.expect_end(fact) if isinstance(fact, Exited) else None
        outputs = self.machine.handle(fact, self.now)
        self.world.take(fact, outputs)
        self.world.check(self.machine, fact, self.now)
        if expected:
            self.check_end(expected, next(out for out in outputs if isinstance(out, StateChanged)))
        for output in outputs:
            if isinstance(output, _Booked):
                self.book(output)
        if isinstance(fact, TimePassed):
            self.check_deadlines()
        self.sound = True
        self.answer_at_once(outputs)

    def prepare(self, fact: Fact) -> None:
        """What the fact alone changes in the accounts."""
        match fact:
            case ChildAdded():
                self.accounts[fact.child] = Account()
            case StartAsked() | StopAsked() | RestartAsked() | RemoveAsked() if fact.child in self.machine.children:
                self.prepare_asked(fact, self.accounts[fact.child], self.world.states[fact.child])
            case ShutdownAsked() | HurryAsked():
                for account in self.accounts.values():
                    account.wanted = "down" if account.wanted == "up" else account.wanted
            case TimeLost():
                for child, account in self.accounts.items():
                    given = self.now + min(fact.seconds, self.policies[child].start_deadline)
                    account.due = max(account.due + fact.seconds, given)
            case ProbeAnswered() if self.is_asked(fact.child, fact.role):
                self.prepare_answer(fact, self.accounts[fact.child])
            case DeadlineExtended():
                account = self.accounts[fact.child]
                account.due = max(account.due, self.now + fact.seconds)
            case _:
                pass

    def prepare_answer(self, fact: ProbeAnswered, account: Account) -> None:
        account.worked[fact.role] = account.worked.get(fact.role, 0) + 1 if fact.ok else 0
        if not fact.ok:
            account.failing_since.setdefault(fact.role, self.now)
        elif account.worked[fact.role] >= self.thresholds(fact).successes:
            account.failing_since.pop(fact.role, None)

    def thresholds(self, fact: ProbeAnswered) -> Thresholds:
        policy = self.policies[fact.child]
        found = policy.readiness if fact.role is Role.READINESS else policy.health
        assert found is not None
        return found

    def prepare_asked(
        self, fact: StartAsked | StopAsked | RestartAsked | RemoveAsked, account: Account, state: State
    ) -> None:
        comes_up = isinstance(fact, StartAsked | RestartAsked)
        if account.wanted == "gone" or (comes_up and self.world.ending):
            return
        account.wanted = "up" if comes_up else "gone" if isinstance(fact, RemoveAsked) else "down"
        if state is State.STOPPING or (fact.child in self.world.lives and not isinstance(fact, StartAsked)):
            account.asked = True
        elif comes_up and fact.child not in self.world.lives and state is not State.WAITING:
            account.row = 0

    def is_asked(self, child: str, role: Role) -> bool:
        """Whether the answer of that probe counts."""
        life = self.world.lives.get(child)
        if life is None or life.told_to_stop or self.world.states[child] is State.DRAINING:
            return False
        policy = self.policies[child]
        if role is Role.STARTUP:
            return False  # it is never asked of who is ready, so no healthy time hangs on it
        if policy.startup is not None and not life.passed:
            return False
        if role is Role.READINESS:
            return policy.ready_by is ReadyBy.PROBE and self.world.states[child] is not State.STARTING
        return policy.health is not None and (life.was_ready or life.passed) and not self.world.ending

    def expect_end(self, fact: Exited) -> tuple[State, float | None]:
        """What becomes of a child whose life is over, and when the machine acts next."""
        account, life = self.accounts[fact.child], self.world.lives[fact.child]
        if account.wanted == "held":
            return State.HELD, None
        if account.wanted != "up":
            return (State.REMOVED if account.wanted == "gone" else State.STOPPED), None
        if fact.exit.how is How.UNKILLABLE:
            return State.HELD, None
        if account.asked:
            return State.WAITING, None
        return self.expect_restart(fact, clean=fact.exit.clean and not (life.told_to_stop or account.failed))

    def expect_restart(self, fact: Exited, *, clean: bool) -> tuple[State, float | None]:
        account, policy = self.accounts[fact.child], self.policies[fact.child]
        if policy.restart is Restart.TEMPORARY or (policy.restart is Restart.TRANSIENT and clean):
            return (State.FINISHED if clean else State.FAILED), None
        if len(self.recent_restarts(fact.child, self.now)) == self.tree.intensity.restarts:
            return State.HELD, None
        if self.world.states[fact.child] is State.READY:
            account.leave_ready(policy, self.now)
        delay = expected_delay(policy.backoff, account.row + 1, fact.draw)
        return (State.BACKOFF, self.now + delay) if delay else (State.WAITING, None)

    def check_end(self, expected: tuple[State, float | None], notice: StateChanged) -> None:
        state, next_at = expected
        assert notice.exit is not None
        assert notice.new is state
        assert notice.next_at == (None if next_at is None else pytest.approx(next_at, abs=1e-9))

    def book(self, output: _Booked) -> None:
        """What an output changes in the accounts."""
        account, policy = self.accounts[output.child], self.policies[output.child]
        match output:
            case StateChanged():
                if output.old is State.READY:
                    account.leave_ready(policy, self.now)
                if output.new is State.READY:
                    account.ready_since = self.now
                if output.restarts > account.restarts:
                    assert output.restarts == account.restarts + 1
                    account.restarts = output.restarts
                    account.row += 1
                    account.restart_times.append(self.now)
                if output.new in (State.DRAINING, State.STOPPING) and account.wanted == "up" and not account.asked:
                    self.book_limit(account, policy, output)
            case StartChild():
                account.failed = False
                account.due = self.now + policy.start_deadline
                account.failing_since.clear()
                account.worked.clear()
                account.asked = False
                assert output.restart_count == account.restarts
            case StopChild() if output.reason.startswith("not ready"):
                assert self.now >= account.due
            case _:
                pass

    def book_limit(self, account: Account, policy: ChildPolicy, output: StateChanged) -> None:
        """A life begins to end without having been asked to: is that a failure?"""
        by_age = output.reason.startswith("lifetime")
        if by_age and policy.lifetime is not None and policy.lifetime.then is Then.HOLD:
            account.wanted = "held"
        elif (by_age or output.reason.startswith("idle")) and policy.restart is not Restart.TEMPORARY:
            account.asked = True
        elif output.new is State.DRAINING:
            account.failed = True

    def check_deadlines(self) -> None:
        """Nobody who is due is forgotten."""
        for child, life in self.world.lives.items():
            if not (life.was_ready or life.passed or life.told_to_stop or self.world.ending):
                assert self.now < self.accounts[child].due

    def answer_at_once(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, StopChild) and output.child in self.prompt & self.world.lives.keys():
                self.tell(Exited(output.child, output.generation, TERMED))

    def recent_restarts(self, child: str, now: float) -> list[float]:
        return [time for time in self.accounts[child].restart_times if now - time <= self.tree.intensity.within]

    @invariant()
    def no_window_holds_more_restarts_than_allowed(self) -> None:
        for account in getattr(self, "accounts", {}).values():
            for end in account.restart_times[-20:]:
                inside = [time for time in account.restart_times if 0 <= end - time <= self.tree.intensity.within]
                assert len(inside) <= self.tree.intensity.restarts

    def teardown(self) -> None:
        """However it went, a shutdown ends: those who are told to end do so, as late as they like."""
        if not getattr(self, "sound", False):
            return
        self.tell(ShutdownAsked("the end"))
        while lives := self.world.lives:
            told = [(child, life) for child, life in lives.items() if life.told_to_stop]
            assert told, "somebody is told to end, as long as anybody lives"
            for child, life in told:
                self.end(child, life)
        assert self.machine.at_rest

    def end(self, child: str, life: Life) -> None:
        if self.world.lives.get(child) is life:
            self.tell(Exited(child, life.generation, TERMED))


Fleet.TestCase.settings = settings(max_examples=150, stateful_step_count=80, deadline=None, database=None)
TestFleet = pytest.mark.slow(Fleet.TestCase)
