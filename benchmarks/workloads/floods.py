"""W5: the output of one child flat out, into a file that is rotated at 10 MB, with 3 kept."""

import time
from functools import partial
from pathlib import Path

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Cost, Peer, Run, now

LAST = b"PEERBENCH-LAST-LINE"
DRAIN_LIMIT = 30.0
"""Seconds after the child's end in which its last line must be in a file."""


def landed(run: Run) -> bool:
    """Whether the child's last line is in a file."""
    for file in sorted(files(run), key=changed, reverse=True)[:4]:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, 2) - run.peer.log_tail))
            if LAST in opened.read():
                return True
    return False


def files(run: Run) -> list[Path]:
    """The files that output goes to."""
    return [file for file in run.d.glob(run.peer.log_glob(run.d)) if file.is_file()]


def changed(file: Path) -> int:
    """When it was, in nanoseconds; 0: it has gone by now."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def measure(kind: str, mode: str, peer: Peer, sizes: Sizes) -> Measured:
    """From the child's first byte until its last line is in a file."""
    with Run(peer) as run:
        run.svc(mode, sizes.flood, log=str(run.d / "logs" / "s0.log"), restart=False)
        run.start()
        begun = run.wait_started(1, 60)[0].ns
        own, _ = run.split()
        before = Cost.of(own, mem=True)
        until = time.monotonic() + sizes.flood + DRAIN_LIMIT
        wrote = 0
        while time.monotonic() < until and not (wrote and landed(run)):
            time.sleep(0.02)
            wrote = wrote or next((event.extra for event in run.events() if event.kind == "B"), 0)
        took = (now() - begun) / 1e9
        after = Cost.of(own, mem=True)
    cpu, _ = after.since(before)
    return {
        f"W5.{kind}.mb_s": wrote / 1e6 / took if time.monotonic() < until else None,
        f"W5.{kind}.cores": cpu / took,
        f"W5.{kind}.grown_mb": (after.pss - before.pss) * 1024 / 1e6,
    }


BLOCKS = (
    Block("a flood of small writes", ("W5",), "output", partial(measure, "small", "spew"), 2),
    Block("a flood of great writes", ("W5",), "output", partial(measure, "big", "spewblk"), 2),
)
