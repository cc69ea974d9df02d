"""What is asked by HTTP and what is answered, whoever carries it."""

import base64
import re
import zlib
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlsplit

from attrs import frozen

from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.network import at

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_ZLIB_OR_GZIP = zlib.MAX_WBITS + 32
# Of what is written in a URL as it is, nothing is changed; what can't be sent so is percent-encoded (RFC 3986, 2.1).
_SENT_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")
# An idle connection occupies a server that serves one at a time: the probe would starve the agent's real clients.
# See docs/decisions/0001-probes-keep-no-connection.md.
_DEFAULTS: Mapping[str, str] = {
    "user-agent": "trio-supervisor",
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "close",
}


class NoReplyError(Exception):
    """The target did not answer as HTTP asks; the message says in words how."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        """Whether the whole request was sent, so that the target may have acted on it."""


@frozen
class Reply:
    """What a target answered."""

    status: int
    headers: Mapping[str, str]
    """Their names are in lower case."""
    body: bytes
    """Decoded, and never longer than was asked for."""
    whole: bool
    """Whether `body` is all of it."""


@frozen
class Question:
    """What to send to a target."""

    url: str
    tls: bool
    host: str
    port: int
    path: str
    """With the query."""
    method: str
    headers: Mapping[str, str]
    """Their names are in lower case."""
    body: bytes = b""

    @property
    def where(self) -> str:
        """The target, for people."""
        return at(self.host, self.port)


def question(url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> Question:
    """Prepare a request; it asks for a connection of its own unless `headers` say `Connection:
    keep-alive`.

    Raises:
        ProbeError: it can't be sent to anybody.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = _host(parts)
    except ValueError as error:
        raise ProbeError(f"{url!r} can't be asked: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ProbeError(f"{url!r} can't be asked: it is no URL of http:// or https://")
    path = quote(parts.path or "/", safe=_SENT_AS_IT_IS)
    query = f"?{quote(parts.query, safe=_SENT_AS_IT_IS)}" if parts.query else ""
    merged = _merged(parts, host, headers or {})
    if method not in IDEMPOTENT:
        # One can't know whether a request was carried out that got no answer on a kept connection: never get there.
        merged["connection"] = "close"
        merged["content-length"] = str(len(body))
    for name, value in merged.items():
        if not (_TOKEN.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ProbeError(f"{url!r} can't be asked: the header {name!r} is not one")
    if not _TOKEN.fullmatch(method):
        raise ProbeError(f"{url!r} can't be asked: {method!r} is not a method")
    return Question(url, parts.scheme == "https", host, port, path + query, method, merged, body)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return host if host.isascii() else host.encode("idna").decode()


def _merged(parts: SplitResult, host: str, headers: Mapping[str, str]) -> dict[str, str]:
    default_port = 443 if parts.scheme == "https" else 80
    named = f"[{host}]" if ":" in host else host
    merged = {"host": named if parts.port in (None, default_port) else f"{named}:{parts.port}", **_DEFAULTS}
    merged |= {name.lower(): value for name, value in headers.items()}
    if parts.username is not None and "authorization" not in merged:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        merged["authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    return merged


def decoded(raw: bytes, encoding: str, limit_bytes: int) -> tuple[bytes, bool]:
    """Undo a compression that was not asked for, up to the limit: (body, whether all of `raw` is in it).

    Raises:
        NoReplyError: it is not what it says to be.
    """
    if not raw or encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw, True
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        return unpacker.decompress(raw, limit_bytes), unpacker.eof
    except zlib.error as error:
        raise NoReplyError(f"the body is not valid {encoding}: {error}") from error
