"""What is allowed but hardly meant is said, in one line with its place."""

import pytest

from tests.config.config_files import Files


@pytest.mark.parametrize(
    ("written", "warning"),
    [
        ("health: {tcp: 1, period: 2s, timeout: 3s}", "4:43: health: timeout 3s is longer than the period 2s"),
        ("readiness: {tcp: 1, timeout: 6s}", "4:34: readiness: timeout 6s is longer than the period 5s"),
        (
            "readiness: {tcp: 1, deadline: 2s}",
            "4:35: readiness: deadline 2s is shorter than the timeout 5s of one answer",
        ),
        ("backoff: {initial: 1m}", "4:24: backoff: initial 1m is longer than max 30s, which wins"),
        ("backoff: {max: 100ms}", "4:20: backoff: initial 500ms is longer than max 100ms, which wins"),
        ("stop: {grace: 31s}", "4:19: stop: grace 31s is longer than stop_deadline 30s, which wins"),
    ],
)
def test_values_that_contradict_each_other_are_warned_of(files: Files, written: str, warning: str) -> None:
    loaded = files.load(f"agents:\n  a:\n    command: [x]\n    {written}\n")
    assert loaded.warnings == (f"{files.directory}/main.yaml:{warning}",)


@pytest.mark.parametrize(
    "written", ["health: {tcp: 1, period: 2s}", "health: {tcp: 1, period: 5s, timeout: 5s}", "stop: {grace: 30s}"]
)
def test_a_default_that_nobody_wrote_is_not_warned_of(files: Files, written: str) -> None:
    assert files.load(f"agents:\n  a:\n    command: [x]\n    {written}\n").warnings == ()


def test_a_short_stop_deadline_is_warned_of_once(files: Files) -> None:
    loaded = files.load("supervisor: {stop_deadline: 5s}\nagents: {a: {command: [x]}, b: {command: [x]}}\n")
    (warning,) = loaded.warnings
    assert warning.endswith(":1:29: stop: grace 10s is longer than stop_deadline 5s, which wins (agents 'a', 'b')")


def test_agents_that_do_not_run_are_not_warned_of(files: Files) -> None:
    text = "agents: {a: {command: [x], enabled: false, stop: {grace: 1h}}, b: {command: [x]}}"
    assert files.load(text).warnings == ()
    assert len(files.load(text, ["a"]).warnings) == 1
