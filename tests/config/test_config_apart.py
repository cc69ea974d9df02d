"""A file that is read in a process of its own gives the same as one that is read here."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trio_supervisor.config import apart
from trio_supervisor.config.load import load
from trio_supervisor.errors import ConfigError, UnknownAgentError

EVERYTHING = """
supervisor: {strategy: rest_for_one, intensity: {restarts: 3, within: 10s}}
agents:
  a:
    command: [a, "{port}"]
    port: 20000-20009
    stdin: pipe
    env: {MODEL: "${HOME}"}
    secrets: {KEY: {env: PASSWORD}}
    readiness: {http: /ready, headers: {x: y}}
    stop: [{close_stdin: true, wait: 1s}, {signal: TERM, wait: 2s}]
    limits: {rlimits: {nofile: 100}}
    depends_on: {b: ready}
  b: {command: [b], backoff: {initial: 0}, timeout_of_nobody: 1}
  poll: {task: "json:loads"}
  team: {supervisor: {strategy: one_for_all}, agents: {c: {command: [c], replicas: 2}}}
"""
GOOD = EVERYTHING.replace(", timeout_of_nobody: 1", "")

IN_A_PROGRAM = """
import sys
from trio_supervisor.config import apart
loaded = apart.begin(sys.argv[1], sys.argv[2:])()
print(len(loaded.spec.children), sorted(set(sys.modules) & {"yaml", "cattrs", "trio_supervisor.config.load"}))
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program of one thread, whatever the test runner has."""
    monkeypatch.setattr(apart, "_can_fork", lambda: True)


@pytest.mark.usefixtures("alone")
def test_what_is_read_is_equal_to_what_is_read_here(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(GOOD)

    assert apart.begin(file)() == load(file, environ=os.environ)
    assert apart.begin(file, ["team/c"])() == load(file, environ=os.environ, only=["team/c"])


@pytest.mark.usefixtures("alone")
def test_the_mistakes_are_told_as_here(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(EVERYTHING)
    with pytest.raises(ConfigError) as here:
        load(file, environ=os.environ)

    with pytest.raises(ConfigError, match=re.escape(str(here.value))):
        apart.begin(file)()
    file.write_text(GOOD)
    with pytest.raises(UnknownAgentError, match="nobody"):
        apart.begin(file, ["nobody"])()


@pytest.mark.usefixtures("alone")
def test_a_reader_ends_when_nobody_is_left_to_be_told(tmp_path: Path) -> None:
    file = tmp_path / "supervisor.yaml"
    # More than a pipe holds.
    agents = "".join(f"  a{number}: {{command: [sleep, '600']}}\n" for number in range(2000))
    file.write_text(f"agents:\n{agents}")
    program = f"import os; from trio_supervisor.config.apart import begin; begin({str(file)!r}); os._exit(0)"

    # It holds the standard output as long as it lives.
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, b"")


def test_a_reader_that_dies_is_replaced_by_a_reading_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(GOOD)
    monkeypatch.setattr(apart, "_packed", lambda read: os.kill(os.getpid(), signal.SIGKILL))

    assert apart.begin(file)() == load(file, environ=os.environ)


@pytest.mark.usefixtures("alone")
def test_a_fault_in_the_reader_comes_out_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("trio_supervisor.config.load.load", fail)

    with pytest.raises(RuntimeError, match="a fault"):
        apart.begin(tmp_path / "s.yaml")()


def test_without_room_for_a_process_it_is_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise BlockingIOError(11, "no processes")

    file = tmp_path / "s.yaml"
    file.write_text(GOOD)
    monkeypatch.setattr(apart, "_can_fork", lambda: True)
    monkeypatch.setattr(os, "fork", fail)
    before = os.listdir("/proc/self/fd")

    assert apart.begin(file)() == load(file, environ=os.environ)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_nothing_that_reads_files_is_loaded_here(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(GOOD)

    done = subprocess.run([sys.executable, "-c", IN_A_PROGRAM, file], capture_output=True, text=True, check=True)

    assert done.stdout == "4 []\n"
