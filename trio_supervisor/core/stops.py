"""How lives are ended: one of them, everything by dependency, everything in reverse order, everything at once."""

import math

from trio_supervisor.core.answers import Answer
from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.commands import CutGrace, Reply, StopChild
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import Called
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.notices import Cause, TreeEnding
from trio_supervisor.core.plan import Plan, Purpose
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.tree import TREE, Tree


def stop(tree: Tree, child: Child, cause: StopCause, reason: str, now: float, grounds: tuple[Ground, ...] = ()) -> None:
    """Begin the end of a life; if that is under way already, only what follows it may change."""
    child.failed_by = grounds[0].rule if grounds and cause is StopCause.FAILURE else None
    if child.state is State.STOPPING:
        child.cause = cause
        child.reason = reason
        return
    tree.enter(child, State.STOPPING, now, reason, grounds=grounds)
    child.cause = cause
    child.failure = reason if cause is StopCause.FAILURE else ""
    tree.say(StopChild(child.id, child.generation, reason, tree.hurry))


def rest(tree: Tree, child: Child, now: float, reason: str, exit: Exit | None = None) -> None:
    """A child that has no life (any more) comes to rest as it is desired."""
    if child.desired is Desired.GONE:
        tree.remove(child, now, reason, exit)
        return
    leave_group(tree, child)
    if child.hold:
        if child.state is not State.HELD or child.resume_at != child.hold_until:
            _enter_held(tree, child, now, exit, child.grounds)
    elif child.state is not State.STOPPED:
        tree.enter(child, State.STOPPED, now, reason, exit=exit)


def hold_now(
    tree: Tree,
    child: Child,
    reason: str,
    until: float,
    now: float,
    exit: Exit | None = None,
    grounds: tuple[Ground, ...] = (),
) -> None:
    """A rule keeps a child down whose life is over; at `until` it is resumed by itself."""
    child.hold, child.hold_until = reason, until
    _enter_held(tree, child, now, exit, grounds)


def move_hold(tree: Tree, child: Child, reason: str, until: float) -> None:
    """A hold for that reason ends at another time."""
    if child.hold != reason or tree.shutting_down:
        return
    child.hold_until = until
    if child.state is State.HELD:
        child.resume_at = until
        tree.timers.set(child.id, until)


def _enter_held(tree: Tree, child: Child, now: float, exit: Exit | None, grounds: tuple[Ground, ...] = ()) -> None:
    # Nothing is resumed in the end; and a time that is over already is now.
    child.hold_until = until = math.inf if tree.shutting_down else max(child.hold_until, now)
    tree.enter(
        child, State.HELD, now, child.hold, next_at=None if until == math.inf else until, exit=exit, grounds=grounds
    )
    tree.timers.set(child.id, until)


def leave_group(tree: Tree, child: Child) -> None:
    """Hand the delay over to another, if it is this child that starts a group when it is over."""
    when = tree.timers.get(child.id)
    others = [name for name in child.group if name != child.id and tree.state_of(name) is State.BACKOFF]
    if child.state is State.BACKOFF and when is not None and others:
        tree.children[others[0]].group = tuple(others)
        tree.timers.set(others[0], when)


def end(tree: Tree, cause: Cause, reason: str, now: float, child: str = "", exit: Exit | None = None) -> None:
    """Begin to stop everything, for good. What is under way is broken off; who waits for an answer gets one."""
    if tree.shutting_down:
        return
    tree.stopping = reason
    tree.cause = cause
    tree.say(TreeEnding(cause, reason, child, exit))
    tree.timers.set(TREE, now + tree.policy.stop_deadline)
    _refuse_calls(tree)
    for each in tree.children.values():
        if each.desired is Desired.UP:
            each.desired = Desired.DOWN
        if each.state.alive:
            # A start that takes too long is no reason to end out of turn, and no limit is.
            tree.timers.clear(each.id)
            tree.clocks.clear(each.id)
        elif each.state is State.HELD:
            tree.hold_for_good(each)
    if tree.policy.ordered:
        tree.plan = Plan(Purpose.END, reason=reason, together=tree.policy.dynamic)
        tree.plan.stops.extend(reversed(tree.children))
    else:
        tree.plan = None
        _end_by_dependency(tree, now)


def _refuse_calls(tree: Tree) -> None:
    waiting = [item for item in tree.queue if isinstance(item, Called)]
    if tree.plan and tree.plan.call:
        waiting.insert(0, tree.plan.call)
    for calls in tree.callers.values():
        waiting += calls
    tree.queue.clear()
    tree.callers.clear()
    tree.say(*(Reply(call.call, Answer.SHUTTING_DOWN) for call in waiting))


def _end_by_dependency(tree: Tree, now: float) -> None:
    for child in tree.children.values():
        if child.state.alive:
            stop_in_turn(tree, child, now)
        elif not child.state.resting:
            tree.enter(child, State.STOPPED, now, tree.stopping or "")


def stop_in_turn(tree: Tree, child: Child, now: float) -> None:
    """Stop the child unless something that depends on it is still alive."""
    if child.state.alive and not tree.graph.in_use(child.id):
        stop_unless_over(tree, child, tree.stopping or "", now)


def stop_unless_over(tree: Tree, child: Child, reason: str, now: float, grounds: tuple[Ground, ...] = ()) -> None:
    """Stop a child; one whose life is over already, undecided, comes to rest."""
    if child.pending is None:
        stop(tree, child, StopCause.ASKED, reason, now, grounds)
    else:
        exit = child.pending.exit
        rest(tree, child, now, f"{reason} ({exit})", exit)


def make_haste(tree: Tree, reason: str, now: float) -> None:
    """Stop everything, without any grace, the last child first."""
    tree.hurry = True
    end(tree, Cause.ASKED, reason, now)
    children = list(tree.children.values())
    for child in reversed(children) if tree.policy.ordered else children:
        if child.state is State.STOPPING:
            tree.say(CutGrace(child.id, child.generation))
        elif child.up:
            stop(tree, child, StopCause.ASKED, reason, now)
