"""The OpenAPI document against the server that it describes, by schemathesis: what fits the document is taken, what
does not is refused, and every answer is one that the document names.
"""

import json
import threading
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import unsupported_method

from tests.control.trees import OPERATE, PATIENCE, cat, forever, open_control, serving_tcp
from trio_supervisor import supervisor, task
from trio_supervisor.control.wire.openapi import document
from trio_supervisor.control.wire.requests import LONGEST_EXPECTED

# What a WebSocket answers is beyond OpenAPI.
schema = schemathesis.openapi.from_dict(dict(document())).exclude(path_regex="/attach$")
AGENTS = ("a", "cat", "team", "team/b", "web", "nobody")


@schemathesis.deserializer("application/x-ndjson")
def lines(_ctx: Any, response: Any) -> list[Any]:
    return [json.loads(line) for line in response.text.splitlines()]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server in a thread of its own, over TCP."""
    found: list[int] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        team = supervisor("team", task("b", forever))
        replicas = (task("web-1", forever), task("web-2", forever))
        async with open_control(task("a", forever), cat(), team, *replicas) as control, serving_tcp(control) as port:
            found.append(port)
            ready.set()
            await trio.to_thread.run_sync(done.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert ready.wait(20)
    yield found[0]
    done.set()
    thread.join(20)
    assert not thread.is_alive()


def fit(case: Any) -> None:
    """Mostly an agent that is there, streams that end, and answers that nobody waits for."""
    agent = (case.path_parameters or {}).get("agent")
    if agent is not None and crc32(repr(agent).encode()) % 5:
        case.path_parameters["agent"] = AGENTS[crc32(repr(agent).encode()) % len(AGENTS)]
    if case.path == "/v1/events" or (case.query or {}).get("follow") == "true":
        case.query = {**(case.query or {}), "follow": "false"}
    body = case.body
    timeout = body.get("timeout") if isinstance(body, dict) else None
    # One that is too great stays so: it is to be refused.
    if isinstance(timeout, int | float) and 0.1 < timeout <= LONGEST_EXPECTED:
        body["timeout"] = 0.1


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_it_is_served_as_it_is_described(case: Any, port: int) -> None:
    fit(case)
    headers = {"Authorization": f"Bearer {OPERATE}"}
    # GET /v1/agents/team/stop asks for an agent whose own id is `stop`, which may be: no wrong method, as far as the
    # path tells.
    left_out = [unsupported_method] if "{agent}/" in case.path else []
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE, excluded_checks=left_out
    )
