"""The machine: one supervisor's children, (fact, now) -> commands and notices.

Deterministic: the same facts at the same times give the same answers. A fact costs the same whatever the number of
children that it does not concern. Times are seconds of any one monotonic clock. What to do about each kind of fact is
told in the modules beside this one; they all work on one `Tree`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from trio_supervisor.core.advance import advance
from trio_supervisor.core.answers import Answer, Verb
from trio_supervisor.core.asks import ask_in_turn, asked, start_first
from trio_supervisor.core.calls import add, answer_callers, called
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import Output, Reply
from trio_supervisor.core.draining import drained
from trio_supervisor.core.expenses import spent
from trio_supervisor.core.expiry import clocks_due, give_back
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    Called,
    ChildAdded,
    CostReported,
    DeadlineExtended,
    Exited,
    Fact,
    HeldByRule,
    HoldAsked,
    HoldMoved,
    HurryAsked,
    LimitReached,
    Looked,
    ProbeAnswered,
    Reconfigured,
    RemainsGone,
    RemoveAsked,
    ResetAsked,
    RestartAsked,
    Restored,
    ResumeAsked,
    ShutdownAsked,
    SpendingRestored,
    StartAsked,
    Started,
    StopAsked,
    TimeLost,
    TimePassed,
    Told,
    TreeStartAsked,
)
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.limits import in_words
from trio_supervisor.core.lives import decide, lived
from trio_supervisor.core.notices import Cause, TreeStarted
from trio_supervisor.core.plan import DecideExit, Item, Plan, Purpose, Retry
from trio_supervisor.core.policy import TreePolicy
from trio_supervisor.core.probes import start_overdue
from trio_supervisor.core.reasons import by_intensity
from trio_supervisor.core.reconfigured import reconfigured
from trio_supervisor.core.restarts import retry
from trio_supervisor.core.restored import restored
from trio_supervisor.core.starts import begin, look_around, want_start
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import end, make_haste, move_hold
from trio_supervisor.core.tree import TREE, Tree

if TYPE_CHECKING:
    from trio_supervisor.core.look import Look

_GONE = Ground(Rule.STOP, "of the life before nothing is left")
_OVER = Ground(Rule.HOLD, "the hold was until now")
_LOOKS = frozenset({Verb.WHICH, Verb.COUNT, Verb.SPEC})


class Machine:
    """Decides for one supervisor."""

    def __init__(self, policy: TreePolicy) -> None:
        self._tree = Tree(policy)

    # What can be seen from outside

    @property
    def policy(self) -> TreePolicy:
        """What it goes by."""
        return self._tree.policy

    @property
    def children(self) -> Mapping[str, Child]:
        """The children by id, in start order. To be read only."""
        return MappingProxyType(self._tree.children)

    @property
    def shutting_down(self) -> bool:
        """Whether everything is to end."""
        return self._tree.shutting_down

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to run: no child is alive, delayed or waiting, and nothing is to be decided.

        A child that waits for one that somebody stopped keeps it from resting, as it is still to run.
        """
        return self._tree.at_rest

    @property
    def busy(self) -> bool:
        """Whether a plan is under way, or something waits for its turn."""
        return self._tree.busy

    def next_deadline(self) -> float:
        """When the machine wants `TimePassed`, at the latest; `math.inf` if never."""
        return min(self._tree.timers.nearest(), self._tree.clocks.nearest())

    def deadline_of(self, child: str) -> float | None:
        """When the machine will act on a child by itself; None if it will not."""
        return self._tree.timers.get(child)

    def look_at(self, child: str, now: float) -> "Look":
        """How a child stands with its rules, what it needs, and what comes next. Raises KeyError."""
        from trio_supervisor.core.look import look_at  # noqa: PLC0415 -- most runs are never asked

        return look_at(self._tree, self._tree.children[child], now)

    def look_at_limit(self, now: float) -> Ground:
        """The limit of restarts that all children share, and how much of it is used up."""
        return by_intensity(self._tree.window, now, shared=True)

    def next_name(self, base: str) -> str:
        """A name for a new child of a dynamic supervisor: `base-1`, `base-2`, ...; without a template `base`, if that
        is free.
        """
        tree = self._tree
        if tree.policy.template is None and base not in tree.children:
            return base
        while True:
            tree.issued += 1
            name = f"{base}-{tree.issued}"
            if name not in tree.children:
                return name

    # The facts

    def handle(self, fact: Fact, now: float) -> list[Output]:
        """Take in what happened; returns what follows from it, in order. An unknown child or an older life changes
        nothing.
        """
        tree = self._tree
        tree.out = []
        match fact:
            case ChildAdded():
                add(tree, fact.child, fact.policy, now)
            case Reconfigured():
                reconfigured(tree, fact, now)
            case Restored():
                restored(tree, tree.children[fact.child], fact, now)
            case TreeStartAsked():
                self._start_all(now)
            case (
                StartAsked() | StopAsked() | RestartAsked() | RemoveAsked() | HoldAsked() | ResumeAsked() | HeldByRule()
            ):
                if child := tree.children.get(fact.child):
                    ask_in_turn(tree, child, fact, now)
            case CostReported() | SpendingRestored():
                if child := tree.children.get(fact.child):
                    spent(tree, child, fact, now)
            case HoldMoved():
                if child := tree.children.get(fact.child):
                    move_hold(tree, child, fact.reason, fact.until)
            case ResetAsked():
                if child := tree.children.get(fact.child):
                    child.forget_failures()
            case Called():
                self._called(fact, now)
            case (
                Started()
                | BecameReady()
                | ProbeAnswered()
                | DeadlineExtended()
                | Told()
                | LimitReached()
                | Looked()
                | BusyChanged()
                | Exited()
            ):
                child = tree.children.get(fact.child)
                if child and child.is_present(fact.generation):
                    lived(tree, child, fact, now)
            case RemainsGone():
                if (child := tree.children.get(fact.child)) and child.is_held_by_remains(fact.generation):
                    ask_in_turn(tree, child, ResumeAsked(child.id, "what could not be killed is gone", _GONE), now)
            case ShutdownAsked():
                if fact.in_turn and self.policy.ordered and self.busy and not tree.shutting_down:
                    tree.queue.append(fact)
                else:
                    end(tree, Cause.ASKED, fact.reason, now)
            case HurryAsked():
                make_haste(tree, fact.reason, now)
            case TimePassed():
                self._time_passed(now)
            case TimeLost():
                self._time_lost(fact.seconds, now)
        self._settle(now)
        return tree.out

    def _start_all(self, now: float) -> None:
        tree = self._tree
        if tree.shutting_down:
            return
        names = [name for name in tree.children if name not in tree.kept_down]
        if tree.policy.ordered and names:
            tree.plan = Plan(Purpose.FIRST_START)
            tree.plan.starts.extend(names)
            return
        tree.unstarted = set(names)
        for name in names:
            start_first(tree, tree.children[name], now)
        if not names:
            tree.say(TreeStarted())

    def _called(self, fact: Called, now: float) -> None:
        tree = self._tree
        if tree.shutting_down and fact.verb not in _LOOKS:
            tree.say(Reply(fact.call, Answer.SHUTTING_DOWN))
        elif self.policy.ordered and self.busy and not tree.shutting_down:
            tree.queue.append(fact)
        else:
            called(tree, fact, now)

    def _time_passed(self, now: float) -> None:
        tree = self._tree
        for key in tree.timers.take_due(now):
            if key == TREE:
                make_haste(tree, f"stop deadline of {self.policy.stop_deadline:g} s", now)
                continue
            child = tree.children[key]
            if child.state is State.HELD:
                ask_in_turn(tree, child, ResumeAsked(key, "the hold is over", _OVER), now)
            elif child.state is State.DRAINING:
                drained(tree, child, f"; not done within {in_words(child.policy.drain)}", now)
            elif child.state is not State.BACKOFF:
                reason = f"not ready {child.policy.start_deadline:g} s after its start"
                if child.probe_failure:
                    reason += f"; the last answer: {child.probe_failure}"
                start_overdue(tree, child, reason, now)
            elif self.policy.ordered or tree.grouped:
                tree.queue.append(Retry(child.id, child.generation))
            else:
                want_start(tree, child, now, child.reason)
        for key in tree.clocks.take_due(now):
            clocks_due(tree, tree.children[key], now)

    def _time_lost(self, seconds: float, now: float) -> None:
        """Give starts and the whole stop their time back; delays before a start are over when they are."""
        tree = self._tree
        for key, when in tree.timers:
            if key == TREE:
                whole = self.policy.stop_deadline
            elif (child := tree.children[key]).state is State.DRAINING:
                whole = child.policy.drain
            elif child.state in (State.BACKOFF, State.HELD):
                continue
            else:
                whole = child.policy.start_deadline
            # What came due meanwhile gets as much from now on: nobody knows how much of its time nobody ran.
            tree.timers.set(key, max(when + seconds, now + min(seconds, whole)))
        for key, _ in tree.clocks:
            give_back(tree, tree.children[key], seconds, now)

    # What follows

    def _settle(self, now: float) -> None:
        """Let all that has become possible happen, until nothing moves."""
        tree = self._tree
        while True:
            if tree.changed:
                name = tree.changed.popleft()
                look_around(tree, name, now)
                if tree.callers:
                    answer_callers(tree, name)
            elif (name := tree.places.take() or "") != "":
                begin(tree, tree.children[name], now)
            elif tree.plan is not None:
                first_start = tree.plan.purpose is Purpose.FIRST_START
                if not advance(tree, tree.plan, now):
                    return
                if first_start and tree.plan is None:
                    tree.say(TreeStarted())
            elif tree.queue:
                self._decide(tree.queue.popleft(), now)
            else:
                return

    def _decide(self, item: Item, now: float) -> None:
        tree = self._tree
        match item:
            case DecideExit():
                child = tree.children.get(item.child)
                if child and child.pending and child.generation == item.generation:
                    decide(tree, child, child.pending, now)
            case Retry():
                retry(tree, item, now)
            case Called():
                called(tree, item, now)
            case ShutdownAsked():
                end(tree, Cause.ASKED, item.reason, now)
            case _:
                if child := tree.children.get(item.child):
                    asked(tree, child, item, now)
