"""The delay before the n-th restart in a row."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.core.backoff import delay
from trio_supervisor.core.policy import Backoff


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (0, 0.0),
        (1, 0.0),
        (2, 0.5),
        (3, 1.0),
        (4, 2.0),
        (5, 4.0),
        (6, 8.0),
        (7, 16.0),
        (8, 30.0),
        (9, 30.0),
        (1000, 30.0),
    ],
)
def test_the_defaults_start_at_once_then_double_from_half_a_second_up_to_thirty(attempt: int, expected: float) -> None:
    assert delay(Backoff(), attempt, draw=0.5) == expected


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (Backoff(initial=1.0, factor=3.0, max=20.0), [0.0, 1.0, 3.0, 9.0, 20.0]),
        (Backoff(initial=2.0, factor=1.0, max=30.0), [0.0, 2.0, 2.0, 2.0, 2.0]),
        (Backoff(initial=5.0, factor=2.0, max=3.0), [0.0, 3.0, 3.0, 3.0, 3.0]),
        (Backoff(initial=0.0, factor=2.0, max=30.0), [0.0, 0.0, 0.0, 0.0, 0.0]),
        (Backoff(initial=1.0, factor=2.0, max=0.0), [0.0, 0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_delays_grow_by_the_factor_up_to_the_maximum(policy: Backoff, delays: list[float]) -> None:
    assert [delay(policy, attempt, draw=0.5) for attempt in range(1, 6)] == delays


@pytest.mark.parametrize("attempt", [1025, 1026, 1100, 10**9])
def test_a_row_so_long_that_the_power_overflows_waits_the_maximum(attempt: int) -> None:
    assert delay(Backoff(), attempt, draw=0.5) == 30.0


@pytest.mark.parametrize("attempt", [2, 1025, 1100, 10**9])
def test_without_an_initial_delay_there_is_none_however_long_the_row(attempt: int) -> None:
    assert delay(Backoff(initial=0.0), attempt, draw=0.5) == 0.0


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 0.8), (0.25, 0.9), (0.5, 1.0), (0.75, 1.1)])
def test_the_draw_moves_the_delay_within_the_jitter(draw: float, expected: float) -> None:
    assert delay(Backoff(jitter=0.2), 3, draw) == pytest.approx(expected)


def test_the_first_restart_is_immediate_whatever_is_drawn() -> None:
    assert {delay(Backoff(jitter=1.0), 1, draw) for draw in (0.0, 0.3, 0.999)} == {0.0}


@given(attempt=st.integers(1, 5000), jitter=st.floats(0, 1), draw=st.floats(0, 1, exclude_max=True))
def test_no_delay_leaves_the_range_of_the_jitter_round_the_plain_one(attempt: int, jitter: float, draw: float) -> None:
    plain = delay(Backoff(jitter=0.0), attempt, draw)

    waited = delay(Backoff(jitter=jitter), attempt, draw)

    assert plain * (1 - jitter) - 1e-9 <= waited <= plain * (1 + jitter) + 1e-9
    assert 0 <= waited < math.inf
