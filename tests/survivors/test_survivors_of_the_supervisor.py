"""Nothing outlives us, whatever becomes of the supervisor and of its guardian."""

import json
import re
import signal
import time
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running
from tests.runtimes.process_helpers import eventually, is_alive
from tests.survivors.cases import ALL, DAEMON, GUARDIAN_LOST, SLEEPER, Case, ours, shell
from tests.survivors.ground import Ground
from tests.survivors.staged import (
    GRACE,
    agent_of,
    end,
    end_gracefully,
    guardian_of,
    kill,
    see_nothing_left,
    staged,
    words,
)
from tests.survivors.table import Record, Row

pytestmark = pytest.mark.slow

ONCE = "agents: {a: {command: ['true'], restart: temporary}}\n"


def ticking(directory: Path) -> dict[str, object]:
    """An agent that writes to a file all the time, and is asked about its health all the time."""
    ask = shell(f"echo asked >> '{directory}/asked'; sleep 0.3")
    probe = {"exec": ask, "period": "310ms", "timeout": "1s", "failures": 1}
    return {"command": shell(f"while :; do echo tick >> '{directory}/ticks'; sleep 0.02; done"), "health": probe}


async def stop_and_see_it_stopped(it: Running) -> None:
    it.send(signal.SIGSTOP)
    stat = Path(f"/proc/{it.process.pid}/stat")
    await eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


async def test_agents_of_a_stopped_supervisor_run_on_and_nothing_counts_as_failed(
    tmp_path: Path, ground: Ground, record: Record
) -> None:
    ticks = tmp_path / "ticks"
    case = Case("supervisor stopped, and continued", {"agent": ticking(tmp_path), "other": ALL.agents["stubborn"]})
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see("ready after", 2)
        agent = agent_of(it)
        await eventually((tmp_path / "asked").exists)

        await stop_and_see_it_stopped(it)
        before = ticks.stat().st_size
        await trio.sleep(1.5)
        assert ticks.stat().st_size > before
        it.send(signal.SIGCONT)
        await trio.sleep(0.5)

        assert is_alive(agent)
        await end_gracefully(it, ground, case, signal.SIGTERM, record)
    assert "unhealthy" not in it.output
    assert "; restart" not in it.output


async def test_nothing_outlives_a_supervisor_that_is_stopped_and_killed(
    tmp_path: Path, ground: Ground, record: Record
) -> None:
    async with staged(tmp_path, ground, ALL.agents) as it:
        await it.see(ALL.sign, ALL.signs)

        await stop_and_see_it_stopped(it)
        it.send(signal.SIGKILL)
        await see_nothing_left(it, ground, ALL.name, "SIGSTOP, SIGKILL", record)


async def test_a_guardian_that_is_stopped_is_continued_and_keeps_its_promise(
    tmp_path: Path, ground: Ground, record: Record
) -> None:
    async with staged(tmp_path, ground, ALL.agents) as it:
        await it.see(ALL.sign, ALL.signs)
        guardian = guardian_of(it)

        kill(guardian, signal.SIGSTOP)
        await it.see(f"the guardian (pid {guardian}) was stopped by a signal: it was told to go on")
        kill(guardian, signal.SIGSTOP)
        await it.see("it was told to go on", 2)
        it.send(signal.SIGKILL)
        await see_nothing_left(it, ground, ALL.name, "guardian SIGSTOP, SIGKILL", record)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_a_guardian_that_is_killed_is_replaced_and_nothing_is_lost(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    go = tmp_path / "go"
    agents = {
        "a": SLEEPER,
        "b": {**SLEEPER, "backoff": {"initial": "10ms"}},
        "daemon": DAEMON.agents["agent"],
        "late": {"command": shell(f"until [ -e '{go}' ]; do sleep 0.01; done; exit 7"), "restart": "temporary"},
    }
    case = Case("guardian killed", agents, tells=(GUARDIAN_LOST,), may_tell=("failed",))
    async with staged(tmp_path, ground, agents) as it:
        await it.see("| in place")
        await it.see("ready after", 4)
        first = guardian_of(it)
        pids = [agent_of(it, name) for name in ("a", "b", "daemon", "late")]

        kill(first)
        await it.see(GUARDIAN_LOST)
        assert guardian_of(it) != first
        assert all(is_alive(pid) for pid in pids)
        go.touch()
        kill(pids[1])
        await it.see("ready after", 5)
        await it.see("exit code 7")
        assert [agent_of(it, name) for name in ("a", "daemon", "late")] == [pids[0], *pids[2:]]

        await end(it, ground, case, number, record)
    assert re.search(r"^b +\| ● signal SIGKILL; restart 1 now$", it.output, re.MULTILINE)


@pytest.mark.parametrize("first", ["supervisor", "guardian", "an agent kills both"])
async def test_what_outlives_both_is_gone_before_the_next_start(
    first: str, tmp_path: Path, ground: Ground, record: Record
) -> None:
    agents = {"daemon": DAEMON.agents["agent"], "other": SLEEPER}
    if first == "an agent kills both":
        kin = " ".join(f"'{word}'" for word in ours("kin.py", "2"))
        agents["kin"] = {"command": shell(f"until [ -e '{tmp_path}/go' ]; do sleep 0.01; done; exec {kin}")}
    async with staged(tmp_path, ground, agents) as it:
        await it.see("| in place")
        (tmp_path / "go").touch()
        if first != "an agent kills both":
            pids = [it.process.pid, guardian_of(it)]
            for pid in pids if first == "supervisor" else reversed(pids):
                kill(pid)
        with trio.fail_after(10):
            await it.process.wait()

        begun = time.monotonic()
        async with running(tmp_path, ONCE, preexec_fn=ground.enter) as second:
            with trio.fail_after(20):
                assert await second.process.wait() == 0
            left = ground.living()
    record(Row(f"both killed, first: {first}", "the next start", len(left), time.monotonic() - begun))
    assert not left, words(left)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_a_supervisor_in_an_agent_leaves_nothing_either(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    inner = tmp_path / "inner.yaml"
    inner.write_text(json.dumps({"defaults": {"stop": {"grace": GRACE}}, "agents": ALL.agents}))
    command = ["python3", "-m", "trio_supervisor", "run", str(inner), "--state-dir", str(tmp_path / "inner")]
    case = Case("trio-supervisor as an agent", {"agent": {"command": command, "stop": {"grace": "10s"}}})
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see(ALL.sign, ALL.signs)

        await end(it, ground, case, number, record)


async def test_a_supervisor_in_an_agent_that_is_killed_leaves_nothing_before_its_next_life(
    tmp_path: Path, ground: Ground, record: Record
) -> None:
    inner = tmp_path / "inner.yaml"
    inner.write_text(json.dumps({"agents": ALL.agents}))
    command = ["python3", "-m", "trio_supervisor", "run", str(inner), "--state-dir", str(tmp_path / "inner")]
    agent = {"command": command, "restart": "temporary"}
    async with staged(tmp_path, ground, {"agent": agent, "other": SLEEPER}) as it:
        await it.see(ALL.sign, ALL.signs)
        spared = {it.process.pid, guardian_of(it), agent_of(it, "other")}

        kill(agent_of(it))
        await end_of_agent(it, ground, spared, record)
        it.send(signal.SIGTERM)
        assert await it.end() == 0


async def end_of_agent(it: Running, ground: Ground, spared: set[int], record: Record) -> None:
    begun = time.monotonic()
    await it.see("failed: ")
    left, _ = await ground.empty(2, spared)
    record(Row("trio-supervisor as an agent", "SIGKILL of it", len(left), time.monotonic() - begun))
    assert not left, words(left)
