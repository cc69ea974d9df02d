"""Reading the journal while the tree runs: in threads, for few at a time."""

from contextlib import closing
from itertools import islice

import trio

from trio_supervisor.journal.entries import Stored
from trio_supervisor.journal.reading import Reader

MOST = 1000
"""So many entries are read at once."""
_AT_A_TIME = 2

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("journal readers")


async def read(path: str, after: int, since: float, agent: str, tail: int | None) -> tuple[Stored, ...]:
    """What is there; see `Control.journal`. Raises JournalError."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(_AT_A_TIME)
        _limiter.set(limiter)
    return await trio.to_thread.run_sync(
        _read, path, after, since, agent, tail, limiter=limiter, abandon_on_cancel=True
    )


def _read(path: str, after: int, since: float, agent: str, tail: int | None) -> tuple[Stored, ...]:
    with closing(Reader(path)) as reader:
        if tail is not None:
            return tuple(reader.last(tail, agent=agent))
        return tuple(islice(reader.after(after, since=since, agent=agent), MOST))
