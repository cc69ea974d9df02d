"""How a process is stopped: one signal, steps, presets."""

import math
from signal import Signals

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import (
    CloseStdinStep,
    CommandStep,
    HttpStep,
    ProcessSpec,
    SendStep,
    SignalStep,
    SignalTo,
    Stdin,
    StopStep,
)
from trio_supervisor.spec.presets import PRESETS


def test_steps_of_every_kind_are_taken_as_they_are_written(files: Files) -> None:
    child = files.child("""
agents:
  a:
    command: [x]
    port: auto
    stdin: pipe
    stop:
      - {close_stdin: true, wait: 2s}
      - {send: "quit {id}\\n", wait: 3s}
      - {signal: INT, to: leader, wait: 0}
      - {command: [./bye, "{port}"], wait: infinity}
      - {http: /shutdown, method: PUT, wait: 1m, x-note: [1]}
""")

    assert child.stop == (
        CloseStdinStep(wait=2.0),
        SendStep("quit {id}\n", 3.0),
        SignalStep(Signals.SIGINT, 0.0, SignalTo.LEADER),
        CommandStep(("./bye", "{port}"), math.inf),
        HttpStep("/shutdown", "PUT", 60.0),
    )


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("[]", ()),
        ("[{signal: TERM}]", (SignalStep(),)),
        ("[{http: 'http://localhost:80/bye'}]", (HttpStep("http://localhost:80/bye"),)),
        ("null", None),
    ],
)
def test_a_stop_is_one_signal_or_a_list_of_steps(
    files: Files, stop: str, expected: tuple[StopStep, ...] | None
) -> None:
    assert files.child(f"agents: {{a: {{command: [x], stop: {stop}}}}}").stop == expected


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("stop: TERM", "4:11: stop: must be {signal, grace}, or a list of steps, not 'TERM'"),
        ("stop: [TERM]", "4:12: must be a step such as {signal: TERM, wait: 5s}, not 'TERM'"),
        ("stop: [{}]", "4:12: needs one of signal, close_stdin, send, command, http: what is done?"),
        ("stop: [{wait: 5s}]", "4:12: needs one of signal, close_stdin, send, command, http: what is done?"),
        ("stop: [{signal: TERM, command: [x]}]", "4:27: a step does one thing; 'signal' stands here too"),
        ("stop: [{signal: TERM, method: GET}]", "4:27: 'method' does not go with 'signal'"),
        ("stop: [{signal: TERM, grace: 5s}]", "4:27: 'grace' is 'wait' in a list of steps"),
        ("stop: [{signal: TERM, wiat: 5s}]", "4:27: unknown key 'wiat'; did you mean 'wait'?"),
        ("stop: {signal: TERM, wait: 5s}", "4:26: 'wait' is 'grace' where the stop is no list"),
        ("stop: [{signal: TERM, wait: 5}]", "4:33: wait: a duration needs its unit: write 5s"),
        ("stop: [{signal: TREM}]", "4:21: signal: must be the name of a signal such as TERM, not 'TREM'; did you mean"),
        ("stop: [{signal: TERM, to: all}]", "4:31: to: must be one of group, leader, not 'all'"),
        ("stop: [{command: []}]", "4:22: stop: command must name a program"),
        ("stop: [{command: bye}]", "4:22: command: must be a list, not 'bye'"),
        ("stop: [{http: bye}]", "4:19: stop: http 'bye': must be a path that starts with '/', or a URL"),
        ("stop: [{http: 'http://'}]", "4:19: stop: http 'http://': must be a path that starts with '/', or a URL"),
        ("stop: [{http: 'http://a/', method: 'A B'}]", "4:40: stop: http: 'A B' is not a method"),
        ("stop: [{http: /bye}]", "4:19: 'http' needs the agent's port: write 'port: auto'"),
        ("stop: [{command: [bye, '{port}']}]", "4:28: '{port}' needs the agent's port: write 'port: auto'"),
        ("stop: [{signal: TERM}, {close_stdin: true}]", "4:29: 'close_stdin' needs 'stdin: pipe' or 'stdin: pty'"),
        ("stop: [{send: quit}]", "4:13: 'send' needs 'stdin: pipe' or 'stdin: pty'"),
        (
            "preset: https",
            "4:13: preset: must be one of a2a, acp, agentcore, google-adk, grpc, http, langgraph, litellm, llama.cpp, "
            "mcp-http, mcp-stdio, nginx, openai-compatible, openclaw, opencode, postgres, pty, redis, vllm, "
            "not 'https';",
        ),
    ],
)
def test_what_is_wrong_with_a_stop_has_its_place(files: Files, written: str, mistake: str) -> None:
    (found,) = files.mistakes(f"agents:\n  a:\n    command: [x]\n    {written}\n")
    assert found.startswith(mistake)


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        (
            "stdin: pipe, stop: [{close_stdin: false}]",
            "55: stop: close_stdin must be true; leave the step out otherwise",
        ),
        ("stdin: pipe, stop: [{send: ''}]", "48: stop: send must hold some text"),
        ("stdin: pipe, stop: [{send: 5}]", '48: send: must be text: write "5" in quotes'),
        ("stdin: pip, stop: [{send: x}]", "28: stdin: must be pipe, pty or \"null\", not 'pip'; did you mean 'pipe'?"),
        ("stdin: 'null', stop: [{send: x}]", "44: 'send' needs 'stdin: pipe' or 'stdin: pty'"),
        ("grace: 5s, stop: [{signal: TERM}]", "21: 'grace' does not go with 'stop': write only one of them"),
        (
            "preset: acp, stdin: null",
            "41: stdin: preset 'acp' stops by closing it: write pipe, or a 'stop' of your own",
        ),
        ("preset: acp, stdin: pip", "41: stdin: must be pipe, pty or \"null\", not 'pip'; did you mean 'pipe'?"),
    ],
)
def test_keys_that_do_not_go_together_are_told_once(files: Files, written: str, mistake: str) -> None:
    assert files.mistakes(f"agents:\n  a: {{command: [x], {written}}}\n") == [f"2:{mistake}"]


