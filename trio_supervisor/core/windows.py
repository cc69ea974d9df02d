"""Where the restarts of a child count, also after its limits have changed."""

from trio_supervisor.core.child import Child
from trio_supervisor.core.policy import AtLimit
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.window import Window


def windows_of(tree: Tree, child: Child) -> tuple[Window, ...]:
    """Where a restart of the child counts.

    As in OTP, all children share their supervisor's limit, for there the supervisor is what gives up. Where only the
    offender is held, each child has that limit for itself: else one bad child would use up what the others need.
    """
    alone = tree.policy.at_limit is AtLimit.HOLD
    if not child.windows:
        limits = (tree.policy.intensity if alone else None, child.policy.intensity)
        child.windows = [Window(limit) for limit in limits if limit is not None]
    return tuple(child.windows) if alone else (tree.window, *child.windows)


def renew_windows(tree: Tree, child: Child) -> None:
    """Its limits, or its supervisor's, are others: what has counted goes on to count."""
    times = max((window.times for window in child.windows), key=len, default=())
    child.windows = []
    windows_of(tree, child)
    for window in child.windows:
        for when in times:
            window.add(when)
