"""What is allowed but hardly meant is said, in one line with its place."""

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import ProcessSpec


@pytest.mark.parametrize(
    ("written", "warning"),
    [
        ("health: {tcp: 1, period: 9s, timeout: 10s}", "4:43: health: timeout 10s is longer than the period 9s"),
        (
            "health: {tcp: 1, period: 2s}",
            "4:30: health without startup or readiness: an agent that needs more than 6s to start is restarted before "
            "it is up; write a startup probe",
        ),
        (
            "health: {tcp: 1, initial_delay: 1s, failures: 1}",
            "4:37: health without startup or readiness: an agent that needs more than 1s to start is restarted before "
            "it is up; write a startup probe",
        ),
        (
            "startup: {tcp: 1, initial_delay: 1m}",
            "4:38: startup: initial_delay 1m is not shorter than the deadline 1m: it is never asked",
        ),
        (
            "startup: {tcp: 1, deadline: 2s}",
            "4:33: startup: deadline 2s is shorter than the timeout 5s of one answer",
        ),
        (
            "readiness: {log: up, failures: 2}",
            "4:36: readiness: failures does not count with 'log': the agent says it by itself, when it likes",
        ),
        (
            "health: {notify: true, timeout: 2s}",
            "4:37: health: timeout does not count with 'notify': the agent says it by itself, when it likes",
        ),
        (
            "health: {file: x}",
            "4:20: health: a file that is there stays there: write max_age for a heartbeat",
        ),
        (
            "health: {file: x, max_age: 10s}",
            "4:32: health: max_age 10s is shorter than the period 30s of the looks",
        ),
        ("health: {log: up}", "4:19: health: without 'fail' no line can ever make the agent unhealthy"),
        ("readiness: {tcp: 1, timeout: 6s}", "4:34: readiness: timeout 6s is longer than the period 5s"),
        (
            "readiness: {tcp: 1, deadline: 2s}",
            "4:35: readiness: deadline 2s is shorter than the timeout 5s of one answer",
        ),
        ("backoff: {initial: 1m}", "4:24: backoff: initial 1m is longer than max 30s, which wins"),
        ("backoff: {max: 100ms}", "4:20: backoff: initial 500ms is longer than max 100ms, which wins"),
        ("window: {rows: 50}", "4:13: window: there is no terminal: write stdin: pty"),
        ("stop: {grace: 31s}", "4:19: stop: grace 31s is longer than stop_deadline 30s, which wins"),
        (
            "stop: [{signal: INT, wait: 20s}, {signal: TERM, wait: 11s}]",
            "4:11: stop: in all 31s is longer than stop_deadline 30s, which wins",
        ),
    ],
)
def test_values_that_contradict_each_other_are_warned_of(files: Files, written: str, warning: str) -> None:
    loaded = files.load(f"agents:\n  a:\n    command: [x]\n    {written}\n")
    assert loaded.warnings == (f"{files.directory}/main.yaml:{warning}",)


@pytest.mark.parametrize(
    "written",
    [
        "health: {tcp: 1, period: 5s}",
        "readiness: {tcp: 1, period: 2s}",
        "health: {notify: true, period: 2s, failures: 1}",
        "startup: {notify: true, deadline: 2s}",
        "health: {log: null, fail: x}",
        "stop: {grace: 30s}",
    ],
)
def test_a_default_that_nobody_wrote_is_not_warned_of(files: Files, written: str) -> None:
    assert files.load(f"agents:\n  a:\n    command: [x]\n    {written}\n").warnings == ()


def test_a_deadline_of_readiness_beside_startup_is_warned_of(files: Files) -> None:
    text = "agents: {a: {command: [x], startup: {tcp: 1}, readiness: {tcp: 1, deadline: 9s}, start_timeout: 3s}}"
    assert [warning.partition("main.yaml:")[2] for warning in files.load(text).warnings] == [
        "1:77: readiness: deadline does not count beside startup, whose deadline does",
        "1:97: start_timeout does not count beside a startup probe, whose deadline of 1m does",
    ]


def test_health_that_waits_for_the_start_may_be_hasty(files: Files) -> None:
    for waits in ("startup", "readiness"):
        text = f"agents: {{a: {{command: [x], {waits}: {{tcp: 1}}, health: {{tcp: 1, period: 1s}}}}}}"
        assert files.load(text).warnings == ()


def test_a_short_stop_deadline_is_warned_of_once(files: Files) -> None:
    loaded = files.load("supervisor: {stop_deadline: 5s}\nagents: {a: {command: [x]}, b: {command: [x]}}\n")
    (warning,) = loaded.warnings
    assert warning.endswith(":1:29: stop: grace 10s is longer than stop_deadline 5s, which wins (agents 'a', 'b')")


def test_agents_that_do_not_run_are_not_warned_of(files: Files) -> None:
    text = "agents: {a: {command: [x], enabled: false, stop: {grace: 1h}}, b: {command: [x]}}"
    assert files.load(text).warnings == ()
    assert len(files.load(text, ["a"]).warnings) == 1


