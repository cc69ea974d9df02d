"""Asks for the A2A agent card, at its present path or at the one before protocol 0.3."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from itertools import islice

import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.agent_card import Edition, edition_of, faults
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.http import REFUSED
from trio_supervisor.probes.http_client import HttpClient, NoReplyError, Question, Reply
from trio_supervisor.probes.network import owned_port
from trio_supervisor.probes.urls import web_question, web_url
from trio_supervisor.spec import A2A
from trio_supervisor.words import one_line, took

PATH = "/.well-known/agent-card.json"
OLD_PATH = "/.well-known/agent.json"
"""Until protocol 0.2."""
MAX_CARD = 1024 * 1024
"""In bytes."""
_NAMED_FAULTS = 4


@asynccontextmanager
async def open_a2a(check: A2A, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the agent shows a card that is complete, or unchanged since it was.

    Raises:
        ProbeError: the child has no port.
    """
    if target.port is None and target.address is None:
        raise ProbeError("a2a needs a port, and the child has none")
    with closing(HttpClient()) as client:
        probe = _CardProbe(client, check, target)
        port = None if target.port is None else owned_port(check.host, target.port, target)
        yield OpenProbe(probe.ask, port)


class _CardProbe:
    """Knows where the last good card was, and its entity tag."""

    def __init__(self, client: HttpClient, check: A2A, target: Target) -> None:
        self._client = client
        self._target = target
        self._urls = {path: web_url("a2a", path, check.host, target) for path in (PATH, OLD_PATH)}
        self._path = PATH
        self._tag: str | None = None
        self._card: object = None

    async def ask(self) -> Answer:
        begun = trio.current_time()
        other = OLD_PATH if self._path == PATH else PATH
        try:
            for path in (self._path, other):
                reply = await self._client.ask(self._question(path), MAX_CARD)
                if reply.status != 404:
                    seen = f"agent card, {reply.status} in {took(trio.current_time() - begun)}"
                    fault = self._fault(path, reply)
                    return Answer(fault is None, fault or seen, card=None if fault else self._card)
                if path == self._path:
                    self._tag = None
        except NoReplyError as error:
            return Answer(False, str(error))
        return Answer(False, f"no agent card: HTTP 404 for {PATH} and {OLD_PATH}")

    def _question(self, path: str) -> Question:
        headers = {"Accept": "application/json"}
        if self._tag is not None and path == self._path:
            headers["If-None-Match"] = self._tag
        return web_question(self._urls[path], self._target, headers)

    def _fault(self, path: str, reply: Reply) -> str | None:
        """What is wrong, or None; remembers a good card."""
        if reply.status == 304 and self._tag is not None and path == self._path:
            return None
        if reply.status != 200:
            refused = f": it is there, but refuses us ({REFUSED[reply.status]})" if reply.status in REFUSED else ""
            return f"agent card: HTTP {reply.status}{refused or ', expected 200'}"
        card, fault = _card_of(reply, old_path=path == OLD_PATH)
        self._card = card if fault is None else self._card
        self._path = path if fault is None else self._path
        self._tag = _usable_tag(reply) if fault is None else None
        return fault


def _usable_tag(reply: Reply) -> str | None:
    tag = reply.headers.get("etag", "")
    return tag if tag.isascii() and tag.isprintable() and 0 < len(tag) <= 256 else None


def _card_of(reply: Reply, *, old_path: bool) -> tuple[object, str | None]:
    """The card, and what is wrong with it, if anything is."""
    if not reply.whole:
        return None, f"agent card: longer than {MAX_CARD // 1024} KiB"
    try:
        card = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None, "agent card: not JSON"
    if not isinstance(card, dict):
        return None, "agent card: not a JSON object"
    return card, _fault_of(card, edition_of(card, old_path=old_path))


def _fault_of(card: Mapping[str, object], edition: Edition) -> str | None:
    found = list(islice(faults(card, edition), _NAMED_FAULTS + 1))
    if not found:
        return None
    more = ", ..." if len(found) > _NAMED_FAULTS else ""
    return one_line(f"agent card (A2A {edition.version}): {', '.join(found[:_NAMED_FAULTS])}{more}")
