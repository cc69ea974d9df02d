"""A block: one thing that contestants do in turn, which gives figures of one workload or of several."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Peer


@dataclass(frozen=True)
class Block:
    """Something to be done, in turn, by all who can."""

    name: str
    workloads: tuple[str, ...]
    needs: str
    """What a contestant must be able to do (`Peer.can`)."""
    measure: Callable[[Peer, Sizes], Measured]
    most_repeats: int = 99
    """What takes long, or says the same each time, is not done more often than this."""
    takes: Callable[[Peer, Sizes], bool] = lambda _, __: True

    def contestants(self, peers: Iterable[Peer], sizes: Sizes) -> list[Peer]:
        """Those that can."""
        return [peer for peer in peers if self.needs in peer.can and self.takes(peer, sizes)]