def test_all_steps_that_need_standard_input_are_told(files: Files) -> None:
    text = """\
agents:
  a:
    command: [x]
    stop:
      - {send: quit}
      - {close_stdin: true}
"""
    assert files.mistakes(text) == [
        "5:10: 'send' needs 'stdin: pipe' or 'stdin: pty'",
        "6:10: 'close_stdin' needs 'stdin: pipe' or 'stdin: pty'",
    ]


def test_a_task_takes_no_step_that_needs_a_process(files: Files) -> None:
    text = """\
agents:
  a:
    task: "m:f"
    stop:
      - {send: quit}
      - {command: [x]}
      - {http: /bye}
      - {signal: TERM}
"""
    assert files.mistakes(text) == [
        "5:10: 'send' is for processes; it does not go with 'task'",
        "6:10: 'command' is for processes; it does not go with 'task'",
        "7:16: 'http' needs the agent's port: a task has none",
    ]


def test_a_task_may_be_cancelled_in_steps(files: Files) -> None:
    child = files.child("agents: {a: {task: 'm:f', stop: [{http: 'http://a/b'}, {signal: TERM, wait: 1s}]}}")
    assert child.stop == (HttpStep("http://a/b"), SignalStep(wait=1.0))


def test_a_supervisor_is_told_only_how_long_it_may_take(files: Files) -> None:
    text = "agents: {t: {agents: {a: {command: [x]}}, stop: [{signal: TERM}]}}"
    assert files.mistakes(text) == ["1:49: stop: must be a mapping, not a list"]


# Presets


def _of(files: Files, text: str) -> tuple[tuple[StopStep, ...] | None, Stdin]:
    child = files.child(text)
    assert isinstance(child.run, ProcessSpec)
    return child.stop, child.run.stdin


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_is_not_written(files: Files, name: str) -> None:
    expected = (PRESETS[name].stop, PRESETS[name].stdin)
    port = "port: auto" if PRESETS[name].readiness else "port: null"
    assert _of(files, f"agents: {{a: {{command: [x], {port}, preset: {name}}}}}") == expected
    assert _of(files, f"defaults: {{preset: {name}}}\nagents: {{a: {{command: [x], {port}, stop: null}}}}") == expected


