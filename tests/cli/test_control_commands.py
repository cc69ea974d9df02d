"""A real `run` in one terminal, and a second one that commands it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT, Running, running
from tests.cli.seats import seated
from tests.control.trees import short_directory

pytestmark = pytest.mark.slow

AGENTS = """
agents:
  cat: {command: [sh, -c, "echo hello; exec cat"], stdin: pipe}
  web: {command: [sleep, "600"], port: auto}
  slow: {command: [sh, -c, "trap 'sleep 0.5; exit' TERM; echo trapped; while :; do sleep 0.05; done"]}
  team: {supervisor: {}, agents: {planner: {command: [sleep, "600"]}}}
"""


class Terminal:
    """A second terminal in the same directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        file = f"{self.directory}/supervisor.yaml"
        with trio.fail_after(60):
            done = await trio.run_process(
                [sys.executable, "-m", "trio_supervisor", words[0], "--file", file, *words[1:]],
                env={**os.environ, "TRIO_SUPERVISOR_STATE_DIR": str(self.directory / "state")},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())

    async def state(self, agent: str) -> str:
        """The word for it."""
        done = await self("status", agent, "--json")
        return str(json.loads(done.stdout.splitlines()[0])["state"])


@asynccontextmanager
async def two_terminals(yaml: str = AGENTS) -> AsyncIterator[tuple[Running, Terminal]]:
    with short_directory() as directory:
        async with running(directory, yaml) as first:
            await first.see("● ready", yaml.count("command:") + yaml.count("supervisor:"))
            yield first, Terminal(directory)


async def test_a_second_terminal_looks_commands_and_ends_it_all() -> None:
    async with two_terminals() as (run, terminal):
        await run.see("trapped")
        shown = await terminal("status")
        assert shown.returncode == 0
        assert [line.split()[:2] for line in shown.stdout.splitlines()] == [
            ["AGENT", "STATE"],
            ["cat", "ready"],
            ["web", "ready"],
            ["slow", "ready"],
            ["team", "ready"],
            ["team/planner", "ready"],
        ]
        assert (await terminal("ps")).stdout.splitlines()[0] == shown.stdout.splitlines()[0]

        done = await terminal("restart", "web", "team/planner")
        assert (done.returncode, done.stdout) == (0, "web: restarted\nteam/planner: restarted\n")
        assert run.output.count("web          | ● ready") == 2

        given = await terminal("stop", "slow", "--no-wait", "--json")
        assert (given.returncode, json.loads(given.stdout)["phase"]) == (0, "pending")
        number = str(json.loads(given.stdout)["id"])
        assert (await terminal("operation", number, "--no-wait")).returncode == 0
        assert (await terminal("operation", number)).stdout == "stop slow: done\n"
        assert (await terminal("operation", "99999")).returncode == 2
        assert (await terminal("wait", "slow", "--for", "stopped", "--timeout", "30s")).stdout == "slow: stopped\n"
        assert (await terminal("start", "slow", "--reason", "needed again")).stdout == "slow: started\n"

        assert (await terminal("hold", "web", "--reason", "it is late")).returncode == 0
        web = json.loads((await terminal("status", "web", "--json")).stdout)
        assert (web["state"], web["desired"], web["reason"], web["pid"]) == ("held", "down", "it is late", None)
        assert web["port"] > 0
        assert (await terminal("resume", "web")).returncode == 0

        assert (await terminal("send", "cat", "how are you")).stdout == "cat: sent\n"
        await run.see("cat          | how are you")
        assert (await terminal("logs", "cat", "--tail", "1")).stdout == "how are you\n"
        assert (await terminal("logs", "--grep", "^h")).stdout == "cat | hello\ncat | how are you\n"

        assert (await terminal("send", "cat", "more", "--expect", "m(.)r")).stdout == "mor\n"
        told = json.loads((await terminal("send", "cat", "more", "--expect", "m(.)r", "--json")).stdout)
        assert (told["phase"], told["heard"]["text"], told["heard"]["groups"]) == ("done", "mor", ["o"])
        silent = await terminal("send", "cat", "x", "--expect", "y", "--timeout", "100ms")
        assert (silent.returncode, silent.stderr[:48]) == (1, "cat did not say what was expected within 0.1 s; ")
        recent = await terminal("logs", "cat", "--since", "1h", "--tail", "1", "--json")
        assert json.loads(recent.stdout)["text"] == "x"
        assert (await terminal("logs", "--since", "2999-01-01")).stdout == ""
        assert (await terminal("logs", "--since", "soon")).returncode == 2

        assert (await terminal("remove", "web")).stdout == "web: removed\n"
        assert (await terminal("status", "web")).returncode == 4

        events = (await terminal("events", "--json")).stdout.splitlines()
        orders = [each for each in map(json.loads, events) if each["kind"] == "order"]
        assert [each["verb"] for each in orders if each["agent"] == "web"][-3:] == ["hold", "resume", "remove"]
        assert {each["origin"] for each in orders} == {"control.sock"}
        assert all(re.fullmatch(rf"uid {os.getuid()}, pid [0-9]+", each["who"]) for each in orders)
        assert [each["reason"] for each in orders if each["verb"] in ("hold", "restart")] == ["", "", "it is late"]
        told = (await terminal("events", "--agent", "web")).stdout
        assert re.search(r"web +asked to hold by uid \d+, pid \d+ from control.sock: it is late\n", told)

        assert (await terminal("shutdown")).stdout == "everything: stopped\n"
        assert await run.end() == 0
        assert "asked to stop" in run.output


