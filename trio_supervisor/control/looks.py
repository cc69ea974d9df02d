"""Looking at the children of a supervisor: which there are, and how each one is."""

from collections.abc import Iterator

from trio_supervisor.control.api import Snapshot
from trio_supervisor.core.child import Child
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import UnknownAgentError

_LONGEST_SHOWN = 80


def find(top: Supervisor, path: str) -> Supervisor | None:
    """The supervisor of that path as it is now; None if there is none."""
    supervisor: Supervisor | None = top
    for name in path.split("/") if path else ():
        supervisor = supervisor.inner(name) if supervisor else None
    return supervisor


def supervisor_at(top: Supervisor, path: str) -> Supervisor:
    """The same. Raises UnknownAgentError: there is none."""
    engine = find(top, path)
    if engine is None:
        raise UnknownAgentError(f"there is no supervisor {path!r}")
    return engine


def supervisors(top: Supervisor) -> Iterator[Supervisor]:
    """It, and all that live in it."""
    yield top
    for child in top.children:
        if inner := top.inner(child):
            yield from supervisors(inner)


def locate(top: Supervisor, agent: str) -> tuple[Supervisor, Child]:
    """A child by its path, with its supervisor. Raises UnknownAgentError: none is there; what was perhaps meant."""
    way, _, name = agent.rpartition("/")
    supervisor = find(top, way)
    child = None if supervisor is None or (agent.startswith("/")) else supervisor.children.get(name)
    if supervisor is None or child is None:
        raise UnknownAgentError(_unknown(top, agent))
    return supervisor, child


def _unknown(top: Supervisor, agent: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 -- most runs never need it

    shown = agent if len(agent) <= _LONGEST_SHOWN else f"{agent[:_LONGEST_SHOWN]}..."
    paths = [one.agent for one in snapshots(top, 0.0)]
    near = get_close_matches(agent[:_LONGEST_SHOWN], paths, 1)
    return f"there is no agent {shown!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def snapshots(supervisor: Supervisor, to_wall: float) -> Iterator[Snapshot]:
    """Every child, those of inner supervisors after their supervisor; `to_wall`: seconds from Trio's clock to the
    wall's.
    """
    for child in supervisor.children.values():
        yield snapshot_of(supervisor, child, to_wall)
        if inner := supervisor.inner(child.id):
            yield from snapshots(inner, to_wall)


def snapshot_of(supervisor: Supervisor, child: Child, to_wall: float) -> Snapshot:
    """One child."""
    next_at = supervisor.next_at(child.id)
    return Snapshot(
        agent=supervisor.path_of(child.id),
        state=child.state,
        desired=child.desired,
        since=child.since + to_wall,
        reason=child.reason,
        next_at=None if next_at is None else next_at + to_wall,
        restarts=child.restarts,
        generation=child.generation,
        pid=pid_of(supervisor, child.id),
        port=port_of(supervisor, child.id),
        last_exit=child.last_exit,
        status=child.status,
        failing_since=None if child.failing_since is None else child.failing_since + to_wall,
    )


def pid_of(supervisor: Supervisor, child: str) -> int | None:
    """The process of the present life of a child."""
    life = supervisor.life(child)
    return None if life is None or life.over else life.life.pid


def port_of(supervisor: Supervisor, child: str) -> int | None:
    """The port held for a child."""
    kept = supervisor.kept(child)
    return None if kept is None else kept.runtime.port
