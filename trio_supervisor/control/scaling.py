"""More children, and fewer: one that is added, so many replicas of an agent, so many instances of a template."""

from attrs import evolve

from trio_supervisor.control import asking
from trio_supervisor.control.dependents import do_without
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, RequestError, UnknownAgentError
from trio_supervisor.spec import ChildSpec

MOST_REPLICAS = 1000


async def add(engine: Supervisor, spec: ChildSpec) -> None:
    """Add a child and start it. Raises ChildStartError, CallError, SpecError."""
    id, reply = await engine.start_child(spec)
    asking.checked(engine.path_of(id), reply)


async def scale_instances(engine: Supervisor, count: int) -> None:
    """Have so many instances of the template of a supervisor. Raises as `add`, and RequestError."""
    _check(count, least=0)
    while len(engine.children) < count:
        id, reply = await engine.start_child()
        asking.checked(engine.path_of(id), reply)
    for child in list(engine.children.values())[count:][::-1]:
        await asking.remove(engine, child, "scaled down by hand")


async def scale_replicas(engine: Supervisor, name: str, count: int) -> None:
    """Have so many replicas of an agent; who depends on it depends on those that are left.

    Raises as `add`, UnknownAgentError, ConflictError, RequestError, NeededError.
    """
    numbers = _numbers(engine, name)
    if not numbers:
        raise UnknownAgentError(f"there is no agent {engine.path_of(name)!r} with replicas, and no such template")
    # Without a last one, nobody would know what a replica is.
    _check(count, least=1)
    kept = engine.kept(f"{name}-{numbers[0]}")
    assert kept is not None
    for number in range(1, count + 1):
        if f"{name}-{number}" not in engine.children:
            await add(engine, evolve(kept.spec, id=f"{name}-{number}"))
    going = {number: f"{name}-{number}" for number in _numbers(engine, name) if number > count}
    do_without(engine, going.values(), (f"{name}-{number}" for number in range(1, count + 1)))
    for number in reversed(going):
        child = engine.children.get(going[number])
        if child is not None:
            await asking.remove(engine, child, "scaled down by hand")


def _numbers(engine: Supervisor, name: str) -> list[int]:
    """The numbers of the replicas that are there, the least first."""
    found = (id.rpartition("-") for id in engine.children)
    return sorted(int(number) for base, _, number in found if base == name and _is_number(number))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text[0] != "0"


def _check(count: int, least: int) -> None:
    if not least <= count <= MOST_REPLICAS:
        # None at all is right for a template, so that it depends on who is meant.
        kind = RequestError if count > MOST_REPLICAS or count < 0 else ConflictError
        raise kind(f"replicas must be {least} to {MOST_REPLICAS}, not {count}")