@pytest.mark.parametrize(
    ("written", "warning"),
    [
        ("grace: infinity", "4:12: grace infinity is longer than stop_deadline 30s, which wins"),
        ("grace: 31s", "4:12: grace 31s is longer than stop_deadline 30s, which wins"),
        (
            "start_timeout: 5s",
            "4:20: start_timeout does not count beside a readiness probe, whose deadline of 1m does",
        ),
    ],
)
def test_keys_that_win_over_each_other_are_warned_of(files: Files, written: str, warning: str) -> None:
    loaded = files.load(f"agents:\n  a:\n    command: [x]\n    {written}\n    readiness: {{tcp: 1}}\n")
    assert loaded.warnings == (f"{files.directory}/main.yaml:{warning}",)


@pytest.mark.parametrize(
    "text",
    [
        "supervisor: {profile: otp}\nagents: {a: {command: [x], grace: 1h}}",
        "supervisor: {profile: otp, stop_deadline: 5s}\nagents: {a: {command: [x]}}",
        "supervisor: {stop_deadline: 1s}\nagents: {t: {agents: {a: {command: [x]}}}}",
        "agents: {a: {command: [x], grace: kill}}",
        "defaults: {start_timeout: 5s}\nagents: {a: {command: [x], readiness: {tcp: 1}}}",
        "agents: {a: {command: [x], readiness: {tcp: 1}, start_timeout: infinity}}",
        "agents: {a: {command: [x], backoff: null}}",
        "supervisor: {auto_shutdown: any_significant}\n"
        "agents: {a: {command: [x], significant: true, restart: transient, enabled: false}, b: {command: [x]}}",
    ],
)
def test_what_is_meant_is_not_warned_of(files: Files, text: str) -> None:
    assert files.load(text).warnings == ()


def test_each_supervisor_has_its_own_deadline(files: Files) -> None:
    text = """
supervisor: {stop_deadline: 1m}
agents:
  t:
    supervisor: {stop_deadline: 3s}
    agents: {a: {command: [x]}}
    grace: 2m
"""
    assert [warning.partition("main.yaml:")[2] for warning in files.load(text).warnings] == [
        "7:12: grace 2m is longer than stop_deadline 1m, which wins",
        "5:33: stop: grace 10s is longer than stop_deadline 3s, which wins (agent 't/a')",
    ]


def test_an_automatic_shutdown_without_anybody_significant_is_warned_of(files: Files) -> None:
    text = """
supervisor: {auto_shutdown: any_significant}
agents:
  a: {command: [x]}
  t: {supervisor: {auto_shutdown: all_significant}, agents: {a: {command: [x]}}}
"""
    assert [warning.partition("main.yaml:")[2] for warning in files.load(text).warnings] == [
        "2:29: auto_shutdown any_significant never comes: no agent of this supervisor is significant",
        "5:35: auto_shutdown all_significant never comes: no agent of this supervisor is significant",
    ]


def test_a_preset_that_takes_longer_than_the_deadline_is_warned_of(files: Files) -> None:
    text = "supervisor: {stop_deadline: 6s}\nagents: {a: {command: [x], preset: acp}}\n"
    assert [warning.partition("main.yaml:")[2] for warning in files.load(text).warnings] == [
        "2:36: preset: in all 7s is longer than stop_deadline 6s, which wins"
    ]


def test_variables_that_only_the_supervisor_sets_are_warned_of_where_they_stand(files: Files) -> None:
    files.write("all.env", "LISTEN_FDS=1\nGOOD=1\n")
    files.write("own.env", "AGENT_PORT=1\n")

    loaded = files.load("""
env_file: all.env
agents:
  a:
    command: [x]
    env_file: [own.env, {path: missing.env, required: false}]
    inherit_env: [PATH, NOTIFY_SOCKET, "AGENT_*"]
    env:
      AGENT: fine
      WATCHDOG_USEC: "1"
  b: {command: [x], enabled: false, env: {AGENT_ID: b}}
""")

    only = "is ignored for agents: only the supervisor sets it"
    assert [warning.replace(f"{files.directory}/", "") for warning in loaded.warnings] == [
        f"main.yaml:2:11: all.env: 'LISTEN_FDS' {only}",
        f"main.yaml:10:7: env: 'WATCHDOG_USEC' {only}",
        f"main.yaml:7:25: inherit_env: 'NOTIFY_SOCKET' {only}",
        f"main.yaml:7:40: inherit_env: 'AGENT_*' {only}",
        f"main.yaml:6:16: own.env: 'AGENT_PORT' {only}",
    ]
    run = loaded.spec.children[0].run
    assert isinstance(run, ProcessSpec)
    assert run.env.keys() == {"LISTEN_FDS", "GOOD", "AGENT_PORT", "AGENT", "WATCHDOG_USEC"}


def test_a_refused_variable_in_defaults_names_the_agents(files: Files) -> None:
    text = "defaults: {env: {LISTEN_PID: '1'}}\nagents: {a: {command: [x]}, b: {command: [x]}, c: {task: 'm:f'}}"
    (warning,) = files.load(text).warnings
    assert warning.endswith(
        ":1:18: env: 'LISTEN_PID' is ignored for agents: only the supervisor sets it (agents 'a', 'b')"
    )
