"""Explains a running tree: why a child is as it is, and by which rules the tree goes."""

from collections.abc import Iterable, Iterator

from trio_supervisor.control.api import Event, Explanation, Ground, Rule, State
from trio_supervisor.control.insights import Need, Node, Role, Use
from trio_supervisor.control.looks import snapshot_of
from trio_supervisor.core import standing
from trio_supervisor.core.child import Child
from trio_supervisor.core.policy import AtLimit, AutoShutdown
from trio_supervisor.engine.policies import tree_policy
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.record import changed
from trio_supervisor.spec import Check, ChildSpec, Probe, RemoteSpec, SupervisorSpec, TaskSpec

_LONGEST = 60


def explanation(supervisor: Supervisor, child: Child, decisions: Iterable[Event], to_wall: float) -> Explanation:
    """Why a child is as it is; `to_wall`: seconds from Trio's clock to the wall's."""
    look, kept = supervisor.look_at(child.id), supervisor.kept(child.id)
    grounds = [*look.standing, *(() if kept is None else kept.seat.grounds())]
    inner, life = supervisor.inner(child.id), supervisor.life(child.id)
    if inner is not None:
        grounds[:0] = _of_supervisor(inner)
    if life is not None and child.state is State.STOPPING and life.stop_progress:
        grounds.insert(0, Ground(Rule.STOP, life.stop_progress))
    probes = {} if kept is None else probes_of(kept.spec)
    grounds = [_with_question(ground, probes) for ground in grounds]
    told = tuple(decisions)
    return Explanation(snapshot_of(supervisor, child, to_wall), look.outlook, tuple(grounds), told)


def _of_supervisor(inner: Supervisor) -> Iterator[Ground]:
    """The rules by which a child goes that is a supervisor itself."""
    policy = tree_policy(inner.spec)
    yield Ground(Rule.STRATEGY, f"{policy.strategy.value} for what is in it")
    if policy.at_limit is not AtLimit.HOLD:
        ground = inner.look_at_limit()
        yield Ground(ground.rule, f"in it: {ground.text}; over that: {policy.at_limit.value}", ground.numbers)
    if policy.auto_shutdown is not AutoShutdown.NEVER:
        yield Ground(Rule.SIGNIFICANT, f"auto_shutdown: {policy.auto_shutdown.value}")


def _with_question(ground: Ground, probes: dict[Role, Probe]) -> Ground:
    """With what is asked, which the machine does not know."""
    role = next((role for role in probes if role.value == ground.rule.value), None)
    if role is None:
        return ground
    probe = probes[role]
    text = f"{in_words(probe.check)} every {probe.period:g} s: {ground.text}"
    return Ground(ground.rule, text, (*ground.numbers, ("period", probe.period), ("timeout", probe.timeout)))


def probes_of(spec: ChildSpec) -> dict[Role, Probe]:
    """The probes that a child has, in the order in which they matter."""
    found = {Role.STARTUP: spec.startup, Role.READINESS: spec.readiness, Role.HEALTH: spec.health}
    return {role: probe for role, probe in found.items() if probe is not None}


def in_words(check: Check) -> str:
    """How a probe asks: its kind and what it asks for, without what may be secret."""
    kind = type(check).__name__.lower()
    fields = getattr(type(check), "__attrs_attrs__", ())
    if not fields:
        return kind
    name, value = fields[0].name, getattr(check, fields[0].name)
    if name == "exec":
        # Arguments may be secret.
        value = value[0]
    elif name == "call" and not isinstance(value, str):
        value = getattr(value, "__qualname__", "a function")
    if not isinstance(value, str) or not value:
        return str(name)
    value = value.partition("?")[0]
    return f"{name} {value if len(value) <= _LONGEST else f'{value[:_LONGEST]}...'}"


# The tree


def nodes(supervisor: Supervisor) -> Iterator[Node]:
    """The supervisor itself as the top, then all in it."""
    yield _as_supervisor(Node(supervisor.path, "supervisor", None, "", (), ()), supervisor.spec, supervisor)
    yield from _below(supervisor)


def _below(supervisor: Supervisor) -> Iterator[Node]:
    for child in supervisor.children.values():
        kept, look = supervisor.kept(child.id), supervisor.look_at(child.id)
        if kept is None:  # only until its start is admitted
            continue
        run = kept.spec.run
        needs = tuple([_need(supervisor, each) for each in look.needs])
        limits = tuple([_use(ground) for ground in look.limits])
        node = Node(kept.path, _kind(kept.spec), child.state, child.policy.restart.value, needs, limits)
        inner = supervisor.inner(child.id)
        yield _as_supervisor(node, run, inner) if isinstance(run, SupervisorSpec) else node
        if inner is not None:
            yield from _below(inner)


def _as_supervisor(node: Node, spec: SupervisorSpec, engine: Supervisor | None) -> Node:
    policy = tree_policy(spec)
    shared = None if engine is None or policy.at_limit is AtLimit.HOLD else engine.look_at_limit()
    limit = policy.intensity
    use = Use(0, limit.restarts, limit.within, False) if shared is None else _use(shared)
    return changed(
        node,
        strategy=policy.strategy.value,
        profile=policy.profile.value,
        at_limit=policy.at_limit.value,
        intensity=use,
    )


def _use(ground: Ground) -> Use:
    numbers = dict(ground.numbers)
    shared = bool(numbers.get("shared"))
    return Use(int(numbers["used"]), int(numbers["restarts"]), numbers["within"], shared)


def _need(supervisor: Supervisor, need: standing.Need) -> Need:
    return Need(supervisor.path_of(need.child), need.condition, need.state, need.met)


def _kind(spec: ChildSpec) -> str:
    match spec.run:
        case SupervisorSpec():
            return "supervisor"
        case TaskSpec():
            return "task"
        case RemoteSpec():
            return "remote"
        case _:
            return type(spec.run).__name__.removesuffix("Spec").lower()
