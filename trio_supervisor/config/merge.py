"""`defaults` under an agent: mappings are merged deeply, all else replaces; each value keeps its place in the file."""

from trio_supervisor.config.keys import CONTAINER, OF_CONTAINER, PROCESS, REMOTE, TASK
from trio_supervisor.config.mistakes import Mistake, MistakeError
from trio_supervisor.config.nodes import Mapping
from trio_supervisor.config.stops import ONLY_PROCESS, steps
from trio_supervisor.config.tables import PROBE_KINDS, TABLES

MAX_MERGED = 1_000_000
"""Values that defaults may come to, counted for each agent."""

_CHECK_KEYS = frozenset(name for cls in PROBE_KINDS.values() for name in TABLES[cls])
_PROBES = ("startup", "readiness", "health")
_ONLY_PROCESS = frozenset(PROCESS)
_ONLY_TASK = frozenset(TASK)
_ONLY_REMOTE = frozenset(REMOTE)
_ONLY_CONTAINER = frozenset(CONTAINER)
_NOT_OF_CONTAINER = _ONLY_PROCESS - frozenset(OF_CONTAINER) | _ONLY_TASK | _ONLY_REMOTE
_NOT_OF_REMOTE = _ONLY_PROCESS - {"preset"} | _ONLY_TASK | _ONLY_CONTAINER | {"stop", "grace", "limits"}
_ONLY_SUBTREE = frozenset({"supervisor", "agents"})


def merge_agent(defaults: Mapping | None, agent: Mapping) -> Mapping:
    """An agent with the defaults that go with it.

    What an agent is, and how it is asked, is decided by its own keys: defaults for another kind of agent or of probe
    are left out.
    """
    if defaults is None:
        return agent
    return _merge(defaults, agent, _out_of_place(defaults, agent) | _other_end(agent) | _ONLY_SUBTREE)


def merge_below(base: Mapping, agent: Mapping) -> Mapping:
    """An agent on top of something that only says what it leaves open."""
    return _merge(base, agent, frozenset())


def merge_defaults(outer: Mapping | None, inner: Mapping | None) -> Mapping | None:
    """The defaults of an included file, on top of those of the file that includes it."""
    if outer is None or inner is None:
        return inner or outer
    return _merge(outer, inner, _other_end(inner))


def check_cost(defaults: Mapping | None, agents: int) -> None:
    """Raise MistakeError where the defaults are too big for so many agents."""
    if defaults is not None and defaults.size * agents > MAX_MERGED:
        message = f"defaults of {defaults.size:,} values for {agents:,} agents are more than {MAX_MERGED:,} in all"
        raise MistakeError(Mistake(defaults.place, message))


def _out_of_place(defaults: Mapping, agent: Mapping) -> frozenset[str]:
    if "command" in agent.entries:
        return _ONLY_TASK | _ONLY_REMOTE | _ONLY_CONTAINER
    if "task" in agent.entries:
        stop = {"stop"} if _stops_a_process(defaults) else frozenset()
        return _ONLY_PROCESS | _ONLY_REMOTE | _ONLY_CONTAINER | stop
    if "container" in agent.entries:
        return _NOT_OF_CONTAINER
    return _NOT_OF_REMOTE if "remote" in agent.entries else frozenset()


def _stops_a_process(defaults: Mapping) -> bool:
    return any(kind in step.entries for step in steps(defaults.get("stop")) for kind in (*ONLY_PROCESS, "http"))


def _other_end(agent: Mapping) -> frozenset[str]:
    """The other way to say how an agent is stopped."""
    if "grace" in agent.entries:
        return frozenset({"stop"})
    return frozenset({"grace"}) if "stop" in agent.entries else frozenset()


def _merge(base: Mapping, over: Mapping, left_out: frozenset[str], *, deep: bool = True) -> Mapping:
    merged = Mapping(over.source, over.start)
    merged.end = over.end
    merged.size = base.size + over.size
    merged.entries = {name: entry for name, entry in base.entries.items() if name not in left_out}
    for name, (key, value) in over.entries.items():
        below = merged.get(name)
        if deep and isinstance(below, Mapping) and isinstance(value, Mapping):
            others = _other_kinds(value) if name in _PROBES else frozenset()
            # A secret has one source, a hook does one thing: that of the agent takes the place of the other.
            value = _merge(below, value, others, deep=name not in ("secrets", "hooks"))
        merged.entries[name] = (key, value)
    return merged


def _other_kinds(probe: Mapping) -> frozenset[str]:
    kinds = [kind for kind in PROBE_KINDS if kind in probe.entries]
    return _CHECK_KEYS - TABLES[PROBE_KINDS[kinds[0]]].keys() if len(kinds) == 1 else frozenset()
