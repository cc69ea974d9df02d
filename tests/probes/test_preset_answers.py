"""Every preset against a server that gives the answers which were recorded from real programs (docs/explanation.md)."""

import json
from collections.abc import Mapping
from typing import cast

import pytest
import trio
from attrs import frozen

from tests.probes.probe_servers import Request, Site, Stream, response, serving
from trio_supervisor.core.facts import Role
from trio_supervisor.plugins import open_probe
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.spec import Grpc, Redis, Stdin, Stdio
from trio_supervisor.spec.presets import PRESETS

Answers = Mapping[str, tuple[int, object]]
"""What a server answers by path; all else is 404."""

LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
CARD_1_0 = {
    "name": "echo",
    "description": "says it again",
    "version": "1.0.0",
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [],
    "supportedInterfaces": [{"url": "http://x/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
}
CARD_0_3 = {
    **{name: value for name, value in CARD_1_0.items() if name != "supportedInterfaces"},
    "url": "http://x/",
    "protocolVersion": "0.3.0",
    "preferredTransport": "JSONRPC",
}
NEW, OLD = "/.well-known/agent-card.json", "/.well-known/agent.json"
RESULT = {"jsonrpc": "2.0", "id": "probe-1", "result": {"supportedVersions": ["2026-07-28"]}}


def refused(code: int, id: object = None) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no"}}


@frozen
class Case:
    """What a server of this kind says in some condition, and what its probes make of it."""

    name: str
    answers: Answers
    startup: bool | None = None
    readiness: bool | None = None
    health: bool | None = None
    busy: bool | None = None


CASES: Mapping[str, tuple[Case, ...]] = {
    "a2a": (
        Case("of 1.0", {NEW: (200, CARD_1_0)}, readiness=True, health=True),
        Case("of 0.3", {NEW: (200, CARD_0_3)}, readiness=True, health=True),
        Case("on the old path", {OLD: (200, CARD_0_3)}, readiness=True, health=True),
        Case("not whole", {NEW: (200, {**CARD_1_0, "skills": None})}, readiness=False, health=False),
        Case("no card", {}, readiness=False, health=False),
        Case("broken", {NEW: (500, {})}, readiness=False, health=False),
    ),
    "agentcore": (
        Case("idle", {"/ping": (200, {"status": "Healthy", "time_of_last_update": 1})}, None, True, True, False),
        Case("busy", {"/ping": (200, {"status": "HealthyBusy", "time_of_last_update": 1})}, None, True, True, True),
        Case("ill", {"/ping": (200, {"status": "Unhealthy"})}, readiness=False, health=False),
        Case("of IBM's ACP", {"/ping": (200, {})}, readiness=False, health=False),
        Case("broken", {"/ping": (500, {"status": "Healthy"})}, readiness=False, health=False),
    ),
    "google-adk": (
        Case("up", {"/health": (200, {"status": "ok"})}, readiness=True, health=True),
        Case("broken", {"/health": (500, {"status": "ok"})}, readiness=False, health=False),
    ),
    "langgraph": (
        Case("up", {"/ok": (200, {"ok": True})}, readiness=True, health=True),
        Case("not ok", {"/ok": (200, {"ok": False})}, readiness=False, health=False),
    ),
    "litellm": (
        Case("up", {"/health/liveliness": (200, "alive"), "/health/readiness": (200, {})}, None, True, True),
        Case("no database", {"/health/liveliness": (200, "alive"), "/health/readiness": (503, {})}, None, False, True),
    ),
    "llama.cpp": (
        Case("loading", {"/health": (503, LOADING)}, startup=False, readiness=False, health=True),
        Case("up", {"/health": (200, {"status": "ok"})}, startup=True, readiness=True, health=True),
        Case("broken", {"/health": (503, {"error": "out of slots"})}, startup=False, readiness=False, health=False),
        Case("worse", {"/health": (500, LOADING)}, startup=False, readiness=False, health=False),
    ),
    "mcp-http": (
        Case("2026-07-28", {"/mcp": (200, RESULT)}, readiness=True, health=True),
        Case("py 1.30.0", {"/mcp": (400, refused(-32600, "server-error"))}, readiness=True, health=True),
        Case("TypeScript", {"/mcp": (400, refused(-32000))}, readiness=True, health=True),
        Case("supergateway", {"/mcp": (404, refused(-32601, "probe-1"))}, readiness=True, health=True),
        Case("wants a token", {"/mcp": (401, {"error": "invalid_token"})}, readiness=True, health=True),
        Case("no MCP", {"/mcp": (200, {"ok": True})}, readiness=False, health=False),
        Case("not there", {}, readiness=False, health=False),
        Case("broken", {"/mcp": (500, refused(-32603))}, readiness=False, health=False),
    ),
    "openai-compatible": (
        Case("open", {"/v1/models": (200, {"object": "list", "data": []})}, readiness=True),
        Case("wants a key", {"/v1/models": (401, {"error": {}})}, readiness=True),
        Case("loading", {"/v1/models": (503, {})}, readiness=False),
    ),
    "openclaw": (
        Case("up", {"/healthz": (200, {"ok": True, "status": "live"}), "/readyz": (200, {})}, None, True, True),
        Case(
            "sidecars start",
            {"/healthz": (200, {"ok": True, "status": "live"}), "/readyz": (503, {"failing": ["startup-sidecars"]})},
            readiness=False,
            health=True,
        ),
    ),
    "opencode": (
        Case("up", {"/global/health": (200, {"healthy": True, "version": "1.18.33"})}, readiness=True, health=True),
        Case("ill", {"/global/health": (200, {"healthy": False})}, readiness=False, health=False),
    ),
    "vllm": (
        Case("up", {"/health": (200, ""), "/v1/models": (200, {"data": []})}, True, True, True),
        Case("with a key", {"/health": (200, ""), "/v1/models": (401, {})}, True, True, True),
        Case("engine dead", {"/health": (503, ""), "/v1/models": (200, {"data": []})}, False, True, False),
    ),
}
TABLE = [pytest.param(name, case, id=f"{name}: {case.name}") for name, cases in CASES.items() for case in cases]
OF_SOCKETS = {"grpc", "redis"}
"""Not over HTTP/1: tested with the probes of their kind, and against the real programs."""
OF_PIPES = {"acp", "mcp-stdio"}
"""Over standard input: tested in test_probe_stdio.py, and against the real programs."""


def site(answers: Answers) -> Site:
    def respond(request: Request) -> bytes:
        status, body = answers.get(request.path, (404, {"detail": "Not Found"}))
        raw = body if isinstance(body, str) else json.dumps(body)
        return response(status, raw.encode(), {"Content-Type": "application/json"})

    return Site(respond)


async def asked(preset: str, port: int) -> dict[str, Answer]:
    """One answer to each probe of a preset."""
    given: dict[str, Answer] = {}
    for role in Role:
        probe = getattr(PRESETS[preset], role.value)
        if probe is None:
            continue
        async with open_probe(probe.check, Target("agent", port, None, role), 5.0) as opened:
            assert opened.port == port, "who answers must be the agent"
            with trio.fail_after(5):
                given[role.value] = await opened.ask()
    return given


@pytest.mark.parametrize(("preset", "case"), TABLE)
async def test_a_preset_judges_what_real_programs_were_seen_to_answer(preset: str, case: Case) -> None:
    server = site(case.answers)
    async with serving(server) as port:
        given = await asked(preset, port)

    expected = {"startup": case.startup, "readiness": case.readiness, "health": case.health}
    found = {name: given[name].ok if name in given else None for name in expected}
    assert found == expected
    assert {answer.busy for answer in given.values()} == {case.busy}
    assert all(answer.detail for answer in given.values())


def test_every_preset_with_probes_has_such_a_table() -> None:
    with_probes = {name for name, each in PRESETS.items() if each.startup or each.readiness or each.health}

    assert with_probes == CASES.keys() | OF_SOCKETS | OF_PIPES
    assert isinstance(PRESETS["grpc"].health and PRESETS["grpc"].health.check, Grpc)
    assert isinstance(PRESETS["redis"].health and PRESETS["redis"].health.check, Redis)


def test_who_is_talked_to_over_a_pipe_is_asked_only_where_the_pipe_is_ours() -> None:
    """The first message picks the era of an MCP server, and a session may be under way: only the owner may ask."""
    for name in OF_PIPES:
        preset = PRESETS[name]
        assert isinstance(preset.health and preset.health.check, Stdio)
        assert preset.suited(piped=True) is preset
        elsewhere = preset.suited(piped=False)
        assert (elsewhere.startup, elsewhere.readiness, elsewhere.health, elsewhere.stdin) == (
            *[None] * 3,
            Stdin.PIPE,
        )


async def test_litellm_is_never_asked_at_the_path_that_bills() -> None:
    server = site({"/health/liveliness": (200, "alive"), "/health/readiness": (200, {})})
    async with serving(server) as port:
        await asked("litellm", port)

    assert {request.path for request in server.requests} == {"/health/liveliness", "/health/readiness"}


async def test_a_card_that_has_not_changed_is_not_sent_again() -> None:
    def respond(request: Request) -> bytes:
        if request.headers.get("if-none-match") == 'W/"1"':
            return response(304, headers={"ETag": 'W/"1"'})
        return response(200, json.dumps(CARD_1_0).encode(), {"ETag": 'W/"1"'})

    server = Site(respond)
    readiness = PRESETS["a2a"].readiness
    assert readiness is not None
    async with serving(server) as port, open_probe(readiness.check, Target("agent", port, None), 5.0) as probe:
        first, second = await probe.ask(), await probe.ask()

    assert (first.ok, second.ok) == (True, True)
    assert "304" in second.detail
    assert cast("dict[str, object]", first.card)["name"] == "echo"


# MCP over HTTP


async def asked_of_mcp(raw: bytes) -> tuple[Answer, list[Request]]:
    """The answer, and the requests."""
    server = Site(lambda _: raw)
    readiness = PRESETS["mcp-http"].readiness
    assert readiness is not None
    async with serving(server) as port, open_probe(readiness.check, Target("a", port, None), 5.0) as probe:
        with trio.fail_after(5):
            return await probe.ask(), server.requests


async def test_an_mcp_server_is_asked_to_discover_and_never_to_open_a_session() -> None:
    answer, (request,) = await asked_of_mcp(response(200, json.dumps(RESULT).encode()))

    message = json.loads(request.body)
    assert answer.detail.startswith("MCP, 2026-07-28, 200 in ")
    assert (request.method, request.path) == ("POST", "/mcp")
    assert "mcp-session-id" not in request.headers
    assert request.headers["accept"] == "application/json, text/event-stream"
    assert request.headers["mcp-method"] == "server/discover"
    assert message["method"] == "server/discover"
    assert message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"


async def test_an_answer_as_a_stream_of_events_is_read() -> None:
    body = f": hello\r\nevent: message\r\ndata: {json.dumps(RESULT)}\r\n\r\n".encode()

    answer, _ = await asked_of_mcp(response(200, body, {"Content-Type": "text/event-stream"}))

    assert answer.ok


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b"{", b'{"jsonrpc": "1.0", "result": {}}', b'"x"', b"\xff"])
async def test_what_is_no_json_rpc_is_no_answer(body: bytes) -> None:
    answer, _ = await asked_of_mcp(response(200, body))

    assert (answer.ok, answer.detail) == (False, "MCP: HTTP 200 without an answer in JSON-RPC")


# Redis


async def asked_of_redis(said: bytes, role: Role) -> Answer:
    async def handle(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(said)

    async with serving(handle) as port, open_probe(Redis("{port}"), Target("a", port, None, role), 5.0) as probe:
        with trio.fail_after(5):
            return await probe.ask()


@pytest.mark.parametrize(
    ("said", "ready", "healthy"),
    [
        (b"+PONG\r\n", True, True),
        (b"-NOAUTH Authentication required.\r\n", True, True),
        (b"-LOADING Redis is loading the dataset in memory\r\n", False, True),
        (b"-BUSY Redis is busy running a script.\r\n", False, True),
        (b"HTTP/1.1 400 Bad Request\r\n", False, False),
        (b"", False, False),
        (b"x" * 5000, False, False),
    ],
)
async def test_redis_is_ready_when_it_serves_and_healthy_when_it_answers(
    said: bytes, ready: bool, healthy: bool
) -> None:
    assert (await asked_of_redis(said, Role.READINESS)).ok is ready
    assert (await asked_of_redis(said, Role.HEALTH)).ok is healthy
