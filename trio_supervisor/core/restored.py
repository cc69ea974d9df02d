"""What is taken over from an earlier run: who stays down, and the restarts that still count."""

from collections.abc import Iterable

from trio_supervisor.core.child import Child
from trio_supervisor.core.facts import Restored
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.stops import hold_now
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.windows import windows_of

_BEFORE = Ground(Rule.HOLD, "it was held already when the run before ended")


def restored(tree: Tree, child: Child, past: Restored, now: float) -> None:
    """Take it over, before the first start. In profile otp restarts begin anew with each run, as in OTP."""
    if not tree.policy.ordered:
        child.restarts = past.restarts
        _count(tree, child, [when for when in past.times if when <= now], now)
        # As long as healthy time would need to end the row of failures; without failures in it, it is over as well.
        if past.times and now - past.times[-1] < child.policy.backoff.reset_after:
            child.attempts = past.attempts
    if past.held or past.stopped:
        tree.kept_down.add(child.id)
        if past.by_rule:
            child.desired = Desired.UP
        if past.by_limit:
            tree.enter(child, State.HELD, now, past.held, grounds=(_BEFORE,))
        elif past.held:
            hold_now(tree, child, past.held, past.until, now, grounds=(_BEFORE,))
        else:
            child.reason = past.stopped


def _count(tree: Tree, child: Child, times: Iterable[float], now: float) -> None:
    for when in times:
        for window in windows_of(tree, child):
            if now - when <= window.intensity.within:
                window.insert(when)
