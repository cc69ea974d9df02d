"""The last words of a child that ended: whether it could not have an address, and which port that was."""

import re

KEPT = 2048
"""Bytes of output that are looked at."""

_IN_USE = re.compile(
    rb"address (?:is )?already in use|EADDRINUSE|\berrno:? ?98\b|port \d+ is (?:already )?in use", re.I
)
_NUMBER = re.compile(rb"(?<![\d.])(?::|port[ =:]*|, ?|\()(\d{2,5})\b", re.I)


class LastWords:
    """Keeps the end of what a child says, both streams in one."""

    def __init__(self) -> None:
        self._tail = b""

    def add(self, chunk: bytes) -> None:
        """Take in a chunk."""
        self._tail = chunk[-KEPT:] if len(chunk) >= KEPT else (self._tail + chunk)[-KEPT:]

    def port_in_use(self, own: int | None) -> int | None:
        """The port that it says it can't have; `own`: that of the child, if it has one. None: it says no such thing."""
        every = list(_IN_USE.finditer(self._tail))
        if not every:
            return None
        found = every[-1]
        near = self._tail[max(0, found.start() - 200) : found.end() + 100]
        ports = [int(number) for number in _NUMBER.findall(near) if 0 < int(number) <= 65535]
        if own is not None and (own in ports or not ports):
            return own
        return ports[0] if ports else None
