"""`run --detach` and `up`: what the caller sees, and what is left whenever somebody is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT
from tests.runtimes.process_helpers import is_alive

pytestmark = pytest.mark.slow

SLEEPERS = "agents: {a: {command: [sleep, '600']}, b: {command: [sleep, '600']}}\n"


class Place:
    """A directory with a file, and commands about it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "supervisor.yaml"
        self.state = directory / "state"

    def begin(self, *words: str, **options: object) -> subprocess.Popen[str]:
        begun: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "trio_supervisor", *words],
            env={**os.environ, "TRIO_SUPERVISOR_STATE_DIR": str(self.state)},
            cwd=self.directory,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )
        return begun

    def command(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output, errors. It ends, and so do its outputs: whoever is left holds none of them."""
        process = self.begin(*words, stdin=subprocess.DEVNULL)
        out, err = process.communicate(timeout=TIMEOUT)
        return process.returncode, out, err

    @property
    def pid(self) -> int:
        """Of the supervisor that runs the file, or has run it last; 0: there was none."""
        try:
            pid: int = json.loads((self.state / "lock").read_text())["pid"]
        except (OSError, ValueError):
            return 0
        return pid

    def agents(self) -> list[str]:
        code, out, _ = self.command("status", "--json")
        return [json.loads(line)["agent"] for line in out.splitlines()] if code == 0 else []

    def said(self) -> str:
        return (self.state / "supervisor.log").read_text()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    if found.pid and is_alive(found.pid):
        os.kill(found.pid, signal.SIGKILL)


def test_it_returns_when_it_is_up_and_what_is_said_goes_into_a_file(place: Place) -> None:
    place.file.write_text(SLEEPERS)

    code, out, err = place.command("run", "--detach")

    assert (code, err) == (0, "")
    told = dict(line.split() for line in out.splitlines())
    assert told == {
        "pid": str(place.pid),
        "socket": str(place.state / "control.sock"),
        "log": str(place.state / "supervisor.log"),
    }
    assert os.getsid(place.pid) == place.pid
    assert [os.readlink(f"/proc/{place.pid}/fd/{fd}") for fd in range(3)] == ["/dev/null", "/dev/null", told["log"]]
    assert place.agents() == ["a", "b"]
    assert place.command("shutdown", "--wait")[0] == 0
    assert not is_alive(place.pid)
    assert "supervisor * all agents are down: 2 stopped" in place.said()


@pytest.mark.parametrize("words", [["run", "-d"], ["up"], ["up", "--wait"]])
def test_what_is_wrong_with_a_start_is_told_to_the_caller(place: Place, words: list[str]) -> None:
    place.file.write_text("agents: {a: {comand: [x]}}\n")
    code, out, err = place.command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("supervisor.yaml:1:14: unknown key 'comand'")

    place.file.write_text(SLEEPERS)
    assert place.command(*words, "supervisor.yaml", "zz")[0] == 4
    assert place.pid == 0


def test_a_second_one_is_refused_and_up_is_not(place: Place) -> None:
    place.file.write_text(SLEEPERS)
    assert place.command("up", "--wait")[0] == 0
    pid = place.pid

    code, out, err = place.command("run", "--detach")
    assert (code, out) == (3, "")
    assert f"the supervisor with pid {pid}" in err
    assert place.command("up", "--wait") == (
        0,
        f"pid     {pid}\nsocket  {place.state}/control.sock\nready   a, b\n",
        "",
    )
    assert place.pid == pid


def test_two_at_once_are_one_supervisor(place: Place) -> None:
    place.file.write_text(SLEEPERS)

    both = [place.begin("up", "--wait") for _ in range(3)]
    outs = [each.communicate(timeout=TIMEOUT)[0] for each in both]

    assert [each.returncode for each in both] == [0, 0, 0]
    assert set(outs) == {f"pid     {place.pid}\nsocket  {place.state}/control.sock\nready   a, b\n"}


def test_up_says_who_is_not_ready_and_leaves_the_others_running(place: Place) -> None:
    place.file.write_text(
        "agents:\n"
        "  a: {command: [sh, -c, 'exit 3'], restart: temporary}\n"
        "  b: {command: [sleep, '600'], readiness: {file: go}}\n"
        "  c: {command: [sleep, '600']}\n"
        "  d: {command: ['true'], restart: temporary}\n"
    )

    code, _, err = place.command("up", "--wait")
    assert (code, err) == (1, "a is not ready: failed: exit code 3; temporary: never restarted\n")
    code, _, err = place.command("up", "--wait", "--timeout", "300ms", "supervisor.yaml", "b", "c")
    assert (code, err) == (1, "b is not ready after 0.3 s: running: started, not ready yet\n")
    waiting = place.begin("up", "--wait", "supervisor.yaml", "b", "c", "d")
    (place.directory / "go").touch()
    out, err = waiting.communicate(timeout=TIMEOUT)
    assert (waiting.returncode, out.splitlines()[2:], err) == (0, ["ready   b, c, d"], "")


@pytest.mark.parametrize(("program", "code"), [("true", 0), ("false", 1)])
@pytest.mark.parametrize("words", [["run", "-d"], ["up", "--wait"]])
def test_one_that_is_done_at_once_has_the_exit_code_of_run(
    place: Place, words: list[str], program: str, code: int
) -> None:
    place.file.write_text(f"agents: {{a: {{command: ['{program}'], restart: temporary}}}}\n")

    found = place.command(*words)

    # Whoever was told that it is up knows no more than that.
    assert found[0] in (code, 0 if words[0] == "run" else code), found


def test_without_a_place_for_a_socket_nothing_is_left(place: Place) -> None:
    place.file.write_text(SLEEPERS)
    place.state.mkdir(mode=0o700)
    (place.state / "control.sock").mkdir()

    code, _, err = place.command("run", "--detach")

    assert code == 1
    assert "there is no control socket" in err
    assert not is_alive(place.pid)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_whoever_ends_the_caller_leaves_all_of_it_or_nothing(
    place: Place, number: signal.Signals, delay: float
) -> None:
    place.file.write_text(SLEEPERS)
    caller = place.begin("run", "--detach")
    await trio.sleep(delay)
    caller.send_signal(number)
    with trio.fail_after(TIMEOUT):
        out, err = await trio.to_thread.run_sync(caller.communicate)
        if number is signal.SIGINT and caller.returncode:
            assert out == "", err
            assert not place.pid or not is_alive(place.pid)
            assert place.agents() == []
            return
        # Killed: perhaps before there was another process, else it comes up as if nothing had happened.
        await trio.sleep(0.5)
        while place.pid and place.agents() != ["a", "b"]:
            await trio.sleep(0.05)
        if place.pid:
            assert place.command("shutdown")[0] == 0
    assert not place.pid or not is_alive(place.pid)


async def test_a_supervisor_that_is_killed_in_its_start_is_told_of(place: Place) -> None:
    # So many that to read the file takes seconds.
    agents = "".join(f"  a{number}: {{command: [sleep, '600'], restart: temporary}}\n" for number in range(10_000))
    place.file.write_text(f"agents:\n{agents}")
    caller = place.begin("run", "--detach")
    with trio.fail_after(TIMEOUT):
        while not (children := Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()):
            await trio.sleep(0.01)
        os.kill(int(children[0]), signal.SIGKILL)
        out, err = await trio.to_thread.run_sync(caller.communicate)

    assert (caller.returncode, out) == (137, "")
    assert "the supervisor was ended by SIGKILL in its start" in err


def test_the_log_file_of_a_run_in_the_foreground_has_all_of_it_too(place: Place) -> None:
    place.file.write_text(
        "agents: {a: {command: [sh, -c, 'printf x; sleep 0.5; echo y; exit 3'], restart: temporary}}\n"
    )

    code, out, _ = place.command("run", "--log-file", "own/x.log")
    text = (place.directory / "own/x.log").read_text().splitlines()
    assert code == 1
    assert "xy" in out
    assert [line.split(" ", 1)[1] for line in text if " | " in line] in (["a | xy"], ["a | x", "a | y"])
    assert any(line.endswith("a * failed: exit code 3; temporary: never restarted") for line in text)
    assert text[-1].endswith("supervisor * all agents are down: 1 failed (a)")

    place.command("run", "--log-file", "own/y.log", "--log-format", "json")
    lines = [json.loads(line) for line in (place.directory / "own/y.log").read_text().splitlines()]
    assert {"ts", "level", "agent", "stream", "text"} <= set.intersection(*(set(line) for line in lines))
