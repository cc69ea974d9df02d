"""What the answers of a life's three probes come to.

startup: until it succeeds the others are not asked; if it fails, the start has failed. readiness: whether the child is
ready; it never ends a life that has been ready. health: whether a life goes on.
"""

from trio_supervisor.core import expiry
from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.commands import PassStartup, Repace, WatchHealth
from trio_supervisor.core.facts import ProbeAnswered, Role
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.health import Edge, Health
from trio_supervisor.core.notices import Judged, Judgement
from trio_supervisor.core.policy import ReadyBy
from trio_supervisor.core.reasons import by_deadline, by_probe
from trio_supervisor.core.reports import tell_progress
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import stop
from trio_supervisor.core.tree import Tree


def answered(tree: Tree, child: Child, fact: ProbeAnswered, now: float) -> None:
    """A probe was asked once."""
    match fact.role:
        case Role.STARTUP:
            _startup(tree, child, fact, now)
        case Role.READINESS:
            _readiness(tree, child, fact, now)
        case Role.HEALTH:
            _health(tree, child, fact, now)


def begin_probes(tree: Tree, child: Child) -> None:
    """The life is started: its first probe is asked from now on."""
    if child.policy.startup is not None:
        child.startup = Health(child.policy.startup, good=False)
    elif child.policy.ready_by is ReadyBy.PROBE:
        child.readiness = Health(child.policy.readiness, good=False)
    elif child.policy.ready_by is ReadyBy.HEALTH:
        watch_health(tree, child)


def start_overdue(tree: Tree, child: Child, reason: str, now: float) -> None:
    """The deadline of the start has passed: it has failed; of a child that is only watched, it is not there yet."""
    grounds = (by_deadline(child.policy.start_deadline, child.probe_failure),)
    if child.policy.remote and child.state is State.RUNNING and not tree.policy.ordered:
        tree.enter(child, State.UNHEALTHY, now, f"unhealthy: {reason}", grounds=grounds)
    else:
        stop(tree, child, StopCause.FAILURE, reason, now, grounds)


def become_ready(tree: Tree, child: Child, now: float, reason: str, grounds: tuple[Ground, ...] = ()) -> None:
    """The child is ready, for the first time in its life or again."""
    tree.enter(child, State.READY, now, reason, grounds=grounds)
    if not child.was_ready:
        child.note_ready(now)
        expiry.watch_ready(tree, child, now)
        if tree.plan is None or tree.plan.starting != child.id:
            tell_progress(tree, child, by_hand=False)
        watch_health(tree, child)


def is_starting_up(child: Child) -> bool:
    """Whether the startup probe, if there is one, has not succeeded yet in this life."""
    return child.policy.startup is not None and not (child.startup and child.startup.good)


def watch_health(tree: Tree, child: Child) -> None:
    """Have its health probe asked from now on, if it has one."""
    if child.policy.health is not None and child.health is None:
        child.health = Health(child.policy.health, good=child.policy.ready_by is not ReadyBy.HEALTH)
        tree.say(WatchHealth(child.id, child.generation))


def _startup(tree: Tree, child: Child, fact: ProbeAnswered, now: float) -> None:
    startup = child.startup
    if startup is None or startup.good:
        return
    if startup.answered(fact.ok, now, said=fact.detail) is Edge.UP:
        pass_startup(tree, child, fact.detail, now)
    elif not fact.ok:
        child.probe_failure = fact.detail
        if fact.decisive or startup.failed >= startup.thresholds.failures:
            _fail_start(tree, child, fact, by_probe(Rule.STARTUP, startup, now), now)


def pass_startup(tree: Tree, child: Child, reason: str, now: float) -> None:
    """What its startup probe stands for is over; `reason`: in its words."""
    # What was bounded and counted as a start is over, also where it is long not ready yet.
    tree.timers.clear(child.id)
    tree.places.give_back(child.id)
    child.probe_failure = ""
    tree.say(PassStartup(child.id, child.generation))
    match child.policy.ready_by:
        case ReadyBy.PROBE:
            child.readiness = Health(child.policy.readiness, good=False)
            watch_health(tree, child)
        case ReadyBy.HEALTH:
            watch_health(tree, child)
        case ReadyBy.ITSELF if not child.announced:
            watch_health(tree, child)
        case ReadyBy.START | ReadyBy.ITSELF:
            grounds = () if child.startup is None else (by_probe(Rule.STARTUP, child.startup, now),)
            become_ready(tree, child, now, reason or "startup probe succeeded", grounds)


