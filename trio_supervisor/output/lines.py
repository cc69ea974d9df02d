"""Lines: cuts the chunks of one stream into blocks of lines, whole chunks at a time.

A block holds all lines that one chunk has completed: there is no work per line here. Bytes stay bytes. The line end is
LF or CR LF; a CR elsewhere is part of its line.
"""

import re

from trio_supervisor.record import record

LONGEST_LINE = 65536
"""Bytes; a longer line comes in pieces."""

# What may turn out to be half of something: the first bytes of a UTF-8 character, a terminal escape, the CR of a CR LF.
_HALF = re.compile(rb"(?:\r|\x1b(?:\[[0-9;:]{0,32})?|[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")
_LONGEST_HALF = 34


@record
class Block:
    """Lines of one stream in a row; at least one, which may be empty."""

    data: bytes
    """The lines with LF between them, none at the end."""
    begun: bool = False
    """The first line is the rest of a line whose beginning an earlier block gave."""
    open: bool = False
    """The last line is not over: a later block of the same stream gives its rest."""

    @property
    def lines(self) -> list[bytes]:
        """The lines one by one."""
        return self.data.split(b"\n")


class Lines:
    """The present line of one stream."""

    __slots__ = ("_begun", "_pending")

    def __init__(self) -> None:
        self._pending = b""
        self._begun = False

    @property
    def due(self) -> bool:
        """Whether there is a partial line that `flush()` would show."""
        return len(self._pending) > _half(self._pending)

    def feed(self, chunk: bytes) -> list[Block]:
        """Take in a chunk; returns what it completes, mostly one block. The rest waits for more, or for `flush()`."""
        data = self._pending + chunk if self._pending else chunk
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        blocks: list[Block] = []
        start = 0
        while len(data) - start > LONGEST_LINE:
            end = data.rfind(b"\n", start, start + LONGEST_LINE + 1)
            if end >= 0:
                blocks.append(self._block(data[start:end]))
                start = end + 1
            else:
                piece = data[start : start + LONGEST_LINE]
                piece = piece[: len(piece) - _half(piece)]
                blocks.append(self._block(piece, open=True))
                start += len(piece)
        end = data.rfind(b"\n", start)
        if end >= 0:
            blocks.append(self._block(data[start:end]))
            start = end + 1
        self._pending = data[start:]
        return blocks

    def flush(self) -> list[Block]:
        """Give the partial line as far as it has come, without what may be half a character or half an escape."""
        size = len(self._pending) - _half(self._pending)
        if not size:
            return []
        piece, self._pending = self._pending[:size], self._pending[size:]
        return [self._block(piece, open=True)]

    def end(self) -> list[Block]:
        """The stream is over, and so is its last line."""
        if not self._pending and not self._begun:
            return []
        piece, self._pending = self._pending, b""
        return [self._block(piece)]

    def _block(self, data: bytes, *, open: bool = False) -> Block:
        block = Block(data, self._begun, open)
        self._begun = open
        return block


def _half(data: bytes) -> int:
    """How many bytes at the end may be half of something."""
    # The slice bounds the search: the pattern can't match further from the end.
    found = _HALF.search(data[-_LONGEST_HALF:])
    return len(found[0]) if found else 0
