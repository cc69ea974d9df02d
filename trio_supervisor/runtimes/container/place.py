"""How far a stream of a container was heard, found again in the log that its engine keeps of it.

Engines keep lines: Docker writes another text for what is no UTF-8, and a piece of a line only once that is whole; and
Podman's times are whole seconds. So a place is a number of lines, and of bytes after the last one. A log that grew too
long begins anew with what came later: that is seen by its beginning, and what was heard last is looked for in it.
"""

from collections import deque

_HEAD = 256
"""Bytes of the beginning by which a log is known."""
_LINES = 8
"""So many lines, the last that were heard, are looked for in a log that began anew."""
_NOT_ASCII = bytes(range(128, 256))


class Place:
    """How far one stream was heard."""

    def __init__(self) -> None:
        self.lines = 0
        self.rest = 0
        """Bytes after the last line."""
        self._head = b""
        self._last: deque[bytes] = deque(maxlen=_LINES)
        self._open = b""

    def pass_(self, chunk: bytes) -> None:
        """Take in what was heard."""
        if len(self._head) < _HEAD:
            self._head += chunk[: _HEAD - len(self._head)]
        *lines, after = chunk.rsplit(b"\n", _LINES)
        if not lines:
            self.rest += len(chunk)
            self._open = (self._open + chunk[:_HEAD])[:_HEAD]
            return
        self.lines += chunk.count(b"\n")
        before, newline, first = lines[0].rpartition(b"\n")
        lines[0] = first if newline else self._open + before + first
        self._last.extend(_plain(line) for line in lines)
        self.rest, self._open = len(after), after[:_HEAD]

    def found_in(self, log: "LogSearch") -> "Place":
        """This place, as it is to be counted in a log that was read from its beginning to its end."""
        found = Place()
        found._head, found._last, found._open = log.head, self._last.copy(), self._open
        ours, theirs = _plain(self._head), _plain(log.head)
        if ours.startswith(theirs) or theirs.startswith(ours):
            found.lines = min(self.lines, log.lines)
            found.rest = self.rest if self.lines <= log.lines else 0
        elif log.after is not None:
            found.lines, found.rest = log.after, self.rest
        return found

    @property
    def last_lines(self) -> tuple[bytes, ...]:
        """What was heard last."""
        return tuple(self._last)


class LogSearch:
    """Takes in a log from its beginning."""

    def __init__(self, wanted: tuple[bytes, ...]) -> None:
        """`wanted`: the lines that are looked for."""
        self.head = b""
        self.lines = 0
        self.after: int | None = None
        """So many lines end with those that are wanted, the last time that they come."""
        self._wanted = wanted
        self._seen: deque[bytes] = deque(maxlen=len(wanted))
        self._open = b""

    def feed(self, chunk: bytes) -> None:
        """Take in what comes next."""
        if len(self.head) < _HEAD:
            self.head += chunk[: _HEAD - len(self.head)]
        *lines, self._open = (self._open + chunk).split(b"\n")
        for line in lines:
            self.lines += 1
            self._seen.append(_plain(line))
            if self._wanted and tuple(self._seen) == self._wanted:
                self.after = self.lines
        self._open = self._open[:_HEAD]


class Skip:
    """Leaves out of a log what was heard of it already."""

    def __init__(self, place: Place) -> None:
        self._lines = place.lines
        self._rest = place.rest

    def feed(self, chunk: bytes) -> bytes:
        """What is new in what comes next."""
        start = 0
        while self._lines:
            start = chunk.find(b"\n", start) + 1
            if not start:
                return b""
            self._lines -= 1
        left = min(self._rest, len(chunk) - start)
        self._rest -= left
        return chunk[start + left :]


def _plain(text: bytes) -> bytes:
    """Of its beginning what engines keep as it is."""
    return text[:_HEAD].translate(None, _NOT_ASCII)
