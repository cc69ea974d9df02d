"""W9: how a fleet is, asked over the socket and in a shell."""

import statistics
import subprocess
import time

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Peer, Run, clean_env
from trio_supervisor.control.client import Client


def measure(peer: Peer, sizes: Sizes) -> Measured:
    """A fleet that is there, and somebody who asks."""
    with Run(peer) as run:
        for _ in range(sizes.many):
            run.svc("sleep")
        run.start()
        run.wait_started(sizes.many, 60)
        time.sleep(sizes.settle)
        found = _over_the_socket(run, sizes) if "own" in peer.can else {}
        return found | {"W9.status_ms": _in_a_shell(run, max(2, sizes.asked // 2))}


def _over_the_socket(run: Run, sizes: Sizes) -> Measured:
    client = Client(run.d / "state" / "control.sock")
    took = []
    for _ in range(sizes.asked + 1):
        begun = time.perf_counter()
        snapshot = client.snapshot()
        took.append(1000 * (time.perf_counter() - begun))
        assert len(snapshot) == sizes.many
        time.sleep(0.05)
    return {"W9.first_ms": took[0], "W9.snapshot_ms": statistics.median(took[1:])}


def _in_a_shell(run: Run, count: int) -> float:
    command = run.peer.status(run.d, run.svcs) or []
    environment = {**clean_env(run.d), **run.peer.env(run.d)}
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        said = subprocess.run(command, env=environment, cwd=run.d, capture_output=True, text=True, timeout=60)
        took.append(1000 * (time.perf_counter() - begun))
        assert said.stdout.count("\n") >= len(run.svcs), f"{command[0]}: {said.stdout[-200:]}{said.stderr[-200:]}"
    return statistics.median(took)


BLOCKS = (
    Block(
        "asking", ("W9",), "fleet", measure, 2,
        lambda peer, _: type(peer).status is not Peer.status,
    ),
)  # fmt: skip
