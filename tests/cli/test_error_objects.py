"""What commands say on standard error, for people and for programs."""

import argparse
import json
from pathlib import Path

import pytest

from trio_supervisor.cli import faults
from trio_supervisor.cli.control_arguments import CONTROL
from trio_supervisor.cli.main import main
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import (
    ChildStartError,
    ConfigError,
    NeededError,
    NoSupervisorError,
    NotKilledError,
    SupervisorError,
    UnknownAgentError,
)

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("error", "form"),
    [
        (UnknownAgentError("there is no agent 'x'"), {"kind": "UnknownAgentError", "exit_code": 4}),
        (NoSupervisorError("nobody"), {"kind": "NoSupervisorError", "exit_code": 3}),
        (ConfigError("a.yaml:1:1: a\na.yaml:2:1: b"), {"kind": "ConfigError", "exit_code": 2}),
        (NotKilledError("x: it runs on"), {"kind": "NotKilledError", "exit_code": 5}),
        (NeededError("db", ["a"]), {"kind": "NeededError", "exit_code": 1, "agent": "db", "users": ["a"]}),
        (
            ChildStartError("x", Exit(How.EXITED, code=3)),
            {"kind": "ChildStartError", "exit_code": 1, "agent": "x"},
        ),
    ],
)
def test_an_error_is_words_for_people_and_an_object_for_programs(
    error: SupervisorError, form: dict[str, object], capsys: Capture
) -> None:
    assert faults.tell(error, argparse.Namespace(json=False)) == form["exit_code"]
    assert capsys.readouterr() == ("", f"{error}\n")
    assert faults.tell(error, argparse.Namespace(json=True)) == form["exit_code"]
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    told = json.loads(line)["error"]
    assert (out, told | form, told["message"]) == ("", told, str(error))


def test_a_warning_is_too(capsys: Capture) -> None:
    faults.warn("the disk is full", argparse.Namespace(json=False))
    faults.warn("the disk is full", argparse.Namespace(json=True))
    assert capsys.readouterr().err == 'warning: the disk is full\n{"warning": {"message": "the disk is full"}}\n'


_WORDS = {"signal": ["a", "HUP"], "scale": ["a", "2"], "send": ["a", "x"], "operation": ["1"], "add": ["a", "--", "x"]}
_NO_AGENT = {"tree", "endpoints", "metrics", "plan", "apply", "reload", "shutdown", "status", "ps", "logs", "events"}


@pytest.mark.parametrize("command", [*CONTROL, "events"])
def test_every_command_with_json_tells_programs_that_nobody_answers(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    words = _WORDS.get(command, [] if command in _NO_AGENT else ["a"])
    place = ["--state-dir", str(tmp_path / "state"), "--json"]
    assert main([command, *place, *words]) == 3
    out, err = capsys.readouterr()
    told = json.loads(err)["error"]
    assert (out, told["exit_code"]) == ("", 3)
    assert told["kind"] in ("NoSupervisorError", "JournalError")


def test_a_wrong_command_line_is_told_to_programs_as_well(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["stop", "a", "--timeout", "soon", "--json"])
    assert caught.value.code == 2
    told = json.loads(capsys.readouterr().err)["error"]
    assert (told["kind"], told["exit_code"]) == ("UsageError", 2)
    assert told["message"].startswith("argument --timeout: 'soon' is no time")
    with pytest.raises(SystemExit) as caught:
        main(["add", "a", "--spec", "x", "--nonsense", "--", "program", "--json"])
    assert caught.value.code == 2
    assert "usage: trio-supervisor add" in capsys.readouterr().err


def test_a_command_that_is_none_is_told_what_was_perhaps_meant(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["stopp", "a"])
    assert caught.value.code == 2
    told = "error: there is no command 'stopp'; did you mean 'stop'? (all: trio-supervisor --help)\n"
    assert capsys.readouterr().err.endswith(told)
