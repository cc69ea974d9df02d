"""How a child stands with each rule that it is subject to, and what comes next: read from the machine, for people."""

import math
from collections.abc import Iterator

from trio_supervisor.core import backoff
from trio_supervisor.core.child import Child
from trio_supervisor.core.clocks import Clock
from trio_supervisor.core.dependencies import Answer, answer
from trio_supervisor.core.expenses import by_budget
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.limits import LimitKind, in_words, span
from trio_supervisor.core.policy import AtLimit, Restart
from trio_supervisor.core.reasons import by_crashes, by_intensity, by_probe
from trio_supervisor.core.state import State
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.windows import windows_of
from trio_supervisor.record import record

_RESTART = {
    Restart.PERMANENT: "permanent: restarted however it ends",
    Restart.TRANSIENT: "transient: restarted after a failure, not after a clean end",
    Restart.TEMPORARY: "temporary: never restarted",
}
_AT_LIMIT = {
    AtLimit.HOLD: "over that it is held",
    AtLimit.PAUSE: "over that nothing is restarted for that long",
    AtLimit.ESCALATE: "over that its supervisor stops everything and gives up",
}


@record
class Need:
    """What a child depends on."""

    child: str
    condition: str
    """What that must be: started, ready, finished."""
    state: str
    """What it is."""
    met: bool


def needs(tree: Tree, child: Child) -> tuple[Need, ...]:
    """What a child depends on directly, and whether that lets it start."""
    found = [(name, condition, tree.state_of(name)) for name, condition in tree.graph.needs(child.id)]
    return tuple(
        [
            Need(name, condition.value, state.value, answer(condition, state) is Answer.YES)
            for name, condition, state in found
        ]
    )


def standing(tree: Tree, child: Child, now: float) -> tuple[Ground, ...]:
    """Each rule that it is subject to, with its numbers as they are now."""
    return (
        *_holds(tree, child, now),
        *_dependencies(tree, child),
        *_probes(child, now),
        *_deadline(tree, child, now),
        *_limits(child, now),
        *_restarts(tree, child, now),
        *by_crashes(child.policy, child.crashes, now),
        *[by_budget(verdict) for verdict in (child.ledger.state(now) if child.ledger else ())],
    )


def _holds(tree: Tree, child: Child, now: float) -> Iterator[Ground]:
    if child.hold and child.state is not State.HELD:
        yield Ground(Rule.HOLD, f"is to be held: {child.hold}")
    if tree.paused_until > now:
        seconds = tree.paused_until - now
        yield Ground(Rule.AT_LIMIT, f"pause: no restart for another {span(seconds)}", (("pause", seconds),))


def _dependencies(tree: Tree, child: Child) -> Iterator[Ground]:
    for need in needs(tree, child):
        state = "there is no such child" if need.state == State.REMOVED.value else f"it is {need.state}"
        # Who is up stays up, whatever becomes of what it depends on; what it is bound to takes it down.
        keeps = "would keep it" if child.state.alive or (child.state.resting and not child.blocked) else "keeps it"
        met = "" if need.met else f", which {keeps} from starting"
        rule = Rule.BINDS_TO if need.child in child.policy.binds_to else Rule.DEPENDS_ON
        yield Ground(rule, f"needs {need.child!r} to be {need.condition}: {state}{met}", (("met", need.met),))
    if child.state is State.WAITING and tree.places.full:
        most = tree.policy.max_parallel_starts
        yield Ground(Rule.MAX_PARALLEL_STARTS, f"{most} of {most} starts are under way", (("starts", most),))


def _probes(child: Child, now: float) -> Iterator[Ground]:
    if not child.up:
        return
    for rule, health in (
        (Rule.STARTUP, child.startup),
        (Rule.READINESS, child.readiness),
        (Rule.HEALTH, child.health),
    ):
        if health is not None:
            yield by_probe(rule, health, now)


def _deadline(tree: Tree, child: Child, now: float) -> Iterator[Ground]:
    due = tree.timers.get(child.id)
    if child.state in (State.STARTING, State.RUNNING) and due is not None:
        whole, left = child.policy.start_deadline, due - now
        text = f"must be ready in {span(left)}, {in_words(whole)} after its start"
        yield Ground(Rule.DEADLINE, text, (("left", left), ("deadline", whole)))


def _limits(child: Child, now: float) -> Iterator[Ground]:
    if child.up:
        for clock in child.clocks or ():
            yield Ground(Rule(clock.kind.value), _clock(clock, now), _clock_numbers(clock, now))


def _clock(clock: Clock, now: float) -> str:
    what = {
        LimitKind.LIFETIME: "old",
        LimitKind.IDLE: "since it was last seen active",
        LimitKind.PROGRESS: "since it was last seen to make progress",
        LimitKind.METER: "since its meter was last seen to tell something",
    }[clock.kind]
    paused = "; that does not count now" if clock.paused else ""
    acted = "; that limit has acted" if clock.done else ""
    return f"{span(now - clock.since)} of {in_words(clock.within)} {what}{paused}{acted}"


def _clock_numbers(clock: Clock, now: float) -> tuple[tuple[str, float], ...]:
    return (("passed", now - clock.since), ("limit", clock.within))


def _restarts(tree: Tree, child: Child, now: float) -> Iterator[Ground]:
    yield Ground(Rule.RESTART, _RESTART[child.policy.restart])
    codes = child.policy.exit_codes
    named = ((codes.success, "success"), (codes.restart, "restart"), (codes.hold, "hold"))
    words = [f"{', '.join(map(str, numbers))}: {word}" for numbers, word in named if numbers]
    if codes.restart or codes.hold or codes.success != (0,):
        yield Ground(Rule.EXIT_CODES, "; ".join(words))
    if tree.grouped:
        yield Ground(Rule.STRATEGY, f"{tree.policy.strategy.value}: siblings are restarted together")
    # Looked at only: what makes windows is the first restart.
    for window in windows_of(tree, child):
        ground = by_intensity(window, now, shared=window is tree.window)
        text = f"{ground.text}; {_AT_LIMIT[tree.policy.at_limit]}"
        if window.used(now):
            text += f"; one less counts in {span(window.frees_at() - now)}"
        yield Ground(ground.rule, text, ground.numbers)
    yield _backoff(child, now)


def _backoff(child: Child, now: float) -> Ground:
    policy, attempts = child.policy.backoff, child.attempts
    next_ = backoff.delay(policy, attempts + 1, 0.5)
    numbers = (("attempts", attempts), ("next", next_))
    if policy.initial == 0:
        return Ground(Rule.BACKOFF, "none: a restart is immediate", numbers)
    jitter = f" +-{policy.jitter:.0%}" if next_ and policy.jitter else ""
    then = "without delay" if next_ == 0 else f"after {span(next_)}{jitter}"
    many = "1 failure" if attempts == 1 else f"{attempts or 'no'} failures"
    text = f"{many} in a row; after another one it is restarted {then}"
    if attempts and policy.reset_after < math.inf:
        text += f"; the row ends after {in_words(policy.reset_after)} of readiness"
        if child.ready_since is not None:
            text += f", {span(now - child.ready_since)} of which are over"
    return Ground(Rule.BACKOFF, text, numbers)
