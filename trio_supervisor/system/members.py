"""Which processes belong to the tree of one child, among all that there are."""

from collections.abc import Iterable

from trio_supervisor.system.kill import descendants
from trio_supervisor.system.lineage import carriers
from trio_supervisor.system.procfs import Process, process

_DEEPEST = 64


def members_of(
    everybody: list[Process], leader: int, started: int, marker: str, inside: Iterable[int] = ()
) -> list[Process]:
    """The living members of a tree: by session and group, by the marker, by cgroup, and all that descends from these.

    `leader`, `started`: the process that was spawned, which may be gone. `marker`: see `system.lineage`. `inside`: the
    numbers of those that are in its cgroup. Blocks for about 10 microseconds for each process.

    Raises:
        OSError: there is no descriptor left to look with.
    """
    # Nobody of the tree is older than its leader.
    living = [one for one in everybody if one.alive and one.started >= started]
    ours = {one.pid: one for one in carriers(living, marker)}
    numbers = set(inside)
    # As long as anybody bears the leader's number as that of its session or group, nobody else can be given it.
    if all(one.pid != leader or one.started == started for one in everybody):
        ours |= {one.pid: one for one in living if leader in (one.pid, one.session, one.group)}
    ours |= {one.pid: one for one in living if one.pid in numbers}
    ours |= {one.pid: one for one in descendants(living, set(ours))}
    return list(ours.values())


def is_member(pid: int, leader: int, marker: str) -> bool | None:
    """Whether one process is of a tree, alive or not; None: there is no such process any more.

    `leader`: that of the tree, alive. Blocks for some ten microseconds for each ancestor that is looked at.
    """
    if pid == leader:
        return True
    one = process(pid)
    if one is None:
        return None
    if leader in (one.session, one.group) or _carries(one, marker):
        return True
    for _ in range(_DEEPEST):
        if one is None or one.parent <= 1:
            return False
        if one.parent == leader:
            return True
        one = process(one.parent)
    return False


def _carries(one: Process, marker: str) -> bool:
    try:
        return bool(carriers([one], marker))
    except OSError:
        return False
