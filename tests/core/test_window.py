"""Restart intensity: what still counts."""

import pytest

from trio_supervisor.core.policy import Intensity
from trio_supervisor.core.window import Window


def admitted(intensity: Intensity, times: list[float]) -> list[bool]:
    window = Window(intensity)
    verdicts = []
    for time in times:
        verdicts.append(window.has_room(time))
        if verdicts[-1]:
            window.add(time)
    return verdicts


@pytest.mark.parametrize(
    ("restarts", "times", "expected"),
    [
        pytest.param(0, [0.0], [False], id="intensity 0: not even the first"),
        pytest.param(0, [0.0, 1000.0], [False, False], id="intensity 0: never"),
        pytest.param(1, [0.0, 5.0], [True, False], id="a restart exactly `within` ago still counts"),
        pytest.param(1, [0.0, 5.0000001], [True, True], id="and just over `within` ago it does not"),
        pytest.param(2, [0.0, 0.0, 0.0], [True, True, False], id="all at once"),
        pytest.param(2, [0.0, 4.0, 6.0, 8.0], [True, True, True, False], id="it slides: no buckets"),
        pytest.param(1, [0.0, 3.0, 5.5], [True, False, True], id="what is not admitted does not count"),
        pytest.param(
            3, [0.0, 1.0, 2.0, 3.0, 5.5, 6.5], [True, True, True, False, True, True], id="one drops out at a time"
        ),
    ],
)
def test_at_most_so_many_restarts_are_admitted_in_any_window(
    restarts: int, times: list[float], expected: list[bool]
) -> None:
    assert admitted(Intensity(restarts, within=5.0), times) == expected


def test_an_endless_window_never_forgets() -> None:
    assert admitted(Intensity(2, within=float("inf")), [0.0, 1e6, 1e9]) == [True, True, False]
