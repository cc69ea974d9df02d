"""WebSockets as a client of any kind opens them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from tests.control.trees import PATIENCE


class Refused(Exception):  # noqa: N818 -- an answer
    """No WebSocket: the status, and the message of the error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


class Talk:
    """One of them."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.connection = WSConnection(ConnectionType.CLIENT)
        self.said = b""
        self.told: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self.connection.send(event))

    async def tell(self, **form: object) -> None:
        await self.send(TextMessage(json.dumps(form)))

    async def type(self, data: bytes) -> None:
        await self.send(BytesMessage(data))

    async def until(self, done: Any) -> None:
        """Take in what comes until `done()`, or it is closed."""
        with trio.fail_after(PATIENCE):
            self._take()
            while not done() and self.closed is None:
                await self._receive()

    async def until_closed(self) -> tuple[int, str]:
        await self.until(lambda: False)
        assert self.closed is not None
        return self.closed

    async def _receive(self) -> None:
        data = await self.stream.receive_some()
        self.connection.receive_data(bytes(data) if data else None)
        self._take()

    def _take(self) -> None:
        for event in self.connection.events():
            if isinstance(event, BytesMessage):
                self.said += bytes(event.data[1:])
            elif isinstance(event, TextMessage):
                self.told.append(json.loads(event.data))
            elif isinstance(event, CloseConnection):
                self.closed = (event.code, event.reason or "")


@asynccontextmanager
async def talking(stream: trio.SocketStream, target: str, **headers: str) -> AsyncIterator[Talk]:
    """Open one on a stream. Raises Refused."""
    talk = Talk(stream)
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with stream:
        await talk.send(Request(host="localhost", target=target, extra_headers=extra))
        with trio.fail_after(PATIENCE):
            await _handshake(talk)
        yield talk


async def _handshake(talk: Talk) -> None:
    status, body = 0, b""
    while True:
        data = await talk.stream.receive_some()
        talk.connection.receive_data(bytes(data) if data else None)
        for event in talk.connection.events():
            if isinstance(event, AcceptConnection):
                return
            if isinstance(event, RejectConnection):
                status = event.status_code
            if isinstance(event, RejectData):
                body += bytes(event.data)
                if event.body_finished:
                    raise Refused(status, json.loads(body)["error"]["message"] if body else "")
