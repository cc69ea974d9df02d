"""Asks gRPC's health service: one call of grpc.health.v1.Health/Check, over a connection of its own (package h2).

The messages have a field of protocol buffers each: `service` (1, text) in the question, `status` (1, number) in the
answer.
"""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

import trio
from attrs import define, field

from trio_supervisor.errors import ProbeError, SpecError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.network import Place, at, literal, owned_port, resolve, why
from trio_supervisor.probes.stream import open_stream
from trio_supervisor.spec import Grpc, expand, split_address
from trio_supervisor.words import one_line, took

if TYPE_CHECKING:
    from h2.connection import H2Connection

_PATH = "/grpc.health.v1.Health/Check"
_SERVING = 1
_STATUSES = {0: "UNKNOWN", _SERVING: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_CODES = {1: "CANCELLED", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED",
          12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED"}  # fmt: skip
_MOST = 16 * 1024
"""Bytes of an answer; a right one has a few."""


@asynccontextmanager
async def open_grpc(check: Grpc, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the health service says SERVING.

    Raises:
        ProbeError: it needs the child's port, and the child has none; or the extra `grpc` is not installed.
    """
    if "{port}" in check.grpc and target.port is None:
        raise ProbeError(f"grpc {check.grpc!r} needs a port, and the child has none")
    try:
        host, port = split_address(expand(check.grpc, target.child, target.port), "grpc")
    except SpecError as error:
        raise ProbeError(str(error)) from error
    try:
        import h2.connection  # noqa: F401, PLC0415 -- an extra
    except ImportError as error:
        raise ProbeError("grpc needs a package that is not installed: pip install 'trio-supervisor[grpc]'") from error
    known = literal(host, port)
    service = expand(check.service, target.child, target.port)

    async def ask() -> Answer:
        begun = trio.current_time()
        try:
            places = known or await resolve(host, port)
            answered = await _call(places, at(host, port), host if check.tls else None, service)
        except OSError as error:
            return Answer(False, why(error, at(host, port)))
        except _NoGrpcError as error:
            return Answer(False, one_line(str(error)))
        fault = _fault(answered, service)
        return Answer(fault is None, fault or f"SERVING in {took(trio.current_time() - begun)}")

    yield OpenProbe(ask, owned_port(host, port, target))


class _NoGrpcError(Exception):
    """The target did not answer as gRPC asks; the message says in words how."""


@define
class _Answered:
    """What has come of a call."""

    headers: dict[str, str] = field(factory=dict)
    """Of the head and of the end of the answer."""
    body: bytearray = field(factory=bytearray)
    over: bool = False


async def _call(places: list[Place], where: str, tls_host: str | None, service: str) -> _Answered:
    from h2.config import H2Configuration  # noqa: PLC0415 -- an extra
    from h2.connection import H2Connection  # noqa: PLC0415
    from h2.exceptions import ProtocolError  # noqa: PLC0415

    async with open_stream(places, tls_host) as stream:
        connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        try:
            await stream.send_all(_question(connection, where, "http" if tls_host is None else "https", service))
            answered = _Answered()
            while not answered.over:
                data = await stream.receive_some(65536)
                if data.startswith(b"HTTP/1") and not answered.headers:
                    raise _NoGrpcError(f"{where} speaks HTTP/1, not the HTTP/2 of gRPC")
                if not data:
                    raise _NoGrpcError(f"{where} closed the connection without an answer")
                _take(connection, bytes(data), answered, where)
                if out := connection.data_to_send():
                    await stream.send_all(out)
            return answered
        except (ProtocolError, UnicodeDecodeError) as error:
            raise _NoGrpcError(f"not the HTTP/2 that {where} should speak: {error}") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            cause = error.__cause__
            raise cause if isinstance(cause, OSError) else _NoGrpcError(f"{where} closed the connection") from error


def _question(connection: "H2Connection", where: str, scheme: str, service: str) -> bytes:
    """The call, ready to be sent (gRPC over HTTP/2, "Requests")."""
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", scheme),
            (":path", _PATH),
            (":authority", where),
            ("te", "trailers"),
            ("content-type", "application/grpc+proto"),
            ("user-agent", "trio-supervisor"),
        ],
    )
    name = service.encode()
    message = b"" if not name else b"\x0a" + _varint(len(name)) + name
    connection.send_data(stream, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
    return connection.data_to_send()


def _take(connection: "H2Connection", data: bytes, answered: _Answered, where: str) -> None:
    """Take in what was received."""
    import h2.events as events  # noqa: PLC0415 -- an extra

    for event in connection.receive_data(data):
        if isinstance(event, events.ResponseReceived | events.TrailersReceived):
            answered.headers |= {_text(name): _text(value) for name, value in event.headers or ()}
        elif isinstance(event, events.DataReceived):
            answered.body += event.data or b""
            if len(answered.body) > _MOST:
                raise _NoGrpcError(f"the answer of {where} is longer than any")
            connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, events.StreamEnded):
            answered.over = True
        elif isinstance(event, events.StreamReset):
            raise _NoGrpcError(f"{where} broke the call off (HTTP/2 error {event.error_code})")
        elif isinstance(event, events.ConnectionTerminated):
            raise _NoGrpcError(f"{where} ended the connection (HTTP/2 error {event.error_code})")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _fault(answered: _Answered, service: str) -> str | None:
    """What is wrong, or None."""
    http, code = answered.headers.get(":status", ""), answered.headers.get("grpc-status", "")
    if http != "200":
        return f"HTTP {http}, expected 200 (is this gRPC?)"
    if code != "0":
        return _about_code(code, answered.headers.get("grpc-message", ""), service)
    status = _status(bytes(answered.body))
    if status is None:
        return "the answer is no HealthCheckResponse"
    return None if status == _SERVING else f"health service: {_STATUSES.get(status, status)}"


def _about_code(code: str, message: str, service: str) -> str:
    if code == "12":
        return "it has no health service (UNIMPLEMENTED)"
    if code == "5":
        return f"its health service knows no service {service!r} (NOT_FOUND)"
    name = _CODES.get(int(code), code) if code.isascii() and code.isdecimal() and len(code) < 4 else repr(code)
    return one_line(f"gRPC status {name}: {unquote(message)}".rstrip(": "))


def _status(body: bytes) -> int | None:
    """The `status` of an answer; None if it is none. A field that is left out is 0."""
    if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5], "big") != len(body) - 5:
        return None
    status, rest = 0, body[5:]
    while rest:
        tag, rest = _read_varint(rest)
        value, rest = _read_varint(rest)
        if tag != 0x08 or value is None:  # field 1, a number
            return None
        status = value
    return status


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _read_varint(data: bytes) -> tuple[int | None, bytes]:
    number = 0
    for index, byte in enumerate(data[:10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, data[index + 1 :]
    return None, b""
