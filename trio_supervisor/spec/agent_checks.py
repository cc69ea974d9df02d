"""How a child is asked in a protocol of its own: by one question that costs nothing and leaves nothing open."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import Factory, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.checks import check_headers, check_host, check_url, split_address
from trio_supervisor.spec.values import expand


@frozen
class Mcp:
    """Ask an MCP server over HTTP by a `server/discover` without a session: any answer in JSON-RPC is a success.

    Nothing is opened by that: neither a session nor, behind a gateway, a process that would stay.
    """

    mcp: str
    """A path on the child's port (`/mcp`), or a whole URL."""
    headers: Mapping[str, str] = Factory(dict)
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        check_url(self.mcp, "mcp")
        check_headers(self.headers, "mcp")
        check_host("mcp: host", self.host)


@frozen
class AgentCore:
    """Ask by `GET /ping` as AWS Bedrock AgentCore does: `Healthy`, or `HealthyBusy`, which also says that the child is
    busy.
    """

    agentcore: str
    """A path on the child's port (`/ping`), or a whole URL."""
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        check_url(self.agentcore, "agentcore")
        check_host("agentcore: host", self.host)


@frozen
class Redis:
    """Ask a server that speaks Redis' protocol by PING: ready is who answers it, healthy who answers at all."""

    redis: str
    """A port, or host:port; "{port}" is the child's."""

    def __attrs_post_init__(self) -> None:
        split_address(expand(self.redis, "x", 1), "redis")


@frozen
class WebSocket:
    """Ask by the opening handshake of a WebSocket, a ping and its pong; then it is closed in order."""

    ws: str
    """A path on the child's port, or a whole URL of ws:// or wss://."""
    headers: Mapping[str, str] = Factory(dict)
    subprotocol: str | None = None
    """What is offered as Sec-WebSocket-Protocol."""
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        check_ws_url(self.ws)
        check_headers(self.headers, "ws")
        check_host("ws: host", self.host)


def check_ws_url(text: str) -> None:
    """Raise SpecError unless `text` is a path, or a whole URL of a WebSocket; placeholders may stand in it."""
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme in ("ws", "wss"):
        check_url("http" + text.removeprefix("ws"), "ws")
    elif scheme or not text.startswith("/"):
        raise SpecError(f"ws {text!r}: must be a path that starts with '/', or a URL of ws:// or wss://")
    else:
        check_url(text, "ws")
