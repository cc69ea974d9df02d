"""How changes of state are told."""

import pytest

from trio_supervisor.cli.wording import About, Tone, describe, describe_remark, duration, is_dull, tone
from trio_supervisor.control.api import Remark
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import Role
from trio_supervisor.core.notices import Judged, Judgement, StateChanged, StatusTold
from trio_supervisor.core.state import TRANSITIONS, State

CODE_1 = Exit(How.EXITED, code=1)
ABOUT = About(now=100.0)
FIRST = "for the first time 12 s ago"
STARTED = About(now=100.0, started_at=99.6, port=19001, pid=123)


def changed(
    old: State,
    new: State,
    reason: str = "",
    *,
    exit: Exit | None = None,
    next_at: float | None = None,
    restarts: int = 0,
    generation: int = 1,
) -> StateChanged:
    return StateChanged("agent", generation, old, new, reason, next_at, restarts, exit)


S = State
UNHEALTHY = "unhealthy: 3 failed probes in a row, the last: HTTP 500"
LIMIT = "restart limit: 5 restarts within 60 s; the last failure: exit code 1"


@pytest.mark.parametrize(
    ("notice", "about", "text", "how"),
    [
        (changed(S.STOPPED, S.WAITING), ABOUT, "waiting to start", Tone.QUIET),
        (
            changed(S.STOPPED, S.WAITING, "waiting for 'db' to be ready"),
            ABOUT,
            "waiting for 'db' to be ready",
            Tone.QUIET,
        ),
        (changed(S.WAITING, S.STARTING), ABOUT, "starting", Tone.QUIET),
        (
            changed(S.WAITING, S.STARTING, "exit code 1", generation=4, restarts=3),
            ABOUT,
            "starting again (restart 3)",
            Tone.QUIET,
        ),
        (changed(S.WAITING, S.STARTING, "by hand", generation=2), ABOUT, "starting again", Tone.QUIET),
        (
            changed(S.STARTING, S.RUNNING, "started"),
            STARTED,
            "started, not ready yet (port 19001, pid 123)",
            Tone.QUIET,
        ),
        (changed(S.STARTING, S.RUNNING, "started"), ABOUT, "started, not ready yet", Tone.QUIET),
        (changed(S.RUNNING, S.READY, "200 OK"), STARTED, "ready after 0.4 s (port 19001, pid 123)", Tone.GOOD),
        (changed(S.STARTING, S.READY), About(100.0, 99.99, pid=5), "ready after 10 ms (pid 5)", Tone.GOOD),
        (changed(S.STARTING, S.READY), ABOUT, "ready", Tone.GOOD),
        (
            changed(S.READY, S.RUNNING, "not ready: connection refused"),
            About(100.0, 1.0, was_ready=True),
            "not ready: connection refused",
            Tone.WARNING,
        ),
        (changed(S.RUNNING, S.READY), About(100.0, 1.0, was_ready=True, pid=5), "ready again", Tone.GOOD),
        (changed(S.READY, S.UNHEALTHY, UNHEALTHY), ABOUT, UNHEALTHY, Tone.BAD),
        (changed(S.READY, S.UNHEALTHY, "HTTP 500"), ABOUT, "unhealthy: HTTP 500", Tone.BAD),
        (changed(S.UNHEALTHY, S.STOPPING, UNHEALTHY), ABOUT, "stopping because it is unhealthy", Tone.QUIET),
        (changed(S.READY, S.STOPPING, "stopped by hand"), ABOUT, "stopping: stopped by hand", Tone.QUIET),
        (
            changed(S.READY, S.BACKOFF, "exit code 1", exit=CODE_1, next_at=102.1, restarts=3),
            ABOUT,
            "exit code 1; restart 3 in 2.1 s",
            Tone.WARNING,
        ),
        (
            changed(S.STOPPING, S.BACKOFF, UNHEALTHY, exit=Exit(How.SIGNALED, signal=15), next_at=100.5, restarts=1),
            ABOUT,
            f"{UNHEALTHY}; restart 1 in 0.5 s",
            Tone.WARNING,
        ),
        (
            changed(S.READY, S.WAITING, "exit code 1", exit=CODE_1, restarts=1),
            ABOUT,
            "exit code 1; restart 1 now",
            Tone.WARNING,
        ),
        (
            changed(S.READY, S.WAITING, "exit code 1; waiting for 'db' to be ready", exit=CODE_1, restarts=1),
            ABOUT,
            "exit code 1; waiting for 'db' to be ready; restart 1",
            Tone.WARNING,
        ),
        (
            changed(S.STOPPING, S.WAITING, "restarted by hand", exit=Exit(How.SIGNALED, signal=15)),
            ABOUT,
            "restarted by hand; starting again",
            Tone.QUIET,
        ),
        (changed(S.BACKOFF, S.WAITING, "exit code 1", restarts=3), ABOUT, "exit code 1", Tone.QUIET),
        (
            changed(S.STOPPING, S.STOPPED, "interrupted (exit code 0)", exit=Exit(How.EXITED, code=0)),
            ABOUT,
            "stopped: interrupted (exit code 0)",
            Tone.QUIET,
        ),
        (changed(S.BACKOFF, S.STOPPED, "stopped by hand"), ABOUT, "stopped by hand", Tone.QUIET),
        (
            changed(S.READY, S.FINISHED, "exit code 0; temporary: never restarted", exit=Exit(How.EXITED, code=0)),
            ABOUT,
            "finished: exit code 0; temporary: never restarted",
            Tone.GOOD,
        ),
        (
            changed(S.READY, S.FAILED, "exit code 1; temporary: never restarted", exit=CODE_1),
            ABOUT,
            "failed: exit code 1; temporary: never restarted",
            Tone.BAD,
        ),
        (
            changed(S.WAITING, S.FAILED, "dependency 'db' is held"),
            ABOUT,
            "failed: dependency 'db' is held",
            Tone.BAD,
        ),
        (changed(S.READY, S.HELD, LIMIT, exit=CODE_1), ABOUT, f"held: {LIMIT}", Tone.BAD),
        (
            changed(S.STOPPING, S.HELD, "out of quota", next_at=3700.0),
            ABOUT,
            "held: out of quota; resumed in 1 h",
            Tone.WARNING,
        ),
        (
            changed(S.READY, S.DRAINING, "lifetime limit: 1 day old", next_at=130.0),
            ABOUT,
            "draining: lifetime limit: 1 day old (for at most 30 s)",
            Tone.QUIET,
        ),
        (changed(S.READY, S.DRAINING, ""), ABOUT, "draining", Tone.QUIET),
        (changed(S.STOPPING, S.REMOVED, "removed (exit code 0)"), ABOUT, "removed (exit code 0)", Tone.QUIET),
        (changed(S.STOPPED, S.REMOVED), ABOUT, "removed", Tone.QUIET),
    ],
)
def test_every_change_is_told_in_words(notice: StateChanged, about: About, text: str, how: Tone) -> None:
    assert describe(notice, about) == text
    assert tone(notice, about) is how


