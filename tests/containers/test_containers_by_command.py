"""Agents in containers as a person has them: by a file, the commands, and keys that are pressed at a bad moment."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running
from tests.cli.seats import seated
from tests.containers.helpers import eventually
from tests.containers.real_engines import IMAGE, RealEngine
from tests.runtimes.process_helpers import free_ports
from trio_supervisor.system import containers

pytestmark = pytest.mark.containers

LEAVE = b"\x1d"


def file_of(engine: RealEngine, **agents: Mapping[str, object]) -> str:
    """A file with agents; in their containers what is not said is the image and the engine."""
    whole: dict[str, object] = {}
    for name, agent in agents.items():
        given = agent["container"]
        assert isinstance(given, dict)
        container = {"image": IMAGE, "engine": engine.address, "pull": "never", **given}
        whole[name] = {**agent, "container": container}
    return json.dumps({"version": 1, "defaults": {"stop": {"grace": "300ms"}}, "agents": whole})


def at(directory: Path) -> list[str]:
    return ["--socket", str(directory / "state" / "control.sock")]


async def command(directory: Path, *words: str, stdin: bytes = b"") -> str:
    """Run a command; returns what it says."""
    done = await trio.run_process(
        [sys.executable, "-m", "trio_supervisor", *words, *at(directory)],
        stdin=stdin,
        capture_stdout=True,
        stderr=subprocess.STDOUT,
    )
    return done.stdout.decode()


async def agent_of(directory: Path, name: str) -> dict[str, object]:
    found = json.loads(await command(directory, "status", "--json", name))
    assert isinstance(found, dict)
    return found


async def test_a_terminal_in_a_container_is_attached_to_left_and_come_back_to(real: RealEngine, tmp_path: Path) -> None:
    shell = {"container": {"command": ["sh"], "env": {"PS1": "% ", "TERM": "dumb"}}, "stdin": "pty"}
    async with running(tmp_path, file_of(real, shell=shell)) as it:
        await it.see("● ready")
        async with seated("attach", "shell", *at(tmp_path)) as seat:
            await seat.see(b"attached to")
            await seat.type(b"echo name=$AGENT_ID; sleep 600\r")
            await seat.see(b"name=shell")
            (one,) = real.containers()
            await eventually(lambda: "sleep" in real.call("GET", f"/containers/{one['Id']}/top").text)
            # Keys are the agent's: Ctrl-C ends what runs there, not us, and not the container.
            await seat.type(b"\x03echo on we $((40+2))\r")
            await seat.see(b"on we 42")
            seat.resize(101, 31)
            await seat.type(b"while [ \"$(stty size)\" != '31 101' ]; do :; done; echo si''zed\r")
            await seat.see(b"sized")
            await seat.type(LEAVE)
            assert await seat.end() == 0
        async with seated("attach", "shell", *at(tmp_path)) as seat:
            # What was said is shown again.
            await seat.see(b"sized")
            await seat.type(b"echo still $((1+1))\r")
            await seat.see(b"still 2")
            await seat.type(LEAVE)
            assert await seat.end() == 0
        assert len(real.containers(all=False)) == 1
        it.send(signal.SIGINT)
        assert await it.end() == 0
    assert real.containers() == []


async def test_a_pipe_in_a_container_is_talked_with_to_its_end(real: RealEngine, tmp_path: Path) -> None:
    cat = {"container": {"command": ["sh", "-c", "cat; echo over"]}, "stdin": "pipe", "restart": "temporary"}
    async with running(tmp_path, file_of(real, cat=cat), "--stay") as it:
        await it.see("● ready")
        assert "sent" in await command(tmp_path, "send", "cat", "first")
        said = await command(tmp_path, "attach", "cat", "--close-stdin", stdin=b"second\nthird\n")
        assert said.index("second") < said.index("third") < said.index("over")
        await it.see("cat | ● finished")
        assert (await command(tmp_path, "logs", "cat")).split()[:4] == ["first", "second", "third", "over"]
        assert real.containers() == []


async def test_status_restart_stop_and_start(real: RealEngine, tmp_path: Path) -> None:
    script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    async with running(tmp_path, file_of(real, box={"container": {"command": ["sh", "-c", script]}})) as it:
        await it.see("| up")
        seen = await agent_of(tmp_path, "box")
        assert (seen["state"], seen["generation"]) == ("ready", 1)
        usage = seen["usage"]
        assert isinstance(usage, dict)
        assert usage["memory_bytes"] > 50_000

        await command(tmp_path, "restart", "box")
        await it.see("| up", 2)
        assert (await agent_of(tmp_path, "box"))["generation"] == 2
        await command(tmp_path, "stop", "box")
        assert real.containers() == []
        assert "stopped" in await command(tmp_path, "status", "box")
        await command(tmp_path, "start", "box")
        await it.see("| up", 3)
        assert it.output.count("| asked") == 2
        it.send(signal.SIGTERM)
        assert await it.end() == 0
    assert real.containers() == []


async def test_a_server_is_ready_at_the_port_that_is_published_for_it(real: RealEngine, tmp_path: Path) -> None:
    if not real.publishes:
        pytest.skip("containers: without ip(8), Docker of these tests has no network")
    script = "mkdir /tmp/www; echo here > /tmp/www/x; exec httpd -f -p 8080 -h /tmp/www"
    port = free_ports(2)
    web: dict[str, object] = {
        "container": {"command": ["sh", "-c", script], "ports": ["{port}:8080"]},
        "port": str(port),
        "readiness": {"http": "/x", "period": "50ms"},
    }
    # Somebody else has the first one.
    with socket.create_server(("127.0.0.1", port.first)):
        async with running(tmp_path, file_of(real, web=web)) as it:
            await it.see("web | ● ready")
            assert (await agent_of(tmp_path, "web"))["port"] == port.last
            it.send(signal.SIGINT)
            assert await it.end() == 0
    assert real.containers() == []


async def test_a_port_that_somebody_takes_in_between_is_a_failed_start_that_names_it(
    real: RealEngine, tmp_path: Path
) -> None:
    if not real.publishes:
        pytest.skip("containers: without ip(8), Docker of these tests has no network")
    port = free_ports().first
    # A port of its own that nobody keeps for it.
    web: dict[str, object] = {
        "container": {"command": ["sleep", "600"], "ports": [f"{port}:80"]},
        "restart": "temporary",
    }
    with socket.create_server(("127.0.0.1", port)):
        async with running(tmp_path, file_of(real, web=web)) as it:
            await it.see("web | ● failed: cannot be started: ")
            await it.see(str(port))
            assert await it.end() == 1
    assert real.containers() == []


async def test_ctrl_c_while_an_image_is_fetched(real: RealEngine, tmp_path: Path) -> None:
    # A registry that takes what it is asked, and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/agent:1"
        box: dict[str, object] = {"container": {"image": image, "pull": "always", "command": ["true"]}}
        async with running(tmp_path, file_of(real, box=box)) as it:
            await it.see("fetches image")
            it.send(signal.SIGINT)
            assert await it.end() == 0
            assert "cannot be killed" not in it.output
    assert real.containers() == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
async def test_an_end_at_any_moment_of_a_start_leaves_nothing(
    real: RealEngine, tmp_path: Path, end: signal.Signals
) -> None:
    boxes: dict[str, dict[str, object]] = {f"box{n}": {"container": {"command": ["sleep", "600"]}} for n in range(4)}
    for pause in (0.0, 0.05):
        async with running(tmp_path, file_of(real, **boxes)) as it:
            await eventually(lambda: bool(real.containers()))
            await trio.sleep(pause)
            it.send(end)
            await (it.process.wait() if end is signal.SIGKILL else it.end())
            await eventually(lambda: not real.containers())
            await eventually(lambda: containers.owed(str(tmp_path / "state" / "lease")) == [])


async def test_an_engine_that_is_killed_in_mid_life(podman: RealEngine, tmp_path: Path) -> None:
    """Podman's containers live on; whoever is asked to end them meanwhile can't, and says so."""
    script = "n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.1; done"
    async with running(tmp_path, file_of(podman, box={"container": {"command": ["sh", "-c", script]}})) as it:
        await it.see("tick 2")
        podman.kill()
        try:
            said = await _fails(it, tmp_path, "stop", "box")
            assert "cannot be killed" in said
            assert "no engine answers" in said + it.output
        finally:
            podman.start()
        await it.see("is gone now")
        assert podman.containers() == []
        await command(tmp_path, "start", "box")
        await it.see("● ready", 2)
        it.send(signal.SIGINT)
        assert await it.end() == 0
    assert podman.containers() == []


async def test_a_start_before_its_engine_waits_for_it(podman: RealEngine, tmp_path: Path) -> None:
    podman.kill()
    try:
        box = {"container": {"command": ["sleep", "600"]}, "startup": {"deadline": "1s", "exec": ["true"]}}
        async with running(tmp_path, file_of(podman, box=box)) as it:
            await it.see(f"status: waits for its container engine: unix://{podman.socket}: no engine answers")
            await trio.sleep(2)
            assert "waits for its container engine" in await command(tmp_path, "status")
            assert "held" not in it.output
            podman.start()
            await it.see("● ready")
            it.send(signal.SIGINT)
            assert await it.end() == 0
        podman.kill()
        async with running(tmp_path, file_of(podman, box=box)) as it:
            await it.see("status: waits for its container engine")
            it.send(signal.SIGINT)
            assert await it.end() == 0
            assert "could not be killed" not in it.output
    finally:
        podman.kill()
        podman.start()
    assert podman.containers() == []


async def test_a_restart_while_its_engine_is_away_goes_on_when_that_is_back(podman: RealEngine, tmp_path: Path) -> None:
    box = {"container": {"command": ["sleep", "600"]}}
    async with running(tmp_path, file_of(podman, box=box), "--stay") as it:
        await it.see("● ready")
        podman.kill()
        try:
            assert "no engine answers" in await _fails(it, tmp_path, "restart", "box")
        finally:
            podman.start()
        await it.see("● ready", 2)
        it.send(signal.SIGINT)
        assert await it.end() == 0
    assert podman.containers() == []


async def _fails(it: Running, directory: Path, *words: str) -> str:
    done = await trio.run_process(
        [sys.executable, "-m", "trio_supervisor", *words, *at(directory)],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode != 0, (done.stdout, it.output)
    return done.stdout.decode()
