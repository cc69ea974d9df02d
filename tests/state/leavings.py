"""Processes that nobody looks after any more, and leases whose writer was killed."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict, frozen

from trio_supervisor.system.lineage import VARIABLE, token
from trio_supervisor.system.procfs import Process, process

Born = tuple[int, int, str, int, str]
"""The arguments of `Lease.born`."""


@frozen
class Family:
    """A process and what it starts before it sleeps."""

    name: str
    children: tuple["Family", ...] = ()
    session: bool = False
    """It begins a session of its own; the first of all always does."""
    cleaned: bool = False
    """It empties its environment."""
    ends: bool = False
    """It ends instead of sleeping."""


_FAMILY = """
import json, os, sys
from trio_supervisor.system.procfs import process
def live(name, children, session, cleaned, ends):
    if session:
        os.setsid()
    for child in children:
        if os.fork() == 0:
            live(**child)
    os.write(1, f"{name} {os.getpid()} {process(os.getpid()).started}\\n".encode())
    if ends:
        os._exit(0)
    os.execve("/bin/sleep", ["sleep", "600"], {} if cleaned else os.environ)
live(**json.loads(sys.argv[1]))
"""

_KEEPER = """
import json, os, signal, sys
from trio_supervisor.system.lease import Lease
path, instance, facts, number = sys.argv[1:]
lease = Lease(path, instance, "", lambda error: sys.exit(str(error)))
for fact in json.loads(facts):
    lease.born(*fact)
print(os.getpid(), flush=True)
os.kill(os.getpid(), int(number))
signal.pause()
"""


@frozen
class Left:
    """A process that was left behind, or was before it ended."""

    pid: int
    started: int

    @property
    def born(self) -> Born:
        """It as a leader in a lease."""
        return (self.pid, self.started, "agent", 1, "")

    @property
    def now(self) -> Process | None:
        """It as it is now; None when it has ended, or is only a zombie."""
        found = process(self.pid)
        return found if found is not None and found.started == self.started and found.alive else None


def leave(family: Family, env: Mapping[str, str]) -> dict[str, Left]:
    """Start a family that nobody here is the parent of; returns its members by name when all have done their part."""
    names = _names(family)
    lines = start_and_leave([sys.executable, "-c", _FAMILY, json.dumps(asdict(family))], len(names), env)
    left = {name: Left(int(pid), int(started)) for name, pid, started in map(str.split, lines)}
    until = time.monotonic() + 20
    while not all(_is_settled(left[name], ends) for name, ends in names.items()):
        assert time.monotonic() < until
        time.sleep(0.001)
    return left


def _is_settled(one: Left, ends: bool) -> bool:
    now = one.now
    return now is None if ends else now is not None and now.name == "sleep"


def start_and_leave(
    command: list[str], lines: int, env: Mapping[str, str] | None = None, user: int | None = None
) -> list[str]:
    """Run a program in a session of its own, as the child of nobody here; returns the first lines that it prints."""
    with subprocess.Popen(
        ["setsid", "-f", *command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env, user=user
    ) as starter:
        assert starter.stdout is not None
        return [starter.stdout.readline().decode() for _ in range(lines)]


def _names(family: Family) -> dict[str, bool]:
    """By name: whether it ends."""
    names = {family.name: family.ends}
    for child in family.children:
        names |= _names(child)
    return names


def environment(instance: str = "") -> dict[str, str]:
    """The environment of a child of that instance, or of nobody's."""
    marker = {VARIABLE: token(instance, "agent", 1, 1)} if instance else {}
    return {"PATH": "/usr/bin:/bin", **marker}


def leave_lease(path: Path, instance: str, *born: Born) -> None:
    """Write a lease as a guardian does that is killed then."""
    end = subprocess.run(_keeper(path, instance, born, 9), stdout=subprocess.DEVNULL)
    assert end.returncode == -9


def leave_keeper(path: Path, instance: str, number: int, *born: Born) -> int:
    """The same by one that is not our child, sends itself that signal (0: none) and holds the lease; its pid."""
    return int(start_and_leave(_keeper(path, instance, born, number), 1)[0])


def _keeper(path: Path, instance: str, born: tuple[Born, ...], number: int) -> list[str]:
    return [sys.executable, "-c", _KEEPER, str(path), instance, json.dumps(born), str(number)]
