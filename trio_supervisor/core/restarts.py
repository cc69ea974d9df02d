"""What follows from the end of a life that nobody asked for: verdict, limit, delay, and the group that it concerns."""

from trio_supervisor.core import backoff, strategy
from trio_supervisor.core.child import Child, Ended
from trio_supervisor.core.crashes import with_last_lines
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.expenses import refuse_restart
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.notices import Cause
from trio_supervisor.core.plan import Plan, Purpose, Retry
from trio_supervisor.core.policy import AtLimit, AutoShutdown, Restart
from trio_supervisor.core.reasons import by_backoff, by_crashes, by_exit_code, by_intensity, by_pause
from trio_supervisor.core.reports import tell_end, tell_limit
from trio_supervisor.core.starts import want_start
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import end
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.verdict import Fate, Meaning, judge, meaning
from trio_supervisor.core.window import Window
from trio_supervisor.core.windows import windows_of


def ended(tree: Tree, child: Child, end_: Ended, now: float, failure: str = "") -> None:
    """A life is over that nobody had asked to end, or (`failure`) that was stopped as failed: apply the policy."""
    exit = end_.exit
    if exit.ours and not failure and not tree.policy.ordered and not tree.grouped:
        _begin_again(tree, child, exit, now)
        return
    said = _meaning(child, exit, failure)
    # To OTP, a supervisor that gave up has ended cleanly (rule 52).
    clean = said is Meaning.GOOD or (tree.policy.ordered and exit.how is How.GAVE_UP and not failure)
    tell_end(tree, child, exit, bad=not clean)
    verdict = judge(child.policy.restart, clean=clean)
    why = failure or str(exit)
    grounds = () if failure else by_exit_code(exit, said, child.policy.exit_codes)
    if verdict.fate is Fate.RESTART or _has_a_say(child, said):
        if not _has_a_say(child, said):
            grounds = (*grounds, Ground(Rule.RESTART, verdict.rule))
        restart(tree, child, end_, why, now, said=Meaning.GOOD if clean else said, grounds=grounds)
        return
    child.known = None
    grounds = (*grounds, Ground(Rule.RESTART, verdict.rule))
    state = State.FINISHED if verdict.fate is Fate.FINISH else State.FAILED
    tree.enter(child, state, now, f"{why}; {verdict.rule}", exit=exit, grounds=grounds)
    if tree.policy.dynamic or (tree.policy.ordered and child.policy.restart is Restart.TEMPORARY):
        tree.remove(child, now, f"{why}; {verdict.rule}", exit)
    if child.policy.significant:
        _consider_auto_shutdown(tree, child, exit, now)


def _begin_again(tree: Tree, child: Child, exit: Exit, now: float) -> None:
    """The child has done nothing wrong: whatever its restart type, it has another life at once, and nothing counts."""
    child.leave_ready(now)
    child.restart_reason, child.again = str(exit), exit.how.value
    ground = Ground(Rule.RESTART, "what was in its way was the supervisor's own: started again, which does not count")
    want_start(tree, child, now, child.restart_reason, exit=exit, grounds=(ground,))


def comes_back(child: Child, exit: Exit, failure: str) -> bool:
    """Whether such an end is followed by a restart, unless a limit is in the way."""
    said = _meaning(child, exit, failure)
    if said is Meaning.HOLD:
        return False
    return _has_a_say(child, said) or judge(child.policy.restart, clean=said is Meaning.GOOD).fate is Fate.RESTART


def _meaning(child: Child, exit: Exit, failure: str) -> Meaning:
    return Meaning.BAD if failure else meaning(exit, child.policy.exit_codes)


def _has_a_say(child: Child, said: Meaning) -> bool:
    """Whether what an exit says goes before the restart type."""
    return said is Meaning.HOLD or (said is Meaning.RESTART and child.policy.restart is not Restart.TEMPORARY)


def ignored(tree: Tree, child: Child, exit: Exit, now: float) -> None:
    """A start after which there is nothing to run: no failure, and never tried again by itself (rules 11 and 30)."""
    tree.enter(child, State.STOPPED, now, str(exit), exit=exit)
    child.known = None
    if tree.policy.dynamic or child.policy.restart is Restart.TEMPORARY:
        tree.remove(child, now, str(exit), exit)


def _consider_auto_shutdown(tree: Tree, child: Child, exit: Exit, now: float) -> None:
    match tree.policy.auto_shutdown:
        case AutoShutdown.NEVER:
            return
        case AutoShutdown.ANY_SIGNIFICANT:
            reason = f"automatic shutdown: {child.id} has ended"
        case AutoShutdown.ALL_SIGNIFICANT:
            if any(each.policy.significant and not each.state.resting for each in tree.children.values()):
                return
            reason = f"automatic shutdown: {child.id} was the last significant child"
    end(tree, Cause.AUTO_SHUTDOWN, reason, now, child.id, exit)


