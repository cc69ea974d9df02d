"""Asks by an HTTP request: the status, and the body as text or as JSON."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing

import trio

from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.http_client import HttpClient, NoReplyError, Reply
from trio_supervisor.probes.json_match import difference
from trio_supervisor.probes.network import owned_port
from trio_supervisor.probes.urls import web_question, web_url
from trio_supervisor.spec import Http, expand
from trio_supervisor.words import one_line, took

MAX_BODY = 1024 * 1024
"""In bytes: no more of a body is read. What comes after is not judged."""
REFUSED = {401: "unauthorized", 403: "forbidden"}
"""Statuses of who is there, and wants other credentials (RFC 9110, 15.5.2 and 15.5.4)."""
MAX_SEARCHED = 64 * 1024
"""In bytes: `body` is searched in so much."""


@asynccontextmanager
async def open_http(check: Http, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the response has one of the statuses, and the body holds what it should.

    Raises:
        ProbeError: it needs the child's port, and the child has none; or nobody has such a URL.
    """
    asked = web_question(url_of(check, target), target, check.headers, check.method.upper())
    judge = _Judge(check, target)
    with closing(HttpClient()) as client:

        async def ask() -> Answer:
            begun = trio.current_time()
            try:
                reply = await client.ask(asked, MAX_BODY)
            except NoReplyError as error:
                return Answer(False, str(error))
            if (fault := judge.fault(reply)) is not None:
                return Answer(False, fault)
            return Answer(True, f"{reply.status} in {took(trio.current_time() - begun)}")

        yield OpenProbe(ask, owned_port(asked.host, asked.port, target))


def url_of(check: Http, target: Target) -> str:
    """The whole URL to ask; raises ProbeError if it needs the child's port, and the child has none."""
    return web_url("http", check.http, check.host, target)


class _Judge:
    """What a reply must be."""

    def __init__(self, check: Http, target: Target) -> None:
        self._statuses = frozenset(check.status)
        self._pattern = None if check.body is None else re.compile(expand(check.body, target.child, target.port))
        self._json = _expand_all(check.json, target)

    def fault(self, reply: Reply) -> str | None:
        """What is wrong, or None."""
        if reply.status not in self._statuses:
            if reply.status in REFUSED:
                return f"HTTP {reply.status}: it is there, but refuses us ({REFUSED[reply.status]})"
            to = f" to {one_line(reply.headers['location'], 60)}" if "location" in reply.headers else ""
            return f"HTTP {reply.status}{to}, expected {ranges(self._statuses)}"
        if self._pattern is not None and not self._pattern.search(reply.body[:MAX_SEARCHED].decode(errors="replace")):
            return f"body does not match {one_line(repr(self._pattern.pattern), 60)}"
        if self._json is not None:
            return self._json_fault(reply)
        return None

    def _json_fault(self, reply: Reply) -> str | None:
        if not reply.whole:
            return f"json: the body is longer than {MAX_BODY // 1024} KiB"
        try:
            found = difference(self._json, json.loads(reply.body))
        except (ValueError, RecursionError):
            return "json: the body is not JSON"
        return found and f"json: {found}"


def _expand_all(value: object, target: Target) -> object:
    """Replace the placeholders in all texts of a JSON value."""
    if isinstance(value, str):
        return expand(value, target.child, target.port)
    if isinstance(value, Mapping):
        return {key: _expand_all(item, target) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_expand_all(item, target) for item in value]
    return value


def ranges(codes: Iterable[int]) -> str:
    """Write status codes shortly: `200-299, 404`."""
    runs: list[tuple[int, int]] = []
    for code in sorted(codes):
        if runs and code == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
