"""Hooks as they are written in a file."""

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import (
    CallHook,
    CommandHook,
    Hooks,
    SecretCommand,
    SecretEnv,
    SecretFile,
    SecretHeader,
    SupervisorSpec,
    WebHook,
)


def hooks(files: Files, text: str) -> Hooks | None:
    return files.child(f"agents:\n  a:\n    command: [x]\n    hooks: {text}\n").hooks


def mistakes(files: Files, text: str) -> list[str]:
    return files.mistakes(f"agents:\n  a:\n    command: [x]\n    hooks: {text}\n")


def test_a_command_runs_where_the_file_is(files: Files) -> None:
    cwd = str(files.directory)

    assert hooks(files, "{on_failed: {command: [./alert]}}") == Hooks(on_failed=CommandHook(("./alert",), cwd=cwd))
    assert hooks(files, "{on_ready: {command: [x], timeout: 5s, secrets: {T: {env: U}}}, settle: 0}") == Hooks(
        on_ready=CommandHook(("x",), 5.0, {"T": SecretEnv("U")}, cwd), settle=0.0
    )


def test_a_webhook_and_its_headers_may_be_secrets(files: Files) -> None:
    text = "{on_gave_up: {url: {command: [pass, hook]}, headers: {A: b, C: {env: T, prefix: 'Bearer '}}, retry: 0}}"

    assert hooks(files, text) == Hooks(
        on_gave_up=WebHook(
            SecretCommand(("pass", "hook")), {"A": "b", "C": SecretHeader(SecretEnv("T"), "Bearer ")}, retry=0
        )
    )
    assert hooks(files, "{on_stopped: {url: {file: u}}}") == Hooks(
        on_stopped=WebHook(SecretFile(str(files.directory / "u")))
    )


def test_there_may_be_several_for_one_edge(files: Files) -> None:
    found = hooks(files, "{on_recovered: [{call: 'm:f', timeout: 1s}, {url: 'https://x.example/y'}]}")

    path = str(files.directory)
    assert found == Hooks(on_recovered=(CallHook("m:f", 1.0, path), WebHook("https://x.example/y")))


def test_those_of_an_agent_take_the_place_of_the_defaults_one_by_one(files: Files) -> None:
    text = """
defaults: {hooks: {on_failed: {command: [x]}, on_ready: {command: [y]}, settle: 5s}}
agents:
  a: {command: [a], hooks: {on_failed: {url: "http://x/"}}}
  b: {command: [b], hooks: {on_ready: null}}
  c: {command: [c]}
  d: {supervisor: {}, agents: {e: {command: [e], hooks: null}}}
"""
    found = files.children(text)

    failed, ready = (CommandHook((name,), cwd=str(files.directory)) for name in "xy")
    assert found["a"].hooks == Hooks(on_failed=WebHook("http://x/"), on_ready=ready, settle=5.0)
    assert found["b"].hooks == Hooks(on_failed=failed, settle=5.0)
    assert found["c"].hooks == Hooks(on_failed=failed, on_ready=ready, settle=5.0)
    assert found["d"].hooks is None
    inner = found["d"].run
    assert isinstance(inner, SupervisorSpec)
    assert inner.children[0].hooks is None


def test_a_supervisor_has_hooks_too(files: Files) -> None:
    child = files.child("agents: {t: {hooks: {on_failed: {command: [x]}}, agents: {a: {command: [a]}}}}")

    assert child.hooks == Hooks(on_failed=CommandHook(("x",), cwd=str(files.directory)))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("{on_failed: ./alert}", "4:24: on_failed: must be a hook such as"),
        ("{on_fail: {command: [x]}}", "4:13: unknown key 'on_fail'"),
        ("{on_failed: {}}", "4:24: on_failed: needs one of command, url, call: what is called?"),
        ("{on_failed: {command: [x], url: 'http://x/'}}", "4:39: a hook does one thing; 'command' stands here too"),
        ("{on_failed: {command: x}}", "4:34: command: must be a list"),
        ("{on_failed: {command: []}}", "4:34: command must name a program"),
        ("{on_failed: {command: [x], retry: 3}}", "4:39: 'retry' does not go with 'command'"),
        ("{on_failed: {url: /x}}", "4:30: url '/x': must be a URL of http:// or https://"),
        ("{on_failed: {url: 'ftp://x/'}}", "4:30: url 'ftp://x/': must be a URL of http:// or https://"),
        ("{on_failed: {url: 'http://x/', retry: -1}}", "4:50: retry must be within 0 to 20, not -1"),
        ("{on_failed: {url: 'http://x/', headers: {'a b': c}}}", "4:52: hook: headers: 'a b' is not the name"),
        ("{on_failed: {url: {env: ''}}}", "4:36: secrets: env '' can't be the name of a variable"),
        ("{on_failed: {call: f}}", "4:31: call: must be package.module:function"),
        ("{on_failed: {call: 'm:f', timeout: 0}}", "4:47: timeout must be > 0 seconds and finite"),
        ("{on_failed: {command: [x], timeout: 5}}", "4:48: timeout: a duration needs its unit: write 5s"),
        (
            "{on_failed: {command: [x], secrets: {AGENT_ID: {env: X}}}}",
            "4:49: 'AGENT_ID' can't be a secret: only the supervisor sets it",
        ),
        ("{settle: infinity}", "4:21: settle: 'infinity' is no duration"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(files: Files, text: str, mistake: str) -> None:
    (found,) = mistakes(files, text)

    assert found.startswith(mistake)


def test_all_mistakes_of_several_hooks_are_told(files: Files) -> None:
    assert len(mistakes(files, "{on_failed: [{command: []}, {url: x}], on_ready: {call: 1}}")) == 3
