"""Any scenario of the schema plays to its end, and twice in the same way."""

import pytest

from tests.otp.generate import random_scenario
from tests.otp.play import play
from tests.otp.test_scenarios import in_stop_order


@pytest.mark.parametrize("seed", range(60))
def test_a_random_scenario_plays_and_always_in_the_same_way(seed: int) -> None:
    scenario = random_scenario(seed, kill_supervisors=False)
    trace = in_stop_order(play(scenario), scenario)

    assert trace[-1]["ev"] in ("final", "supervisor_down")
    assert in_stop_order(play(scenario), scenario) == trace


@pytest.mark.parametrize("seed", range(60))
def test_a_random_scenario_with_killed_supervisors_plays_to_its_end(seed: int) -> None:
    assert play(random_scenario(seed))[-1]["ev"] in ("final", "supervisor_down", "stopped")
