"""Serving: from a door to the application, one task for each connection.

Nothing of HTTP is imported before somebody knocks. Each connection is one of Hypercorn's `TCPServer`, on a stream of
ours: Hypercorn shields what it sends from cancellation, for ever if the client does not read, and only ours can be cut.
"""

import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

import trio

from trio_supervisor.control.api import Control
from trio_supervisor.control.callers import called_by
from trio_supervisor.control.server.peers import peer_of

if TYPE_CHECKING:
    from trio_supervisor.control.server.entry import Entry

MOST_CONNECTIONS = 512
LAST_WORDS = 1.0
"""So many seconds the answers that are under way have in the end."""
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n"
    b"\r\n%s"
)

_log = logging.getLogger(__name__)


async def serve(
    listener: socket.socket, control: Control, *, closing: trio.Event, entry: "Entry | None" = None
) -> None:
    """Serve until `closing` is set; then streams end, and who is to get an answer gets it within `LAST_WORDS`.

    `entry`: who may come in, where not everybody may who can connect.
    """
    if not await _knocked(listener, closing):
        return
    connections = _Connections(await _handler(control, closing, entry))
    # A duplicate: the door closes its own.
    incoming = trio.SocketListener(trio.socket.from_stdlib_socket(listener.dup()))
    async with incoming, trio.open_nursery() as nursery:
        try:
            await _accept(connections, incoming, nursery, closing)
            with trio.move_on_after(LAST_WORDS):
                await connections.wait_none()
        finally:
            # In here, before the nursery waits for them: what is shielded ends by nothing else.
            connections.cut()
        nursery.cancel_scope.cancel()


async def _accept(
    connections: "_Connections", incoming: trio.SocketListener, handlers: trio.Nursery, closing: trio.Event
) -> None:
    """Accept connections until it is time to close."""
    async with trio.open_nursery() as nursery:
        accept = partial(trio.serve_listeners, connections.serve, [incoming], handler_nursery=handlers)
        nursery.start_soon(accept)
        await closing.wait()
        nursery.cancel_scope.cancel()


async def _knocked(listener: socket.socket, closing: trio.Event) -> bool:
    """Wait for the first client; False: it is time to close."""
    knocked = False
    async with trio.open_nursery() as nursery:

        async def wait_closing() -> None:
            await closing.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait_closing)
        await trio.lowlevel.wait_readable(listener)
        knocked = True
        nursery.cancel_scope.cancel()
    return knocked


Handler = Callable[["_Cuttable"], Awaitable[None]]


async def _handler(control: Control, closing: trio.Event, entry: "Entry | None") -> Handler:
    """What serves a connection. Imported in a thread: it takes a third of a second, in which supervision goes on."""
    try:
        http = await trio.to_thread.run_sync(_import_http)
    except ImportError as error:
        _log.warning("the control server can't be started: %s", error)
        return _refuse
    serve_stream: Handler = http.connection_handler(control, closing, entry)
    return serve_stream


def _import_http() -> ModuleType:
    from trio_supervisor.control.server import http  # noqa: PLC0415 -- for that reason

    return http


async def _refuse(stream: "_Cuttable") -> None:
    words = b'{"error":{"kind":"NoSupervisorError","message":"starlette and hypercorn are not installed beside it"}}'
    with suppress(trio.BrokenResourceError):
        # Who closes without having read resets what it has sent.
        await stream.receive_some()
        await stream.send_all(_REFUSAL % (len(words), words))
    await stream.aclose()


class _Connections:
    """Those that are open."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._open: set[_Cuttable] = set()
        self._waiters = trio.lowlevel.ParkingLot()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one to its end. Who comes when there are too many is sent away."""
        if len(self._open) >= MOST_CONNECTIONS:
            await stream.aclose()
            return
        ours = _Cuttable(stream)
        self._open.add(ours)
        try:
            with called_by(peer_of(stream.socket)):
                await self._handler(ours)
        except Exception:
            # A fault in serving one client must not end a supervisor, nor the service of others.
            _log.exception("a client of the control socket could not be served")
        finally:
            self._open.discard(ours)
            self._waiters.unpark_all()

    async def wait_none(self) -> None:
        """Wait until none is open."""
        while self._open:
            await self._waiters.park()

    def cut(self) -> None:
        """End all sending, also what is shielded."""
        for each in self._open:
            each.cut()


class _Cuttable:
    """A stream whose sending can be ended although whoever sends has shielded it; what Hypercorn needs of a stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._scopes: set[trio.CancelScope] = set()
        self._is_cut = False

    @property
    def socket(self) -> trio.socket.SocketType:
        """Its socket."""
        return self._stream.socket

    async def receive_some(self, most: int | None = None) -> bytes | bytearray:
        """As the stream."""
        return await self._stream.receive_some(most)

    async def send_all(self, data: bytes) -> None:
        """As the stream; BrokenResourceError when it was cut."""
        if self._is_cut:
            raise trio.BrokenResourceError
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                await self._stream.send_all(data)
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError

    async def send_eof(self) -> None:
        """As the stream."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """As the stream."""
        await self._stream.aclose()

    def cut(self) -> None:
        """End what is being sent, and all that would be."""
        self._is_cut = True
        for scope in self._scopes:
            scope.cancel()
