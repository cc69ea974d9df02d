"""Every recorded scenario gives the trace that Erlang/OTP gave: behaviour first, then with its reports."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.otp.play import Trace, play

ENTRIES = json.loads((Path(__file__).parent / "scenarios.json").read_text())
UPGRADES = [entry for entry in ENTRIES if any(step["op"] == "upgrade" for step in entry["scenario"].get("steps", ()))]
PLAYED = [entry for entry in ENTRIES if entry not in UPGRADES]

View = Callable[[Trace], Trace]


def behaviour(trace: Trace) -> Trace:
    return [event for event in trace if event["ev"] not in ("report", "log", "mark")]


def with_reports(trace: Trace) -> Trace:
    return [event for event in trace if event["ev"] not in ("log", "mark")]


def in_stop_order(trace: Trace, scenario: dict[str, Any]) -> Trace:
    """Children of dynamic supervisors stop in parallel: neighbouring `stopped` events are sorted."""
    if scenario.get("kind") != "dynamic" and scenario.get("strategy") != "simple_one_for_one":
        return trace
    ordered: Trace = []
    run: Trace = []
    for event in trace:
        if event["ev"] == "stopped":
            run.append(event)
        else:
            ordered += [*sorted(run, key=lambda stop: (stop["id"], stop["n"])), event]
            run = []
    return ordered + sorted(run, key=lambda stop: (stop["id"], stop["n"]))


@pytest.mark.parametrize("entry", PLAYED, ids=lambda entry: entry["name"])
def test_the_trace_is_that_of_otp(entry: dict[str, Any]) -> None:
    trace = in_stop_order(play(entry["scenario"]), entry["scenario"])

    assert behaviour(trace) == behaviour(entry["trace"])
    assert with_reports(trace) == with_reports(entry["trace"])


@pytest.mark.parametrize("entry", UPGRADES, ids=lambda entry: entry["name"])
def test_new_specs_at_run_time_are_refused_by_the_player(entry: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        play(entry["scenario"])


def test_all_scenarios_but_two_are_played() -> None:
    assert len(PLAYED) == 138
