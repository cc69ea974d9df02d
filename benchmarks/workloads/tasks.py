"""W7: async functions (in Erlang: processes) as children: started, crashed all at once, and one in a loop."""

from functools import partial

from benchmarks.blocks import Block
from benchmarks.figures import Measured, Sizes
from benchmarks.peerbench.core import Peer
from benchmarks.programs.running import answer


def measure(size: str, peer: Peer, sizes: Sizes) -> Measured:
    """A program of each contestant says it of itself."""
    found = answer(peer.inproc(getattr(sizes, size)) or [])
    names = ("start_us", "kb", "all_restart_us", "restart_us", "restart_p50_us")
    return {f"W7.{size}.{name}": found[name] for name in names}


BLOCKS = (
    Block("tasks", ("W7",), "tasks", partial(measure, "tasks"), 2),
    Block(
        "very many tasks", ("W7",), "tasks", partial(measure, "many_tasks"), 1,
        lambda peer, sizes: sizes.many_tasks <= peer.max_tasks,
    ),
)  # fmt: skip
