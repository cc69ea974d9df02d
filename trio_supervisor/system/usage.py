"""What trees of processes use: CPU time and memory, of many trees by one look at all processes."""

import os
from collections.abc import Callable, Sequence

from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.lineage import owner_finder
from trio_supervisor.system.memory import resident
from trio_supervisor.system.procfs import Process, cpu_ticks, processes

_DEEPEST = 64
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Grove:
    """A tree to be measured: whom it began with, and by what its members are known. Not to be changed."""

    __slots__ = ("cgroup", "leader", "marker", "started")

    def __init__(self, leader: int, started: int, marker: str, cgroup: Cgroup | None) -> None:
        """See `members.members_of`."""
        self.leader = leader
        self.started = started
        self.marker = marker
        self.cgroup = cgroup


class Used:
    """What a tree uses. CPU time in seconds, of those that have ended as well, as far as they were waited for."""

    __slots__ = ("cpu", "memory", "processes")

    def __init__(self, cpu: float, memory: int, processes: int) -> None:
        self.cpu = cpu
        self.memory = memory
        self.processes = processes


def measure(groves: Sequence[Grove]) -> list[Used]:
    """Measure them, in order. Blocks for about 15 microseconds for each process of the machine, and 150 for each that
    belongs to a tree.

    Raises:
        OSError: there is no descriptor left to look with.
    """
    found: list[list[Process]] = [[] for _ in groves]
    for one, index in _owned(groves, [one for one in processes() if one.alive]):
        found[index].append(one)
    return [_used(grove, members) for grove, members in zip(groves, found, strict=True)]


def _owned(groves: Sequence[Grove], living: list[Process]) -> list[tuple[Process, int]]:
    """The processes that are of a tree, each with the number of that."""
    by_number = {grove.leader: index for index, grove in enumerate(groves)}
    by_pid = {one.pid: one for one in living}
    # A number of a leader that is somebody else's by now says nothing.
    for index, grove in enumerate(groves):
        leader = by_pid.get(grove.leader)
        if leader is not None and leader.started != grove.started:
            by_number.pop(grove.leader, None)
        for pid in () if grove.cgroup is None else grove.cgroup.members():
            by_number.setdefault(pid, index)
    oldest = min((grove.started for grove in groves), default=0)
    of_marker = owner_finder({grove.marker: index for index, grove in enumerate(groves)})
    known: dict[int, int | None] = {}
    owned = []
    for one in living:
        owner = _owner(one, by_number, by_pid, known, of_marker, oldest)
        if owner is not None:
            owned.append((one, owner))
    return owned


def _owner(
    one: Process,
    by_number: dict[int, int],
    by_pid: dict[int, Process],
    known: dict[int, int | None],
    of_marker: Callable[[int], int | None],
    oldest: int,
) -> int | None:
    way: list[int] = []
    owner: int | None = None
    walker: Process | None = one
    while walker is not None and len(way) < _DEEPEST:
        if walker.pid in known:
            owner = known[walker.pid]
            break
        way.append(walker.pid)
        # Nobody of a tree is older than its leader.
        if walker.started < oldest:
            break
        numbers = (walker.pid, walker.session, walker.group)
        owner = next((by_number[number] for number in numbers if number in by_number), None)
        if owner is None:
            owner = of_marker(walker.pid)
        if owner is not None:
            break
        walker = by_pid.get(walker.parent)
    known.update(dict.fromkeys(way, owner))
    return owner


def _used(grove: Grove, members: list[Process]) -> Used:
    cgroup = grove.cgroup
    cpu = None if cgroup is None else cgroup.cpu_used()
    memory = None if cgroup is None else cgroup.memory_used()
    if cpu is None:
        cpu = sum(cpu_ticks(one.pid) for one in members) / _TICKS
    if memory is None:
        memory = sum(resident(one.pid) for one in members)
    return Used(cpu, memory, len(members))
