"""What somebody asks for a child: start, stop, restart, remove, hold, resume. Legal in every state."""

import math

from trio_supervisor.core.child import ASKED, Child, StopCause
from trio_supervisor.core.draining import drain, may_drain
from trio_supervisor.core.facts import (
    AskFact,
    HeldByRule,
    HoldAsked,
    RemoveAsked,
    RestartAsked,
    ResumeAsked,
    StartAsked,
    StopAsked,
)
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.plan import Plan, Purpose
from trio_supervisor.core.starts import want_start
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.stops import rest, stop_unless_over
from trio_supervisor.core.tree import Tree


def ask_in_turn(tree: Tree, child: Child, fact: AskFact, now: float) -> None:
    """Do it, or put it down until what is under way is done, where one thing is done after the other."""
    if tree.policy.ordered and tree.busy and not tree.shutting_down:
        tree.queue.append(fact)
    else:
        asked(tree, child, fact, now)


def asked(tree: Tree, child: Child, fact: AskFact, now: float) -> None:
    """Do it at once, or by a plan where one thing is done after the other."""
    if isinstance(fact, HeldByRule):
        if _may_be_held(child, fact):
            asked(tree, child, HoldAsked(fact.child, fact.reason, fact.until, fact.ground), now)
        return
    if child.desired is Desired.GONE:
        # Somebody waits for it to be gone, and nothing asked meanwhile may leave him waiting.
        return
    if isinstance(fact, StartAsked | RestartAsked | ResumeAsked) and tree.shutting_down:
        return
    if isinstance(fact, ResumeAsked) and child.state is not State.HELD and not child.hold:
        return
    _desire(child, fact)
    if tree.policy.ordered and not tree.shutting_down:
        _plan(tree, child, fact, now)
        return
    _leave_plan(tree, child)
    match fact:
        case StartAsked():
            start_asked(tree, child, fact.reason, now)
        case RestartAsked() if child.state.alive:
            child.restart_reason, child.again = fact.reason, _word(fact.ground)
            if may_drain(tree, child):
                drain(tree, child, StopCause.ASKED, fact.reason, now, _grounds(fact.ground))
            else:
                take_down(tree, child, fact.reason, now, _grounds(fact.ground))
        case RestartAsked() | ResumeAsked():
            start_asked(tree, child, fact.reason, now, fact.ground)
        case StopAsked() | RemoveAsked() | HoldAsked():
            take_down(tree, child, fact.reason, now)


def _grounds(ground: Ground | None) -> tuple[Ground, ...]:
    return () if ground is None else (ground,)


def _word(ground: Ground | None) -> str:
    """Why a life is not the first, in a word."""
    return ASKED if ground is None else ground.rule.value


def _may_be_held(child: Child, fact: HeldByRule) -> bool:
    """Whether a rule has anything to hold: who is down for good, or held by somebody or for longer, stays as it is."""
    if child.hold or child.state is State.HELD:
        return bool(child.hold) and child.hold_until < fact.until
    return child.desired is Desired.UP and (child.blocked or not child.state.resting)


def _desire(child: Child, fact: AskFact) -> None:
    child.hold, child.hold_until = "", math.inf
    match fact:
        case StartAsked() | RestartAsked() | ResumeAsked():
            child.desired = Desired.UP
        case HoldAsked():
            child.desired = Desired.DOWN
            child.hold, child.hold_until = fact.reason, fact.until
            child.grounds = _grounds(fact.ground)
        case StopAsked():
            child.desired = Desired.DOWN
        case RemoveAsked():
            child.desired = Desired.GONE
        case HeldByRule():  # pragma: no cover -- it has become a HoldAsked
            return


def _plan(tree: Tree, child: Child, fact: AskFact, now: float) -> None:
    tree.plan = Plan(Purpose.ASKED, reason=fact.reason)
    if not isinstance(fact, StartAsked | ResumeAsked):
        tree.plan.stops.append(child.id)
    if child.desired is Desired.UP:
        child.restart_reason, child.again = fact.reason, ASKED
        if isinstance(fact, RestartAsked | ResumeAsked):
            child.again = _word(fact.ground)
        child.begin_anew(now)
        tree.plan.starts.append(child.id)


def _leave_plan(tree: Tree, child: Child) -> None:
    """What was asked for a child is done now; the group restart goes on without it."""
    if tree.plan:
        if tree.plan.starting == child.id:
            tree.plan.starting = ""
        if child.id in tree.plan.starts:
            tree.plan.starts.remove(child.id)


def start_asked(tree: Tree, child: Child, reason: str, now: float, ground: Ground | None = None) -> None:
    """Somebody wants the child up; `ground`: the rule that does, if it is no person."""
    child.desired = Desired.UP
    child.hold, child.hold_until = "", math.inf
    if child.state is State.STOPPING:
        child.cause = StopCause.ASKED
        child.restart_reason, child.again = reason, _word(ground)
    elif child.state.resting or child.state is State.BACKOFF:
        # Who asks for a start wants to see it now: the row of failures is forgotten.
        child.begin_anew(now)
        child.restart_reason, child.again = reason, _word(ground)
        want_start(tree, child, now, reason, grounds=_grounds(ground))


def start_first(tree: Tree, child: Child, now: float) -> None:
    """Its start is the first one of this machine; a row of failures may come from an earlier run, and goes on."""
    if child.state.resting:
        child.desired = Desired.UP
        child.hold, child.hold_until = "", math.inf
        want_start(tree, child, now, "")
    else:
        start_asked(tree, child, "", now)


def take_down(tree: Tree, child: Child, reason: str, now: float, grounds: tuple[Ground, ...] = ()) -> None:
    """Towards `child.desired`, which is not what the child is in."""
    if child.pending and child.desired is Desired.UP:
        # It is over already: what was asked for is the next life.
        want_start(tree, child, now, reason, child.pending.exit, grounds)
    elif child.state.alive:
        stop_unless_over(tree, child, reason, now, grounds)
    else:
        rest(tree, child, now, reason)
