"""What comes next for a child, and what it depends on: one sentence for people, for each state."""

import math

from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.expiry import acts_by
from trio_supervisor.core.limits import span
from trio_supervisor.core.policy import ReadyBy
from trio_supervisor.core.starts import ask
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.tree import Tree


def outlook(tree: Tree, child: Child, now: float) -> str:
    """What comes next."""
    ending = f"everything is to end: {tree.stopping}; " if tree.stopping is not None else ""
    return ending + _next(tree, child, now)


def _next(tree: Tree, child: Child, now: float) -> str:
    if child.pending is not None:
        return "its life is over; what follows is decided in its turn"
    match child.state:
        case State.WAITING:
            return _waiting(tree, child)
        case State.STARTING | State.RUNNING:
            return _starting(tree, child, now)
        case State.READY:
            return _ready(child, now)
        case State.UNHEALTHY:
            return "it is asked on, and is ready again when it answers"
        case State.DRAINING:
            return (
                f"it is stopped when it is not busy any more, {_at_the_latest(tree, child, now)}; {_after_stop(child)}"
            )
        case State.STOPPING:
            return f"it is being stopped; {_after_stop(child)}"
        case State.BACKOFF:
            return _backoff(tree, child, now)
        case State.STOPPED | State.FINISHED:
            return "it stays down until somebody starts it" + _or_its_group(tree)
        case State.FAILED if child.blocked:
            return f"it starts by itself as soon as that changes: {ask(tree, child)[1]}"
        case State.FAILED:
            return "it stays down until somebody starts it" + _or_its_group(tree)
        case State.HELD if child.resume_at < math.inf:
            return f"it is resumed by itself in {span(child.resume_at - now)}, or when somebody resumes it"
        case State.HELD:
            return "it stays down until somebody resumes it"
        case State.REMOVED:
            return "nothing: it is gone"


def _waiting(tree: Tree, child: Child) -> str:
    obstacle = ask(tree, child)[1]
    if obstacle:
        return f"it starts after {obstacle}"
    if tree.places.full:
        return f"it starts when fewer than {tree.policy.max_parallel_starts} others start"
    return "it starts in its turn"


def _starting(tree: Tree, child: Child, now: float) -> str:
    if child.was_ready:
        words = "it is ready again when its readiness probe succeeds"
        return words + _if_unhealthy(child)
    by = {
        ReadyBy.START: "it is ready as soon as it is started",
        ReadyBy.PROBE: "it is ready when its readiness probe succeeds",
        ReadyBy.HEALTH: "it is ready when its health probe succeeds",
        ReadyBy.ITSELF: "it is ready when it says so",
    }[child.policy.ready_by]
    if child.policy.startup is not None and not (child.startup and child.startup.good):
        by += ", after its startup probe has"
    due = tree.timers.get(child.id)
    if due is None:
        return by
    failed = "is called unhealthy" if child.policy.remote else "counts as a failed start and is stopped"
    return f"{by}; if not within {span(due - now)}, it {failed}"


def _if_unhealthy(child: Child) -> str:
    health = child.health
    if health is None or not health.good or not health.run:
        return ""
    more = health.thresholds.failures - health.run
    then = "it is called unhealthy" if child.policy.remote else "it is unhealthy, and restarted"
    return f"; after {more:g} more failed answer{'s' * (more > 1)} of its health probe {then}"


def _ready(child: Child, now: float) -> str:
    words = "it runs on" + _if_unhealthy(child)
    readiness = child.readiness
    if readiness is not None and readiness.run:
        more = readiness.thresholds.failures - readiness.run
        words += (
            f"; after {more:g} more failed answer{'s' * (more > 1)} of its readiness probe it is not ready any more"
        )
    for clock in child.clocks or ():
        if clock.paused or clock.done:
            continue
        rest = max(clock.since + clock.within - now, 0.0)
        words += f"; {acts_by(child, clock)} in {span(rest)} by its {clock.kind.value} limit"
        words += "" if clock.kind.value == "lifetime" else ", if nothing comes until then"
    return words


def _at_the_latest(tree: Tree, child: Child, now: float) -> str:
    due = tree.timers.get(child.id)
    return "soon" if due is None else f"in {span(max(due - now, 0.0))} at the latest"


def _after_stop(child: Child) -> str:
    if child.desired is Desired.GONE:
        return "then it is removed"
    if child.desired is Desired.DOWN:
        return "then it is held" if child.hold else "then it stays down"
    if child.cause is StopCause.ASKED:
        return "then it is started again, as soon as what it needs is there"
    return "then its restart rules decide, as after a crash"


def _backoff(tree: Tree, child: Child, now: float) -> str:
    due = tree.timers.get(child.id)
    if due is None:
        return "it is restarted with its group, or in its turn"
    others = [f"{name!r}" for name in child.group if name != child.id]
    together = f", with {', '.join(others)}" if others else ""
    return f"restart {child.restarts} in {span(max(due - now, 0.0))}{together}"


def _or_its_group(tree: Tree) -> str:
    return ", or its group is restarted" if tree.grouped else ""
