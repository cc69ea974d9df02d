"""The probes of presets ask real programs, and leave nothing behind in them."""

import json
from pathlib import Path

import pytest
import trio

from tests.runtimes.process_helpers import eventually
from trio_supervisor import (
    Budget,
    ChildSpec,
    Health,
    Judged,
    Rate,
    Rpc,
    State,
    Stdio,
    Stream,
    Supervisor,
    process,
    remote,
)
from trio_supervisor.spec.presets import PRESETS
from trio_supervisor.system.procfs import processes

pytestmark = [pytest.mark.subjects, pytest.mark.slow]

PATIENCE = 90.0


def often(preset: str) -> Health:
    """Its health probe, asked many times in a short test."""
    health = PRESETS[preset].health
    assert health is not None
    return Health(health.check, period=0.05, timeout=10.0)


async def asked_often(child: ChildSpec, times: int = 40) -> tuple[str, object, int]:
    """Run it until it was asked so often, always with success: its protocol, its card, and its processes at the end."""
    async with Supervisor(child) as tree:
        stream = tree.events()
        with trio.fail_after(PATIENCE):
            await tree[child.id].wait_ready()
            before = family(tree[child.id].snapshot().pid)
            await trio.sleep(times * 0.05)
            (endpoint,) = tree.endpoints()
            after = family(tree[child.id].snapshot().pid)
        assert tree[child.id].state is State.READY
        stream.close()
        return endpoint.protocol, endpoint.card, after - before


def family(leader: int | None) -> int:
    """So many processes a leader and its descendants are."""
    parents = {each.pid: each.parent for each in processes()}
    found = {leader}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return len(found)


async def test_an_a2a_agent(subjects_python: Path, programs: Path) -> None:
    child = process(
        "echo", [str(subjects_python), str(programs / "a2a_hello.py")], port="auto", preset="a2a", health=often("a2a")
    )

    protocol, card, _ = await asked_often(child)

    assert protocol == "a2a"
    assert isinstance(card, dict)
    assert card["name"] == "echo"


async def test_a_remote_a2a_agent_is_lost_and_found_again(subjects_python: Path, programs: Path) -> None:
    """The agent runs elsewhere (here: under another supervisor); its end is an outage, not a restart."""
    command = [str(subjects_python), str(programs / "a2a_hello.py")]
    async with Supervisor(process("echo", command, port="auto", preset="a2a")) as elsewhere:
        with trio.fail_after(PATIENCE):
            await elsewhere["echo"].wait_ready()
            (endpoint,) = elsewhere.endpoints()
            judge = remote("judge", endpoint.url, preset="a2a", health=often("a2a"))
            async with Supervisor(judge) as tree:
                await tree["judge"].wait_ready()
                await elsewhere["echo"].stop()
                await eventually(lambda: tree["judge"].state is State.UNHEALTHY, PATIENCE)
                await elsewhere["echo"].restart()
                await eventually(lambda: tree["judge"].state is State.READY, PATIENCE)
                assert (tree["judge"].snapshot().restarts, tree["judge"].snapshot().generation) == (0, 1)


async def test_an_mcp_server_of_2_x(subjects_python: Path, programs: Path) -> None:
    command = [str(subjects_python), str(programs / "mcp_server.py"), "http"]
    child = process("tools", command, port="auto", preset="mcp-http", health=often("mcp-http"))

    assert await asked_often(child) == ("mcp", None, 0)


@pytest.mark.parametrize("transport", ["http", "http-stateless"])
async def test_an_mcp_server_of_1_x(mcp1_python: Path, programs: Path, transport: str) -> None:
    command = [str(mcp1_python), str(programs / "mcp1_server.py"), transport]
    child = process("tools", command, port="auto", preset="mcp-http", health=often("mcp-http"))

    assert await asked_often(child) == ("mcp", None, 0)


@pytest.mark.parametrize("mode", [[], ["--stateful"]])
async def test_an_mcp_server_behind_a_gateway_and_no_process_is_left_by_a_probe(
    supergateway: str, subjects_python: Path, programs: Path, mode: list[str]
) -> None:
    """20 probes by `initialize` left 40 processes in it; these leave none."""
    stdio = f"{subjects_python} {programs / 'mcp_server.py'} stdio"
    command = [supergateway, "--stdio", stdio, "--outputTransport", "streamableHttp", "--port", "{port}", *mode]
    child = process("tools", command, port="auto", preset="mcp-http", health=often("mcp-http"))
    async with Supervisor(child) as tree:
        with trio.fail_after(PATIENCE):
            await tree["tools"].wait_ready()
            await trio.sleep(3)
            pid = tree["tools"].snapshot().pid
            # What a stateless gateway starts for a request ends with it.
            await eventually(lambda: family(pid) <= 4, PATIENCE)
            assert tree["tools"].state is State.READY
            assert tree["tools"].snapshot().restarts == 0


async def test_redis(redis_server: str, tmp_path: Path) -> None:
    command = [redis_server, "--port", "{port}", "--dir", str(tmp_path), "--save", ""]
    child = process("db", command, port="auto", preset="redis", health=often("redis"))

    assert await asked_often(child) == ("redis", None, 0)


async def test_redis_with_a_password(redis_server: str, tmp_path: Path) -> None:
    command = [redis_server, "--port", "{port}", "--dir", str(tmp_path), "--save", "", "--requirepass", "secret"]
    child = process("db", command, port="auto", preset="redis", health=often("redis"))

    assert (await asked_often(child))[0] == "redis"


