"""Who does what when: block by block, in each repeat one contestant after the other, in an order that turns."""

import fcntl
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.blocks import Block
from benchmarks.figures import FIGURES, Measured
from benchmarks.goals import FLOOR, LIMIT, US
from benchmarks.machine import Use
from benchmarks.peerbench.core import Peer
from benchmarks.results import Results, Turn

LONG = 20.0
"""Seconds. A peer that has taken so long for a block is not asked to do it again."""
LONGEST_HOLD = 100.0
"""Seconds after which others that wait for the lock have their turn too."""


def take_all(
    blocks: Sequence[Block],
    peers: Sequence[Peer],
    workloads: set[str],
    repeats: int,
    lock: Path | None,
    results: Results,
) -> Iterator[Turn]:
    """Every turn, as it has been taken. `lock`: held while a repeat of a block lasts, or for about `LONGEST_HOLD`."""
    for block in blocks:
        contestants = block.contestants(peers, results.sizes)
        slow: set[str] = set()
        for repeat in range(min(repeats, block.most_repeats)):
            contestants = [peer for peer in contestants if peer.name not in slow]
            first = repeat % max(1, len(contestants))
            waiting = deque(contestants[first:] + contestants[:first])
            while waiting:
                with locked(lock):
                    begun = time.monotonic()
                    while waiting and time.monotonic() - begun < LONGEST_HOLD:
                        turn = take(block, waiting.popleft(), repeat, workloads, results)
                        if turn.took > LONG and turn.contestant not in (US, FLOOR, LIMIT):
                            slow.add(turn.contestant)
                        yield turn


def take(block: Block, peer: Peer, repeat: int, workloads: set[str], results: Results) -> Turn:
    """One turn. A contestant that fails is a result, not the end."""
    use, begun = Use.now(), time.monotonic()
    figures: Measured = {}
    error = ""
    try:
        figures = block.measure(peer, results.sizes)
    except Exception as failure:
        error = f"{type(failure).__name__}: {str(failure)[:300]}"
    figures = {key: value for key, value in figures.items() if FIGURES[key].workload in workloads}
    name = f"{'+'.join(block.workloads)} {block.name}"
    took = time.monotonic() - begun
    return Turn(name, peer.name, repeat, round(use.by_others(), 1), round(took, 1), figures, error)


@contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """Hold this file's lock (flock), so that others who take it have their turns too."""
    if path is None:
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def show(turn: Turn) -> None:
    """A line of progress."""
    said = " ".join(f"{key.partition('.')[2]}={_short(value)}" for key, value in turn.figures.items())
    head = f"{turn.block:40} #{turn.repeat + 1} {turn.contestant:16} {turn.took:5.1f} s, others {turn.others:3.0f} %"
    print(f"{head}  {said or turn.error}", file=sys.stderr, flush=True)


def _short(value: float | None) -> str:
    return "never" if value is None else f"{value:.4g}"
