"""`plan`, `apply` and `add` from a second terminal, against a real `run`."""

import json
import os
import signal
import sys

import pytest
import trio

from tests.cli.running import running
from tests.cli.test_control_commands import Terminal, two_terminals
from tests.control.trees import short_directory

pytestmark = pytest.mark.slow

BEFORE = """
agents:
  web: {command: [sleep, "600"], readiness: {exec: ["true"], period: 5s}}
  cat: {command: [sleep, "601"]}
  old: {command: [sleep, "602"]}
  team: {supervisor: {}, agents: {planner: {command: [sleep, "603"]}}}
"""
AFTER = """
agents:
  web: {command: [sleep, "600"], readiness: {exec: ["true"], period: 6s}}
  cat: {command: [sleep, "604"], env: {X: "1"}}
  team: {supervisor: {}, agents: {planner: {command: [sleep, "603"]}, coder: {command: [sleep, "605"]}}}
"""
TABLE = """\
AGENT         ACTION   WHY
web           change   readiness.period
cat           restart  command, env
team          keep
team/planner  keep
team/coder    add
old           remove
1 to restart, 1 to change in place, 1 to add, 1 to remove, 2 kept as they are
"""


async def _lives(terminal: Terminal) -> dict[str, tuple[int, int]]:
    lines = (await terminal("status", "--json")).stdout.splitlines()
    return {one["agent"]: (one["generation"], one["pid"]) for one in map(json.loads, lines)}


async def test_what_is_written_anew_is_shown_and_applied() -> None:
    async with two_terminals(BEFORE) as (run, terminal):
        file = terminal.directory / "supervisor.yaml"
        before = await _lives(terminal)
        assert (await terminal("plan", "--exit-code")).returncode == 0
        file.write_text(AFTER)

        shown = await terminal("plan")
        assert (shown.returncode, shown.stdout) == (0, TABLE)
        assert (await terminal("plan", "--exit-code")).returncode == 1
        assert await _lives(terminal) == before

        done = await terminal("apply")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == (
            "1 restarted, 1 changed in place, 1 added, 1 removed, 2 kept as they are"
        )
        after = await _lives(terminal)
        assert {agent for agent in after if after[agent] == before.get(agent)} == {"web", "team", "team/planner"}
        assert after["cat"][0] == 2
        assert "old" not in after
        await run.see("web          | ● changed in place: readiness.period")

        for text, said in [
            ("agents:\n  a: {comand: x}\n  b: {port: 0}\n", [":2:7: ", ":3:13: "]),
            (None, ["no such file"]),
        ]:
            file.unlink() if text is None else file.write_text(text)
            for command in ("plan", "apply", "reload"):
                bad = await terminal(command)
                assert (bad.returncode, bad.stdout) == (2, "")
                assert all(each in bad.stderr for each in said)
        assert await _lives(terminal) == after
        file.write_text(AFTER)
        assert (await terminal("reload")).stdout == "nothing to change\n"
        other = await terminal("apply", "other.yaml")
        assert (other.returncode, other.stdout) == (2, "")
        assert f"this supervisor runs {file}, not" in other.stderr

        await terminal("shutdown")
        assert await run.end() == 0
    events = [each for each in run.output.splitlines() if "Traceback" in each]
    assert events == []


async def test_ctrl_c_ends_the_command_and_not_what_it_has_begun() -> None:
    stubborn = (
        """agents: {a: {command: [sh, -c, "trap 'sleep 1; exit' TERM; echo trapped; while :; do sleep 0.05; done"]}}"""
    )
    async with two_terminals(stubborn) as (run, terminal):
        await run.see("trapped")
        (terminal.directory / "supervisor.yaml").write_text("agents: {a: {command: [sleep, '1000']}}")
        words = [sys.executable, "-m", "trio_supervisor", "apply", "--file", f"{terminal.directory}/supervisor.yaml"]
        environment = {**os.environ, "TRIO_SUPERVISOR_STATE_DIR": str(terminal.directory / "state")}
        client = await trio.lowlevel.open_process(words, env=environment, stdout=-1)
        assert client.stdout is not None
        assert b"AGENT" in await client.stdout.receive_some()
        client.send_signal(signal.SIGINT)
        assert await client.wait() == 130
        await client.stdout.aclose()

        assert (await terminal("apply")).stdout.splitlines()[-1] in ("nothing to change", "1 restarted")
        assert (await _lives(terminal))["a"][0] == 2
        await terminal("shutdown")
        assert await run.end() == 0


async def test_what_is_added_outlives_a_kill_of_the_supervisor_until_it_is_removed() -> None:
    with short_directory() as directory:
        terminal = Terminal(directory)
        text = "command: [sh, -c, 'pwd; exec sleep 600']\nworkspace: true\n"
        (directory / "agent.yaml").write_text(text)
        async with running(directory, BEFORE) as first:
            await first.see("● ready", 5)
            assert (await terminal("add", "coder", "--spec", f"{directory}/agent.yaml")).stdout == "coder: added\n"
            assert (await terminal("add", "team/x", "--", "sleep", "600")).returncode == 0
            assert (await terminal("add", "idle", "--no-start", "--", "sleep", "600")).returncode == 0
            wrong = await terminal("add", "bad", "--spec", "/no/such")
            assert (wrong.returncode, wrong.stderr) == (2, "/no/such: No such file or directory\n")
            assert (await terminal("add", "bad")).returncode == 2
            assert (await terminal("add", "../bad", "--", "true")).returncode == 4
            assert (await terminal("add", "bad id", "--", "true")).returncode == 2
            assert (await terminal("add", "CODER", "--", "true")).returncode == 1
            (directory / "denied.yaml").write_text("container: {image: a, mounts: ['/etc:/x']}\n")
            denied = await terminal("add", "bad", "--spec", f"{directory}/denied.yaml")
            assert (denied.returncode, "'/etc' is not allowed" in denied.stderr) == (2, True)
            (directory / "denied.yaml").write_text(f"container: {{image: a, mounts: ['{directory}/state:/x']}}\n")
            denied = await terminal("add", "bad", "--spec", f"{directory}/denied.yaml")
            assert (denied.returncode, "the supervisor's state directory" in denied.stderr) == (2, True)
            await terminal("hold", "coder")
            first.send(signal.SIGKILL)
            await first.process.wait()

        async with running(directory, "") as second:
            with trio.fail_after(60):
                while {"coder", "team/x", "idle"} - (await _lives(terminal)).keys():
                    await trio.sleep(0.1)
                while await terminal.state("team/x") != "ready":
                    await trio.sleep(0.1)
            assert (await terminal.state("coder"), await terminal.state("idle")) == ("held", "stopped")
            assert "coder         keep    added at run time" in (await terminal("plan")).stdout
            await terminal("resume", "coder")
            await second.see(f"coder        | {directory}/state/workspaces/coder")
            assert (await terminal("remove", "--purge", "coder", "idle")).returncode == 0
            assert not (directory / "state" / "workspaces" / "coder").exists()
            await terminal("shutdown")
            assert await second.end() == 0

        async with running(directory, "") as third:
            with trio.fail_after(60):
                while "team/x" not in await _lives(terminal):
                    await trio.sleep(0.1)
            assert not {"coder", "idle"} & (await _lives(terminal)).keys()
            await terminal("shutdown")
            assert await third.end() == 0
