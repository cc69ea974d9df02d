"""HTTP over TLS for the probes; the only module that imports httpx.

httpx's pool loses a connection when a request is cancelled from outside (encode/httpcore#1093), a cancelled TLS
handshake leaves its socket open, and its timeouts count for each phase of a request, not for the whole. A probe is
cancelled often: at its timeout, and when its child stops. So each client has one target, one connection, no timeouts,
and after a request that did not come to its end it closes the socket and forgets the pool.
"""

import ssl
from collections.abc import Iterator, Mapping
from functools import cache

import httpx
import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.http_messages import IDEMPOTENT, NoReplyError, Question, Reply, decoded
from trio_supervisor.probes.network import why
from trio_supervisor.words import one_line

_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)


class HttpsClient:
    """Asks one target, one question at a time, over a connection that may be kept alive until `close()`."""

    def __init__(self) -> None:
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._socket: trio.socket.SocketType | None = None
        """That of the last connection; the pool may have closed it since."""
        self._sent = False
        """Whether the present request was sent to its end."""

    def close(self) -> None:
        """Close the connection at once; the next question opens a new one."""
        # Not the pool's own closing: that waits, and does not know of a connection whose TLS handshake was cancelled.
        if self._socket is not None:
            self._socket.close()
        self._socket = self._transport = None

    async def ask(self, asked: Question, limit_bytes: int) -> Reply:
        """Send a question and read at most `limit_bytes` of the body. Follows no redirects; has no timeout: cancel it.

        Raises:
            NoReplyError: nothing came that is a reply in HTTP.
            ProbeError: this program lacks something to ask with.
        """
        try:
            return await self._ask(asked, limit_bytes)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ProbeError(f"{asked.where} can't be asked: {error}") from error
        except NoReplyError:
            raise
        except Exception as error:  # whatever a strange peer makes the library stumble over: a fact about the peer
            raise NoReplyError(_explain(error, asked.where), sent=self._sent) from error

    async def _ask(self, asked: Question, limit_bytes: int) -> Reply:
        headers = [(name.encode(), value.encode()) for name, value in asked.headers.items()]
        request = httpx.Request(
            asked.method, asked.url, headers=headers, content=asked.body, extensions={"trace": self._note}
        )
        whole = self._sent = False
        try:
            response = await self._send(request)
            raw = bytearray()
            # Cancelling is the one way out of the library's nested generators that closes each of them.
            with trio.CancelScope() as enough:
                async for chunk in response.aiter_raw():
                    raw += chunk
                    if len(raw) > limit_bytes:
                        enough.cancel()
            whole = len(raw) <= limit_bytes
        finally:
            if not whole:
                self.close()
        encoding = response.headers.get("content-encoding", "")
        body, all_decoded = decoded(bytes(raw[:limit_bytes]), encoding, limit_bytes)
        return Reply(response.status_code, response.headers, body, whole and all_decoded)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Send, and wait for the head of the response; once more if a kept connection turns out to be closed."""
        kept = self._socket
        try:
            return await self._pool().handle_async_request(request)
        except httpx.TransportError:
            if kept is None or self._socket is not kept or request.method not in IDEMPOTENT:
                raise
        self.close()
        return await self._pool().handle_async_request(request)

    def _pool(self) -> httpx.AsyncHTTPTransport:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=_LIMITS)
        return self._transport

    async def _note(self, event: str, info: Mapping[str, object]) -> None:
        """Keep the socket of a connection, and how far the request came (httpx calls this "trace extension")."""
        if event == "connection.connect_tcp.started":
            self._socket = None
        elif event == "connection.connect_tcp.complete":
            stream = info["return_value"]
            self._socket = stream.get_extra_info("socket")  # type: ignore[attr-defined]
        elif event == "http11.send_request_body.complete":
            self._sent = True


@cache
def _tls() -> ssl.SSLContext:
    """One for all, for it takes tens of milliseconds to make: the roots of certifi, and those of the system."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _explain(error: Exception, where: str) -> str:
    """Say why in words; raises ProbeError for what is our own lack."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None:
            return why(cause, where)
    text = one_line(str(error))
    if not isinstance(error, httpx.RemoteProtocolError):
        return f"{where}: {type(error).__name__}: {text}"
    if any(type(cause).__module__.startswith("h11") for cause in causes):
        return f"not the HTTP that {where} should speak: {text}"
    return f"{where} closed the connection without an answer"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, and so on; of a group all members."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        current = queue.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        queue += current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        queue += (current.__cause__, current.__context__)
