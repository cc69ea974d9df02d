"""What is done, block by block: a module for each workload, or for those that share a run."""

from benchmarks.blocks import Block
from benchmarks.workloads import asking, crashes, events, fleets, floods, probing, talk, tasks

BLOCKS: tuple[Block, ...] = (
    *crashes.BLOCKS,
    *fleets.BLOCKS,
    *floods.BLOCKS,
    *talk.BLOCKS,
    *probing.BLOCKS,
    *tasks.BLOCKS,
    *events.BLOCKS,
    *asking.BLOCKS,
)