async def test_what_is_wrong_is_said_with_a_stable_exit_code() -> None:
    async with two_terminals() as (run, terminal):
        for words, code, said in [
            (["restart", "web", "nobody"], 4, "there is no agent 'nobody'"),
            (["status", "nobody"], 4, "there is no agent 'nobody'"),
            (["send", "web", "x"], 1, "web: its standard input is the null device"),
            (["signal", "web", "NONSENSE"], 2, "there is no signal 'NONSENSE'"),
            (["logs", "--level", "loud"], 2, "level must be one of"),
            (["logs", "--field", "x"], 2, "--field must be NAME=VALUE"),
            (["logs", "--tail", "-1"], 2, "--tail must be a number >= 0"),
            (["scale", "web", "3"], 4, "there is no agent 'web' with replicas"),
            (
                ["wait", "web", "--for", "stopped", "--timeout", "200ms"],
                1,
                "web is not stopped after 0.2 s; it is ready",
            ),
            (["stop", "slow", "--timeout", "0"], 1, ""),
        ]:
            done = await terminal(*words)
            assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done
        await terminal("hold", "web")
        done = await terminal("wait", "web")
        assert (done.returncode, done.stderr) == (1, "web is held: held by hand\n")
        run.send(signal.SIGINT)
        assert await run.end() == 0
        done = await terminal("status")
        assert done.returncode == 3
        assert "no supervisor runs" in done.stderr


async def test_after_a_kill_of_the_supervisor_nobody_answers_and_the_next_one_does() -> None:
    with short_directory() as directory:
        async with running(directory, AGENTS) as first:
            await first.see("● ready", 5)
            first.send(signal.SIGKILL)
            await first.process.wait()
        terminal = Terminal(directory)
        done = await terminal("status")
        assert done.returncode == 3
        assert "no supervisor listens there" in done.stderr

        async with running(directory, "") as second:
            await second.see("● ready", 5)
            assert (await terminal("status")).returncode == 0
            await terminal("shutdown", "--now")
            assert await second.end() == 0


async def test_what_is_stopped_by_a_command_keeps_the_supervisor_there() -> None:
    async with two_terminals("agents: {web: {command: [sleep, '600']}}") as (run, terminal):
        await terminal("stop", "web")
        await terminal("start", "web")
        await terminal("hold", "web")
        assert await terminal.state("web") == "held"

        await terminal("shutdown", "--reason", "enough")
        # Asked for, so it is no failure that an agent is held.
        assert await run.end() == 0


async def test_two_terminals_restart_the_same_agent_at_once() -> None:
    async with two_terminals() as (run, terminal):
        await run.see("trapped")
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(terminal, "restart", "slow")

        one = json.loads((await terminal("status", "slow", "--json")).stdout)
        assert one["state"] == "ready"
        # Terminals start when they like: if the second came when the first was done, it got a life of its own.
        assert one["generation"] in (2, 3)
        await terminal("shutdown")
        assert await run.end() == 0


async def test_following_ends_with_the_supervisor_and_a_closed_pipe_is_no_error() -> None:
    async with two_terminals() as (run, terminal):
        results = {}

        async def follow(command: str) -> None:
            results[command] = await terminal(command, "-f", "--json")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, "logs")
            assert await _say_more(terminal)
            piped = f"{sys.executable} -m trio_supervisor logs -f --socket {terminal.directory}/state/control.sock"
            head = await trio.run_process(
                ["bash", "-c", f"{piped} | head -n 1"], capture_stdout=True, capture_stderr=True, check=False
            )
            assert (head.stdout.count(b"\n"), head.stderr) == (1, b"")
            await terminal("restart", "web")
            await terminal("shutdown")
        assert await run.end() == 0

        assert [done.returncode for done in results.values()] == [0]
        lines = [json.loads(line) for line in results["logs"].stdout.splitlines()]
        assert ("cat", "hello") in [(line["agent"], line["text"]) for line in lines]


async def _say_more(terminal: Terminal) -> bool:
    """Enough lines for a pipe that nobody reads any more to be noticed."""
    done = await terminal("send", "cat", "\n".join(f"line {number}" for number in range(5000)))
    return done.returncode == 0


