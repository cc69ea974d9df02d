"""HTTP to a container engine, over a unix socket or TCP; imports httpx, so it is loaded with the first container.

Each request has a connection of its own, closed with it: httpx's pool loses a place when a request is cancelled from
outside (encode/httpcore#1093), and an engine is asked seldom. Times are seconds.
"""

import errno
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from urllib.parse import urlencode

import httpx
import trio

from trio_supervisor.record import record
from trio_supervisor.runtimes.container.engine import EngineError
from trio_supervisor.runtimes.container.sealed import SealedInput, broke_off
from trio_supervisor.runtimes.container.words import engine_words
from trio_supervisor.system import engine_tls
from trio_supervisor.words import one_line

CLOSING = 2.0
_CHUNK = 64 * 1024
_JSON = {"Content-Type": "application/json"}
_AWAY = frozenset(
    {errno.ENOENT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}
)
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
]
"""Who listens to a machine that is gone hears so after half a minute (tcp(7)), not never."""
_HIJACK = {"Connection": "Upgrade", "Upgrade": "tcp"}

Query = Mapping[str, str | int]


@record
class Reply:
    """What an engine has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """The body as JSON; None if it is none."""
        try:
            found: object = json.loads(self.body)
            return found
        except ValueError:
            return None

    @property
    def words(self) -> str:
        """Why it has refused."""
        found = self.json()
        message = found.get("message") if isinstance(found, dict) else None
        return engine_words(str(message or self.body.decode(errors="replace") or f"HTTP {self.status}"))


class EngineHttp:
    """Asks one engine."""

    def __init__(self, address: str) -> None:
        """`address`: `unix:///path`, `tcp://host:port`, or one with TLS (see `trio_supervisor.system.engine_tls`)."""
        self.address = address.partition("?")[0]
        """As people are told it."""
        path = address.removeprefix("unix://")
        self._uds = path if path != address else None
        self._tls = address if address.startswith(engine_tls.SCHEME) else ""
        self._base = "http://localhost" if self._uds else f"http{'s' * bool(self._tls)}://{engine_tls.host_of(address)}"

    async def call(
        self, method: str, path: str, timeout: float, query: Query | None = None, body: object = None
    ) -> Reply:
        """Ask, and take in the whole answer. Raises EngineError when there is none within `timeout`."""
        with trio.move_on_after(timeout):
            async with self._answered(method, path, query, body) as response:
                return Reply(response.status_code, response.headers, await response.aread())
        raise EngineError(f"{self.address} does not answer within {timeout:g} s", away=True)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] = {},
        *,
        hijack: bool = False,
    ) -> AsyncIterator["Connection"]:
        """Ask, and have the connection while the block lasts: what comes is the answer, or is said over it both ways.

        Raises:
            EngineError: the engine refuses it.
        """
        async with self._answered(method, path, query, body, {**headers, **(_HIJACK if hijack else {})}) as response:
            if response.status_code not in (101, 200):
                with suppress(httpx.HTTPError):
                    await response.aread()
                reply = Reply(response.status_code, response.headers, response.content)
                raise EngineError(reply.words, reply.status)
            connection = Connection(response, self.address)
            try:
                yield connection
            finally:
                with trio.move_on_after(CLOSING, shield=True):
                    await connection.leave()

    @asynccontextmanager
    async def _answered(
        self, method: str, path: str, query: Query | None, body: object, more: Mapping[str, str] = {}
    ) -> AsyncIterator[httpx.Response]:
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        headers = {**(_JSON if body is not None else {}), **more}
        options = _KEEPALIVE if self._uds is None else None
        transport = httpx.AsyncHTTPTransport(
            uds=self._uds, verify=self._context(), trust_env=False, socket_options=options
        )
        try:
            # No timeouts: who asks cancels.
            yield await transport.handle_async_request(httpx.Request(method, url, headers=headers, content=content))
        except httpx.ConnectError as error:
            words = f"{self.address}: no engine answers: {_why(error)}"
            raise EngineError(words, reached=False, away=_is_away(error)) from error
        except (httpx.HTTPError, OSError) as error:
            raise EngineError(f"{self.address}: {_why(error)}") from error
        finally:
            with trio.move_on_after(CLOSING, shield=True):
                await transport.aclose()

    def _context(self) -> ssl.SSLContext:
        """Read anew for each connection: certificates are renewed while we run."""
        if not self._tls:
            return _no_tls()
        try:
            return engine_tls.context_of(self._tls)
        except OSError as error:
            raise EngineError(f"{self.address}: {error.strerror}", reached=False) from error


class Connection:
    """What an engine sends, and what is sent to it."""

    def __init__(self, response: httpx.Response, address: str) -> None:
        self._address = address
        self._network = response.extensions["network_stream"] if response.status_code == 101 else None
        self._chunks = None if self._network is not None else response.aiter_raw()
        self._sealed: SealedInput | None = None

    async def receive(self) -> bytes:
        """Wait for what comes next; b"" is the end. Raises EngineError when it breaks off."""
        try:
            if self._chunks is not None:
                return await anext(self._chunks, b"")
            assert self._network is not None
            if self._sealed is not None:
                return await self._sealed.receive(_CHUNK)
            received: bytes = await self._network.read(_CHUNK)
            return received
        except Exception as error:
            if not broke_off(error):
                raise
            raise EngineError(f"{self._address}: {_why(error)}") from error

    async def leave(self) -> None:
        """Read no more. Being cancelled is the one way out of the library's nested generators that closes each."""
        if self._sealed is not None:
            self._sealed.close()
        if self._chunks is None:
            return
        with trio.CancelScope() as enough:
            enough.cancel()
            async for _ in self._chunks:
                pass

    def input(self) -> int | None:
        """A descriptor of its own: what is written to it the other side reads. None: it reads nothing."""
        if self._network is None:
            return None
        if self._network.get_extra_info("ssl_object") is None:
            return os.dup(self._network.get_extra_info("socket").fileno())
        self._sealed = self._sealed or SealedInput(self._network)
        return self._sealed.descriptor()


@cache
def _no_tls() -> ssl.SSLContext:
    """Never used; httpx makes one of its own otherwise, for tens of milliseconds."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _is_away(error: BaseException) -> bool:
    """Whether nobody listens, or the way there is interrupted; not: it may not be asked, or is not who it should be."""
    found = _cause(error)
    return isinstance(found, socket.gaierror) or (found is not None and found.errno in _AWAY)


def _why(error: BaseException) -> str:
    """In words of the system, where it has said something."""
    found = _cause(error)
    if found is None:
        return one_line(str(error) or type(error).__name__)
    return os.strerror(found.errno) if found.errno in _AWAY else str(found.strerror)


def _cause(error: BaseException) -> OSError | None:
    """What the system has said, if it has."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause
        # Trio tries each address of a name.
        cause = cause.exceptions[0] if isinstance(cause, ExceptionGroup) else cause.__cause__ or cause.__context__
    return None
