"""Signals for exactly the process that is meant, and not for a later one that got its number."""

import os
import signal
from contextlib import suppress

from trio_supervisor.system.procfs import Process, process


def signal_exactly(member: Process, number: int = signal.SIGKILL) -> None:
    """Signal a process that was seen before; nothing happens when it is gone, runs as another user, or there is no
    descriptor left to make sure of it.
    """
    with suppress(OSError):
        pidfd = os.pidfd_open(member.pid)
        try:
            now = process(member.pid)
            # The descriptor stands for whoever has the number now; if that is still the one who was seen, it is the
            # right one for good.
            if now is not None and now.started == member.started:
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)


def descendants(everybody: list[Process], roots: set[int]) -> list[Process]:
    """Those of `everybody` that descend from one of `roots`, which are not among them."""
    children: dict[int, list[Process]] = {}
    for one in everybody:
        children.setdefault(one.parent, []).append(one)
    found: list[Process] = []
    queue = list(roots)
    seen = set(roots)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child.pid not in seen:
                seen.add(child.pid)
                found.append(child)
                queue.append(child.pid)
    return found


def own_ancestry(everybody: list[Process]) -> set[int]:
    """The numbers of this process and of those that it descends from."""
    parents = {one.pid: one.parent for one in everybody}
    found, pid = set(), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found
