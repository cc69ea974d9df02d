"""Servers on this machine that behave, and servers that do not."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext

import trio
from attrs import define, field, frozen

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Handler = Callable[[Stream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, host: str = "127.0.0.1", tls: SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection by `handler`; gives the port. A connection that breaks is no error."""

    async def handle(raw: trio.SocketStream) -> None:
        stream = raw if tls is None else trio.SSLStream(raw, tls, server_side=True, https_compatible=True)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await handler(stream)
        with suppress(trio.BrokenResourceError):
            await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=host)
        await nursery.start(trio.serve_listeners, handle, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def response(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A response in HTTP/1.1."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@frozen
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


async def read_request(stream: Stream) -> Request | None:
    """The next request, and none behind it; None at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = await stream.receive_some()
        if not data:
            return None
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split()
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += await stream.receive_some()
    return Request(method, path, headers, body)


@define
class Site:
    """Answers every request by `respond`, on connections that stay open; notes what happens."""

    respond: Callable[[Request], bytes]
    requests: list[Request] = field(factory=list)
    connections: int = 0
    connected: int = 0
    """Connections that are open now."""
    _changed: trio.Event = field(factory=trio.Event)

    async def __call__(self, stream: Stream) -> None:
        self.connections += 1
        self.connected += 1
        try:
            while (request := await read_request(stream)) is not None:
                self.requests.append(request)
                await stream.send_all(self.respond(request))
                if request.headers.get("connection") == "close" or request.method == "HEAD":
                    return
        finally:
            self.connected -= 1
            self._changed.set()
            self._changed = trio.Event()

    async def wait_deserted(self) -> None:
        """Wait until no connection is open, at most two seconds."""
        with trio.fail_after(2):
            while self.connected:
                await self._changed.wait()


def paths(answers: Mapping[str, bytes]) -> Callable[[Request], bytes]:
    """A `respond` that answers by path, 404 where there is nothing. It looks at `answers` anew each time."""
    return lambda request: answers.get(request.path, response(404))


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


class Step(trio.abc.Instrument):
    """Cancels `scope` when the present task is about to take its n-th step from now; 0: at once."""

    def __init__(self, n: int, scope: trio.CancelScope) -> None:
        self._left = n
        self._scope = scope
        self._task = trio.lowlevel.current_task()
        if n == 0:
            scope.cancel()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


async def cancelled_at_step(n: int, ask: Callable[[], Awaitable[object]]) -> bool:
    """Ask and cancel that at its n-th step; whether it was in fact cancelled."""
    with trio.CancelScope() as scope:
        step = Step(n, scope)
        trio.lowlevel.add_instrument(step)
        try:
            await ask()
        finally:
            trio.lowlevel.remove_instrument(step)
    return scope.cancelled_caught
