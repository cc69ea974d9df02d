"""The transitions: one supervisor's children, (fact, now) -> commands and notices.

Deterministic: the same facts at the same times give the same answers. A fact costs the same whatever the number of
children that it does not concern. Times are seconds of any one monotonic clock.
"""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

from trio_supervisor.core import backoff, dependencies
from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.health import Edge, Health
from trio_supervisor.core.messages import (
    BecameReady,
    ChildAdded,
    CutGrace,
    Exit,
    Exited,
    Fact,
    ForgetChild,
    How,
    HurryAsked,
    LifeFact,
    Output,
    ProbeAnswered,
    RemoveAsked,
    RestartAsked,
    Role,
    ShutdownAsked,
    StartAsked,
    StartChild,
    Started,
    StateChanged,
    StopAsked,
    StopChild,
    TimePassed,
    WatchHealth,
)
from trio_supervisor.core.places import Places
from trio_supervisor.core.policy import ReadyBy, TreePolicy
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.timers import Timers
from trio_supervisor.core.verdict import Fate, judge
from trio_supervisor.core.window import Window

_TREE = ""
"""The key of the timer that is not a child's: the deadline of the whole stop. No child has an empty id."""


class Machine:
    """Decides for one supervisor under the strategy one_for_one."""

    def __init__(self, policy: TreePolicy) -> None:
        self.policy = policy
        self._children: dict[str, Child] = {}
        self._graph = dependencies.Graph()
        self._window = Window(policy.intensity)
        self._timers = Timers()
        self._places = Places(policy.max_parallel_starts)
        self._unsettled = 0
        self._stopping: str | None = None
        self._hurry = False
        # Children whose state has changed since their neighbours in the graph were looked at.
        self._changed: deque[str] = deque()
        self._out: list[Output] = []

    # What can be seen from outside

    @property
    def children(self) -> Mapping[str, Child]:
        """The children by id, in the order in which they were added. To be read only."""
        return MappingProxyType(self._children)

    @property
    def shutting_down(self) -> bool:
        """Whether everything was asked to end."""
        return self._stopping is not None

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to run: no child is alive, delayed or waiting.

        A child that waits for one that somebody stopped keeps it from resting, as it is still to run.
        """
        return self._unsettled == 0

    def next_deadline(self) -> float:
        """When the machine wants `TimePassed`, at the latest; `math.inf` if never."""
        return self._timers.nearest()

    def deadline_of(self, child: str) -> float | None:
        """When the machine will act on a child by itself; None if it will not."""
        return self._timers.get(child)

    def handle(self, fact: Fact, now: float) -> list[Output]:
        """Take in what happened; returns what follows from it, in order. An unknown child or an older life changes
        nothing.
        """
        self._out = []
        match fact:
            case ChildAdded():
                self._added(fact, now)
            case StartAsked() | StopAsked() | RestartAsked() | RemoveAsked():
                if child := self._children.get(fact.child):
                    self._asked(child, fact, now)
            case Started() | BecameReady() | ProbeAnswered() | Exited():
                child = self._children.get(fact.child)
                if child and child.is_present(fact.generation):
                    self._lived(child, fact, now)
            case ShutdownAsked():
                self._shut_down(fact.reason, now)
            case HurryAsked():
                self._make_haste(fact.reason, now)
            case TimePassed():
                self._time_passed(now)
        self._settle(now)
        return self._out

    # Somebody asks

    def _added(self, fact: ChildAdded, now: float) -> None:
        if fact.child in self._children:
            raise ValueError(f"child {fact.child!r} is there already")
        self._graph.add(fact.child, fact.policy)
        self._children[fact.child] = Child(fact.child, fact.policy, now)
        self._changed.append(fact.child)

    def _asked(self, child: Child, fact: StartAsked | StopAsked | RestartAsked | RemoveAsked, now: float) -> None:
        match fact:
            case _ if child.desired is Desired.GONE:
                # Somebody waits for it to be gone, and nothing asked meanwhile may leave him waiting.
                return
            case StartAsked() | RestartAsked() if self.shutting_down:
                return
            case StartAsked():
                self._start_asked(child, fact.reason, now)
            case StopAsked():
                child.desired = Desired.DOWN
                self._take_down(child, fact.reason, now)
            case RestartAsked() if child.state.alive:
                child.desired = Desired.UP
                child.restart_reason = fact.reason
                self._take_down(child, fact.reason, now)
            case RestartAsked():
                self._start_asked(child, fact.reason, now)
            case RemoveAsked():
                child.desired = Desired.GONE
                self._take_down(child, fact.reason, now)

    def _start_asked(self, child: Child, reason: str, now: float) -> None:
        child.desired = Desired.UP
        if child.state is State.STOPPING:
            child.cause = StopCause.ASKED
            child.restart_reason = reason
        elif child.state.resting or child.state is State.BACKOFF:
            # Who asks for a start wants to see it now: the row of failures is forgotten.
            child.attempts = 0
            child.restart_reason = reason
            self._want_start(child, now, reason)

    def _take_down(self, child: Child, reason: str, now: float) -> None:
        """Towards `child.desired`, which is not what the child is in."""
        if child.state.alive:
            self._stop(child, StopCause.ASKED, reason, now)
        elif child.desired is Desired.GONE:
            self._remove(child, reason, now)
        elif child.state is not State.STOPPED:
            self._enter(child, State.STOPPED, now, reason)

    def _remove(self, child: Child, reason: str, now: float, exit: Exit | None = None) -> None:
        self._enter(child, State.REMOVED, now, reason, exit=exit)
        del self._children[child.id]
        self._out.append(ForgetChild(child.id))

    # A life tells

    def _lived(self, child: Child, fact: LifeFact, now: float) -> None:
        match fact:
            case Exited():
                self._exited(child, fact.exit, fact.draw, now)
            case _ if child.state is State.STOPPING:
                return
            case Started():
                self._started(child, now)
            case BecameReady():
                # It may be told before the start is: the two come from different tasks.
                if child.state in (State.STARTING, State.RUNNING) and child.policy.ready_by is ReadyBy.ITSELF:
                    self._ready(child, now, "says that it is ready")
            case ProbeAnswered(role=Role.READINESS):
                self._readiness_answered(child, fact, now)
            case ProbeAnswered():
                self._health_answered(child, fact, now)

    def _started(self, child: Child, now: float) -> None:
        if child.state is not State.STARTING:
            return
        match child.policy.ready_by:
            case ReadyBy.START:
                self._ready(child, now, "started")
            case ReadyBy.PROBE:
                child.readiness = Health(child.policy.readiness, good=False)
                self._enter(child, State.RUNNING, now, "started, not ready yet", next_at=self._timers.get(child.id))
            case ReadyBy.ITSELF:
                self._enter(child, State.RUNNING, now, "started, not ready yet", next_at=self._timers.get(child.id))

    def _ready(self, child: Child, now: float, reason: str) -> None:
        self._enter(child, State.READY, now, reason)
        if not child.was_ready:
            child.was_ready = True
            if child.policy.health is not None:
                child.health = Health(child.policy.health, good=True)
                self._out.append(WatchHealth(child.id, child.generation))

    def _readiness_answered(self, child: Child, fact: ProbeAnswered, now: float) -> None:
        if child.readiness is None:
            return
        if not fact.ok:
            child.last_failure = fact.detail
        match child.readiness.answered(fact.ok, now):
            case Edge.UP:
                self._ready(child, now, fact.detail or "readiness probe succeeded")
            case Edge.DOWN:
                self._enter(child, State.RUNNING, now, f"not ready: {fact.detail}")
            case Edge.NONE:
                return

    def _health_answered(self, child: Child, fact: ProbeAnswered, now: float) -> None:
        # Whoever is to end anyway ends in its turn.
        if child.health is None or self.shutting_down or child.health.answered(fact.ok, now) is not Edge.DOWN:
            return
        count = child.health.thresholds.failures
        reason = f"unhealthy: {count} failed probe{'s' * (count > 1)} in a row, the last: {fact.detail}"
        self._enter(child, State.UNHEALTHY, now, reason)
        self._stop(child, StopCause.FAILURE, reason, now)

    def _exited(self, child: Child, exit: Exit, draw: float, now: float) -> None:
        child.last_exit = exit
        failure = child.failure
        if child.desired is Desired.GONE:
            self._remove(child, f"{child.reason} ({exit})", now, exit)
        elif child.desired is Desired.DOWN:
            self._enter(child, State.STOPPED, now, f"{self._stopping or child.reason} ({exit})", exit=exit)
        elif exit.how is How.UNKILLABLE:
            # Never two lives at a time.
            self._enter(child, State.HELD, now, str(exit), exit=exit)
        elif child.cause is StopCause.ASKED:
            self._want_start(child, now, child.restart_reason, exit=exit)
        else:
            self._ended(child, exit, failure or str(exit), exit.clean and not failure, draw, now)

    def _ended(self, child: Child, exit: Exit, why: str, clean: bool, draw: float, now: float) -> None:
        """A life is over that nobody had asked to end: apply the policy."""
        verdict = judge(child.policy.restart, clean=clean)
        match verdict.fate:
            case Fate.FINISH:
                self._enter(child, State.FINISHED, now, f"{why}; {verdict.rule}", exit=exit)
            case Fate.FAIL:
                self._enter(child, State.FAILED, now, f"{why}; {verdict.rule}", exit=exit)
            case Fate.RESTART:
                self._restart(child, exit, why, draw, now)

    def _restart(self, child: Child, exit: Exit, why: str, draw: float, now: float) -> None:
        # Left before the attempts are counted: healthy time may have ended the row of failures.
        child.leave_ready(now)
        if not self._window.admit(now):
            limit = self.policy.intensity
            reason = f"restart limit: {limit.restarts} restarts within {limit.within:g} s; the last failure: {why}"
            self._enter(child, State.HELD, now, reason, exit=exit)
            return
        child.restarts += 1
        child.attempts += 1
        child.restart_reason = why
        wait = backoff.delay(child.policy.backoff, child.attempts, draw)
        if wait <= 0:
            self._want_start(child, now, why, exit=exit)
        else:
            self._timers.set(child.id, now + wait)
            self._enter(child, State.BACKOFF, now, why, next_at=now + wait, exit=exit)

    # Stop and start

    def _stop(self, child: Child, cause: StopCause, reason: str, now: float) -> None:
        """Begin the end of a life; if that is under way already, only what follows it may change."""
        if child.state is State.STOPPING:
            child.cause = cause
            child.reason = reason
            return
        self._enter(child, State.STOPPING, now, reason)
        child.cause = cause
        child.failure = reason if cause is StopCause.FAILURE else ""
        self._out.append(StopChild(child.id, child.generation, reason, self._hurry))

    def _want_start(self, child: Child, now: float, why: str, exit: Exit | None = None) -> None:
        """Start as soon as the dependencies and the number of parallel starts allow."""
        _, obstacle = self._graph.ask(child.id, self._state_of)
        if not obstacle and self._places.full:
            obstacle = f"waiting until fewer than {self.policy.max_parallel_starts} others start"
        self._enter(child, State.WAITING, now, "; ".join(filter(None, (why, obstacle))), exit=exit)

    def _begin(self, child: Child, now: float) -> None:
        child.begin_life()
        self._timers.set(child.id, now + child.policy.start_deadline)
        reason = child.restart_reason if child.generation > 1 else ""
        self._enter(child, State.STARTING, now, reason, next_at=self._timers.get(child.id))
        self._out.append(StartChild(child.id, child.generation, child.restarts, reason))

    def _shut_down(self, reason: str, now: float) -> None:
        if self.shutting_down:
            return
        self._stopping = reason
        self._timers.set(_TREE, now + self.policy.stop_deadline)
        for child in self._children.values():
            if child.desired is Desired.UP:
                child.desired = Desired.DOWN
            if child.state.alive:
                # A start that takes too long is no reason to end out of turn.
                self._timers.clear(child.id)
                self._stop_in_turn(child, now)
            elif not child.state.resting:
                self._enter(child, State.STOPPED, now, reason)

    def _stop_in_turn(self, child: Child, now: float) -> None:
        """Stop the child unless something that depends on it is still alive."""
        if child.state.alive and not self._graph.in_use(child.id):
            self._stop(child, StopCause.ASKED, self._stopping or "", now)

    def _make_haste(self, reason: str, now: float) -> None:
        self._hurry = True
        self._shut_down(reason, now)
        for child in self._children.values():
            if child.state is State.STOPPING:
                self._out.append(CutGrace(child.id, child.generation))
            elif child.state.alive:
                self._stop(child, StopCause.ASKED, reason, now)

    def _time_passed(self, now: float) -> None:
        for key in self._timers.take_due(now):
            if key == _TREE:
                self._make_haste(f"stop deadline of {self.policy.stop_deadline:g} s", now)
                continue
            child = self._children[key]
            if child.state is State.BACKOFF:
                self._want_start(child, now, child.reason)
            else:
                reason = f"not ready {child.policy.start_deadline:g} s after its start"
                if child.last_failure:
                    reason += f"; the last answer: {child.last_failure}"
                self._stop(child, StopCause.FAILURE, reason, now)

    # Bookkeeping

    def _enter(
        self,
        child: Child,
        state: State,
        now: float,
        reason: str,
        next_at: float | None = None,
        exit: Exit | None = None,
    ) -> None:
        old = child.state
        child.enter(state, now, reason)
        self._unsettled += _is_unsettled(state) - _is_unsettled(old)
        if state.alive is not old.alive:
            self._graph.note_life(child.id, alive=state.alive)
        if next_at is None:
            self._timers.clear(child.id)
        self._places.step_back(child.id)
        if state not in (State.STARTING, State.RUNNING):
            self._places.give_back(child.id)
        self._changed.append(child.id)
        self._out.append(StateChanged(child.id, child.generation, old, state, reason, next_at, child.restarts, exit))

    def _state_of(self, name: str) -> State:
        child = self._children.get(name)
        return child.state if child else State.REMOVED

    def _settle(self, now: float) -> None:
        """Let the neighbours of what has changed react, and give free places away, until nothing moves."""
        while True:
            while self._changed:
                self._look_around(self._changed.popleft(), now)
            name = self._places.take()
            if name is None:
                return
            self._begin(self._children[name], now)

    def _look_around(self, name: str, now: float) -> None:
        """Let the child and its neighbours in the graph react to its new state."""
        if self.shutting_down:
            if not self._state_of(name).alive:
                for needed, _ in self._graph.needs(name):
                    if child := self._children.get(needed):
                        self._stop_in_turn(child, now)
        else:
            for concerned in (name, *self._graph.needed_by(name)):
                child = self._children.get(concerned)
                if child and (child.state is State.WAITING or child.blocked):
                    self._consider_start(child, now)
        if self._state_of(name) is State.REMOVED:
            self._graph.remove(name)

    def _consider_start(self, child: Child, now: float) -> None:
        answer, obstacle = self._graph.ask(child.id, self._state_of)
        match answer:
            case dependencies.Answer.YES if child.state is State.WAITING:
                self._places.line_up(child.id)
            case dependencies.Answer.NOT_YET if child.state is State.WAITING:
                self._places.step_back(child.id)
            case dependencies.Answer.NEVER if child.state is State.WAITING:
                self._enter(child, State.FAILED, now, obstacle)
                child.blocked = True
            case dependencies.Answer.YES | dependencies.Answer.NOT_YET:
                self._want_start(child, now, "dependency is back")
            case dependencies.Answer.NEVER:
                return


def _is_unsettled(state: State) -> bool:
    return not state.resting and state is not State.REMOVED
