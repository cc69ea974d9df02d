"""The gRPC health probe against servers of HTTP/2 that behave, and servers that do not."""

import struct
import sys
from collections.abc import Awaitable, Callable

import h2.config
import h2.connection
import h2.events
import pytest
import trio
import trio.testing

from tests.probes.probe_servers import Stream, cancelled_at_step, open_descriptors, response, serving
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.grpc import open_grpc
from trio_supervisor.spec import Grpc

SERVING = b"\x08\x01"
OK = [("grpc-status", "0")]
HEAD = [(":status", "200"), ("content-type", "application/grpc")]


class Health:
    """A health service: answers every call with what it was made with, and keeps what was asked."""

    def __init__(
        self,
        message: bytes | None = SERVING,
        end: list[tuple[str, str]] | None = None,
        head: list[tuple[str, str]] | None = None,
        length: int | None = None,
    ) -> None:
        self.message = message
        self.end = OK if end is None else end
        self.head = HEAD if head is None else head
        self.length = length
        self.asked: list[tuple[dict[str, str], bytes]] = []

    async def __call__(self, stream: Stream) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        await stream.send_all(connection.data_to_send())
        headers: dict[str, str] = {}
        body = b""
        while data := await stream.receive_some():
            for event in connection.receive_data(bytes(data)):
                if isinstance(event, h2.events.RequestReceived):
                    headers = {str(name): str(value) for name, value in event.headers or ()}
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data or b""
                elif isinstance(event, h2.events.StreamEnded):
                    self.asked.append((headers, body))
                    self.answer(connection, event.stream_id or 1)
            await stream.send_all(connection.data_to_send())

    def answer(self, connection: h2.connection.H2Connection, stream: int) -> None:
        if self.message is None:
            connection.send_headers(stream, [*self.head, *self.end], end_stream=True)
            return
        connection.send_headers(stream, self.head)
        length = len(self.message) if self.length is None else self.length
        connection.send_data(stream, struct.pack(">BI", 0, length) + self.message)
        connection.send_headers(stream, self.end, end_stream=True)


async def ask(handler: Callable[[Stream], Awaitable[None]], service: str = "") -> Answer:
    async with serving(handler) as port, open_grpc(Grpc("{port}", service), Target("a", port, None), 5) as probe:
        with trio.fail_after(5):
            return await probe.ask()


async def test_serving_is_a_success() -> None:
    health = Health()
    answer = await ask(health)

    assert answer.ok
    assert answer.detail.startswith("SERVING in ")
    headers, body = health.asked[0]
    assert (headers[":method"], headers[":path"]) == ("POST", "/grpc.health.v1.Health/Check")
    assert (headers["content-type"], headers["te"]) == ("application/grpc+proto", "trailers")
    assert body == b"\0\0\0\0\0"


async def test_a_service_can_be_named() -> None:
    health = Health()
    await ask(health, "agents.Worker")
    assert health.asked[0][1] == b"\0\0\0\0\x0f\x0a\x0dagents.Worker"

    await ask(health, "x" * 200)
    assert health.asked[1][1] == b"\0\0\0\0\xcb\x0a\xc8\x01" + b"x" * 200


@pytest.mark.parametrize(
    ("health", "detail"),
    [
        (Health(b"\x08\x02"), "health service: NOT_SERVING"),
        (Health(b""), "health service: UNKNOWN"),
        (Health(b"\x08\x09"), "health service: 9"),
        (Health(None, [("grpc-status", "12")]), "it has no health service (UNIMPLEMENTED)"),
        (Health(None, [("grpc-status", "5")]), "its health service knows no service '' (NOT_FOUND)"),
        (
            Health(None, [("grpc-status", "14"), ("grpc-message", "not%20yet\x20there")]),
            "gRPC status UNAVAILABLE: not yet there",
        ),
        (Health(None, [("grpc-status", "99")]), "gRPC status 99"),
        (Health(None, [("grpc-status", "nine")]), "gRPC status 'nine'"),
        (Health(end=[("x", "y")]), "gRPC status ''"),
        (Health(None, head=[(":status", "404")]), "HTTP 404, expected 200 (is this gRPC?)"),
        (Health(b"\x08"), "the answer is no HealthCheckResponse"),
        (Health(b"\x12\x01"), "the answer is no HealthCheckResponse"),
        (Health(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "the answer is no HealthCheckResponse"),
        (Health(SERVING, length=7), "the answer is no HealthCheckResponse"),
    ],
)
async def test_whatever_else_it_says_is_a_failure(health: Health, detail: str) -> None:
    assert await ask(health) == Answer(False, detail)


async def test_servers_that_speak_something_else() -> None:
    async def http1(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(response(400, b"what?"))

    async def garbage(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"\0\0\1\4\0\0\0\0\1x" * 10)

    async def hang_up(stream: Stream) -> None:
        await stream.receive_some()

    async def reset(stream: Stream) -> None:
        await stream.receive_some()
        assert isinstance(stream, trio.SocketStream)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    for handler, words in (
        (http1, "speaks HTTP/1, not the HTTP/2 of gRPC"),
        (garbage, "not the HTTP/2 that"),
        (hang_up, "closed the connection without an answer"),
        (reset, "connection reset by"),
    ):
        answer = await ask(handler)
        assert not answer.ok
        assert words in answer.detail


async def test_a_server_that_breaks_the_call_off() -> None:
    class Breaks(Health):
        def answer(self, connection: h2.connection.H2Connection, stream: int) -> None:
            connection.reset_stream(stream, 11)

    class Leaves(Health):
        def answer(self, connection: h2.connection.H2Connection, stream: int) -> None:
            connection.close_connection(2)

    assert "broke the call off (HTTP/2 error" in (await ask(Breaks())).detail
    assert "ended the connection (HTTP/2 error" in (await ask(Leaves())).detail


async def test_an_answer_that_is_too_long_is_given_up() -> None:
    class Babbles(Health):
        def answer(self, connection: h2.connection.H2Connection, stream: int) -> None:
            connection.send_headers(stream, HEAD)
            for _ in range(3):
                connection.send_data(stream, b"x" * 16_000)

    assert "is longer than any" in (await ask(Babbles())).detail


async def test_nobody_listens() -> None:
    async with serving(Health()) as port:
        pass
    async with open_grpc(Grpc("{port}"), Target("a", port, None), 5) as probe:
        assert await probe.ask() == Answer(False, f"connection refused on 127.0.0.1:{port}")
        assert probe.port == port, "the owner of the port is checked"


async def test_it_can_be_cancelled_at_each_step_and_leaves_no_socket() -> None:
    async with serving(Health()) as port, open_grpc(Grpc("{port}"), Target("a", port, None), 5) as probe:
        assert (await probe.ask()).ok
        before = open_descriptors()
        step, cancelled = -1, True
        while cancelled:
            step += 1
            cancelled = await cancelled_at_step(step, probe.ask)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert open_descriptors() <= before
    assert step >= 3


async def test_without_a_port_it_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="needs a port"):
        async with open_grpc(Grpc("{port}"), Target("a", None, None), 5):
            pass


async def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2.connection", None)
    with pytest.raises(ProbeError, match=r"pip install 'trio-supervisor\[grpc\]'"):
        async with open_grpc(Grpc("1"), Target("a", None, None), 5):
            pass
