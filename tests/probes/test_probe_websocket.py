"""The WebSocket probe against a server on wsproto, and against servers that are none."""

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage

from tests.probes.probe_servers import Site, Stream, response, serving
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.websocket import open_websocket
from trio_supervisor.spec import Address, WebSocket


class Talker:
    """A WebSocket server; notes what it sees."""

    def __init__(self, *, pongs: bool = True, chatter: int = 0, reject: int = 0) -> None:
        self.seen: list[str] = []
        self.headers: dict[str, str] = {}
        self._pongs = pongs
        self._chatter = chatter
        self._reject = reject

    async def __call__(self, stream: Stream) -> None:
        connection = WSConnection(ConnectionType.SERVER)
        while data := await stream.receive_some():
            connection.receive_data(bytes(data))
            for event in connection.events():
                self.seen.append(type(event).__name__)
                if isinstance(event, Request):
                    self.headers = {name.decode(): value.decode() for name, value in event.extra_headers}
                    if self._reject:
                        await stream.send_all(connection.send(RejectConnection(status_code=self._reject)))
                        return
                    await stream.send_all(connection.send(AcceptConnection()))
                    for _ in range(self._chatter):
                        await stream.send_all(connection.send(TextMessage("hello" * 1000)))
                elif isinstance(event, Ping) and self._pongs:
                    await stream.send_all(connection.send(event.response()))
                elif isinstance(event, CloseConnection):
                    await stream.send_all(connection.send(event.response()))
                    return


async def answer_of(server: object, check: WebSocket = WebSocket("/acp"), within: float = 5) -> Answer:  # noqa: B008
    async with serving(server) as port, open_websocket(check, Target("a", port, None), 5) as probe:  # type: ignore[arg-type]
        assert probe.port == port
        with trio.move_on_after(within):
            return await probe.ask()
    return Answer(False, "too late")


async def test_it_is_opened_pinged_and_closed_in_order() -> None:
    server = Talker(chatter=3)

    answer = await answer_of(server)

    assert answer.ok
    assert answer.detail.startswith("WebSocket, pong in ")
    assert server.seen[:2] == ["Request", "Ping"]


async def test_headers_go_along_also_those_of_a_remote() -> None:
    server = Talker()
    async with serving(server) as port:
        target = Target("a", None, None, address=Address(f"ws://127.0.0.1:{port}/x", {"Authorization": "Bearer t"}))
        async with open_websocket(WebSocket("/y", {"X-A": "{id}"}), target, 5) as probe:
            assert (await probe.ask()).ok

    assert (server.headers["authorization"], server.headers["x-a"]) == ("Bearer t", "a")


async def test_who_never_pongs_gives_no_answer() -> None:
    assert (await answer_of(Talker(pongs=False), within=0.3)).detail == "too late"


@pytest.mark.parametrize(
    ("server", "detail"),
    [
        (Talker(reject=401), "no WebSocket: HTTP 401, expected 101 (unauthorized)"),
        (Site(lambda _: response(200, b"hello")), "no WebSocket: HTTP 200, expected 101"),
        (Talker(chatter=250, pongs=False), "MiB instead of a pong"),
    ],
)
async def test_what_is_no_websocket_is_no_success(server: object, detail: str) -> None:
    answer = await answer_of(server)

    assert not answer.ok
    assert detail in answer.detail


async def test_a_server_that_says_nothing_and_closes_is_told() -> None:
    async def deaf(stream: Stream) -> None:
        await stream.receive_some()

    assert (await answer_of(deaf)).detail.endswith("closed the connection without an answer")


async def test_nobody_there_is_told() -> None:
    async with open_websocket(WebSocket("ws://127.0.0.1:1/"), Target("a", None, None), 5) as probe:
        assert await probe.ask() == Answer(False, "connection refused on 127.0.0.1:1")