def restart(
    tree: Tree,
    child: Child,
    end_: Ended,
    why: str,
    now: float,
    *,
    said: Meaning = Meaning.BAD,
    grounds: tuple[Ground, ...] = (),
) -> None:
    """A restart decision: it counts, and at the limit it is no restart. `said`: what the end says of itself; `grounds`:
    why there is anything to decide.
    """
    # Left before the attempts are counted: healthy time may have ended the row of failures.
    child.leave_ready(now)
    reason = _why_held(child, end_.exit, why, now, said)
    if said is Meaning.BAD:
        grounds = (*grounds, *by_crashes(child.policy, child.crashes, now))
    if reason:
        tree.enter(child, State.HELD, now, reason, exit=end_.exit, grounds=grounds)
        return
    windows = windows_of(tree, child)
    if now >= tree.paused_until and (limit := next((each for each in windows if not each.has_room(now)), None)):
        reason = f"restart limit: {limit.intensity}; the last failure: {why}"
        grounds = (*grounds, by_intensity(limit, now, shared=limit is tree.window))
        if not _pause(tree, windows, limit, now):
            _give_up(tree, child, reason, end_.exit, now, grounds)
            return
        why = reason
    if refuse_restart(tree, child, now, end_.exit):
        return
    if now >= tree.paused_until:
        for window in windows:
            window.add(now)
        grounds += tuple([by_intensity(window, now, shared=window is tree.window) for window in windows])
    else:
        grounds = (*grounds, by_pause(tree.paused_until - now))
    child.restarts += 1
    child.restart_reason = why
    child.again = (child.failed_by.value if child.failed_by else end_.exit.how.value).replace(" ", "_")
    wait = tree.paused_until - now
    if said is not Meaning.RESTART:
        child.attempts += 1
        wait = max(backoff.delay(child.policy.backoff, child.attempts, end_.draw), wait)
        grounds = (*grounds, by_backoff(child.policy.backoff, child.attempts, end_.draw))
    _come_back(tree, child, end_.exit, why, wait, now, grounds)


def _come_back(
    tree: Tree, child: Child, exit: Exit, why: str, wait: float, now: float, grounds: tuple[Ground, ...]
) -> None:
    if tree.policy.ordered or tree.grouped:
        _plan_restart(tree, child, exit, why, max(wait, 0.0), now, grounds)
    elif wait > 0:
        tree.timers.set(child.id, now + wait)
        tree.enter(child, State.BACKOFF, now, why, next_at=now + wait, exit=exit, grounds=grounds)
    else:
        want_start(tree, child, now, why, exit=exit, grounds=grounds)


def _why_held(child: Child, exit: Exit, why: str, now: float, said: Meaning) -> str:
    """Why there is no sense in another life; "" if there is."""
    match said:
        case Meaning.HOLD if not exit.again:
            return f"{why}; another start would come to the same"
        case Meaning.HOLD:
            return with_last_lines(f"{why}, by which it asks to be held: it can't run as it is", exit)
        case Meaning.BAD:
            if reason := child.crashes.count(child.policy, exit, now, early=child.ended_early):
                return with_last_lines(f"{reason}: {why}", exit)
            return ""
        case Meaning.GOOD | Meaning.RESTART:
            child.crashes.forget()
            return ""


def _pause(tree: Tree, windows: tuple[Window, ...], reached: Window, now: float) -> bool:
    """Whether the limit is one after which things go on; what comes up to then waits and does not count."""
    if tree.policy.at_limit is not AtLimit.PAUSE:
        return False
    tree.paused_until = now + reached.intensity.within
    for window in windows:
        window.clear()
    return True


def _give_up(tree: Tree, child: Child, reason: str, exit: Exit, now: float, grounds: tuple[Ground, ...]) -> None:
    if tree.policy.at_limit is AtLimit.HOLD:
        tree.enter(child, State.HELD, now, reason, exit=exit, grounds=grounds)
        return
    tell_limit(tree, child)
    child.known = None
    tree.enter(child, State.FAILED, now, reason, exit=exit, grounds=grounds)
    end(tree, Cause.LIMIT, f"{child.id}: {reason}", now, child.id, exit)


def _plan_restart(
    tree: Tree, child: Child, exit: Exit, why: str, wait: float, now: float, grounds: tuple[Ground, ...]
) -> None:
    if child.state is not State.BACKOFF:
        tree.enter(child, State.BACKOFF, now, why, next_at=now + wait, exit=exit, grounds=grounds)
    plan = Plan(Purpose.RESTART, reason=why, offender=child.id, known=child.known, wait=wait)
    members = strategy.group(tree.policy.strategy, tree.children, child.id)
    plan.stops.extend(name for name in reversed(members) if name != child.id)
    plan.starts.extend(members)
    if tree.grouped:
        child.known = None
    tree.plan = plan


def retry(tree: Tree, item: Retry, now: float) -> None:
    """Try again to restart a child, unless something has come between (rule 29)."""
    child = tree.children.get(item.child)
    if child is None or child.state is not State.BACKOFF or child.generation != item.generation:
        return
    if item.counts:
        exit = child.last_exit
        assert exit is not None, "who is tried again has failed before"
        # A start that has not come to its end has failed, even by a code that is a good end otherwise.
        said = meaning(exit, child.policy.exit_codes)
        said = Meaning.BAD if said is Meaning.GOOD else said
        restart(tree, child, Ended(exit, item.draw), str(exit), now, said=said)
        return
    members = [name for name in child.group or (child.id,) if tree.state_of(name) is State.BACKOFF]
    tree.plan = Plan(Purpose.RESTART, reason=child.reason, offender=child.id, known=child.known)
    tree.plan.starts.extend(members)
