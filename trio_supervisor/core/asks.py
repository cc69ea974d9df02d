"""What somebody asks for a child: start, stop, restart, remove, hold, resume. Legal in every state."""

from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.messages import (
    AskFact,
    HoldAsked,
    RemoveAsked,
    RestartAsked,
    ResumeAsked,
    StartAsked,
    StopAsked,
)
from trio_supervisor.core.plan import Plan, Purpose
from trio_supervisor.core.starts import want_start
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.stops import rest, stop_unless_over
from trio_supervisor.core.tree import Tree


def asked(tree: Tree, child: Child, fact: AskFact, now: float) -> None:
    """Do it at once, or by a plan where one thing is done after the other."""
    if child.desired is Desired.GONE:
        # Somebody waits for it to be gone, and nothing asked meanwhile may leave him waiting.
        return
    if isinstance(fact, StartAsked | RestartAsked | ResumeAsked) and tree.shutting_down:
        return
    if isinstance(fact, ResumeAsked) and child.state is not State.HELD and not child.hold:
        return
    _desire(child, fact)
    if tree.policy.ordered and not tree.shutting_down:
        _plan(tree, child, fact)
        return
    _leave_plan(tree, child)
    match fact:
        case StartAsked() | ResumeAsked():
            start_asked(tree, child, fact.reason, now)
        case RestartAsked() if child.state.alive:
            child.restart_reason = fact.reason
            take_down(tree, child, fact.reason, now)
        case RestartAsked():
            start_asked(tree, child, fact.reason, now)
        case StopAsked() | RemoveAsked() | HoldAsked():
            take_down(tree, child, fact.reason, now)


def _desire(child: Child, fact: AskFact) -> None:
    child.hold = fact.reason if isinstance(fact, HoldAsked) else ""
    match fact:
        case StartAsked() | RestartAsked() | ResumeAsked():
            child.desired = Desired.UP
        case StopAsked() | HoldAsked():
            child.desired = Desired.DOWN
        case RemoveAsked():
            child.desired = Desired.GONE


def _plan(tree: Tree, child: Child, fact: AskFact) -> None:
    tree.plan = Plan(Purpose.ASKED, reason=fact.reason)
    if not isinstance(fact, StartAsked | ResumeAsked):
        tree.plan.stops.append(child.id)
    if child.desired is Desired.UP:
        child.restart_reason = fact.reason
        child.attempts = 0
        tree.plan.starts.append(child.id)


def _leave_plan(tree: Tree, child: Child) -> None:
    """What was asked for a child is done now; the group restart goes on without it."""
    if tree.plan:
        if tree.plan.starting == child.id:
            tree.plan.starting = ""
        if child.id in tree.plan.starts:
            tree.plan.starts.remove(child.id)


def start_asked(tree: Tree, child: Child, reason: str, now: float) -> None:
    """Somebody wants the child up."""
    child.desired = Desired.UP
    child.hold = ""
    if child.state is State.STOPPING:
        child.cause = StopCause.ASKED
        child.restart_reason = reason
    elif child.state.resting or child.state is State.BACKOFF:
        # Who asks for a start wants to see it now: the row of failures is forgotten.
        child.attempts = 0
        child.restart_reason = reason
        want_start(tree, child, now, reason)


def take_down(tree: Tree, child: Child, reason: str, now: float) -> None:
    """Towards `child.desired`, which is not what the child is in."""
    if child.pending and child.desired is Desired.UP:
        # It is over already: what was asked for is the next life.
        want_start(tree, child, now, reason, exit=child.pending.exit)
    elif child.state.alive:
        stop_unless_over(tree, child, reason, now)
    else:
        rest(tree, child, now, reason)
