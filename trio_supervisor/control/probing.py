"""Asks the probes of one child now, because somebody wants to know; nothing follows from the answers."""

from functools import partial

import trio

from trio_supervisor.control.explaining import in_words, probes_of
from trio_supervisor.control.insights import Probed, Role
from trio_supervisor.core.child import Child
from trio_supervisor.engine.child import ChildLife
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, ProbeError
from trio_supervisor.spec import Probe


async def probe(engine: Supervisor, child: Child, role: Role | None) -> tuple[Probed, ...]:
    """Ask all its probes at once, or one; each within its timeout.

    Raises:
        ConflictError: it has none, or there is nobody to ask.
    """
    path, kept, life = engine.path_of(child.id), engine.kept(child.id), engine.life(child.id)
    probes = {} if kept is None else probes_of(kept.spec)
    if not probes:
        raise ConflictError(f"{path} has no probe: write readiness or health")
    if role is not None and role not in probes:
        has = ", ".join(each.value for each in probes)
        raise ConflictError(f"{path} has no {role.value} probe; it has: {has}")
    if life is None or not child.up or not life.started:
        raise ConflictError(f"{path} is {child.state.value}: a probe needs a life of it that is started")
    found: dict[Role, Probed] = {}
    async with trio.open_nursery() as nursery:
        for each in probes if role is None else (role,):
            nursery.start_soon(partial(_ask, path, life, each, probes[each], found))
    return tuple([found[each] for each in probes if each in found])


async def _ask(path: str, life: ChildLife, role: Role, asked: Probe, found: dict[Role, Probed]) -> None:
    what = in_words(asked.check)
    try:
        answer, took = await life.probing.ask_now(role, asked)
    except ProbeError as error:
        found[role] = Probed(path, role, what, None, str(error), 0.0)
    else:
        found[role] = Probed(path, role, what, answer.ok, answer.detail, took)
