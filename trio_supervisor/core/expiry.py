"""The limits of a life at work: a clock that is due warns or acts, after a look at what happened in the meantime."""

import math

from trio_supervisor.core import draining
from trio_supervisor.core.asks import ask_in_turn
from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.clocks import Clock, Clocks
from trio_supervisor.core.commands import LookAtLife
from trio_supervisor.core.facts import HeldByRule, Looked, RestartAsked
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.limits import LimitKind, Then, in_words
from trio_supervisor.core.notices import Warned
from trio_supervisor.core.policy import ChildPolicy, Restart
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import stop
from trio_supervisor.core.tree import Tree


def watch(tree: Tree, child: Child, now: float, draw: float) -> None:
    """A life is started: what counts from there on. `draw` in [0, 1) chooses how long it may last."""
    policy = child.policy
    if not policy.watched:
        return
    child.clocks = Clocks()
    if policy.lifetime:
        child.clocks.add(Clock(LimitKind.LIFETIME, policy.lifetime.drawn(draw), now))
    if policy.silent_meter < math.inf:
        child.clocks.add(Clock(LimitKind.METER, policy.silent_meter, now))
    _arm(tree, child)


def watch_ready(tree: Tree, child: Child, now: float) -> None:
    """A life is ready for the first time: what counts from there on."""
    if child.clocks is None:
        return
    if idle := child.policy.idle:
        child.clocks.add(Clock(LimitKind.IDLE, idle.after, now, paused=bool(child.busy)))
    if progress := child.policy.progress:
        child.clocks.add(Clock(LimitKind.PROGRESS, progress.within, now, paused=child.busy is False))
    _arm(tree, child)


def renew(tree: Tree, child: Child, old: ChildPolicy, now: float, draw: float) -> None:
    """The limits of a life that is started may be others: what has counted so far goes on to count."""
    new = child.policy
    if child.started_at is None or (child.clocks is None and not new.watched):
        return
    clocks = child.clocks = child.clocks or Clocks()
    if new.lifetime != old.lifetime:
        clocks.drop(LimitKind.LIFETIME)
        if new.lifetime:
            clocks.add(Clock(LimitKind.LIFETIME, new.lifetime.drawn(draw), child.started_at))
    if new.silent_meter != old.silent_meter:
        clocks.drop(LimitKind.METER)
        if new.silent_meter < math.inf:
            clocks.add(Clock(LimitKind.METER, new.silent_meter, now))
    if new.idle != old.idle:
        before = clocks.drop(LimitKind.IDLE)
        if new.idle and child.was_ready:
            since = before.since if before else now
            clocks.add(Clock(LimitKind.IDLE, new.idle.after, since, paused=bool(child.busy)))
    if new.progress != old.progress:
        before = clocks.drop(LimitKind.PROGRESS)
        if new.progress and child.was_ready:
            since = before.since if before else now
            clocks.add(Clock(LimitKind.PROGRESS, new.progress.within, since, paused=child.busy is False))
    _arm(tree, child)


def busy_changed(tree: Tree, child: Child, busy: bool, now: float) -> None:
    """Who is busy is not idle, whatever it says; who tells that it is must only make progress while it is."""
    child.busy = busy
    if child.state is State.DRAINING:
        if not busy:
            tree.say(LookAtLife(child.id, child.generation, connections=True))
        return
    if child.clocks is None:
        return
    if idle := child.clocks.get(LimitKind.IDLE):
        idle.paused = busy
        idle.begin(now)
    if progress := child.clocks.get(LimitKind.PROGRESS):
        progress.paused = not busy
        progress.begin(now)
    _arm(tree, child)


def clocks_due(tree: Tree, child: Child, now: float) -> None:
    """At least one clock of a child is due."""
    if child.state is State.DRAINING:
        tree.say(LookAtLife(child.id, child.generation, connections=True))
        return
    looking = []
    for clock in child.clocks or ():
        if clock.kind is LimitKind.LIFETIME:
            while clock.due <= now:
                _judge(tree, child, clock, now)
        elif clock.due <= now:
            clock.looking = True
            looking.append(clock.kind)
    if looking and _is_watched(child):
        tree.say(LookAtLife(child.id, child.generation, connections=LimitKind.IDLE in looking))
    _arm(tree, child)


