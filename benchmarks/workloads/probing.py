"""W6: so many HTTP servers, each asked once a second."""

import json
import subprocess
import time
from functools import partial

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import BUILD, Cost, Peer, Run, now

FIRST_PORT = 21_000


def hits(run: Run, count: int) -> int:
    """How often all servers have answered."""
    data = (run.d / "hits").read_bytes()
    return sum(int.from_bytes(data[8 * number : 8 * number + 8], "little") for number in range(count))


def measure(size: str, peer: Peer, sizes: Sizes) -> Measured:
    """What asking takes, and whether it was done."""
    count = getattr(sizes, size)
    with Run(peer) as run:
        for port in range(FIRST_PORT, FIRST_PORT + count):
            run.svc("http", port, health_port=port)
        run.start()
        run.wait_started(count, 60)
        if peer.name == "floor-c":
            return _asked_in_c(size, count, sizes)
        time.sleep(sizes.settle + 2)
        own, _ = run.split()
        before, answered, begun = Cost.of(own), hits(run, count), now()
        time.sleep(sizes.idle)
        after, took = Cost.of(own), (now() - begun) / 1e9
        answered = hits(run, count) - answered
    cpu, _ = after.since(before)
    return {f"W6.{size}.probes_s": answered / took, f"W6.{size}.cores": cpu / took}


def _asked_in_c(size: str, count: int, sizes: Sizes) -> Measured:
    seconds = max(1, round(sizes.idle))
    command = [str(BUILD / "prober"), str(FIRST_PORT), str(count), str(seconds)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    return {f"W6.{size}.probes_s": found["ok"] / seconds, f"W6.{size}.cores": found["cpu_s"] / seconds}


BLOCKS = (
    Block("few endpoints", ("W6",), "probing", partial(measure, "few")),
    Block("many endpoints", ("W6",), "probing", partial(measure, "many"), 2),
)
