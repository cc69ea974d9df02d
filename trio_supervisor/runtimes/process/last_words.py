"""The last words of a child that ended: whether it could not have an address, and which port that was."""

import re
from collections.abc import Sequence

KEPT = 2048
"""Bytes of output that are looked at."""
_BEFORE, _AFTER = 300, 200
"""So many bytes round the complaint a number may be the port's."""

_IN_USE = re.compile(
    rb"address (?:is )?already in use|EADDRINUSE|AddrInUse|\berrno:? ?98\b|\bos error 98\b|\(98:"
    rb"|port \d+ (?:is|was) (?:already )?in use|is port \d+ in use\?|connection in use|already running on port \d+",
    re.I,
)
_PORT = re.compile(
    rb"""
    (?: \bport [ =:'"]*
      | (?: \d+\.\d+\.\d+\.\d+ | \] | \* | :: | \blocalhost | ://[\w.-]+ | (?<![\w:.]) ) :
      | ['"] , \s?  # ('127.0.0.1', 80)
    )
    (\d{1,5}) \b (?! [:.] \d)
    """,
    re.I | re.X,
)
"""Not every number after a colon: there are times of day, and lines of files."""


_NUMBER = re.compile(r"(?<![\w.])\d{2,5}(?![\w.])")


class LastWords:
    """Keeps the end of what a child says, both streams in one."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def add(self, chunk: bytes) -> None:
        """Take in a chunk."""
        self._tail = chunk[-KEPT:] if len(chunk) >= KEPT else (self._tail + chunk)[-KEPT:]

    @property
    def tell_of_an_address_in_use(self) -> bool:
        """Whether it says that it can't have an address."""
        return _IN_USE.search(self._tail) is not None

    def port_in_use(self, own: int | None) -> int | None:
        """The port that it says it can't have; `own`: that of the child, if it has one. None: it says no such thing."""
        every = list(_IN_USE.finditer(self._tail))
        if not every:
            return None
        # A stack and the like may stand between; all that is said of it says the same.
        near = self._tail[max(0, every[0].start() - _BEFORE) : every[-1].end() + _AFTER]
        ports = [int(number) for number in _PORT.findall(near) if 0 < int(number) <= 65535]
        if own is not None and (own in ports or not ports):
            return own
        return ports[0] if ports else None


def ports_in(command: Sequence[str]) -> list[int]:
    """The numbers in a command that may be ports: of a child that complains and does not say which one it wanted."""
    numbers = (int(found) for word in command for found in _NUMBER.findall(word))
    return list(dict.fromkeys(number for number in numbers if 0 < number <= 65535))
