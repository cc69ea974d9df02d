"""W2, W3 and W4: so many children are started, rest, and are stopped; and those that ignore SIGTERM."""

import time
from functools import partial

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Cost, Peer, Run, now

START_LIMIT, STOP_LIMIT = 60.0, 25.0
"""Seconds."""
STUBBORN, GRACE = 5, 2.0


def fleet(size: str, peer: Peer, sizes: Sizes) -> Measured:
    """One life of a supervisor with sleeping children."""
    count = getattr(sizes, size)
    with Run(peer) as run:
        for _ in range(count):
            run.svc("sleep")
        run.start()
        started = run.wait_started(count, START_LIMIT)
        found: Measured = {
            f"W2.{size}.first_s": (started[0].ns - run.t0) / 1e9,
            f"W2.{size}.all_s": (started[-1].ns - run.t0) / 1e9,
        }
        time.sleep(sizes.settle)
        found |= rest(size, run, sizes.idle)
        children, everything = stop(run)
    return found | {f"W4.{size}.children_s": children, f"W4.{size}.all_s": everything}


def rest(size: str, run: Run, seconds: float) -> Measured:
    """What it does while there is nothing to do."""
    own, _ = run.split()
    before, begun = Cost.of(own), now()
    time.sleep(seconds)
    after, took = Cost.of(own, mem=True), (now() - begun) / 1e9
    cpu, wakeups = after.since(before)
    return {
        f"W3.{size}.wakeups": wakeups / took,
        f"W3.{size}.cpu": 1000 * cpu / took,
        f"W3.{size}.pss_mb": after.pss * 1024 / 1e6,
    }


def stop(run: Run) -> tuple[float | None, float | None]:
    """Seconds until the children are gone, and until all is."""
    own, children = run.split()
    gone, ended = run.wait_gone(children, own, STOP_LIMIT, lambda: run.peer.stop(run.d, run.pid))
    return gone, None if gone is None or ended is None else max(gone, ended)


def stubborn(peer: Peer, sizes: Sizes) -> Measured:
    """Children that ignore SIGTERM."""
    with Run(peer) as run:
        for _ in range(STUBBORN):
            run.svc("term", -1, grace=GRACE)
        run.start()
        run.wait_started(STUBBORN, START_LIMIT)
        time.sleep(sizes.settle)
        return {"W4.stubborn_s": stop(run)[1]}


BLOCKS = (
    Block("a small fleet", ("W2", "W3", "W4"), "fleet", partial(fleet, "few"), 2),
    Block("a great fleet", ("W2", "W3", "W4"), "fleet", partial(fleet, "many"), 2, lambda peer, _: peer.max_n >= 1000),
    Block("those that ignore SIGTERM", ("W4",), "stubborn", stubborn, 1),
)
