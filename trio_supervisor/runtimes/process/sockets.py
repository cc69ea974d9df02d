"""Who listens on a TCP port, and whether that is a child's tree (Linux: proc_pid_net(5), proc_pid_fd(5)).

All functions block for some milliseconds; call them by `census.in_thread`.
"""

import os
from collections.abc import Iterable
from contextlib import suppress

from trio_supervisor.record import record
from trio_supervisor.runtimes.base import Ownership
from trio_supervisor.system.procfs import Process, command_line, pids, processes

_LISTEN = "0A"
_TIME_WAIT = "06"
_ESTABLISHED = "01"


@record
class Entry:
    """A TCP socket that the kernel knows by its local port."""

    address: str
    """Hexadecimal, as in /proc/net/tcp."""
    state: str
    uid: int
    inode: int

    @property
    def listens(self) -> bool:
        """Whether it takes connections."""
        return self.state == _LISTEN

    @property
    def lingers(self) -> bool:
        """Whether it is only the memory of a closed connection (TIME_WAIT)."""
        return self.state == _TIME_WAIT

    @property
    def answers_locally(self) -> bool:
        """Whether its address is a wildcard or a loopback: those that a probe asks."""
        v4 = self.address[24:] if self.address.startswith("0000000000000000FFFF0000") else self.address
        return set(v4) == {"0"} or (len(v4) == 8 and v4.endswith("7F")) or v4 == "00000000000000000000000001000000"


def entries(port: int) -> list[Entry] | None:
    """All sockets whose local port is `port`; None where the platform does not tell."""
    tables = [table for name in ("tcp", "tcp6") if (table := _read_table(name)) is not None]
    if not tables:
        return None
    wanted = f":{port:04X} "
    lines = (line for table in tables for line in table.splitlines() if wanted in line)
    return [_entry(fields) for fields in map(str.split, lines) if fields[1].endswith(wanted.rstrip())]


def owner_of(port: int, leader: int) -> tuple[Ownership, str]:
    """Whether what listens on `port` belongs to the session or the descendants of `leader`, and in words who it is."""
    found = entries(port)
    if found is None:
        return Ownership.UNKNOWN, "this system does not tell who listens"
    listening = [entry for entry in found if entry.listens]
    if not listening:
        return Ownership.UNKNOWN, f"nothing listens on port {port}"
    wanted = {entry.inode for entry in listening}
    ours, unreadable = _held_by_tree(wanted, leader)
    near = {entry.address for entry in listening if entry.inode in ours}
    # One that listens elsewhere (on another interface's address) does not answer in the place of the child.
    strangers = [e for e in listening if e.inode not in ours and (not ours or e.answers_locally or e.address in near)]
    if not strangers:
        return Ownership.OURS, ""
    if unreadable:
        return Ownership.UNKNOWN, "the child does not let us look at its sockets"
    return Ownership.STRANGER, _name_holders(strangers)


def connections_of(port: int, leader: int) -> int:
    """How many connections to `port` are open whose end here belongs to the session or the descendants of `leader`.

    Where somebody of them does not let us look, all that are open count: who is in use is not idle.
    """
    established = {entry.inode for entry in entries(port) or () if entry.state == _ESTABLISHED and entry.inode}
    if not established:
        return 0
    ours, unreadable = _held_by_tree(established, leader)
    return len(established if unreadable else ours)


def holder_of(port: int) -> str:
    """In words who holds `port`, listening ones first; "" when that can't be seen."""
    # What belongs to nobody any more (closing, TIME_WAIT) has no inode.
    found = [entry for entry in entries(port) or () if entry.inode]
    return _name_holders([entry for entry in found if entry.listens] or found)


def _read_table(name: str) -> str | None:
    try:
        with open(f"/proc/net/{name}", encoding="ascii") as file:
            return file.read()
    except OSError:
        return None


def _entry(fields: list[str]) -> Entry:
    return Entry(fields[1].partition(":")[0], fields[3], int(fields[7]), int(fields[9]))


def _held_by_tree(wanted: set[int], leader: int) -> tuple[set[int], bool]:
    """Which of the sockets somebody of the tree holds, and whether somebody did not let us look."""
    held, readable = _held_by(leader, wanted)
    if held == wanted:
        return held, False
    hidden = not readable
    for member in _tree_without_leader(leader):
        more, readable = _held_by(member.pid, wanted)
        held |= more
        hidden = hidden or not readable
    return held, hidden


def _tree_without_leader(leader: int) -> list[Process]:
    everybody = processes()
    children: dict[int, list[Process]] = {}
    for found in everybody:
        children.setdefault(found.parent, []).append(found)
    tree = {found.pid: found for found in everybody if found.session == leader}
    queue = [leader, *tree]
    while queue:
        for child in children.get(queue.pop(), ()):
            if child.pid not in tree:
                tree[child.pid] = child
                queue.append(child.pid)
    return [member for member in tree.values() if member.pid != leader and member.alive]


def _held_by(pid: int, wanted: set[int]) -> tuple[set[int], bool]:
    held: set[int] = set()
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        return held, False
    except OSError:  # it is gone
        return held, True
    names = {f"socket:[{inode}]": inode for inode in wanted}
    for number in numbers:
        with suppress(OSError):
            inode = names.get(os.readlink(f"/proc/{pid}/fd/{number}"))
            if inode is not None:
                held.add(inode)
    return held, True


def _name_holders(held: Iterable[Entry]) -> str:
    """`pid 7 (python3 -m http.server)`, or as much as can be seen."""
    uid_of = {entry.inode: entry.uid for entry in held}
    holders: list[str] = []
    for pid in pids():
        if not uid_of:
            break
        found, _ = _held_by(pid, set(uid_of))
        if found:
            holders.append(f"pid {pid} ({command_line(pid)})")
            for inode in found:
                del uid_of[inode]
    holders += [f"a process of uid {uid} that can't be seen from here" for uid in sorted(set(uid_of.values()))]
    return ", ".join(holders)