@pytest.mark.parametrize(
    ("agent", "stop", "stdin"),
    [
        ("preset: acp, stop: {grace: 1s}", (SignalStep(wait=1.0),), Stdin.PIPE),
        ("preset: acp, grace: kill", (), Stdin.PIPE),
        ("preset: acp, stdin: pipe", PRESETS["acp"].stop, Stdin.PIPE),
        ("preset: acp, stdin: 'null', grace: 1s", (SignalStep(wait=1.0),), Stdin.NULL),
        ("preset: acp, stdin: null, grace: 1s", (SignalStep(wait=1.0),), Stdin.NULL),
        ("preset: http, stdin: pipe", PRESETS["http"].stop, Stdin.PIPE),
        ("preset: null", None, Stdin.NULL),
    ],
)
def test_what_is_written_wins_over_the_preset(
    files: Files, agent: str, stop: tuple[StopStep, ...] | None, stdin: Stdin
) -> None:
    assert _of(files, f"agents: {{a: {{command: [x], {agent}}}}}") == (stop, stdin)


def test_defaults_win_over_the_preset_too_wherever_that_stands(files: Files) -> None:
    children = files.children("""
defaults: {command: [x], stop: {grace: 3s}}
agents:
  a: {preset: acp}
  b: {preset: acp, stop: null}
""")

    assert children["a"].stop == (SignalStep(wait=3.0),)
    assert children["b"].stop == PRESETS["acp"].stop


def test_a_preset_in_defaults_is_for_processes_only(files: Files) -> None:
    children = files.children("defaults: {preset: acp}\nagents: {a: {task: 'm:f'}, b: {command: [x]}}")
    assert (children["a"].stop, children["b"].stop) == (None, PRESETS["acp"].stop)


# Defaults


def test_a_list_of_steps_replaces_and_is_replaced(files: Files) -> None:
    children = files.children("""
defaults: {command: [x], stop: [{signal: INT, wait: 1s}, {signal: TERM, wait: 2s}]}
agents:
  same:
  list: {stop: [{signal: HUP, wait: 3s}]}
  short: {stop: {grace: 4s}}
  grace: {grace: 5s}
""")

    assert [child.stop for child in children.values()] == [
        (SignalStep(Signals.SIGINT, 1.0), SignalStep(Signals.SIGTERM, 2.0)),
        (SignalStep(Signals.SIGHUP, 3.0),),
        (SignalStep(wait=4.0),),
        (SignalStep(wait=5.0),),
    ]


@pytest.mark.parametrize("step", ["{close_stdin: true}", "{send: x}", "{command: [x]}", "{http: /bye}"])
def test_steps_for_processes_in_defaults_leave_tasks_alone(files: Files, step: str) -> None:
    children = files.children(
        f"defaults: {{stdin: pipe, port: auto, stop: [{step}, {{signal: INT}}]}}\n"
        "agents: {a: {task: 'm:f'}, b: {command: [x]}}"
    )
    assert children["a"].stop is None
    assert len(children["b"].stop or ()) == 2


def test_signals_in_defaults_are_for_tasks_too(files: Files) -> None:
    stop = files.child("defaults: {stop: [{signal: INT, wait: 1s}]}\nagents: {a: {task: 'm:f'}}").stop
    assert stop == (SignalStep(Signals.SIGINT, 1.0),)


def test_a_step_in_defaults_that_an_agent_can_not_take_names_the_agent(files: Files) -> None:
    text = "defaults: {command: [x], stop: [{send: quit}]}\nagents: {a: {stdin: pipe}, b: }\n"
    assert files.mistakes(text) == ["1:34: 'send' needs 'stdin: pipe' or 'stdin: pty' (agent 'b')"]
