"""W1: a child that lives for 10 ms, under the smallest delay there is: from its crash to running again."""

import statistics
import time

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Ev, Peer, Run

LIFE_MS = 10


def gaps(events: list[Ev]) -> list[float]:
    """Milliseconds from each crash to the same service running again."""
    died: dict[int, int] = {}
    found = []
    for event in sorted(events, key=lambda event: event.ns):
        if event.kind == "E":
            died[event.idx] = event.ns
        elif event.kind == "S" and event.idx in died:
            found.append((event.ns - died.pop(event.idx)) / 1e6)
    return found


def measure(peer: Peer, sizes: Sizes) -> Measured:
    """Until there are enough crashes, or it takes too long."""
    with Run(peer) as run:
        run.svc("crash", LIFE_MS)
        run.start()
        run.wait_started(1, 60)
        until = time.monotonic() + sizes.crash_limit
        while len(found := gaps(run.events())) < sizes.crashes and time.monotonic() < until:
            time.sleep(0.1)
    if not found:
        return {"W1.p50_ms": None, "W1.p99_ms": None}
    found = sorted(found[: sizes.crashes])
    return {"W1.p50_ms": statistics.median(found), "W1.p99_ms": found[min(len(found) - 1, int(0.99 * len(found)))]}


BLOCKS = (Block("a crash loop", ("W1",), "crashes", measure),)
