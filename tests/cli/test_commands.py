"""The commands that do not supervise: `check`, `init`, `schema`, `completion`, `--version`."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from trio_supervisor.cli.main import main


def test_check_says_that_a_file_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "supervisor.yaml"
    file.write_text("agents: {a: {command: [x]}, b: {command: [x], enabled: false}}\n")

    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok, 1 agent, 1 disabled\n"


def test_check_explains_what_decides_about_restarts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "supervisor.yaml"
    file.write_text(
        """
accounts: {team: {budget: {usd: 50/day}, quota: 'limit reached'}}
agents:
  a:
    command: [x]
    limits: {memory: 1G, lifetime: 24h, drain: 30s}
    budget: {usd: 5/h, silent_after: infinity, then: pause}
    account: team
  t:
    supervisor: {profile: otp}
    agents: {b: {command: [x], restart: transient, backoff: {initial: 1s}, startup_crashes: 3}}
"""
    )

    assert main(["check", str(file), "--explain"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for expected in (
        "accounts: {team: {budget: {usd: 50/day}, quota: limit reached}} # line 2",
        "restart: permanent # default",
        "intensity: {restarts: 5, within: 1m} # profile fleet",
        "at_limit: hold # profile fleet",
        "backoff: {initial: 500ms, factor: 2, max: 30s, jitter: 0.2, reset_after: 1m} # profile fleet",
        "exit_codes: {success: [0], restart: [75], hold: [78]} # profile fleet",
        "startup_crashes: 5 # profile fleet",
        "limits: memory: 1G # line 6 lifetime: 24h # line 6 drain: 30s # line 6",
        "silent_after: infinity # line 7 then: pause # line 7",
        "account: team # line 8",
        "restart: transient # line 11",
        "intensity: {restarts: 1, within: 5s} # profile otp",
        "backoff: initial: 1s # line 11 factor: 2 # default",
        "exit_codes: {success: [0]} # profile otp",
        "startup_crashes: 3 # line 11",
        "same_exits: 0 # profile otp",
    ):
        assert expected in out


def test_check_reports_every_mistake_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "supervisor.yaml"
    file.write_text("agents:\n  a: {comand: [x]}\n  b: {command: [x], restart: sometimes}\n")

    assert main(["check", str(file)]) == 2
    report = capsys.readouterr().err
    assert f"{file}:2:7: " in report
    assert "did you mean 'command'?" in report
    assert f"{file}:3:30: " in report


def test_init_writes_a_file_that_is_right_and_never_overwrites_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "supervisor.yaml"

    assert main(["init", str(file)]) == 0
    assert main(["check", str(file)]) == 0
    file.write_text("mine")
    assert main(["init", str(file)]) == 2
    assert file.read_text() == "mine"
    assert "--force overwrites it" in capsys.readouterr().err
    assert main(["init", "--force", str(file)]) == 0
    assert file.read_text() != "mine"


def test_init_into_a_directory_that_is_not_there_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "no" / "file.yaml")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["agents"]


def in_shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run by bash; `$ts` is the program."""
    environment = {**os.environ, "ts": f"{sys.executable} -m trio_supervisor"}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)


def test_who_has_read_enough_is_not_told_of_it() -> None:
    done = in_shell("{ read -r; $ts schema; echo $? >&2; } < <(sleep 0.2; echo) | true")

    assert done.stderr == "141\n"


def test_a_full_disk_is_named() -> None:
    done = in_shell("$ts schema > /dev/full")

    assert done.returncode == 1
    assert done.stderr == "standard output can't be written: No space left on device\n"


def test_standard_output_may_be_closed() -> None:
    done = in_shell("$ts schema >&-")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert not caught.value.code
    assert capsys.readouterr().out.startswith("trio-supervisor 0.")


def test_a_word_that_is_no_command_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2
    assert "there is no command 'fly'" in capsys.readouterr().err


def complete_in_bash(script: str, *words: str) -> list[str]:
    line = " ".join(f"'{word}'" for word in words)
    state = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}"
    program = f"{script}\n{state}; _trio_supervisor; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_options_shells_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    (tmp_path / "agents.yaml").touch()

    assert complete_in_bash(script, "trio-supervisor", "ch") == ["check"]
    assert "--exit-code-from" in complete_in_bash(script, "trio-supervisor", "run", "--")
    assert complete_in_bash(script, "trio-supervisor", "completion", "f") == ["fish"]
    assert complete_in_bash(script, "trio-supervisor", "run", f"{tmp_path}/ag") == [f"{tmp_path}/agents.yaml"]


