"""Random trees give the trace that the Erlang on this machine gives for them."""

import shutil

import pytest

from tests.otp.generate import Scenario, random_scenario
from tests.otp.oracle import ask
from tests.otp.play import play
from tests.otp.test_scenarios import with_reports

pytestmark = [
    pytest.mark.erlang,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("escript") is None, reason="needs Erlang (Debian: erlang-base)"),
]


def static_scenarios(count: int) -> list[Scenario]:
    """Scenarios that the oracle can play and that are no race in Erlang, without progress reports."""
    scenarios = [random_scenario(seed, kill_supervisors=False) for seed in range(count)]
    static = [each for each in scenarios if "kind" not in each and each.get("strategy") != "simple_one_for_one"]
    return [{key: value for key, value in each.items() if key != "progress"} for each in static]


def test_random_trees_give_the_traces_of_erlang() -> None:
    scenarios = static_scenarios(200)

    for scenario, trace in zip(scenarios, ask(scenarios), strict=True):
        assert with_reports(play(scenario)) == with_reports(trace), scenario
