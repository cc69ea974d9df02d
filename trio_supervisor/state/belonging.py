"""Who belongs to an instance that is gone, and who only bears a number that was one of its own.

Pids, groups and sessions share their numbers, and one is given again only when no process, group and session bears it.
So as long as anybody of a session is known to be ours, all of it is. Where only strangers to us are left in it, it is
ours unless so many processes have started since that the numbers may have come round.
"""

import os
from collections.abc import Iterable

from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.kill import descendants, own_ancestry
from trio_supervisor.system.lease import Born, Leftovers, came_round
from trio_supervisor.system.lineage import carriers
from trio_supervisor.system.procfs import Process


def belonging(left: Leftovers, everybody: list[Process]) -> list[Process]:
    """Those of `everybody` that are left of an instance: its guardian, the leaders, whoever bears its marker or is in a
    cgroup of its children, who is in the sessions and groups of all these, and what descends from them.

    Never this process, its ancestors and descendants.
    """
    search = _Search(left, everybody)
    for born in left.living:
        search.add_cgroup(born)
    for born in left.living:
        search.add_session(born)
    search.add_relatives()
    return list(search.ours.values())


class _Search:
    def __init__(self, left: Leftovers, everybody: list[Process]) -> None:
        spared = _spared(everybody)
        self._others = [one for one in everybody if one.pid not in spared]
        self._holders = {one.pid: one for one in everybody}
        self._bearing: dict[int, list[Process]] = {}
        for one in self._others:
            for number in {one.session, one.group}:
                self._bearing.setdefault(number, []).append(one)
        self._came_round = came_round(left.forks)
        recorded = {(born.pid, born.started) for born in left.living} | {(left.keeper, left.keeper_started)}
        self.ours = {one.pid: one for one in self._others if (one.pid, one.started) in recorded}
        self._add(carriers(self._others, left.instance))

    def add_cgroup(self, born: Born) -> None:
        pids = set(Cgroup(born.cgroup or None).members())
        self._add(one for one in self._others if one.pid in pids and one.started >= born.started)

    def add_session(self, born: Born) -> None:
        """Add who bears the number of a leader as session or group, if it is still that leader's."""
        holder = self._holders.get(born.pid)
        members = [one for one in self._bearing.get(born.pid, ()) if one.started >= born.started]
        if holder is not None:
            still_ours = holder.started == born.started
        else:
            still_ours = not self._came_round or any(one.pid in self.ours for one in members)
        if still_ours:
            self._add(members)

    def add_relatives(self) -> None:
        """Add sessions and groups that ours lead, and descendants, until there are no more."""
        count = 0
        while count != len(self.ours):
            count = len(self.ours)
            for number in tuple(self.ours):
                self._add(self._bearing.get(number, ()))
            self._add(descendants(self._others, set(self.ours)))

    def _add(self, more: Iterable[Process]) -> None:
        for one in more:
            self.ours.setdefault(one.pid, one)


def _spared(everybody: list[Process]) -> set[int]:
    """This process, its ancestors and its descendants."""
    return own_ancestry(everybody) | {one.pid for one in descendants(everybody, {os.getpid()})}
