"""Looks for patterns in the lines of one life, chunk by chunk: only whole lines are searched."""

import re
from collections.abc import Callable, Iterable

from trio_supervisor.output.lines import LONGEST_LINE
from trio_supervisor.runtimes.base import Stream

Found = Callable[[re.Match[bytes]], None]
"""Called with each match, at most one for each line."""


class LineSearch:
    """Searches what one life says, on all of its streams."""

    def __init__(self, patterns: Iterable[tuple[str, Found]]) -> None:
        """Each pattern is a regular expression, and what is called with what it has found."""
        self._patterns = [
            (re.compile(pattern.encode(), re.MULTILINE), re.compile(pattern.encode()), found)
            for pattern, found in patterns
        ]
        self._rest: dict[Stream, bytes] = {}

    @property
    def needed(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._patterns)

    def feed(self, stream: Stream, chunk: bytes) -> None:
        """Take in a chunk; b"" ends the stream, and with it its last line."""
        begun = self._rest.pop(stream, b"")
        if not begun and not chunk:
            return
        data = begun + (chunk or b"\n")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        end = data.rfind(b"\n") + 1
        if end < len(data):
            self._rest[stream] = data[end:][-LONGEST_LINE:]
        if end:
            self._search(data[:end])

    def _search(self, data: bytes) -> None:
        for anywhere, in_line, found in self._patterns:
            # One search over all lines mostly says that there is nothing; only else each is looked at.
            if anywhere.search(data) is None:
                continue
            for line in data.splitlines():
                if match := in_line.search(line):
                    found(match)
