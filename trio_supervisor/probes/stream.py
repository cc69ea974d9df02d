"""A connection for one call of what is not plain HTTP, with TLS or without, that is closed at once when it is over."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import trio

from trio_supervisor.probes.network import Place, connect


@asynccontextmanager
async def open_stream(
    places: list[Place], tls_host: str | None, protocol: str = "h2"
) -> AsyncIterator[trio.abc.Stream]:
    """Connect to the first place that takes a connection. `tls_host`: speak TLS, and expect its certificate;
    `protocol` is what is offered in ALPN.

    Raises:
        OSError: none takes one, or TLS fails.
    """
    sock = await connect(places)
    raw = trio.SocketStream(sock)
    try:
        if tls_host is None:
            yield raw
        else:
            stream = trio.SSLStream(raw, _tls(protocol), server_hostname=tls_host, https_compatible=True)
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError as error:
                raise (error.__cause__ if isinstance(error.__cause__, OSError) else ConnectionResetError()) from error
            yield stream
    finally:
        # No farewell: who does not answer does not take leave either.
        sock.close()


@cache
def _tls(protocol: str) -> ssl.SSLContext:
    """One for all: what the system trusts. For gRPC HTTP/2 only (RFC 9113, 3.2)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols([protocol])
    return context
