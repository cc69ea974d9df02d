"""The plan under way: one step after the other, and what the end of a life means within it."""

import math

from trio_supervisor.core import dependencies, restarts
from trio_supervisor.core.answers import Answer, Verb
from trio_supervisor.core.child import Child, Ended, StopCause
from trio_supervisor.core.commands import Reply
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.notices import Cause, Context, Report
from trio_supervisor.core.plan import Plan, Purpose, Retry
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.reports import is_stop_error, tell_progress, tell_start_error, tell_stop, words_of_stop
from trio_supervisor.core.starts import ask, begin, want_start
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.stops import end, rest, stop
from trio_supervisor.core.tree import Tree


def advance(tree: Tree, plan: Plan, now: float) -> bool:
    """Do the next step; False if something must happen first."""
    if plan.together and not plan.told:
        _tell_all(tree, plan, now)
    elif plan.stops:
        return _go_on_stopping(tree, plan, now)
    elif plan.starting:
        return _go_on_starting(tree, plan)
    elif plan.wait > 0:
        _wait_as_one(tree, plan, now)
    elif plan.starts:
        _start_next(tree, plan, now)
    else:
        _finish(tree, plan)
    return True


def _finish(tree: Tree, plan: Plan) -> None:
    tree.plan = None
    for exit, count in plan.errors:
        tree.say(Report(Context.SHUTDOWN_ERROR, tree.policy.template or "", None, exit, count=count))
    _answer(tree, plan, Answer.OK)


def _answer(tree: Tree, plan: Plan, answer: Answer, exit: Exit | None = None, value: object = None) -> None:
    if plan.call:
        tree.say(Reply(plan.call.call, answer, exit, value))
        plan.call = None


# Stops


def stops_by_plan(tree: Tree, child: Child) -> bool:
    """Whether it is the plan that waits for the end of this child."""
    plan = tree.plan
    return plan is not None and bool(plan.stops) and (plan.together or plan.stops[0] == child.id)


def _tell_all(tree: Tree, plan: Plan, now: float) -> None:
    plan.told = True
    for child in tree.alive(plan.stops):
        if child.pending:
            stopped(tree, plan, child, child.pending.exit, now)
        elif child.state is not State.STOPPING:
            stop(tree, child, StopCause.ASKED, plan.reason, now)


def _go_on_stopping(tree: Tree, plan: Plan, now: float) -> bool:
    child = tree.children.get(plan.stops[0])
    if child is None or not child.state.alive:
        plan.stops.popleft()
        if child:
            _without_life(tree, plan, child, now)
    elif child.pending:
        stopped(tree, plan, child, child.pending.exit, now)
    else:
        if child.state is not State.STOPPING:
            stop(tree, child, StopCause.ASKED, plan.reason, now, _group(tree, plan))
        return False
    return True


def _group(tree: Tree, plan: Plan) -> tuple[Ground, ...]:
    """Why a child is stopped and started with another one."""
    if plan.purpose is not Purpose.RESTART:
        return ()
    return (Ground(Rule.STRATEGY, f"{tree.policy.strategy.value}: restarted together with {plan.offender!r}"),)


def _without_life(tree: Tree, plan: Plan, child: Child, now: float) -> None:
    child.known = None
    if plan.purpose is Purpose.ASKED:
        _leave(tree, plan, child, now, plan.reason)
    elif child.state in (State.BACKOFF, State.WAITING):
        rest(tree, child, now, plan.reason)


def stopped(tree: Tree, plan: Plan, child: Child, exit: Exit, now: float) -> None:
    """A child that the plan had to stop is down; it may have ended before by itself (rules 31 and 35)."""
    if plan.together and tree.policy.template is not None:
        _count_error(tree, plan, child, exit)
    else:
        tell_stop(tree, child, exit)
    if exit.how is How.UNKILLABLE:
        tree.enter(child, State.HELD, now, str(exit), exit=exit)
    else:
        _leave(tree, plan, child, now, words_of_stop(child, plan.reason, exit), exit)


def _count_error(tree: Tree, plan: Plan, child: Child, exit: Exit) -> None:
    if not is_stop_error(tree, child, exit):
        return
    for index, (other, count) in enumerate(plan.errors):
        if other == exit:
            plan.errors[index] = (other, count + 1)
            return
    plan.errors.append((exit, 1))


def _leave(tree: Tree, plan: Plan, child: Child, now: float, reason: str, exit: Exit | None = None) -> None:
    passing = tree.policy.dynamic or (tree.policy.ordered and child.policy.restart is Restart.TEMPORARY)
    if plan.drop or (passing and plan.purpose is not Purpose.END):
        tree.remove(child, now, reason, exit)
    else:
        rest(tree, child, now, reason, exit)


# Starts


