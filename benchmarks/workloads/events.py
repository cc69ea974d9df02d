"""W8: events at a rate, into the journal and to followers, while tasks want to run on time."""

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Peer
from benchmarks.programs.running import answer_of


def measure(_: Peer, sizes: Sizes) -> Measured:
    """In a process of its own, with and without those who follow."""
    seconds = str(sizes.idle)
    alone = answer_of("events", str(sizes.events), "0", seconds)
    found = answer_of("events", str(sizes.events), str(sizes.followers), seconds)
    return {
        "W8.events_s": found["events_s"],
        "W8.lag_p99_ms": found["lag_p99_ms"],
        "W8.lag_max_ms": found["lag_max_ms"],
        "W8.heard": found["heard"],
        "W8.alone_p99_ms": alone["lag_p99_ms"],
    }


BLOCKS = (Block("events", ("W8",), "own", measure, 2),)
