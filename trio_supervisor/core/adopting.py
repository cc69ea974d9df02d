"""A child takes over another policy: what it has failed by and used up so far goes on to count."""

from trio_supervisor.core.child import Child
from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.core.spending import Ledger
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.windows import renew_windows


def adopt(tree: Tree, child: Child, policy: ChildPolicy, now: float) -> None:
    """It goes by this from now on."""
    old = child.policy
    child.policy, child.next_policy = policy, None
    if policy.intensity != old.intensity:
        renew_windows(tree, child)
    if policy.budget != old.budget:
        used = {} if child.ledger is None else child.ledger.export(now)
        child.ledger = None if policy.budget is None else Ledger(policy.budget)
        if child.ledger is not None:
            child.ledger.restore(used, now)