async def test_grpc(subjects_python: Path, programs: Path) -> None:
    command = [str(subjects_python), str(programs / "grpc_server.py")]
    child = process("rpc", command, port="auto", preset="grpc", health=often("grpc"))

    assert await asked_often(child) == ("grpc", None, 0)


# Over standard input

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}


async def asked_over_stdio(child: ChildSpec) -> tuple[str, list[str]]:
    """Run it until it was asked many times, always with success: how it was ready, and all that it has printed."""
    async with Supervisor(child) as tree:
        stream = tree.events()
        with trio.fail_after(PATIENCE):
            await tree[child.id].wait_ready()
            await trio.sleep(1.5)
        assert tree[child.id].state is State.READY
        reason = tree[child.id].snapshot().reason
        said = [line.text for line in tree[child.id].output() if line.stream is Stream.STDOUT]
    judged = [event.notice async for event in stream if isinstance(event.notice, Judged)]
    assert judged == [], "no answer was late, or missing"
    return reason, said


async def test_mcp_over_stdio_of_2_x(subjects_python: Path, programs: Path) -> None:
    command = [str(subjects_python), str(programs / "mcp_server.py"), "stdio"]
    reason, said = await asked_over_stdio(process("t", command, preset="mcp-stdio", health=often("mcp-stdio")))

    assert reason.startswith("MCP, answered in ")
    assert said == []


async def test_mcp_over_stdio_of_1_x(mcp1_python: Path, programs: Path) -> None:
    command = [str(mcp1_python), str(programs / "mcp1_server.py"), "stdio"]
    reason, said = await asked_over_stdio(process("t", command, preset="mcp-stdio", health=often("mcp-stdio")))

    assert reason.startswith("MCP, answered in ")
    assert said == []


async def test_acp_over_stdio(subjects_python: Path, programs: Path) -> None:
    command = [str(subjects_python), str(programs / "acp_echo.py")]
    reason, said = await asked_over_stdio(process("t", command, preset="acp", health=often("acp")))

    assert reason.startswith("ACP, answered")
    assert said == []


async def test_a_client_with_a_session_gets_its_answers_and_no_other(subjects_python: Path, programs: Path) -> None:
    """A whole handshake and a call of a tool, while the probe would ask twenty times a second."""
    command = [str(subjects_python), str(programs / "mcp_server.py"), "stdio"]
    child = process("t", command, preset="mcp-stdio", health=often("mcp-stdio"))
    async with Supervisor(child) as tree:
        with trio.fail_after(PATIENCE):
            await tree["t"].wait_ready()
            await trio.sleep(0.3)
            with tree["t"].attach(replay=False) as session:
                hello = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "x", "version": "1"},
                }
                await session.write(rpc("initialize", hello, id=1) + rpc("notifications/initialized"))
                first = json.loads((await session.expect(rb"[^\n]*\n")).text)
                await session.write(rpc("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}}, id=2))
                second = json.loads((await session.expect(rb"[^\n]*\n")).text)
            await trio.sleep(0.3)
            assert tree["t"].state is State.READY

    assert (first["id"], first["result"]["protocolVersion"]) == (1, "2025-06-18")
    assert (second["id"], second["result"]["content"][0]["text"]) == (2, "5")


async def test_an_mcp_server_that_is_wedged_is_restarted(subjects_python: Path, programs: Path) -> None:
    """Its tool `block` wedges its loop; who has called it has gone."""
    command = [str(subjects_python), str(programs / "mcp_server.py"), "stdio"]
    health = Health(Stdio(Rpc.MCP), period=0.1, timeout=0.5)
    async with Supervisor(process("t", command, preset="mcp-stdio", health=health)) as tree:
        with trio.fail_after(PATIENCE):
            await tree["t"].wait_ready()
            with tree["t"].attach(replay=False) as session:
                hello = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "x", "version": "1"},
                }
                await session.write(rpc("initialize", hello, id=1) + rpc("notifications/initialized"))
                await session.expect('"id":1')
                await session.write(rpc("tools/call", {"name": "block", "arguments": {"seconds": 600}}, id=2))
            await eventually(lambda: tree["t"].snapshot().generation == 2, PATIENCE)
            await tree["t"].wait_ready()
        assert tree["t"].snapshot().restarts == 1


def rpc(method: str, params: object = None, id: int | None = None) -> str:
    message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    return json.dumps(message if id is None else {**message, "id": id}) + "\n"


async def test_an_acp_agent_pays_for_its_turns_and_is_held_at_its_budget(subjects_python: Path, programs: Path) -> None:
    """A turn of it costs 0.05 USD, which it tells by `usage_update`; whoever talks with it need not know."""
    command = [str(subjects_python), str(programs / "acp_echo.py")]
    child = process("coder", command, preset="acp", budget=Budget(usd=Rate(0.12, 3600)))
    async with Supervisor(child) as tree:
        with trio.fail_after(PATIENCE):
            await tree["coder"].wait_ready()
            with tree["coder"].attach(replay=False) as session:
                await session.write(rpc("initialize", {"protocolVersion": 1}, id=1))
                await session.expect('"id":1')
                await session.write(rpc("session/new", {"cwd": "/", "mcpServers": []}, id=2))
                found = await session.expect(r'"sessionId":"(\w+)"')
                for number in (3, 4, 5):
                    prompt = {"sessionId": found.groups[0], "prompt": [{"type": "text", "text": "hello"}]}
                    await session.write(rpc("session/prompt", prompt, id=number))
                    await session.expect("usage_update")
            await eventually(lambda: tree["coder"].state is State.HELD, PATIENCE)
            assert tree["coder"].snapshot().reason.startswith("budget: 0.15 of 0.12 USD per h used")
