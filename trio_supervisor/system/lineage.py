"""The marks of a child: from which supervisors it descends, and which of their children it is.

The marker is a variable. A process keeps the environment it was born with, so the marker finds what double-forked into
a session of its own. A supervisor within an agent adds its token to those it has inherited: none hides another's.

The tag finds what has thrown its environment away too. It is a limit that all descendants inherit, that nobody else
uses and that anybody may read: the soft RLIMIT_RTTIME (getrlimit(2)), so high that it limits nothing. It is given at
births by the guardian; a supervisor within an agent gives its children its own.
"""

import binascii
import os
import resource
from collections.abc import Callable, Iterable, Mapping

from trio_supervisor.system.procfs import NO_ROOM, Process

TYPE_CHECKING = False
"""Type checkers know the name; the guardian needs nothing else of `typing`, which takes 1 MB."""
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

VARIABLE = "AGENT_LINEAGE"
"""Tokens with spaces between, the outermost supervisor's first."""


def new_instance() -> str:
    """A name for one run of a supervisor that no other one ever has."""
    return os.urandom(8).hex()


def token(instance: str, child: str, generation: int, number: int) -> str:
    """The token of one life of a child; it begins with that of the instance, and no other life's contains it.

    `number`: that of the birth, among all of the instance, of lives and commands alike: two trees of it may have
    children of the same name, and the tag is made of nothing else.
    """
    return f"{instance}:{child}:{generation}:{number}"


def extend(inherited: str | None, own: str) -> str:
    """The marker of a child whose supervisor has inherited that of its own."""
    return f"{inherited} {own}" if inherited else own


def carriers(processes: Iterable[Process], prefix: str) -> list[Process]:
    """The living ones that have a token in their marker that is `prefix`, or begins with it and a colon, or such a tag.

    Costs about 25 microseconds each. What runs as another user shows its tag only.

    Raises:
        OSError: there is no descriptor left to look with.
    """
    wanted = prefix.encode()
    tags = _tags(prefix)
    return [
        one
        for one in processes
        # A zombie has its limits still.
        if one.alive and (any(_is_within(wanted, each) for each in _tokens(one.pid)) or _tag_of(one.pid) in tags)
    ]


def owner_finder(owners: "Mapping[str, T]") -> "Callable[[int], T | None]":
    """Whose a process is, by its marks: tells for its number the owner whose token it bears. Costs about 25
    microseconds each; OSError as for `carriers`.
    """
    by_token = {token.encode(): owner for token, owner in owners.items()}
    by_tag = {_tags(token).start: owner for token, owner in owners.items()}

    def find(pid: int) -> "T | None":
        tokens = _tokens(pid)
        for each in tokens:
            if each in by_token:
                return by_token[each]
        return None if tokens else by_tag.get(_tag_of(pid))

    return find


def tag(environment: Mapping[str, str]) -> int | None:
    """The tag of a process that is to be born with this environment; None: it has no marker, or can't have a tag."""
    own = environment.get(VARIABLE, "").rpartition(" ")[2]
    instance, _, rest = own.partition(":")
    number = rest.rpartition(":")[2]
    if not number.isdecimal() or resource.getrlimit(resource.RLIMIT_RTTIME)[1] != resource.RLIM_INFINITY:
        return None
    return _base(instance) + int(number) % _NUMBERS


def wear(value: int | None) -> None:
    """Give this process, and all that it starts from now on, a tag; None: take it off."""
    soft = resource.RLIM_INFINITY if value is None else value
    resource.setrlimit(resource.RLIMIT_RTTIME, (soft, resource.RLIM_INFINITY))


def _tags(prefix: str) -> range:
    instance, _, rest = prefix.partition(":")
    number = rest.rpartition(":")[2]
    if not number.isdecimal():
        return range(_base(instance), _base(instance) + _NUMBERS)
    one = _base(instance) + int(number) % _NUMBERS
    return range(one, one + 1)


def _base(instance: str) -> int:
    return _HIGH | binascii.crc32(instance.encode()) * _NUMBERS


_HIGH = 1 << 62
_NUMBERS = 1 << 24


def _is_within(prefix: bytes, found: bytes) -> bool:
    return found == prefix or found.startswith(prefix + b":")


def _tokens(pid: int) -> list[bytes]:
    _, marker, rest = (b"\0" + _environment(pid)).partition(b"\0" + VARIABLE.encode() + b"=")
    return rest.partition(b"\0")[0].split() if marker else []


def _tag_of(pid: int) -> int:
    """The tag of a process (proc_pid_limits(5)); 0: it has none."""
    _, _, limit = _content(pid, "limits").partition(b"\nMax realtime timeout")
    soft = limit.split(None, 1)[:1]
    return int(soft[0]) if soft and soft[0].isdigit() else 0


def _environment(pid: int) -> bytes:
    return _content(pid, "environ")


def _content(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return b""  # it is gone, or somebody else's
