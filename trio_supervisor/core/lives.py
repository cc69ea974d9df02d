"""What a life tells: that it is started, ready, asked by a probe, over."""

from trio_supervisor.core import advance, expiry, probes, restarts
from trio_supervisor.core.child import Child, Ended, StopCause
from trio_supervisor.core.draining import drain, may_drain
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    DeadlineExtended,
    Exited,
    LifeFact,
    LimitReached,
    Looked,
    ProbeAnswered,
    Started,
    Told,
)
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.notices import LifeEnded, StatusTold
from trio_supervisor.core.policy import ReadyBy
from trio_supervisor.core.reports import is_failure, tell_stop, words_of_stop
from trio_supervisor.core.starts import want_start
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.stops import rest, stop
from trio_supervisor.core.tree import Tree


def lived(tree: Tree, child: Child, fact: LifeFact, now: float) -> None:
    """A fact about the present life."""
    match fact:
        case Exited():
            exited(tree, child, Ended(fact.exit, fact.draw), now)
        case _ if child.state is State.STOPPING:
            return
        case Looked():
            expiry.looked(tree, child, fact, now)
        case BusyChanged():
            expiry.busy_changed(tree, child, fact.busy, now)
        case _ if child.state is State.DRAINING:
            # It is to end anyway, and soon.
            return
        case Started():
            _started(tree, child, fact, now)
        case BecameReady():
            _says_ready(tree, child, fact, now)
        case ProbeAnswered():
            probes.answered(tree, child, fact, now)
        case DeadlineExtended():
            _extend_deadline(tree, child, fact.seconds, now)
        case Told():
            _told(tree, child, fact)
        case LimitReached():
            _limit_reached(tree, child, fact, now)


def _started(tree: Tree, child: Child, fact: Started, now: float) -> None:
    if child.started_at is None:
        child.started_at = now
        expiry.watch(tree, child, now, fact.draw)
        if child.was_ready:
            expiry.watch_ready(tree, child, now)
    if child.state is not State.STARTING:
        return
    probes.begin_probes(tree, child)
    if child.policy.ready_by is ReadyBy.START and child.startup is None:
        probes.become_ready(tree, child, now, "started")
    else:
        tree.enter(child, State.RUNNING, now, "started, not ready yet", next_at=tree.timers.get(child.id))
        if child.policy.remote:
            # It costs nothing here however long it takes.
            tree.places.give_back(child.id)


def _says_ready(tree: Tree, child: Child, fact: BecameReady, now: float) -> None:
    # It may be told before the start is: the two come from different tasks.
    if child.policy.ready_by is not ReadyBy.ITSELF or child.state not in (State.STARTING, State.RUNNING):
        return
    child.value = fact.value
    child.announced = True
    if not probes.is_starting_up(child):
        probes.become_ready(tree, child, now, "says that it is ready")


def _extend_deadline(tree: Tree, child: Child, seconds: float, now: float) -> None:
    """The start may take so long from now on; nothing that is bounded already becomes shorter."""
    when = tree.timers.get(child.id)
    if when is not None:
        tree.timers.set(child.id, max(when, now + seconds))


def _told(tree: Tree, child: Child, fact: Told) -> None:
    if fact.name == "STATUS" and fact.value != child.status:
        child.status = fact.value
        tree.say(StatusTold(child.id, child.generation, fact.value))


def _limit_reached(tree: Tree, child: Child, fact: LimitReached, now: float) -> None:
    # Whoever is to end anyway ends in its turn.
    if tree.shutting_down:
        return
    grounds = (Ground(Rule.MEMORY, fact.reason),)
    if may_drain(tree, child):
        drain(tree, child, StopCause.FAILURE, fact.reason, now, grounds)
    else:
        stop(tree, child, StopCause.FAILURE, fact.reason, now, grounds)


# The end of a life


def exited(tree: Tree, child: Child, end: Ended, now: float) -> None:
    """A life is over: what follows, or what waits for its turn."""
    tree.say(LifeEnded(child.id, child.generation, end.exit))
    child.last_exit = end.exit
    child.note_end(now)
    if is_failure(child, end.exit):
        child.last_failure = end.exit
    plan = tree.plan
    if plan and advance.stops_by_plan(tree, child):
        advance.stopped(tree, plan, child, end.exit, now)
    elif plan and plan.starting == child.id and not child.was_ready and _went_by_itself(child):
        advance.start_ended(tree, plan, child, end, now, child.failure)
    elif child.cause is StopCause.ASKED:
        _stopped_as_asked(tree, child, end.exit, now)
    elif tree.policy.ordered or tree.grouped:
        child.pending = end
        tree.put_down(child)
    else:
        decide(tree, child, end, now)


def _went_by_itself(child: Child) -> bool:
    return child.state is not State.STOPPING or child.cause is StopCause.FAILURE


def _stopped_as_asked(tree: Tree, child: Child, exit: Exit, now: float) -> None:
    tell_stop(tree, child, exit)
    if child.desired is Desired.UP and exit.how is not How.UNKILLABLE:
        want_start(tree, child, now, child.restart_reason, exit=exit)
    elif child.desired is Desired.UP:
        # Never two lives at a time.
        tree.enter(child, State.HELD, now, str(exit), exit=exit)
    else:
        rest(tree, child, now, words_of_stop(child, tree.stopping or child.reason, exit), exit)


def decide(tree: Tree, child: Child, end: Ended, now: float) -> None:
    """What follows from the end of a life that nobody had asked for."""
    exit, failure = end.exit, child.failure
    child.pending = None
    if child.desired is not Desired.UP:
        rest(tree, child, now, f"{tree.stopping or child.reason} ({exit})", exit)
    elif exit.how is How.UNKILLABLE:
        tree.enter(child, State.HELD, now, str(exit), exit=exit)
    elif exit.how is How.IGNORED:
        restarts.ignored(tree, child, exit, now)
    else:
        restarts.ended(tree, child, end, now, failure)
