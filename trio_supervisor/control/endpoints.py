"""The registry of endpoints: which agents are ready, and where. It is read from the tree itself, so that it is never
behind it.
"""

from collections.abc import Callable, Iterator
from typing import Self
from urllib.parse import urlsplit

import trio

from trio_supervisor.control.insights import Endpoint, EndpointChange
from trio_supervisor.control.looks import find
from trio_supervisor.core.child import Child
from trio_supervisor.core.notices import Notice, StateChanged
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import (
    A2A,
    AgentCore,
    ChildSpec,
    Grpc,
    Http,
    Mcp,
    Redis,
    RemoteSpec,
    Tcp,
    WebSocket,
    as_web,
    split_address,
)

_BY_CHECK: dict[type, str] = {
    A2A: "a2a",
    Mcp: "mcp",
    AgentCore: "agentcore",
    WebSocket: "ws",
    Redis: "redis",
    Grpc: "grpc",
    Http: "http",
}
_SCHEMES = {"grpc": "grpc", "redis": "redis", "postgres": "postgresql", "ws": "ws", "tcp": "tcp"}
"""Of protocols that are not spoken over HTTP."""


def endpoints(supervisor: Supervisor, to_wall: float) -> Iterator[Endpoint]:
    """Those of all children, also of inner supervisors; `to_wall`: seconds from Trio's clock to the wall's."""
    for child in supervisor.children.values():
        if (found := endpoint_of(supervisor, child, to_wall)) is not None:
            yield found
        if inner := supervisor.inner(child.id):
            yield from endpoints(inner, to_wall)


def endpoint_of(supervisor: Supervisor, child: Child, to_wall: float) -> Endpoint | None:
    """That of one child; None if it is not ready, or listens nowhere."""
    kept, life = supervisor.kept(child.id), supervisor.life(child.id)
    if kept is None or life is None or child.state is not State.READY:
        return None
    if isinstance(kept.spec.run, RemoteSpec):
        url = kept.spec.run.remote
        parts = urlsplit(as_web(url))
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    elif kept.runtime.port is not None:
        host, port = _host(kept.spec), kept.runtime.port
        url = _url(kept.spec, host, port)
    else:
        return None
    path = supervisor.path_of(child.id)
    protocol = protocol_of(kept.spec)
    return Endpoint(path, child.generation, host, port, url, protocol, child.since + to_wall, life.card)


def protocol_of(spec: ChildSpec) -> str:
    """What a child speaks, as far as its spec tells."""
    if spec.protocol is not None:
        return spec.protocol
    found = (_BY_CHECK.get(type(probe.check)) for probe in spec.probes)
    default = "http" if isinstance(spec.run, RemoteSpec) else "tcp"
    return next((each for each in found if each is not None), default)


def _host(spec: ChildSpec) -> str:
    """Where it is reached from this machine."""
    for probe in spec.probes:
        check = probe.check
        if isinstance(check, Http | A2A | Mcp | AgentCore | WebSocket):
            return check.host
        address = {Tcp: "tcp", Redis: "redis", Grpc: "grpc"}.get(type(check))
        if address is not None and "{port}" in (text := getattr(check, address)):
            return _host_of(text.replace("{port}", "1"))
    return spec.listen or "127.0.0.1"


def _host_of(address: str) -> str:
    try:
        return split_address(address)[0]
    except SpecError:
        return "127.0.0.1"


def _url(spec: ChildSpec, host: str, port: int) -> str:
    scheme = _SCHEMES.get(protocol_of(spec), "http")
    paths = (probe.check.mcp for probe in spec.probes if isinstance(probe.check, Mcp))
    path = next((each for each in paths if each.startswith("/")), "")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"


class EndpointFollower:
    """Reads what is there, then what changes. Who is slow gets only the last news of each agent: what waits for it is
    never more than there are agents.
    """

    def __init__(self, top: Supervisor, to_wall: Callable[[], float], others: "set[EndpointFollower]") -> None:
        """`others`: all that read, of which it is one until it is closed."""
        self._news = {each.agent: EndpointChange(each, True, "is ready") for each in endpoints(top, to_wall())}
        self._readers = trio.lowlevel.ParkingLot()
        self._over = False
        self._watch = EndpointWatch(top, self._note, to_wall)
        self._others = others
        others.add(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EndpointChange:
        await trio.lowlevel.checkpoint()
        while not self._news:
            if self._over:
                raise StopAsyncIteration
            await self._readers.park()
        return self._news.pop(next(iter(self._news)))

    async def aclose(self) -> None:
        """Read no more."""
        self.end()

    def _note(self, change: EndpointChange) -> None:
        # To the end of the line: the order is that of the last news.
        self._news.pop(change.endpoint.agent, None)
        self._news[change.endpoint.agent] = change
        self._readers.unpark_all()

    def end(self) -> None:
        """Nothing more will come; what is not read yet can still be."""
        if not self._over:
            self._over = True
            self._watch.close()
            self._others.discard(self)
            self._readers.unpark_all()


class EndpointWatch:
    """Tells each endpoint that comes and goes from now on, in the same moment as the state of its agent changes."""

    def __init__(self, top: Supervisor, tell: Callable[[EndpointChange], None], to_wall: Callable[[], float]) -> None:
        self._top = top
        self._tell = tell
        self._to_wall = to_wall
        self._known = {each.agent: each for each in endpoints(top, to_wall())}
        top.listen(self._note)

    def close(self) -> None:
        """Tell no more."""
        self._top.ignore(self._note)

    def _note(self, path: str, notice: Notice) -> None:
        if not isinstance(notice, StateChanged):
            return
        agent = f"{path}/{notice.child}" if path else notice.child
        if notice.old is State.READY and (gone := self._known.pop(agent, None)):
            self._tell(EndpointChange(gone, False, notice.reason))
        supervisor = find(self._top, path) if notice.new is State.READY else None
        child = supervisor.children.get(notice.child) if supervisor else None
        if supervisor is None or child is None:
            return
        if (come := endpoint_of(supervisor, child, self._to_wall())) is not None:
            self._known[agent] = come
            self._tell(EndpointChange(come, True, notice.reason))
