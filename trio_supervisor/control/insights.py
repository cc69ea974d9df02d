"""What can be seen of a tree beyond snapshots and explanations: nodes, answers of probes, endpoints. Records."""

from trio_supervisor.core.role import Role
from trio_supervisor.core.state import State
from trio_supervisor.record import record

__all__ = ["Endpoint", "EndpointChange", "Need", "Node", "Probed", "Role", "Use"]


@record
class Need:
    """What an agent depends on directly."""

    agent: str
    """Its path."""
    condition: str
    """What it must be: started, ready, finished."""
    state: str
    """What it is; `removed` if there is none."""
    met: bool


@record
class Use:
    """A limit of restarts, and how much of it is used up."""

    used: int
    restarts: int
    within: float
    shared: bool
    """All children of its supervisor count together."""


@record
class Node:
    """A place in the tree: an agent or a supervisor."""

    agent: str
    """Its path; empty for the top."""
    kind: str
    """process, task, container, remote, supervisor."""
    state: State | None
    """None for the top."""
    restart: str
    """permanent, transient, temporary; empty for the top."""
    needs: tuple[Need, ...]
    limits: tuple[Use, ...]
    """Those by which its restarts are limited."""
    strategy: str = ""
    """Of a supervisor, as what follows."""
    profile: str = ""
    at_limit: str = ""
    intensity: Use | None = None
    """Of a supervisor: the limit of its children. `used` is 0 where each child counts for itself (at_limit: hold)."""


@record
class Probed:
    """What came of asking a probe once."""

    agent: str
    probe: Role
    what: str
    """How it asks, in words: `http /health`."""
    ok: bool | None
    """None: the question can't be put; `detail` tells why."""
    detail: str
    seconds: float
    """How long the answer took."""


@record
class Endpoint:
    """An agent that is ready, and where it is."""

    agent: str
    """Its path."""
    generation: int
    host: str
    port: int
    url: str
    protocol: str
    """As its spec has it, else by its probes: a2a, mcp, openai, grpc, ...; `tcp` where nothing tells more."""
    since: float
    """Ready since then, in seconds since the epoch."""
    card: object = None
    """Its A2A agent card, as JSON, as it was seen last; None without one."""


@record
class EndpointChange:
    """An endpoint has come, or is gone."""

    endpoint: Endpoint
    ready: bool
    reason: str