@pytest.mark.parametrize("old", State)
def test_no_legal_change_is_without_words(old: State) -> None:
    for new in TRANSITIONS[old]:
        for reason in ("", "because"):
            for exit in (None, CODE_1):
                for was_ready in (False, True):
                    notice = changed(old, new, reason, exit=exit, next_at=101.0)
                    text = describe(notice, About(100.0, 99.0, was_ready))
                    assert text == text.strip()
                    assert text
                    assert "None" not in text
                    assert tone(notice, ABOUT).level in ("info", "warning", "error")


@pytest.mark.parametrize(
    ("notice", "last_reason", "dull"),
    [
        (changed(S.WAITING, S.STARTING), "", True),
        (changed(S.STOPPED, S.WAITING), "added", True),
        (changed(S.STOPPED, S.WAITING, "waiting for 'db' to be ready"), "added", False),
        (changed(S.BACKOFF, S.WAITING, "exit code 1"), "exit code 1", True),
        (changed(S.BACKOFF, S.WAITING, "exit code 1; waiting for 'db' to be ready"), "exit code 1", False),
        (changed(S.READY, S.WAITING, "exit code 1", exit=CODE_1), "exit code 1", False),
        (changed(S.RUNNING, S.READY), "", False),
    ],
)
def test_steps_that_tell_nothing_new_are_dull(notice: StateChanged, last_reason: str, dull: bool) -> None:
    assert is_dull(notice, About(100.0, last_reason=last_reason)) is dull


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0, "0 ms"),
        (0.0404, "40 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.1 s"),
        (2.06, "2.1 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3599.6, "1 h"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations_are_told_in_two_figures_and_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("judgement", "failed", "text", "news", "dull"),
    [
        (Judgement.SUSPECT, 1, "suspect: health probe failed: timeout", Tone.WARNING, False),
        (
            Judgement.UNHEALTHY,
            3,
            "health probe has failed 3 times, for the first time 12 s ago: timeout",
            Tone.BAD,
            True,
        ),
        (Judgement.RECOVERED, 1, f"recovered: health probe had failed once, {FIRST}", Tone.GOOD, False),
        (Judgement.RECOVERED, 2, f"recovered: health probe had failed 2 times, {FIRST}", Tone.GOOD, False),
        (Judgement.RECOVERED, 0, "health probe succeeds again, 12 s after its first failure", Tone.GOOD, True),
    ],
)
def test_the_edges_of_a_probe(judgement: Judgement, failed: int, text: str, news: Tone, dull: bool) -> None:
    judged = Judged("a", 1, Role.HEALTH, judgement, 100.0, failed, "timeout")
    assert describe_remark(Remark(0.0, "a", judged, 12.0)) == (text, news, dull)


def test_a_status_in_its_own_words() -> None:
    told = Remark(0.0, "a", StatusTold("a", 1, "loading"), 0.0)
    assert describe_remark(told) == ("status: loading", Tone.QUIET, False)
    assert describe_remark(Remark(0.0, "a", StatusTold("a", 1, ""), 0.0))[2], "no more status is no news"
