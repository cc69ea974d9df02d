"""Measures what the children of a tree use, all at once."""

from collections.abc import Iterable, Mapping

import trio

from trio_supervisor.control.api import Snapshot, Usage
from trio_supervisor.control.looks import locate
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import UnknownAgentError
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import MeasuresItself


async def measured(top: Supervisor, snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """The snapshots with what each uses; a supervisor uses what all in it do together."""
    snapshots = tuple(snapshots)
    found: dict[str, Usage] = {}
    async with trio.open_nursery() as nursery:
        for one in snapshots:
            if (life := _measurable(top, one.agent)) is not None:
                nursery.start_soon(_measure, one.agent, life, found)
    inner = {one.agent for one in snapshots if _is_supervisor(top, one.agent)}
    sums = _sums(found, inner)
    return tuple([changed(one, usage=found.get(one.agent, sums.get(one.agent))) for one in snapshots])


def _measurable(top: Supervisor, agent: str) -> MeasuresItself | None:
    try:
        engine, child = locate(top, agent)
    except UnknownAgentError:  # it is gone by now
        return None
    life = engine.life(child.id)
    if life is None or life.over:
        return None
    return life.life if isinstance(life.life, MeasuresItself) else None


async def _measure(agent: str, life: MeasuresItself, found: dict[str, Usage]) -> None:
    used = await life.usage()
    if used is not None:
        found[agent] = Usage(used.cpu_seconds, used.memory_bytes, used.processes)


def _is_supervisor(top: Supervisor, agent: str) -> bool:
    try:
        engine, child = locate(top, agent)
    except UnknownAgentError:
        return False
    return engine.inner(child.id) is not None


def _sums(found: Mapping[str, Usage], supervisors: set[str]) -> dict[str, Usage]:
    sums: dict[str, Usage] = {}
    for agent, used in found.items():
        way = agent.rpartition("/")[0]
        while way:
            if way in supervisors:
                so_far = sums.get(way, Usage(0.0, 0, 0))
                sums[way] = Usage(
                    so_far.cpu_seconds + used.cpu_seconds,
                    so_far.memory_bytes + used.memory_bytes,
                    so_far.processes + used.processes,
                )
            way = way.rpartition("/")[0]
    return sums
