"""Probe answers in a row, and the verdict they change."""

import math

import pytest

from trio_supervisor.core.health import Edge, Health
from trio_supervisor.core.policy import Thresholds

_EDGES = {".": Edge.NONE, "U": Edge.UP, "D": Edge.DOWN, "S": Edge.SUSPECT, "C": Edge.CLEARED}


@pytest.mark.parametrize(
    ("failures", "successes", "good", "answers", "edges"),
    [
        pytest.param(1, 1, True, "+-+-", ".DUD", id="1/1: every change is an edge"),
        pytest.param(3, 1, True, "---", "S.D", id="three in a row"),
        pytest.param(3, 1, True, "--+--+", "S.CS.C", id="two in a row are not three"),
        pytest.param(3, 1, True, "--+---", "S.CS.D", id="a good answer starts the count anew"),
        pytest.param(3, 1, True, "-------", "S.D....", id="one edge, however long it goes on"),
        pytest.param(1, 3, False, "+++", "..U", id="three successes"),
        pytest.param(1, 3, False, "++-+++", ".....U", id="a bad answer starts the count of successes anew"),
        pytest.param(1, 3, False, "----", "....", id="bad stays bad"),
        pytest.param(1, 3, False, "++++++", "..U...", id="one edge up"),
        pytest.param(2, 2, True, "--++--", "SD.USD", id="down, up and down again"),
        pytest.param(2, 2, True, "--+-+-++", "SD.....U", id="flapping stays below the thresholds"),
        pytest.param(3, 2, True, "-+-+-", "S...D", id="flapping is no recovery where that takes two in a row"),
        pytest.param(3, 2, True, "-++-++", "S.CS.C", id="two in a row are one"),
        pytest.param(math.inf, 1, True, "------+", "S.....C", id="for ever suspect"),
    ],
)
def test_only_enough_equal_answers_in_a_row_change_the_verdict_and_only_once(
    failures: float, successes: int, good: bool, answers: str, edges: str
) -> None:
    health = Health(Thresholds(failures, successes), good=good)

    seen = [health.answered(answer == "+", float(time)) for time, answer in enumerate(answers)]

    assert seen == [_EDGES[edge] for edge in edges]


def test_the_verdict_is_the_last_edge() -> None:
    health = Health(Thresholds(failures=2, successes=1), good=True)
    verdicts = []

    for time, answer in enumerate("-+--+"):
        health.answered(answer == "+", float(time))
        verdicts.append(health.good)

    assert verdicts == [True, True, True, False, True]


def test_a_decisive_answer_needs_no_others() -> None:
    health = Health(Thresholds(failures=3, successes=3), good=True)

    assert health.answered(False, 1.0, decisive=True) is Edge.DOWN
    assert health.answered(False, 2.0, decisive=True) is Edge.NONE
    assert health.answered(True, 3.0, decisive=True) is Edge.UP


def test_the_first_failure_is_known_until_it_is_made_up_for() -> None:
    health = Health(Thresholds(failures=2, successes=2), good=True)
    began = []

    for time, answer in enumerate("-+--+-++-"):
        health.answered(answer == "+", float(time))
        began.append(health.failing_since)

    assert began == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None, 8.0]


def test_it_knows_when_the_present_row_of_failures_began() -> None:
    health = Health(Thresholds(failures=3), good=True)
    began = []

    for time, answer in enumerate("+--+---"):
        health.answered(answer == "+", float(time))
        began.append(health.failing_since)

    assert began == [None, 1.0, 1.0, None, 4.0, 4.0, 4.0]
