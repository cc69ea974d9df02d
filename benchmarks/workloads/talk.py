"""W5: many children that say a little each, all the time; and what each thing costs that is done with a line."""

import time
from functools import partial

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Cost, Peer, Run, now
from benchmarks.programs.running import answer_of
from benchmarks.workloads.floods import files


def lines(run: Run) -> int:
    """How many there are in all files."""
    return sum(file.read_bytes().count(b"\n") for file in files(run))


def talk(kind: str, peer: Peer, sizes: Sizes) -> Measured:
    """For a while."""
    with Run(peer) as run:
        for number in range(sizes.few):
            run.svc("chat", log=str(run.d / "logs" / f"s{number}.log"), marked=kind == "marked")
        run.start()
        run.wait_started(sizes.few, 60)
        time.sleep(sizes.settle)
        own, _ = run.split()
        cost, begun = Cost.of(own), now()
        before = lines(run)
        time.sleep(sizes.idle)
        later, took = Cost.of(own, mem=True), (now() - begun) / 1e9
        counted = lines(run)
    cpu, _ = later.since(cost)
    return {
        f"W5.{kind}.lines_s": (counted - before) / took,
        f"W5.{kind}.cores": cpu / took,
        f"W5.{kind}.pss_mb": later.pss * 1024 / 1e6,
    }


def prices(_: Peer, sizes: Sizes) -> Measured:
    """Measured alone, in a process of its own."""
    found = answer_of("prices", "1" if sizes.few < 100 else "32")
    return {f"W5.price.{name}": value for name, value in found.items()}


BLOCKS = (
    Block("many that talk", ("W5",), "output", partial(talk, "raw"), 1),
    Block("many that talk, with name and time", ("W5",), "own", partial(talk, "marked"), 2),
    Block("prices of a line", ("W5",), "own", prices, 2),
)
