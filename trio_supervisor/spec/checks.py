"""How a child is asked: the kinds of probe that put a question to it."""

import re
from collections.abc import Mapping
from enum import Enum
from urllib.parse import urlsplit

from attrs import Factory, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.values import check_pattern, expand

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2
_HEADER_VALUE = r"[\t\x20-\x7e]*"


def split_address(text: str, name: str = "tcp") -> tuple[str, int]:
    """Split `port`, `host:port` or `[host]:port`; the host is 127.0.0.1 where none is written. Raises SpecError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    if not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise SpecError(f"{name} {text!r}: the port must be {{port}} or a number within 1 to 65535")
    check_host(name, host)
    return host, int(port)


def check_host(name: str, host: str) -> None:
    """Raise SpecError unless `host` can be a name or an address."""
    if not host or any(char.isspace() or not char.isprintable() or char in "/@[]?#" for char in host):
        raise SpecError(f"{name}: {host!r} is not a host name or address")


def check_url(text: str, name: str = "http") -> None:
    """Raise SpecError unless `text` is a path, or a whole URL; placeholders may stand in it."""
    url = expand(text, "x", 1)
    if not url.isprintable():
        raise SpecError(f"{name} {text!r}: holds a character that can't be in a URL")
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not (whole or url.startswith("/")):
        raise SpecError(f"{name} {text!r}: must be a path that starts with '/', or a URL of http:// or https://")


def check_method(method: str, name: str = "http") -> None:
    """Raise SpecError unless HTTP could have such a method."""
    if not re.fullmatch(_TOKEN, method):
        raise SpecError(f"{name}: {method!r} is not a method")


def check_headers(headers: Mapping[str, str], kind: str = "http") -> None:
    """Raise SpecError unless HTTP could have such headers; `kind` begins the message."""
    for name, value in headers.items():
        if not re.fullmatch(_TOKEN, name):
            raise SpecError(f"{kind}: headers: {name!r} is not the name of a header")
        if not re.fullmatch(_HEADER_VALUE, value):
            raise SpecError(f"{kind}: headers: {name}: the value {value!r} must be printable ASCII")


@frozen
class Http:
    """Ask by HTTP GET (or another method): the status must be in `status`, and `body` or `json` must match where
    given.
    """

    http: str
    """A path on the child's port, or a whole URL."""
    method: str = "GET"
    headers: Mapping[str, str] = Factory(dict)
    status: tuple[int, ...] = tuple(range(200, 300))
    body: str | None = None
    """A regular expression that is searched in the first 64 KiB of the body."""
    json: object = None
    """What the body must hold, as JSON: of objects these keys with these values (nested), anything else equal."""
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        check_url(self.http)
        check_method(self.method)
        check_headers(self.headers)
        if not self.status or not all(100 <= code <= 599 for code in self.status):
            raise SpecError(f"http: status must be codes within 100 to 599, not {list(self.status)}")
        if self.body is not None:
            check_pattern(self.body, "http: body")
        check_host("http: host", self.host)


@frozen
class A2A:
    """Ask for the A2A agent card: `/.well-known/agent-card.json`, on 404 `/.well-known/agent.json`."""

    a2a: bool = True
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        if not self.a2a:
            raise SpecError("a2a must be true; without a probe leave it out")
        check_host("a2a: host", self.host)


@frozen
class Tcp:
    """Ask by opening a TCP connection."""

    tcp: str
    """A port, or host:port; "{port}" is the child's."""

    def __attrs_post_init__(self) -> None:
        split_address(expand(self.tcp, "x", 1))


@frozen
class Exec:
    """Ask by running a command: exit code 0 is a success."""

    exec: tuple[str, ...]

    def __attrs_post_init__(self) -> None:
        if not self.exec or not self.exec[0]:
            raise SpecError("exec must name a program")


class Rpc(Enum):
    """What is spoken over a standard input, one message in JSON a line."""

    MCP = "mcp"
    """The Model Context Protocol: asked by `ping`, which every revision answers, if only by an error."""
    ACP = "acp"
    """The Agent Client Protocol, which has no ping: asked by a method of our own, which every agent refuses."""


@frozen
class Stdio:
    """Ask over the child's standard input, while nobody talks with it: any answer is a success, an error too.

    What is asked and answered is no part of what the child says.
    """

    stdio: Rpc


@frozen
class Unix:
    """Ask by connecting to a unix socket."""

    unix: str
    """Its path; absolute, or relative to the current directory."""

    def __attrs_post_init__(self) -> None:
        if not self.unix or "\0" in self.unix:
            raise SpecError("unix must be the path of a socket")


@frozen
class Grpc:
    """Ask by gRPC's health service (grpc.health.v1.Health/Check): SERVING is a success."""

    grpc: str
    """A port, or host:port; "{port}" is the child's."""
    service: str = ""
    """Whose health is asked for; empty: the whole server's."""
    tls: bool = False

    def __attrs_post_init__(self) -> None:
        split_address(expand(self.grpc, "x", 1), "grpc")
