"""Real agents and servers under a real supervisor, started as a user starts them."""

import json
import os
import re
import signal
import urllib.request
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running

pytestmark = [pytest.mark.subjects, pytest.mark.slow]


def agents(**by_name: dict[str, object]) -> str:
    """The text of a file (JSON is YAML)."""
    return json.dumps({"agents": by_name})


def port_of(it: Running, agent: str) -> int:
    """The port that the supervisor has told for an agent."""
    line = next(line for line in it.output.splitlines() if line.startswith(agent) and "ready after" in line)
    return int(line.partition("port ")[2].partition(",")[0])


async def fetch(url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Ask like any client would."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})

    def ask() -> tuple[int, bytes]:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()

    return await trio.to_thread.run_sync(ask)


async def test_an_a2a_agent_is_ready_when_its_card_is_there_and_survives_a_crash(
    tmp_path: Path, subjects_python: Path, programs: Path
) -> None:
    yaml = agents(
        echo={
            "command": [str(subjects_python), str(programs / "a2a_hello.py")],
            "port": "auto",
            "readiness": {"a2a": True},
        }
    )
    async with running(tmp_path, yaml) as it:
        await it.see("ready after")
        port = port_of(it, "echo")
        status, card = await fetch(f"http://127.0.0.1:{port}/.well-known/agent-card.json")
        assert (status, json.loads(card)["name"]) == (200, "echo")

        message = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
        call = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
        _, answer = await fetch(f"http://127.0.0.1:{port}/", call, {"A2A-Version": "1.0"})
        assert "echo: hello" in answer.decode()

        pid = int(it.output.partition("pid ")[2].partition(")")[0])
        os.kill(pid, signal.SIGKILL)
        await it.see("ready after", 2)
        assert set(re.findall(r"\(port (\d+)", it.output)) == {str(port)}, "the port is kept across restarts"
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "SIGKILL; restart 1 now" in it.output


async def test_an_mcp_server_over_http_is_supervised(tmp_path: Path, subjects_python: Path, programs: Path) -> None:
    probe = {"http": "/mcp", "status": [406], "headers": {"Accept": "application/json"}}
    yaml = agents(
        tools={
            "command": [str(subjects_python), str(programs / "mcp_server.py"), "http"],
            "port": "auto",
            "readiness": probe,
            "health": {**probe, "period": "200ms", "timeout": "500ms", "failures": 2},
            "stop": {"grace": "5s"},
        }
    )
    async with running(tmp_path, yaml) as it:
        await it.see("ready after")
        url = f"http://127.0.0.1:{port_of(it, 'tools')}/mcp"
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": "block",
        }
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "block", "arguments": {"seconds": 60}, "_meta": meta}
        block = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with trio.open_nursery() as nursery:
            # It wedges its event loop: its port still accepts, but nothing is answered any more.
            nursery.start_soon(_ignore_the_end, url, block, headers)
            await it.see("unhealthy: 2 failed probes in a row")
            await it.see("ready after", 2)
            nursery.cancel_scope.cancel()
        it.send(signal.SIGINT)

        assert await it.end() == 0


async def _ignore_the_end(url: str, body: object, headers: dict[str, str]) -> None:
    try:
        await fetch(url, body, headers)
    except OSError:
        # The server is killed while it is being asked.
        return


async def test_a_redis_server_is_ready_when_its_port_opens(tmp_path: Path, redis_server: str) -> None:
    yaml = agents(
        db={
            "command": [redis_server, "--port", "{port}", "--save", "", "--appendonly", "no"],
            "port": "auto",
            "readiness": {"tcp": "{port}"},
            "health": {"exec": ["redis-cli", "-p", "{port}", "ping"], "period": "200ms"},
        },
        client={
            "command": ["redis-cli", "-h", "127.0.0.1", "info", "server"],
            "restart": "temporary",
            "depends_on": {"db": "ready"},
        },
    )
    async with running(tmp_path, yaml) as it:
        await it.see("db", 1)
        await it.see("ready after", 2)
        await trio.sleep(1)
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "unhealthy" not in it.output
    assert "db     | ● stopped: SIGINT (exit code 0)" in it.output


async def test_workers_that_outlive_their_leader_are_swept_before_the_restart(
    tmp_path: Path, subjects_bin: Path, programs: Path
) -> None:
    """uvicorn's workers go on answering the port when their leader is killed; a restart would meet EADDRINUSE."""
    command = [
        str(subjects_bin / "uvicorn"),
        "--app-dir",
        str(programs),
        "--port",
        "{port}",
        "--workers",
        "2",
        "webapp:app",
    ]
    yaml = agents(web={"command": command, "port": "auto", "readiness": {"http": "/"}})
    async with running(tmp_path, yaml) as it:
        await it.see("ready after")
        pid = int(it.output.partition("pid ")[2].partition(")")[0])
        os.kill(pid, signal.SIGKILL)
        await it.see("ready after", 2)
        assert "address already in use" not in it.output
        it.send(signal.SIGINT)

        assert await it.end() == 0


async def test_an_http_server_and_its_dependent(tmp_path: Path, programs: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello from a file\n")
    reader = "import os, urllib.request as u; print(u.urlopen(os.environ['URL']).read().decode())"
    yaml = agents(
        files={
            "command": ["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1"],
            "port": 19088,
            "readiness": {"http": "/"},
        },
        reader={
            "command": ["python3", "-c", reader],
            "env": {"URL": "http://127.0.0.1:19088/hello.txt"},
            "restart": "temporary",
            "depends_on": {"files": "ready"},
        },
    )
    async with running(tmp_path, yaml, "--exit-code-from", "reader") as it:
        assert await it.end() == 0
    assert "reader | hello from a file" in it.output


async def test_a_grpc_server_is_asked_by_its_health_service(
    tmp_path: Path, subjects_python: Path, programs: Path
) -> None:
    server = {"command": [str(subjects_python), str(programs / "grpc_server.py")], "port": "auto"}
    once = {"restart": "temporary"}
    yaml = agents(
        whole={**server, "readiness": {"grpc": "{port}"}},
        worker={**server, "readiness": {"grpc": "{port}", "service": "worker", "deadline": "8s"}, **once},
        without={**server, "env": {"NO_HEALTH": "1"}, "readiness": {"grpc": "{port}", "deadline": "8s"}, **once},
    )
    async with running(tmp_path, yaml) as it:
        await it.see("whole   | \u25cf ready after")
        await it.see("the last answer: health service: NOT_SERVING")
        await it.see("the last answer: it has no health service (UNIMPLEMENTED)")
        it.send(signal.SIGINT)
        assert await it.end() == 0
