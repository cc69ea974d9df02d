"""Asks an MCP server over HTTP, without a session: POST of `server/discover`, whose answer says that it is alive.

Revision 2026-07-28 has that call. Older servers refuse it, with a status below 500 and an error in JSON-RPC: that is an
answer too. An `initialize` would be none better, and opens a session (a process, behind some gateways) each time.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from itertools import count

import trio

from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.http import REFUSED
from trio_supervisor.probes.http_client import HttpClient, NoReplyError, Question, Reply
from trio_supervisor.probes.network import owned_port
from trio_supervisor.probes.urls import web_question, web_url
from trio_supervisor.spec import Mcp
from trio_supervisor.words import one_line, took

REVISION = "2026-07-28"
METHOD = "server/discover"
MAX_BODY = 1024 * 1024
"""In bytes."""
_META = "io.modelcontextprotocol/"


@asynccontextmanager
async def open_mcp(check: Mcp, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the server answers in JSON-RPC.

    Raises:
        ProbeError: it needs the child's port, and the child has none; or nobody has such a URL.
    """
    url = web_url("mcp", check.mcp, check.host, target)
    numbers = count(1)
    with closing(HttpClient()) as client:

        async def ask() -> Answer:
            asked = _question(url, check, target, next(numbers))
            begun = trio.current_time()
            try:
                reply = await client.ask(asked, MAX_BODY)
            except NoReplyError as error:
                return Answer(False, str(error))
            ok, seen = judge(reply, known="authorization" in asked.headers)
            return Answer(ok, f"{seen} in {took(trio.current_time() - begun)}" if ok else seen)

        place = _question(url, check, target, 0)
        yield OpenProbe(ask, owned_port(place.host, place.port, target))


def _question(url: str, check: Mcp, target: Target, number: int) -> Question:
    meta = {
        f"{_META}protocolVersion": REVISION,
        f"{_META}clientCapabilities": {},
        f"{_META}clientInfo": {"name": "trio-supervisor", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": f"probe-{number}", "method": METHOD, "params": {"_meta": meta}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": METHOD,
        **check.headers,
    }
    return web_question(url, target, headers, "POST", json.dumps(message).encode())


def judge(reply: Reply, *, known: bool) -> tuple[bool, str]:
    """Whether a reply is one of a server that is alive, and what was seen. `known`: credentials were sent."""
    if reply.status >= 500:
        return False, f"MCP: HTTP {reply.status}"
    for message in _messages(reply):
        if "result" in message:
            return True, f"MCP, {_revision(message)}{reply.status}"
        error = message.get("error")
        if isinstance(error, Mapping):
            return True, f"MCP of an older revision ({one_line(str(error.get('code')), 20)}), {reply.status}"
    if reply.status in REFUSED:
        # Who wants credentials and was sent none is there; those that were sent should be right.
        seen = f"MCP: HTTP {reply.status}: it is there, but refuses us ({REFUSED[reply.status]})"
        return not known, seen
    return False, f"MCP: HTTP {reply.status} without an answer in JSON-RPC"


def _revision(message: Mapping[str, object]) -> str:
    result = message["result"]
    versions = result.get("supportedVersions") if isinstance(result, Mapping) else None
    newest = versions[0] if isinstance(versions, list) and versions else None
    return f"{one_line(newest, 20)}, " if isinstance(newest, str) else ""


def _messages(reply: Reply) -> Iterator[Mapping[str, object]]:
    """What a reply holds in JSON-RPC: as a whole, or as events (text/event-stream)."""
    text = reply.body.decode(errors="replace")
    events = "event-stream" in reply.headers.get("content-type", "")
    for piece in _events(text) if events else (text,):
        try:
            message = json.loads(piece)
        except (ValueError, RecursionError):
            continue
        for one in message if isinstance(message, list) else (message,):
            if isinstance(one, Mapping) and one.get("jsonrpc") == "2.0":
                yield one


def _events(text: str) -> Iterator[str]:
    data: list[str] = []
    for line in (*text.splitlines(), ""):
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
