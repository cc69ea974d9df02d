"""Those that depend on a child: what they lose when it goes, and how they are told to do without it."""

from collections.abc import Collection, Iterable

from attrs import evolve

from trio_supervisor.core.state import Desired
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import NeededError
from trio_supervisor.spec import ChildSpec


def dependents(engine: Supervisor, child: str, but: Collection[str] = ()) -> list[ChildSpec]:
    """Who depends on it or is bound to it, as it is to be from its next life on; not who goes too, nor `but` these."""
    if engine.spec.template is not None:
        # They are all alike, and may be very many.
        return []
    stay = (id for id, other in engine.children.items() if id not in but and other.desired is not Desired.GONE)
    specs = filter(None, map(engine.wanted, stay))
    return [spec for spec in specs if child in spec.depends_on or child in spec.binds_to]


def check_unneeded(engine: Supervisor, child: str, but: Collection[str] = ()) -> None:
    """Raises NeededError: others depend on it; `but`: the ids of those that do not count."""
    users = [engine.path_of(spec.id) for spec in dependents(engine, child, but)]
    if users:
        raise NeededError(engine.path_of(child), users)


def losses(engine: Supervisor, child: str, but: Collection[str] = ()) -> list[str]:
    """What becomes of each that depends on it when it goes all the same, for people; `but`: as in `dependents`."""
    path = engine.path_of(child)
    told = []
    for spec in dependents(engine, child, but):
        bound = child in spec.binds_to
        what, now = ("is bound to", "goes down with it") if bound else ("depends on", "runs on if it is up")
        told.append(f"{engine.path_of(spec.id)} {what} {path}: it {now}, and can't be started until {path} is back")
    return told


def do_without(engine: Supervisor, going: Collection[str], left: Iterable[str]) -> None:
    """Let those that depend on replicas that go depend on those that are `left` alone; nobody is restarted by that.

    Raises:
        NeededError: somebody depends on one of them, and on none that is left.
    """
    left = frozenset(left)
    users = {spec.id: spec for id in going for spec in dependents(engine, id, going)}
    for user in users.values():
        if left.isdisjoint(user.depends_on) and left.isdisjoint(user.binds_to):
            needed = next(id for id in going if id in user.depends_on or id in user.binds_to)
            raise NeededError(engine.path_of(needed), [engine.path_of(user.id)])
    if not users:
        return
    changed = {id: _without(spec, going) for id, spec in users.items()}
    later = {id for id in changed if engine.is_to_be_replaced(id)}
    # Whoever was removed is not to come again, so that nobody waits for him.
    children = tuple(changed.get(child.id, child) for child in engine.spec.children if child.id in engine.children)
    at_once = tuple(spec for id, spec in changed.items() if id not in later)
    engine.change(
        Change(evolve(engine.spec, children=children), at_once, tuple(changed[id] for id in changed if id in later))
    )


def _without(spec: ChildSpec, going: Collection[str]) -> ChildSpec:
    needs = {id: how for id, how in spec.depends_on.items() if id not in going}
    return evolve(spec, depends_on=needs, binds_to=tuple(id for id in spec.binds_to if id not in going))
