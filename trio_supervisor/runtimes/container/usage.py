"""What a container uses, where its processes are processes of this machine."""

from trio_supervisor.runtimes.base import Usage
from trio_supervisor.runtimes.process.usage import usage_of
from trio_supervisor.system.procfs import process
from trio_supervisor.system.usage import Grove


async def usage_of_container(pid: int, id: str) -> Usage | None:
    """By its first process and all that this has started; None if that is not the container's.

    An engine in a virtual machine, which is reached by a socket here all the same, numbers other processes.
    """
    leader = process(pid)
    if leader is None or not is_of(pid, id):
        return None
    return await usage_of(Grove(pid, leader.started, id, None))


def is_of(pid: int, id: str) -> bool:
    """Whether a process is in a cgroup that has the name of a container (cgroups(7), /proc/PID/cgroup)."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return bool(id) and id in file.read()
    except OSError:
        return False
