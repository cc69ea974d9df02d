"""Asks by a WebSocket (RFC 6455; package wsproto): opening handshake, ping and pong, close."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.http import REFUSED
from trio_supervisor.probes.http_messages import Question
from trio_supervisor.probes.network import Place, literal, owned_port, resolve, why
from trio_supervisor.probes.stream import open_stream
from trio_supervisor.probes.urls import web_question, web_url
from trio_supervisor.spec import WebSocket
from trio_supervisor.words import one_line, took

if TYPE_CHECKING:
    from wsproto import WSConnection

Stream = trio.abc.Stream
_CHUNK = 65536
_MOST = 1024 * 1024
"""Bytes of other messages that may come before the pong."""
_OF_HTTP = frozenset({"host", "connection", "accept", "accept-encoding"})
"""What the handshake sets itself, or what has no meaning in it."""


@asynccontextmanager
async def open_websocket(check: WebSocket, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the connection is accepted and a ping is answered.

    Raises:
        ProbeError: it needs the child's port, and the child has none; or the extra `ws` is not installed.
    """
    asked = web_question(web_url("ws", check.ws, check.host, target), target, check.headers)
    try:
        import wsproto  # noqa: F401, PLC0415 -- an extra
    except ImportError as error:
        raise ProbeError("ws needs a package that is not installed: pip install 'trio-supervisor[ws]'") from error
    known = literal(asked.host, asked.port)

    async def ask() -> Answer:
        begun = trio.current_time()
        try:
            places = known or await resolve(asked.host, asked.port)
            await _converse(places, asked, check.subprotocol)
        except OSError as error:
            return Answer(False, why(error, asked.where))
        except _NoSocketError as error:
            return Answer(False, one_line(str(error)))
        return Answer(True, f"WebSocket, pong in {took(trio.current_time() - begun)}")

    yield OpenProbe(ask, owned_port(asked.host, asked.port, target))


class _NoSocketError(Exception):
    """The target did not answer as a WebSocket; the message says in words how."""


async def _converse(places: list[Place], asked: Question, subprotocol: str | None) -> None:
    from wsproto import ConnectionType, WSConnection  # noqa: PLC0415 -- an extra
    from wsproto.events import CloseConnection, Ping, Request  # noqa: PLC0415
    from wsproto.utilities import ProtocolError  # noqa: PLC0415

    async with open_stream(places, asked.host if asked.tls else None, "http/1.1") as stream:
        connection = WSConnection(ConnectionType.CLIENT)
        request = Request(
            host=asked.headers["host"],
            target=asked.path,
            extra_headers=_extra(asked.headers),
            subprotocols=[] if subprotocol is None else [subprotocol],
        )
        payload = secrets.token_bytes(8)
        try:
            await stream.send_all(connection.send(request))
            await _receive(stream, connection, asked.where, None)
            await stream.send_all(connection.send(Ping(payload)))
            await _receive(stream, connection, asked.where, payload)
            # In order; whether that is confirmed is nobody's business any more.
            with suppress(trio.BrokenResourceError):
                await stream.send_all(connection.send(CloseConnection(code=1000)))
        except ProtocolError as error:
            raise _NoSocketError(f"not the WebSocket that {asked.where} should speak: {error}") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            cause = error.__cause__
            closed = _NoSocketError(f"{asked.where} closed the connection")
            raise cause if isinstance(cause, OSError) else closed from error


def _extra(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items() if name not in _OF_HTTP]


async def _receive(stream: Stream, connection: "WSConnection", where: str, pong: bytes | None) -> None:
    """Wait until the connection is accepted, or (`pong`) until that comes."""
    from wsproto.events import (  # noqa: PLC0415 -- an extra
        AcceptConnection,
        CloseConnection,
        Ping,
        Pong,
        RejectConnection,
    )

    received = 0
    while received <= _MOST:
        data = await stream.receive_some(_CHUNK)
        if not data:
            raise _NoSocketError(f"{where} closed the connection without an answer")
        received += len(data)
        connection.receive_data(bytes(data))
        for event in connection.events():
            if isinstance(event, RejectConnection):
                refused = f" ({REFUSED[event.status_code]})" if event.status_code in REFUSED else ""
                raise _NoSocketError(f"no WebSocket: HTTP {event.status_code}, expected 101{refused}")
            if isinstance(event, CloseConnection):
                raise _NoSocketError(f"{where} closed the WebSocket: {event.code:d} {event.reason or ''}".rstrip())
            if isinstance(event, Ping):
                await stream.send_all(connection.send(event.response()))
            if isinstance(event, AcceptConnection) if pong is None else (isinstance(event, Pong) and _is(event, pong)):
                return
    raise _NoSocketError(f"{where} has sent {_MOST >> 20} MiB instead of a pong")


def _is(event: object, payload: bytes) -> bool:
    return bytes(getattr(event, "payload", b"")) == payload
