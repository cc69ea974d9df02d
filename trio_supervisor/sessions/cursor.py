"""Places in what a child has said, to the byte: the cursor of a ring, and so many bytes into that piece."""

import re
from typing import NamedTuple, Self

from trio_supervisor.output.ring import Entry

_WRITTEN = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?")


class Cursor(NamedTuple):
    """What will be read next. Stays right as long as the ring keeps it; `str` and `parse` are inverse."""

    piece: int
    skip: int = 0
    """So many bytes of that piece were read already."""

    def __str__(self) -> str:
        return f"{self.piece}.{self.skip}" if self.skip else str(self.piece)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that `str` has shown. Raises ValueError."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(f"a cursor is a number, or two with a point between, such as 12 or 12.5, not {text!r}")
        return cls(int(found[1]), int(found[2] or 0))


def after(entry: Entry, size: int) -> Cursor:
    """The cursor after the first `size` bytes of an entry."""
    if size >= len(entry.data):
        return Cursor(entry.seq + entry.pieces)
    line_start = entry.data.rfind(b"\n", 0, size) + 1
    return Cursor(entry.seq + entry.data.count(b"\n", 0, size), size - line_start)


def cut(entries: tuple[Entry, ...], since: Cursor) -> tuple[Entry, ...]:
    """What a ring gives for `since.piece`, without the bytes that were read already."""
    if not entries or not since.skip or entries[0].seq != since.piece:
        return entries
    return (entries[0]._replace(data=entries[0].data[since.skip :]), *entries[1:])
