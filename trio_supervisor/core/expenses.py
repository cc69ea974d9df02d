"""What a child costs against its own budget."""

import math

from trio_supervisor.core.asks import ask_in_turn
from trio_supervisor.core.budget import AtBudget, Meter
from trio_supervisor.core.child import Child
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import CostReported, HeldByRule, SpendingRestored
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.notices import Warned
from trio_supervisor.core.spending import Level, Verdict
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import hold_now
from trio_supervisor.core.tree import Tree


def spent(tree: Tree, child: Child, fact: CostReported | SpendingRestored, now: float) -> None:
    """Count it; at the limit the child is held."""
    ledger = child.ledger
    if ledger is None:
        return
    usd = fact.usd if isinstance(fact, CostReported) else 0.0
    if isinstance(fact, SpendingRestored):
        ledger.restore(fact.exported, now)
        if fact.approved:
            ledger.approve(now)
    verdict = ledger.add(Meter.USD, usd, now)
    if verdict is None:
        return
    if verdict.level is Level.REACHED and not tree.shutting_down:
        reason, until = at_budget(verdict, ledger.budget.then)
        ground = by_budget(verdict)
        if isinstance(fact, SpendingRestored) and _is_to_start(tree, child):
            tree.kept_down.add(child.id)
            hold_now(tree, child, reason, until, now, grounds=(ground,))
        else:
            ask_in_turn(tree, child, HeldByRule(child.id, reason, until, ground), now)
    else:
        _warn(tree, child, verdict)


def _is_to_start(tree: Tree, child: Child) -> bool:
    """Whether its first start is to come with that of the tree."""
    return child.generation == 0 and child.state is State.STOPPED and child.id not in tree.kept_down


def refuse_restart(tree: Tree, child: Child, now: float, exit: Exit) -> bool:
    """Hold a child that is to be restarted, but may not any more; else count the restart."""
    ledger = child.ledger
    if ledger is None:
        return False
    if verdict := ledger.refuses_restart(now):
        reason, until = at_budget(verdict, ledger.budget.then)
        hold_now(tree, child, reason, until, now, exit, (by_budget(verdict),))
        return True
    if verdict := ledger.add(Meter.RESTARTS, 1, now):
        _warn(tree, child, verdict)
    return False


def at_budget(verdict: Verdict, then: AtBudget) -> tuple[str, float]:
    """Why somebody is held at a limit, and until when."""
    if then is AtBudget.HOLD:
        return f"{verdict} used; held until somebody resumes it", math.inf
    return f"{verdict} used; it goes on when there is room again", verdict.until


def by_budget(verdict: Verdict) -> Ground:
    """How much of a budget is used up."""
    numbers = (("used", verdict.used), ("limit", verdict.rate.amount), ("within", verdict.rate.within))
    return Ground(Rule.BUDGET, f"{str(verdict).removeprefix('budget: ')} used", numbers)


def _warn(tree: Tree, child: Child, verdict: Verdict) -> None:
    if verdict.level is Level.NEARLY:
        reason = f"{verdict} used"
        tree.say(Warned(child.id, child.generation, verdict.meter, reason, verdict.used, verdict.rate.amount))
