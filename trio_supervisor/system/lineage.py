"""The marker in a child's environment: which supervisors it descends from, and which of their children it is.

A process keeps the environment it was born with, so the marker finds what double-forked into a session of its own. A
supervisor within an agent adds its token to those it has inherited: none hides another's.
"""

import os
from collections.abc import Iterable

from trio_supervisor.system.procfs import NO_ROOM, Process

VARIABLE = "AGENT_LINEAGE"
"""Tokens with spaces between, the outermost supervisor's first."""


def new_instance() -> str:
    """A name for one run of a supervisor that no other one ever has."""
    return os.urandom(8).hex()


def token(instance: str, child: str, generation: int, number: int) -> str:
    """The token of one life of a child; it begins with that of the instance, and no other life's contains it.

    `number`: that of the birth, among all of the instance: two trees of it may have children of the same name.
    """
    return f"{instance}:{child}:{generation}:{number}"


def extend(inherited: str | None, own: str) -> str:
    """The marker of a child whose supervisor has inherited that of its own."""
    return f"{inherited} {own}" if inherited else own


def carriers(processes: Iterable[Process], prefix: str) -> list[Process]:
    """Those whose marker has a token that is `prefix`, or begins with it and a colon. Costs about 8 microseconds each.

    What runs as another user does not let us look, and is left out.

    Raises:
        OSError: there is no descriptor left to look with.
    """
    wanted = prefix.encode()
    return [one for one in processes if any(_is_within(wanted, each) for each in _tokens(one.pid))]


def _is_within(prefix: bytes, found: bytes) -> bool:
    return found == prefix or found.startswith(prefix + b":")


def _tokens(pid: int) -> list[bytes]:
    _, marker, rest = (b"\0" + _environment(pid)).partition(b"\0" + VARIABLE.encode() + b"=")
    return rest.partition(b"\0")[0].split() if marker else []


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return b""  # it is gone, or somebody else's
