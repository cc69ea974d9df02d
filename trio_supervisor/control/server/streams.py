"""Answers that go on: events and lines, sent in batches as fast as the client takes them."""

from collections.abc import AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

BATCH = 64 * 1024
"""So many bytes wait for a client at the most; the source waits with the rest."""
DRAIN = 0.05
"""When the server closes, a source that has nothing to say for so many seconds has said all: the last words count."""

NORMAL, GOING_AWAY = 1000, 1001
"""Why a WebSocket is closed (RFC 6455, section 7.4.1)."""

T = TypeVar("T")


class Stream(Response):
    """An answer made of pieces. It ends with its source, with the client, or when the server closes."""

    def __init__(
        self,
        source: AbstractAsyncContextManager[AsyncIterable[T]],
        encode: Callable[[T], bytes],
        media_type: str,
        closing: trio.Event,
        first: bytes = b"",
    ) -> None:
        """`first`: sent at once, so that the client knows that it listens."""
        super().__init__(media_type=media_type, headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._source = source
        self._encode = encode
        self._closing = closing
        self._waiting = bytearray(first)
        self._changed = trio.lowlevel.ParkingLot()
        self._collecting = trio.CancelScope()
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, receive, nursery.cancel_scope)
            nursery.start_soon(self._watch_closing)
            async with trio.open_nursery() as pair:
                pair.start_soon(self._collect)
                pair.start_soon(self._pass_on, send)
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive, scope: trio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _watch_closing(self) -> None:
        await self._closing.wait()
        self._collecting.deadline = trio.current_time() + DRAIN

    async def _collect(self) -> None:
        try:
            with self._collecting:
                async with self._source as source:
                    async for each in source:
                        while len(self._waiting) >= BATCH:
                            await self._changed.park()
                        self._waiting += self._encode(each)
                        self._changed.unpark_all()
                        if self._closing.is_set():
                            self._collecting.deadline = trio.current_time() + DRAIN
        finally:
            self._ended = True
            self._changed.unpark_all()

    async def _pass_on(self, send: Send) -> None:
        while True:
            while not self._waiting and not self._ended:
                await self._changed.park()
            if not self._waiting:
                return
            data, self._waiting = bytes(self._waiting), bytearray()
            self._changed.unpark_all()
            await send({"type": "http.response.body", "body": data, "more_body": True})


async def send_lines(
    websocket: WebSocket, source: AsyncIterable[T], closing: trio.Event, encode: Callable[[T], bytes]
) -> None:
    """Each as a text message, as fast as the client takes them, until the source ends, the client goes, or the server
    closes. Accepted already.
    """
    code = GOING_AWAY
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await websocket.receive())["type"] != "websocket.disconnect":
                pass
            nursery.cancel_scope.cancel()

        async def watch_closing() -> None:
            await closing.wait()
            nursery.cancel_scope.deadline = trio.current_time() + DRAIN

        nursery.start_soon(watch)
        nursery.start_soon(watch_closing)
        with suppress(WebSocketDisconnect):
            async for each in source:
                await websocket.send_text(encode(each).decode().rstrip("\n"))
            code = NORMAL
        nursery.cancel_scope.cancel()
    with suppress(RuntimeError, WebSocketDisconnect):  # The client is gone.
        await websocket.close(code)