LOOKED_AT = """
agents:
  web: {command: [sleep, "600"], port: auto, health: {exec: ["true"], period: 1h}}
  sick: {command: [sleep, "600"], health: {exec: ["false"], period: 1h}}
  team: {supervisor: {strategy: one_for_all}, agents: {planner: {command: [sleep, "600"]}}}
"""


async def test_a_second_terminal_looks_deeper() -> None:
    async with two_terminals(LOOKED_AT) as (run, terminal):
        shown = await terminal("explain", "web", "team/planner")
        assert shown.returncode == 0
        assert shown.stdout.startswith("web is ready since ")
        assert "\nteam/planner is ready since " in shown.stdout
        assert "  next     it runs on\n" in shown.stdout
        told = [json.loads(line) for line in (await terminal("explain", "web", "--json")).stdout.splitlines()]
        assert [one["agent"]["agent"] for one in told] == ["web"]
        assert "intensity" in [ground["rule"] for ground in told[0]["standing"]]
        told_of = await terminal("explain", "nobody", "web")
        assert (told_of.returncode, told_of.stderr) == (4, "there is no agent 'nobody'\n")
        assert told_of.stdout.startswith("web is ready")

        tree = (await terminal("tree")).stdout.splitlines()
        assert tree[0].startswith("supervisor  ")
        assert [line.split()[1] for line in tree[1:4]] == ["web", "sick", "team"]
        nodes = [json.loads(line) for line in (await terminal("tree", "--json")).stdout.splitlines()]
        assert [node["agent"] for node in nodes] == ["", "web", "sick", "team", "team/planner"]
        assert nodes[3]["supervisor"]["strategy"] == "one_for_all"

        asked = await terminal("probe", "web")
        assert (asked.returncode, asked.stdout.splitlines()[1].split()[:3]) == (0, ["web", "health", "ok"])
        asked = await terminal("probe", "web", "sick", "--json")
        assert (asked.returncode, [json.loads(line)["ok"] for line in asked.stdout.splitlines()]) == (1, [True, False])
        asked = await terminal("probe", "team", "web")
        assert (asked.returncode, asked.stderr) == (1, "team has no probe: write readiness or health\n")
        assert asked.stdout.splitlines()[1].startswith("web ")

        (endpoint,) = (await terminal("endpoints", "--json")).stdout.splitlines()
        assert json.loads(endpoint)["agent"] == "web"
        assert (await terminal("endpoints")).stdout.splitlines()[1].startswith("web ")

        figures = await terminal("metrics")
        assert 'trio_supervisor_agent_state{agent="web",state="ready"} 1\n' in figures.stdout

        status = [json.loads(line) for line in (await terminal("status", "--json")).stdout.splitlines()]
        assert [one["usage"]["processes"] for one in status] == [1, 1, 1, 1]
        plain = [json.loads(line) for line in (await terminal("status", "--json", "--no-usage")).stdout.splitlines()]
        assert ["usage" in one for one in plain] == [False] * 4
        assert plain[0]["failing_since"] is None
        assert run.process.returncode is None


async def test_who_was_stopped_by_hand_can_be_started_in_the_next_run_also_where_it_is_the_only_one() -> None:
    with short_directory() as directory:
        terminal = Terminal(directory)
        async with running(directory, "agents: {keep: {command: [sleep, '600']}}\n") as first:
            await first.see("● ready")
            await terminal("stop", "keep")
            first.send(signal.SIGKILL)
            await first.process.wait()
        async with running(directory, "") as second:
            await second.see("left down by the run before: keep (stopped)")
            with trio.fail_after(TIMEOUT):
                while (await terminal("start", "keep")).returncode != 0:
                    await trio.sleep(0.1)
            assert await terminal.state("keep") == "ready"
            await terminal("shutdown")
            assert await second.end() == 0


async def test_who_waits_for_long_at_a_terminal_is_told_what_for_and_ctrl_c_ends_only_that() -> None:
    yaml = """
agents:
  db: {command: [sleep, "600"]}
  api: {command: [sleep, "600"], depends_on: [db]}
"""
    async with two_terminals(yaml) as (_, terminal):
        place = ("--socket", str(terminal.directory / "state" / "control.sock"))
        assert (await terminal("stop", "db")).returncode == 0
        async with seated("restart", "api", *place, columns=200) as seat:
            await seat.see(b"restart is under way (operation 2): api, now waiting: ")
            assert b"waiting for 'db' to be ready; Ctrl-C ends only the waiting" in seat.shown
            seat.send(signal.SIGINT)
            assert await seat.end() == 130
        async with seated("operation", "2", *place) as seat:
            assert (await terminal("start", "db")).returncode == 0
            await seat.see(b"restart api: done")
            assert await seat.end() == 0
