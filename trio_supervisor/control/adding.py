"""Agents that are added while everything runs: what is said of them, where they belong, and that they come back."""

from collections.abc import Iterable

from attrs import evolve

from trio_supervisor.control import asking
from trio_supervisor.control.applying import wait_added
from trio_supervisor.control.planning import base_of, in_order
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, SpecError
from trio_supervisor.spec import ChildSpec


def check_place(engine: Supervisor, agent: str) -> None:
    """Raises ConflictError: nothing can be added there, or it is there."""
    name = agent.rpartition("/")[2]
    if engine.ending is not None:
        raise ConflictError(f"{agent}: nothing is started any more: {engine.ending.reason}")
    if engine.spec.template is not None:
        raise ConflictError(f"{agent}: its supervisor makes all children of one template: use scale")
    if name in engine.children:
        raise ConflictError(f"{agent} is there already; remove it first, or write it in the file and apply that")


def resolved(engine: Supervisor, specs: Iterable[ChildSpec], others: Iterable[str] = ()) -> tuple[ChildSpec, ...]:
    """With the ids of all that they depend on in their supervisor: replicas have a name that means all of them, too.
    `others`: the ids of those that are to come there as well.

    Raises SpecError: something that one depends on is not there.
    """
    specs = tuple(specs)
    ids = [*engine.children, *(spec.id for spec in specs), *others]

    def ids_of(spec: ChildSpec, name: str) -> tuple[str, ...]:
        own = name.removeprefix(f"{engine.path}/") if engine.path else name
        found = (own,) if own in ids else tuple(id for id in ids if base_of(id) == own)
        if not found or spec.id in found:
            what = "itself" if found else f"{name!r}, and there is no such agent beside it"
            raise SpecError(f"{engine.path_of(spec.id)} depends on {what}")
        return found

    return tuple(
        evolve(
            spec,
            depends_on={id: how for name, how in spec.depends_on.items() for id in ids_of(spec, name)},
            binds_to=tuple(dict.fromkeys(id for name in spec.binds_to for id in ids_of(spec, name))),
        )
        for spec in specs
    )


async def add_all(engine: Supervisor, specs: Iterable[ChildSpec], *, start: bool) -> None:
    """Add them, and start them; returns when they are up. Raises ChildStartError, CallError, SpecError."""
    given = [engine.post_start(spec, idle=not start) for spec in in_order(specs)]
    for id, answer in given:
        if start:
            await wait_added(engine, id, answer)
        else:
            asking.checked(engine.path_of(id), await answer())


def checked(engine: Supervisor, agent: str, specs: Iterable[ChildSpec]) -> tuple[ChildSpec, ...]:
    """As `resolved`, if they can be added now. Raises ConflictError, SpecError."""
    check_place(engine, agent)
    found = resolved(engine, specs)
    for spec in found:
        check_place(engine, engine.path_of(spec.id))
        try:
            engine.check_new(spec)
        except SpecError as error:
            # By itself it is right; another one is in the way.
            raise ConflictError(str(error)) from error
        engine.trial_policy(spec)
    return found