def looked(tree: Tree, child: Child, fact: Looked, now: float) -> None:
    """What somebody has seen who was asked to look."""
    if child.state is State.DRAINING:
        draining.looked(tree, child, fact, now)
        return
    for clock in child.clocks or ():
        if clock.looking:
            clock.looking = False
            _take_in(clock, fact, now)
            if clock.due <= now and _is_watched(child):
                _judge(tree, child, clock, now)
    _arm(tree, child)


def give_back(tree: Tree, child: Child, seconds: float, now: float) -> None:
    """Nobody ran for so long: in that time nobody was idle. Only older it has become."""
    for clock in child.clocks or ():
        if clock.kind is not LimitKind.LIFETIME:
            clock.since = min(now, clock.since + seconds)
    _arm(tree, child)


def _is_watched(child: Child) -> bool:
    return child.state in (State.STARTING, State.RUNNING, State.READY) and child.pending is None


def _arm(tree: Tree, child: Child) -> None:
    if child.clocks is not None and _is_watched(child) and not tree.shutting_down:
        tree.clocks.set(child.id, child.clocks.due)


def _take_in(clock: Clock, fact: Looked, now: float) -> None:
    match clock.kind:
        case LimitKind.IDLE:
            clock.begin(now if fact.connections else fact.active_at)
        case LimitKind.PROGRESS:
            clock.begin(fact.progress_at)
        case LimitKind.METER:
            clock.begin(fact.meter_at)
            if fact.output_at <= clock.since and clock.due <= now:
                # It had nothing to tell either.
                clock.begin(now)
        case LimitKind.LIFETIME:  # pragma: no cover -- nobody looks for it
            return


def _judge(tree: Tree, child: Child, clock: Clock, now: float) -> None:
    """A clock is due: warn once, then act once."""
    then = _then(child, clock.kind)
    if not clock.warned:
        clock.warned = True
        reason = f"{_state_of(clock, now)}; it is {_PARTICIPLE[then]} {_when(clock, now)}"
        tree.say(Warned(child.id, child.generation, clock.kind, reason, now - clock.since, clock.within))
        return
    clock.done = True
    reason = _reason(clock)
    if then is Then.HOLD:
        ask_in_turn(tree, child, HeldByRule(child.id, reason, ground=_ground(clock, now)), now)
    elif clock.kind is LimitKind.PROGRESS or child.policy.restart is Restart.TEMPORARY:
        # Who gets nowhere has failed; who is old or idle has not, and its restart counts for nothing.
        stop(tree, child, StopCause.FAILURE, reason, now, (_ground(clock, now),))
    else:
        ask_in_turn(tree, child, RestartAsked(child.id, reason, _ground(clock, now)), now)


_PARTICIPLE = {Then.RESTART: "restarted", Then.HOLD: "stopped and held"}


def acts_by(child: Child, clock: Clock) -> str:
    """What a clock does to a child when its time is over, in words."""
    return f"it is {_PARTICIPLE[_then(child, clock.kind)]}"


def _then(child: Child, kind: LimitKind) -> Then:
    policy = child.policy
    limit = {LimitKind.LIFETIME: policy.lifetime, LimitKind.IDLE: policy.idle, LimitKind.PROGRESS: policy.progress}
    found = limit.get(kind)
    return Then.HOLD if found is None else found.then


def _reason(clock: Clock) -> str:
    within = in_words(clock.within)
    match clock.kind:
        case LimitKind.LIFETIME:
            return f"lifetime limit: {within} old"
        case LimitKind.IDLE:
            return f"idle limit: no output, no input, no connection for {within}"
        case LimitKind.PROGRESS:
            return f"progress limit: none within {within}"
        case LimitKind.METER:
            return f"budget: its meter is silent, although there was output in the last {within}"


def _ground(clock: Clock, now: float) -> Ground:
    return Ground(Rule(clock.kind.value), _reason(clock), (("passed", now - clock.since), ("limit", clock.within)))


def _state_of(clock: Clock, now: float) -> str:
    span = in_words(now - clock.since)
    match clock.kind:
        case LimitKind.LIFETIME:
            return f"lifetime limit: {span} old"
        case LimitKind.IDLE:
            return f"idle limit: nothing for {span}"
        case LimitKind.PROGRESS:
            return f"progress limit: none for {span}"
        case LimitKind.METER:
            return f"budget: its meter is silent for {span}, although there is output"


def _when(clock: Clock, now: float) -> str:
    rest = clock.since + clock.within - now
    if clock.kind is LimitKind.LIFETIME:
        return f"in {in_words(max(rest, 0.0))}"
    return f"in {in_words(max(rest, 0.0))} if that goes on"
