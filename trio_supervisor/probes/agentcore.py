"""Asks `GET /ping` as AWS Bedrock AgentCore does: `Healthy`, or `HealthyBusy`, which means hands off."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import trio

from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.http_client import HttpClient, NoReplyError, Reply
from trio_supervisor.probes.network import owned_port
from trio_supervisor.probes.urls import web_question, web_url
from trio_supervisor.spec import AgentCore
from trio_supervisor.words import one_line, took

MAX_BODY = 64 * 1024
"""In bytes."""
_BUSY = {"Healthy": False, "HealthyBusy": True}


@asynccontextmanager
async def open_agentcore(check: AgentCore, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the status is `Healthy` or `HealthyBusy`, and tells whether it is busy.

    Raises:
        ProbeError: it needs the child's port, and the child has none; or nobody has such a URL.
    """
    asked = web_question(web_url("agentcore", check.agentcore, check.host, target), target, {})
    with closing(HttpClient()) as client:

        async def ask() -> Answer:
            begun = trio.current_time()
            try:
                reply = await client.ask(asked, MAX_BODY)
            except NoReplyError as error:
                return Answer(False, str(error))
            busy, seen = _judged(reply)
            if busy is None:
                return Answer(False, f"ping: {seen}")
            return Answer(True, f"{seen} in {took(trio.current_time() - begun)}", busy=busy)

        yield OpenProbe(ask, owned_port(asked.host, asked.port, target))


def _judged(reply: Reply) -> tuple[bool | None, str]:
    """Whether it is busy, None where it is not healthy; and what was seen."""
    if reply.status != 200:
        return None, f"HTTP {reply.status}, expected 200"
    try:
        status = json.loads(reply.body)["status"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None, "no JSON object with a status"
    if not isinstance(status, str) or status not in _BUSY:
        return None, f"status {one_line(repr(status), 40)}, expected Healthy or HealthyBusy"
    return _BUSY[status], status