def _readiness(tree: Tree, child: Child, fact: ProbeAnswered, now: float) -> None:
    if child.readiness is None:
        return
    if not fact.ok:
        child.probe_failure = fact.detail
        if fact.decisive and not child.was_ready and child.startup is None and not child.policy.remote:
            child.readiness.answered(fact.ok, now, said=fact.detail)
            _fail_start(tree, child, fact, by_probe(Rule.READINESS, child.readiness, now), now)
            return
    edge = _judge(tree, child, child.readiness, fact, now)
    if child.health is not None and not child.health.good:
        # It is watched, and lost: whether it is ready shows when it is back.
        return
    if edge is Edge.UP:
        grounds = (by_probe(Rule.READINESS, child.readiness, now),)
        become_ready(tree, child, now, fact.detail or "readiness probe succeeded", grounds)
    elif edge is Edge.DOWN:
        grounds = (by_probe(Rule.READINESS, child.readiness, now),)
        if child.policy.remote and child.policy.health is None:
            tree.enter(child, State.UNHEALTHY, now, _why_unhealthy(child.readiness, fact), grounds=grounds)
        else:
            tree.enter(child, State.RUNNING, now, f"not ready: {fact.detail}", grounds=grounds)


def _health(tree: Tree, child: Child, fact: ProbeAnswered, now: float) -> None:
    # Whoever is to end anyway ends in its turn.
    health = child.health
    if health is None or tree.shutting_down:
        return
    if not fact.ok and not child.was_ready:
        child.probe_failure = fact.detail
    match _judge(tree, child, health, fact, now):
        case Edge.UP:
            _come_back(tree, child, fact, now)
        case Edge.DOWN:
            reason = _why_unhealthy(health, fact)
            grounds = (by_probe(Rule.HEALTH, health, now),)
            tree.enter(child, State.UNHEALTHY, now, reason, grounds=grounds)
            if not child.policy.remote:
                stop(tree, child, StopCause.FAILURE, reason, now, grounds)
        case Edge.NONE | Edge.SUSPECT | Edge.CLEARED:
            return


def _come_back(tree: Tree, child: Child, fact: ProbeAnswered, now: float) -> None:
    """One that is watched is there (again)."""
    if child.readiness is None or child.readiness.good:
        grounds = () if child.health is None else (by_probe(Rule.HEALTH, child.health, now),)
        become_ready(tree, child, now, fact.detail or "health probe succeeded", grounds)
    else:
        tree.enter(child, State.RUNNING, now, f"not ready: {child.probe_failure}")


def _why_unhealthy(health: Health, fact: ProbeAnswered) -> str:
    if fact.decisive:
        return f"unhealthy: {fact.detail}"
    count = health.thresholds.failures
    return f"unhealthy: {count:g} failed probe{'s' * (count > 1)} in a row, the last: {fact.detail}"


def _judge(tree: Tree, child: Child, health: Health, fact: ProbeAnswered, now: float) -> Edge:
    """Count an answer, and tell the edge that it made."""
    since, failed = health.failing_since, health.run
    edge = health.answered(fact.ok, now, decisive=fact.decisive, said=fact.detail)
    match edge:
        case Edge.NONE:
            return edge
        case Edge.SUSPECT:
            judgement, failed = Judgement.SUSPECT, health.run
        case Edge.DOWN:
            judgement, failed = Judgement.UNHEALTHY, failed + 1
        case Edge.CLEARED:
            judgement = Judgement.RECOVERED
        case Edge.UP:
            judgement, failed = Judgement.RECOVERED, 0
    since = now if since is None else since
    if child.policy.remote and (edge is Edge.DOWN or (edge is Edge.UP and child.was_ready)):
        tree.say(Repace(child.id, child.generation, fact.role, edge is Edge.DOWN))
    if edge is not Edge.UP or child.was_ready:
        tree.say(Judged(child.id, child.generation, fact.role, judgement, since, failed, fact.detail))
    return edge


def _fail_start(tree: Tree, child: Child, fact: ProbeAnswered, ground: Ground, now: float) -> None:
    # Whoever is to end anyway ends in its turn.
    if not tree.shutting_down:
        stop(tree, child, StopCause.FAILURE, f"its start has failed: {fact.detail}", now, (ground,))