def _start_next(tree: Tree, plan: Plan, now: float) -> None:
    child = tree.children.get(plan.starts.popleft())
    if child is None or child.state.alive:
        return
    if plan.purpose is Purpose.RESTART:
        sibling = child.id != plan.offender
        if child.state is State.HELD or (sibling and child.policy.restart is Restart.TEMPORARY):
            return
        if sibling:
            child.restart_reason, child.again = f"{plan.offender}: {plan.reason}", Rule.STRATEGY.value
            child.restarts += child.generation > 0
    child.desired = Desired.UP
    child.hold, child.hold_until = "", math.inf
    if not tree.policy.ordered and ask(tree, child)[0] is not dependencies.Answer.YES:
        want_start(tree, child, now, plan.reason)
        return
    # Nothing known leaves a member waiting here; a plan must not fail over it all the same.
    if child.state is not State.WAITING:  # pragma: no branch
        tree.enter(child, State.WAITING, now, plan.reason)
    begin(tree, child, now)
    plan.starting = child.id


def _go_on_starting(tree: Tree, plan: Plan) -> bool:
    child = tree.children.get(plan.starting)
    if child and child.state.alive and not child.was_ready:
        return False
    plan.starting = ""
    # A start that fails leaves the plan by another way; this one must not hang if there is a third.
    if child and child.state.alive:  # pragma: no branch
        tell_progress(tree, child, by_hand=plan.purpose is Purpose.ASKED)
        _answer(tree, plan, Answer.OK, value=child.value)
    return True


def _wait_as_one(tree: Tree, plan: Plan, now: float) -> None:
    """The whole group waits in BACKOFF; one of it wakes it."""
    due, plan.wait = now + plan.wait, 0.0
    members = [child for name in plan.starts if (child := tree.children.get(name)) and _may_wait(child, plan)]
    for child in members:
        if child.state is not State.BACKOFF:
            reason = f"{plan.offender}: {plan.reason}"
            tree.enter(child, State.BACKOFF, now, reason, next_at=due, grounds=_group(tree, plan))
    plan.starts.clear()
    if members:
        # The offender itself may have been stopped meanwhile; then another one wakes the group.
        waker = next((child for child in members if child.id == plan.offender), members[0])
        waker.group = tuple(child.id for child in members)
        tree.timers.set(waker.id, due)


def _may_wait(child: Child, plan: Plan) -> bool:
    if child.state.alive or child.state is State.HELD:
        return False
    return child.id == plan.offender or child.policy.restart is not Restart.TEMPORARY


def start_ended(tree: Tree, plan: Plan, child: Child, end_: Ended, now: float, failure: str = "") -> None:
    """The life that the plan was starting is over before it was ready."""
    plan.starting = ""
    exit = end_.exit
    if exit.how is How.IGNORED:
        _start_ignored(tree, plan, child, exit, now)
    elif plan.purpose is Purpose.FIRST_START:
        tell_start_error(tree, child, exit)
        tree.enter(child, State.FAILED, now, failure or str(exit), exit=exit)
        end(tree, Cause.START_FAILED, f"{child.id}: {failure or exit}", now, child.id, exit)
    elif plan.purpose is Purpose.ASKED:
        _asked_start_failed(tree, plan, child, exit, now)
    elif not tree.policy.ordered and not restarts.comes_back(child, exit, failure):
        restarts.ended(tree, child, end_, now, failure)
    else:
        _restart_failed(tree, plan, child, end_, now)


def _start_ignored(tree: Tree, plan: Plan, child: Child, exit: Exit, now: float) -> None:
    restarts.ignored(tree, child, exit, now)
    kept_nothing = tree.policy.dynamic and tree.policy.template is None
    _answer(tree, plan, Answer.IGNORED if kept_nothing else Answer.UNDEFINED)


def _asked_start_failed(tree: Tree, plan: Plan, child: Child, exit: Exit, now: float) -> None:
    plan.starts.clear()
    tree.enter(child, State.FAILED, now, str(exit), exit=exit)
    if plan.call and plan.call.verb is Verb.START:
        tree.remove(child, now, str(exit), exit)
    _answer(tree, plan, Answer.START_FAILED, exit)


def _restart_failed(tree: Tree, plan: Plan, child: Child, end_: Ended, now: float) -> None:
    """OTP's state `restarting`, and the try again at the end of the mailbox (rule 28)."""
    plan.starts.clear()
    tell_start_error(tree, child, end_.exit)
    if tree.grouped:
        child.known = plan.known if child.id == plan.offender else None
    if end_.exit.how is How.UNKILLABLE:
        tree.enter(child, State.HELD, now, str(end_.exit), exit=end_.exit)
        return
    tree.enter(child, State.BACKOFF, now, str(end_.exit), next_at=now, exit=end_.exit)
    tree.queue.append(Retry(child.id, child.generation, end_.draw, counts=True))