def test_bash_completes_the_names_of_agents_that_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = f"{capsys.readouterr().out}\n{NAMES}"

    assert complete_in_bash(script, "trio-supervisor", "restart", "w") == ["web"]
    assert complete_in_bash(script, "trio-supervisor", "logs", "web", "te") == ["team/coder"]
    assert "--grep" in complete_in_bash(script, "trio-supervisor", "logs", "--")
    assert complete_in_bash(script, "trio-supervisor", "shutdown", "w") == []
    assert complete_in_bash(script, "trio-supervisor", "stop", "--file", "x.yaml", "--no-wait", "b") == ["b-of-x"]
    assert complete_in_bash(script, "trio-supervisor", "up", "--log-format", "json", "y.yaml", "c") == ["c-of-y"]
    assert complete_in_bash(script, "trio-supervisor", "wait", "web", "--for", "") == ["ready", "stopped"]
    assert complete_in_bash(script, "trio-supervisor", "na") == [], "what is for scripts only"


NAMES = r"""
trio-supervisor() {
  case "$*" in
    names) printf 'web\nteam/coder\n' ;;
    'names --file x.yaml') echo b-of-x ;;
    'names --of-file --file y.yaml') echo c-of-y ;;
  esac
}
"""


def test_names_are_those_that_run_or_of_the_file_or_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIO_SUPERVISOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("trio_supervisor.cli.names.PATIENCE", 0.0)
    file = tmp_path / "supervisor.yaml"
    file.write_text("agents: {a: {command: [x]}, t: {agents: {b: {command: [x]}}}}\n")
    assert main(["names", "--file", str(file)]) == 0
    assert capsys.readouterr() == ("a\nt/b\n", "")

    file.write_text("agents: {a: {comand: [x]}}\n")
    assert main(["names", "--file", str(file)]) == 0
    assert main(["names", "--file", str(tmp_path / "none.yaml")]) == 0
    assert main(["names", "--socket", str(tmp_path / "none.sock")]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_names_do_not_wait_for_a_supervisor_that_hangs(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(f"{tmp_path}/hangs.sock")
        hangs.listen()
        command = [sys.executable, "-m", "trio_supervisor", "names", "--socket", f"{tmp_path}/hangs.sock"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 0
    script = capsys.readouterr().out
    names = r"""
function trio-supervisor
    switch "$argv"
        case names
            printf 'web\nteam/coder\n'
        case 'names --file x.yaml'
            echo b-of-x
        case 'names --of-file --file y.yaml'
            echo c-of-y
    end
end
"""

    def complete(line: str) -> list[str]:
        program = f'{script}\n{names}\ncomplete -C "trio-supervisor {line}"'
        found = subprocess.run(["fish", "--no-config", "-c", program], capture_output=True, text=True, check=True)
        return [one.split("\t")[0] for one in found.stdout.splitlines()]

    assert complete("restart we") == ["web"]
    assert complete("stop --file x.yaml b-") == ["b-of-x"]
    assert complete("up --log-format json y.yaml c-") == ["c-of-y"]
    assert set(complete("wait web --for ")) >= {"ready", "stopped"}


@pytest.mark.parametrize("shell", ["fish", "zsh"])
def test_the_other_scripts_name_every_command_and_option_and_are_read_by_their_shell(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out

    words = "run check init schema stay exit-code-from log-format state-dir force restart names"
    assert all(word in script for word in words.split())
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=20)


def test_check_tells_of_engines_that_do_not_answer_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, engine = tmp_path / "supervisor.yaml", f"unix://{tmp_path}/engine.sock"
    file.write_text(f"""
agents:
  a: {{container: {{image: x, engine: "{engine}"}}}}
  team: {{supervisor: {{}}, agents: {{b: {{container: {{image: x, engine: "{engine}"}}}}}}}}
  far: {{container: {{image: x, engine: "tcp://engine.example:2375"}}}}
""")

    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().err == (
        f"{file}: a, team/b: would wait for a container engine now: {engine}: no engine answers: No such file or "
        "directory; start that engine, or correct `container: {engine: ...}`\n"
    )
