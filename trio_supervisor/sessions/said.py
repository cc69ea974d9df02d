"""What a child has said, as a reader gets it."""

from typing import NamedTuple

from trio_supervisor.output.ring import Entry
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.sessions.cursor import Cursor


class Said(NamedTuple):
    """What a reader gets at once."""

    entries: tuple[Entry, ...]
    """As it was read, with stream, times and generation."""
    next: Cursor
    """The cursor to go on with."""
    dropped: int
    """So many pieces after the reader's cursor are gone: they were dropped before they were read."""

    @property
    def data(self) -> bytes:
        """All that the child itself has said, in the order it was read."""
        return b"".join(entry.data for entry in self.entries if entry.stream is not Stream.SUPERVISOR)
