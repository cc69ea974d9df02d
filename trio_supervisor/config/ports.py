"""Where agents listen: no port twice, ranges that are big enough, and no use of a port that is not there."""

import heapq
from collections.abc import Iterable, Iterator

from trio_supervisor.config.drafts import Draft
from trio_supervisor.config.mistakes import Mistake, Mistakes, shown
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence
from trio_supervisor.config.source import Place
from trio_supervisor.config.stops import steps
from trio_supervisor.config.tables import PROBE_KINDS
from trio_supervisor.spec import Port

_PLACEHOLDER = "{port}"


def check_ports(running: Iterable[Draft], mistakes: Mistakes) -> None:
    """Note ports that two agents have, and ranges that are too small for the agents that use them."""
    taken: dict[int, Draft] = {}
    wanting: list[tuple[Port, Draft]] = []
    for draft in running:
        port = draft.fields.values.get("port")
        if not isinstance(port, Port) or draft.has("task"):
            continue
        first = taken.setdefault(port.first, draft) if port.first == port.last else draft
        if first is draft:
            wanting += [(port, draft)] * (1 if port.first == port.last else len(draft.ids))
        else:
            message = f"port {port.first} is the port of agent {shown(first.path)} already ({_written(first)})"
            mistakes.add(Mistake(_written(draft), message, agent=draft.if_elsewhere(_written(draft))))
        if port.first == port.last and len(draft.ids) > 1:
            message = f"port {port.first} can't be the port of {len(draft.ids)} replicas: write auto, or a range"
            mistakes.add(Mistake(_written(draft), message, agent=draft.if_elsewhere(_written(draft))))
    _check_ranges(wanting, mistakes)


def _check_ranges(wanting: list[tuple[Port, Draft]], mistakes: Mistakes) -> None:
    """Note each span of ports that is too small, once."""
    by_first = sorted((port for port, _ in wanting), key=lambda port: port.first, reverse=True)
    told: set[int] = set()
    for port, draft in _without_place(wanting):
        if port.last not in told:
            told.add(port.last)
            first, agents = _overloaded(by_first, port.last)
            message = f"{Port(first, port.last)}: too few ports for the {agents} agents that need one of them each"
            mistakes.add(Mistake(_written(draft), message, agent=draft.if_elsewhere(_written(draft))))


def _overloaded(by_first: list[Port], last: int) -> tuple[int, int]:
    """The shortest span up to `last` that more agents need than it has ports: its first port, and how many agents."""
    agents, first = 0, last
    for port in by_first:
        if port.first < first and agents > last - first + 1:
            break
        if port.last <= last:
            agents, first = agents + 1, port.first
    return first, agents


def check_port_use(draft: Draft, mistakes: Mistakes) -> None:
    """Note whatever needs the port of an agent that has none."""
    if draft.has("port") or draft.inner is not None:
        return
    why = "a task has none" if draft.has("task") else "write 'port: auto'"
    if draft.has("remote"):
        why = "a remote has none: its paths begin at its URL, and a port is written as host:port"
    for place, what in _uses(draft):
        mistakes.add(Mistake(place, f"{what} needs the agent's port: {why}", agent=draft.if_elsewhere(place)))


def check_exec(draft: Draft, mistakes: Mistakes) -> None:
    """Note a command as a probe of an agent that is no process."""
    for probe in _probes(draft):
        for kind in ("task", "remote"):
            if draft.has(kind) and "exec" in probe.entries:
                place = probe.entries["exec"][0].place
                message = (
                    f"'exec' does not go with '{kind}': a command runs in the directory and environment of a process"
                )
                mistakes.add(Mistake(place, message, agent=draft.if_elsewhere(place)))


def _written(draft: Draft) -> Place:
    return draft.node.entries["port"][1].place


def _without_place(wanting: list[tuple[Port, Draft]]) -> Iterator[tuple[Port, Draft]]:
    """Those that get none when each port goes to the range that ends first, which places as many as possible."""
    upcoming = sorted(wanting, key=lambda one: one[0].first, reverse=True)
    waiting: list[tuple[int, int, tuple[Port, Draft]]] = []
    number = 0
    while upcoming or waiting:
        if not waiting:
            number = max(number, upcoming[-1][0].first)
        while upcoming and upcoming[-1][0].first <= number:
            one = upcoming.pop()
            heapq.heappush(waiting, (one[0].last, len(upcoming), one))
        last, _, one = heapq.heappop(waiting)
        if last < number:
            yield one
        else:
            number += 1


def _uses(draft: Draft) -> Iterator[tuple[Place, str]]:
    for name in ("command", "env", "startup", "readiness", "health", "stop"):
        node = draft.node.get(name)
        for scalar in _scalars(node) if node is not None else ():
            if _PLACEHOLDER in scalar.raw:
                yield scalar.place, f"'{_PLACEHOLDER}'"
    for asked in (*_probes(draft), *steps(draft.node.get("stop"))):
        for kind in PROBE_KINDS:
            if kind in asked.entries and not draft.has("remote") and _asks_the_port(kind, asked.entries[kind][1]):
                yield asked.entries[kind][1].place, f"'{kind}'"


def _probes(draft: Draft) -> Iterator[Mapping]:
    for name in ("startup", "readiness", "health"):
        node = draft.node.get(name)
        if isinstance(node, Mapping):
            yield node


def _asks_the_port(kind: str, node: Node) -> bool:
    return kind == "a2a" or (kind in _PATHS and isinstance(node, Scalar) and node.raw.startswith("/"))


_PATHS = ("http", "mcp", "agentcore", "ws")
"""The kinds of probe that may ask a path."""


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item)
    else:
        for _, value in node.entries.values():
            yield from _scalars(value)
