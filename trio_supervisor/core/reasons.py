"""Reasons: what each rule went by when it decided, as a `Ground`."""

import math

from trio_supervisor.core import backoff
from trio_supervisor.core.crashes import PATIENCE, Crashes
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.health import Health
from trio_supervisor.core.limits import in_words, span
from trio_supervisor.core.policy import Backoff, ChildPolicy, ExitCodes
from trio_supervisor.core.verdict import Meaning
from trio_supervisor.core.window import Window


def by_exit_code(exit: Exit, said: Meaning, codes: ExitCodes) -> tuple[Ground, ...]:
    """What an exit code means, where it means more than to any program."""
    named = {Meaning.GOOD: codes.success, Meaning.RESTART: codes.restart, Meaning.HOLD: codes.hold}.get(said, ())
    if exit.code is None or exit.code not in named or exit.code == 0:
        return ()
    means = {Meaning.RESTART: "asks for a restart", Meaning.HOLD: "asks to be held"}.get(said, "counts as success")
    return (Ground(Rule.EXIT_CODES, f"exit code {exit.code} {means}", (("code", exit.code),)),)


def by_intensity(window: Window, now: float, *, shared: bool) -> Ground:
    """How much of a limit is used up at `now`."""
    used, limit = window.used(now), window.intensity
    whose = " (of all children together)" if shared else ""
    text = f"{used} of {limit.restarts} restarts within {in_words(limit.within)} used{whose}"
    numbers = (("used", used), ("restarts", limit.restarts), ("within", limit.within), ("shared", shared))
    return Ground(Rule.INTENSITY, text, numbers)


def by_pause(seconds: float) -> Ground:
    """The limit was reached, and nothing is restarted for a while."""
    return Ground(Rule.AT_LIMIT, f"pause: no restart for {span(seconds)}", (("pause", seconds),))


def by_backoff(policy: Backoff, attempt: int, draw: float) -> Ground:
    """How a delay came about; see `backoff.delay`."""
    actual, plain = backoff.delay(policy, attempt, draw), backoff.delay(policy, attempt, 0.5)
    nth = f"failure {attempt} in a row"
    if policy.initial == 0:
        text = f"{nth}: no delay, as none is written"
    elif attempt <= 1:
        text = f"{nth}: no delay before the first restart"
    else:
        grown = f"{policy.initial:g} s x {policy.factor:g}^{attempt - 2}"
        capped = f", at most {policy.max:g} s" if plain >= policy.max else f" = {plain:g} s"
        text = f"{nth}: {grown}{capped}, +-{policy.jitter:.0%}: {actual:.3g} s"
    return Ground(Rule.BACKOFF, text, (("attempt", attempt), ("plain", plain), ("delay", actual)))


def by_crashes(policy: ChildPolicy, crashes: Crashes, now: float) -> tuple[Ground, ...]:
    """How far a row of crashes is from holding the child."""
    grounds = []
    if policy.startup_crashes and crashes.startups:
        age = now - crashes.first_at
        text = f"{crashes.startups} of {policy.startup_crashes} startup crashes in a row, the first {span(age)} ago"
        if age < PATIENCE:
            text += f" (it is held no sooner than {PATIENCE:g} s after the first)"
        numbers = (("crashes", crashes.startups), ("limit", policy.startup_crashes), ("age", age))
        grounds.append(Ground(Rule.STARTUP_CRASHES, text, numbers))
    if policy.same_exits and crashes.same:
        text = f"{crashes.same} of {policy.same_exits} ends in a row of the same kind with the same last lines"
        grounds.append(Ground(Rule.SAME_EXITS, text, (("same", crashes.same), ("limit", policy.same_exits))))
    return tuple(grounds)


def by_probe(rule: Rule, health: Health, now: float) -> Ground:
    """What the answers of a probe have come to. STARTUP, READINESS or HEALTH."""
    limits = health.thresholds
    failed, worked = health.failed, health.worked
    if failed:
        of = "" if limits.failures == math.inf else f" of {limits.failures:g}"
        text = f"{failed}{of} failed in a row"
        if failed > limits.failures:
            text = f"{failed} failed in a row ({limits.failures:g} are enough)"
        since = now if health.failing_since is None else health.failing_since
        text += f", the first {span(now - since)} ago"
    elif health.good and not health.run:
        text = "good"
    else:
        text = f"{min(worked, limits.successes)} of {limits.successes} good answers in a row"
    if health.said:
        text += f"; the last answer: {health.said}"
    numbers = (("failed", failed), ("failures", limits.failures), ("worked", worked), ("successes", limits.successes))
    return Ground(rule, text, numbers)


def by_deadline(seconds: float, probe_failure: str) -> Ground:
    """A start took too long."""
    said = f"; the last answer: {probe_failure}" if probe_failure else ""
    return Ground(Rule.DEADLINE, f"not ready within {in_words(seconds)}{said}", (("deadline", seconds),))
