"""The last lines that one life has said, as far as its ring has kept them."""

from trio_supervisor.output.ring import Ring
from trio_supervisor.runtimes.base import Stream

LINES = 5
LONGEST = 300
"""Characters of a line."""
_PIECES = 40
"""So many pieces of the ring are looked at: some are empty, or said by others."""


def last_lines(ring: Ring, generation: int, count: int = LINES) -> tuple[str, ...]:
    """The last lines that are not empty, of all streams of that life, the last one last; not what was said about it."""
    entries = ring.tail(_PIECES).entries
    said = b"".join(one.data for one in entries if one.generation == generation and one.stream is not Stream.SUPERVISOR)
    lines = [line.strip() for line in said.decode(errors="backslashreplace").splitlines()]
    return tuple(line[:LONGEST] for line in lines if line)[-count:]
