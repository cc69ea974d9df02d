"""The hub: all chunks of all children arrive here, leave as records of whole lines, and go to everybody who listens.

A partial line (a prompt) is passed on as far as it has come after `PARTIAL_AFTER`; nothing runs while there is none.
Times are seconds.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import trio

from trio_supervisor.output.lines import Block, Lines
from trio_supervisor.runtimes.base import Stream

__all__ = ["PARTIAL_AFTER", "Block", "Hub", "Listener", "Record", "Room", "Stream"]

PARTIAL_AFTER = 0.1
"""A partial line is shown at the latest so long after its first byte."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one chunk of a child has completed."""

    child: str
    stream: Stream
    at: float
    """When it came, in seconds since the epoch."""
    block: Block


Listener = Callable[[Record], None]
Room = Callable[[], Awaitable[None]]
"""Waits until a listener can take more without loss; each bounds its own wait."""

_Key = tuple[str, Stream]


class Hub:
    """Where the output of all children comes together. Belongs to one Trio run; `run()` must run for partial lines."""

    def __init__(self) -> None:
        self._lines: dict[_Key, Lines] = {}
        # When the partial line of a stream is due. All wait equally long: the order of insertion is the order of time.
        self._due: dict[_Key, float] = {}
        self._idle: trio.Event | None = None
        self._listeners: list[Listener] = []
        self._rooms: list[Room] = []

    @contextmanager
    def listening(self, listener: Listener, room: Room | None = None) -> Iterator[None]:
        """Pass every record to `listener` while inside; `room` is asked by those who can wait before they say more."""
        self._listeners.append(listener)
        if room is not None:
            self._rooms.append(room)
        try:
            yield
        finally:
            self._listeners.remove(listener)
            if room is not None:
                self._rooms.remove(room)

    def sink(self, child: str) -> Callable[[Stream, bytes], None]:
        """The function that takes the chunks of `child` in; b"" ends a stream (another life may go on with it)."""
        return partial(self._take, child)

    async def room(self) -> None:
        """Wait until every listener can take more, each at most as long as it asks for.

        To be awaited right before a chunk is handed over, without a checkpoint between: who was woken by free room and
        then waits for something else finds that another one has taken it. No checkpoint where there is room.
        """
        for room in tuple(self._rooms):
            await room()

    def flush(self) -> None:
        """Pass on all partial lines at once."""
        for key in tuple(self._due):
            self._flush(key)

    def forget(self, child: str) -> None:
        """The child is gone: end its streams and keep nothing of it."""
        for stream in Stream:
            if lines := self._lines.pop((child, stream), None):
                self._due.pop((child, stream), None)
                self._tell((child, stream), lines.end())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Pass partial lines on when they are due, until cancelled."""
        task_status.started()
        while True:
            while self._due:
                await trio.sleep_until(next(iter(self._due.values())))
                self._flush_due(trio.current_time())
            self._idle = trio.Event()
            await self._idle.wait()

    def _take(self, child: str, stream: Stream, chunk: bytes) -> None:
        key = (child, stream)
        lines = self._lines.get(key)
        if lines is None:
            lines = self._lines[key] = Lines()
        blocks = lines.feed(chunk) if chunk else lines.end()
        if not lines.due:
            self._due.pop(key, None)
        elif blocks or key not in self._due:
            # What was pending before has been passed on: the line that is due now has begun with this chunk.
            self._due.pop(key, None)
            self._due[key] = trio.current_time() + PARTIAL_AFTER
            if self._idle is not None:
                self._idle.set()
        self._tell(key, blocks)

    def _tell(self, key: _Key, blocks: list[Block]) -> None:
        if not blocks:
            return
        child, stream = key
        now = time.time()
        for block in blocks:
            record = Record(child, stream, now, block)
            for listener in tuple(self._listeners):
                listener(record)

    def _flush_due(self, now: float) -> None:
        for key, due in tuple(self._due.items()):
            if due > now:
                return
            self._flush(key)

    def _flush(self, key: _Key) -> None:
        del self._due[key]
        self._tell(key, self._lines[key].flush())
