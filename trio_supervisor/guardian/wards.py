"""The wards: every process that the guardian answers for, and how all of them are killed in the end."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from trio_supervisor.system.kill import descendants, own_ancestry, signal_exactly
from trio_supervisor.system.lineage import carriers
from trio_supervisor.system.procfs import Process, process, processes

PATIENCE = 10.0
"""So long (seconds) what will not die is killed again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_BLOWS = 20
"""So often in a row children are killed, which takes some microseconds each, between looks at all processes."""


class Ward:
    """The leader of a child's session. Changed by the guardian only."""

    __slots__ = ("adopted", "cgroup", "child", "generation", "pid", "spared", "started")

    def __init__(self, pid: int, child: str, generation: int, cgroup: str | None, *, adopted: bool = False) -> None:
        """`cgroup`: the directory of its cgroup v2. `adopted`: somebody else has spawned it."""
        found = process(pid)
        self.pid = pid
        self.started = 0 if found is None else found.started
        self.child = child
        self.generation = generation
        self.cgroup = cgroup
        self.adopted = adopted
        self.spared = False
        """Its group is not to be killed when it ends: it was asked to end, and has its grace."""


def kill_all(wards: list[Ward], instance: str, reap: Callable[[], bool]) -> tuple[list[Process], list[Process]]:
    """Kill all wards and all that descends from this process or bears the instance's marker, until nothing is left.

    `reap` takes the status of all children that have ended, and says whether there is any other. Returns whom it has
    killed, and who would not die within `PATIENCE`.
    """
    killed: dict[tuple[int, int], Process] = {}
    until = time.monotonic() + PATIENCE
    pause = _FIRST_PAUSE
    thorough = any(ward.adopted for ward in wards)
    while True:
        for ward in wards:
            _kill_cgroup(ward)
        left = _left(wards, instance, thorough=thorough)
        for each in left:
            signal_exactly(each)
            killed[each.pid, each.started] = each
        # What forks and ends at once, again and again, is missed by each look; but its orphan is a child of ours.
        parent = _outrun(reap, killed)
        if not left and thorough and not parent:
            return list(killed.values()), []
        if time.monotonic() > until:
            return list(killed.values()), left or _children()
        # By marker only when nothing else is found any more: it costs most.
        thorough = thorough or not left
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _outrun(reap: Callable[[], bool], killed: dict[tuple[int, int], Process]) -> bool:
    """Kill children faster than they can fork; returns whether there are any left."""
    for _ in range(_BLOWS):
        if not reap():
            return False
        for child in _children():
            # Nobody but us reaps it, so the number is its own.
            with suppress(PermissionError):
                os.kill(child.pid, signal.SIGKILL)
            killed[child.pid, child.started] = child
    return reap()


def _children() -> list[Process]:
    """The living children of this process; none where the kernel does not list them (proc_pid_children(5))."""
    try:
        with open("/proc/thread-self/children", "rb", buffering=0) as file:
            found = [process(int(pid)) for pid in file.readall().split()]
    except OSError:
        return []
    return [child for child in found if child is not None and child.alive]


def _left(wards: list[Ward], instance: str, *, thorough: bool) -> list[Process]:
    everybody = [each for each in processes() if each.alive]
    started = {each.pid: each.started for each in everybody}
    ours = {each.pid: each for each in descendants(everybody, {os.getpid()})}
    leaders = {ward.pid: ward for ward in wards}
    for each in everybody:
        ward = leaders.get(each.session) or leaders.get(each.group)
        # Nobody of a session is older than its first leader; a number that was given away anew has a younger one.
        # So a ward whose number nobody has now is believed, and one whose number is another one's is not.
        if ward is not None and each.started >= ward.started == started.get(ward.pid, ward.started):
            ours[each.pid] = each
    if thorough:
        ours |= {each.pid: each for each in carriers(everybody, instance)}
    ours |= {each.pid: each for each in descendants(everybody, set(ours))}
    spared = own_ancestry(everybody)
    return [each for each in ours.values() if each.pid not in spared]


def _kill_cgroup(ward: Ward) -> None:
    if ward.cgroup is not None:
        with suppress(OSError), open(f"{ward.cgroup}/cgroup.kill", "w") as file:
            file.write("1")
