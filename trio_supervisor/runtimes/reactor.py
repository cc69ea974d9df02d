"""The reactor: two tasks of a Trio run that wait for all exits and for all output of all children.

A task for each pipe and process would cost kilobytes and tens of microseconds; here a descriptor costs one callback.
The exits have a task of their own, and the other one pauses after every slice of output, so that no flood delays them.
Where much is said it is let gather for a moment, so that one turn reads much of it. Nothing wakes up while nothing
happens.
"""

import logging
import select
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from enum import Enum, auto
from typing import Protocol

import trio

from trio_supervisor.record import record

SLICE = 0.005
"""So long (seconds) output is read before others have their turn."""

BREATH = 0.001
"""A flood is let gather for so long (seconds) between two reads. It must fit into a large pipe (`pipe_size`)."""
LONG_BREATH = 0.005
"""The same where many say a little each: what one of them says waits at most so long for the others."""
MANY = 8

_SAMPLE_OF_A_FLOOD = 8192


class Flow(Enum):
    """What a read tells of what will come."""

    FLOOD = auto()
    """Much has come; more at once is cheaper than soon."""
    FULL = auto()
    """So much has come that who writes it waits for us, or soon will."""


def flow(size: int, capacity: int) -> Flow | None:
    """What it tells that so many bytes were read at once from what holds so many; None: nothing."""
    if size >= capacity // 2:
        return Flow.FULL
    return Flow.FLOOD if size >= _SAMPLE_OF_A_FLOOD else None


Readable = Callable[[int], Flow | None]
"""Called with a descriptor that can be read; must read it or `forget` it, and must not block."""
Room = Callable[[], Awaitable[None]]
"""Waits until more output can be taken, within bounds; no checkpoint when that is so already."""

_log = logging.getLogger(__name__)
_current: "trio.lowlevel.RunVar[Reactor]" = trio.lowlevel.RunVar("trio_supervisor.reactor")


def current_reactor() -> "Reactor":
    """The reactor of this Trio run; made, and its tasks started, when asked for the first time."""
    try:
        return _current.get()
    except LookupError:
        reactor = Reactor()
        _current.set(reactor)
        trio.lowlevel.spawn_system_task(reactor.serve_exits, name="trio_supervisor exits")
        trio.lowlevel.spawn_system_task(reactor.serve_outputs, name="trio_supervisor outputs")
        return reactor


class Source(Protocol):
    """What is read as soon as there is something, and there is room for it."""

    @property
    def readable(self) -> Readable:
        """Reads."""

    @property
    def room(self) -> Room:
        """Waits for room."""


@record
class _Calls:
    """A `Source` of two callbacks."""

    readable: Readable
    room: Room


async def always_room() -> None:
    """A `Room` that never waits."""


class _Watches:
    """The descriptors that one task watches, each with what reads it."""

    # `selectors` does the same for every system, at three times the cost: two such calls are a part of each birth.

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._of: dict[int, Source] = {}

    def add(self, fd: int, source: Source) -> None:
        self._epoll.register(fd, select.EPOLLIN)
        self._of[fd] = source

    def remove(self, fd: int) -> None:
        if self._of.pop(fd, None) is not None and not self._epoll.closed:
            self._epoll.unregister(fd)

    def holds(self, fd: int, source: Source) -> bool:
        return self._of.get(fd) is source

    async def ready(self) -> list[tuple[int, Source]]:
        """Wait until there are some."""
        await trio.lowlevel.wait_readable(self._epoll.fileno())
        return [(fd, self._of[fd]) for fd, _ in self._epoll.poll(0, max(1, len(self._of)))]

    def close(self) -> None:
        self._epoll.close()
        self._of.clear()


class Reactor:
    """Calls back for descriptors that became readable."""

    def __init__(self) -> None:
        self._exits = _Watches()
        self._outputs = _Watches()

    def watch_exit(self, fd: int, readable: Readable) -> None:
        """Call `readable(fd)` as soon as `fd`, which tells an exit, can be read."""
        self._exits.add(fd, _Calls(readable, always_room))

    def watch_output(self, fd: int, readable: Readable, room: Room = always_room) -> None:
        """Call `readable(fd)` whenever `fd`, which carries output, can be read and there is `room`.

        The descriptors take turns.
        """
        self._outputs.add(fd, _Calls(readable, room))

    def watch_source(self, fd: int, source: Source) -> None:
        """The same for what is both in one, of which there are many."""
        self._outputs.add(fd, source)

    def forget(self, fd: int) -> None:
        """Never call back for `fd` again; to be called before it is closed. Harmless when it is not watched."""
        self._exits.remove(fd)
        self._outputs.remove(fd)

    async def serve_exits(self) -> None:
        """Tell exits until cancelled."""
        with closing(self._exits):
            while True:
                for fd, source in await self._exits.ready():
                    self._call(self._exits, fd, source)

    async def serve_outputs(self) -> None:
        """Tell output until cancelled."""
        with closing(self._outputs):
            while True:
                if breath := await self._one_turn_each(await self._outputs.ready()):
                    await trio.sleep(breath)

    async def _one_turn_each(self, ready: list[tuple[int, Source]]) -> float:
        """Returns how long it is best to let more come before the next turn."""
        until = time.perf_counter() + SLICE
        flows: set[Flow | None] = set()
        for fd, source in ready:
            try:
                await source.room()
            except Exception:
                self._give_up(fd)
            flows.add(self._call(self._outputs, fd, source))
            if time.perf_counter() >= until:
                await trio.lowlevel.checkpoint()
                until = time.perf_counter() + SLICE
        if Flow.FULL in flows:
            return 0.0
        if len(ready) >= MANY:
            return LONG_BREATH
        return BREATH if Flow.FLOOD in flows else 0.0

    def _call(self, watches: _Watches, fd: int, source: Source) -> Flow | None:
        # It may be forgotten since it was found ready, and the number belong to something else by now.
        if watches.holds(fd, source):
            try:
                return source.readable(fd)
            except Exception:
                self._give_up(fd)
        return None

    def _give_up(self, fd: int) -> None:
        """To be called where its callback has raised: asked again, it would most likely raise again, for ever."""
        _log.exception("a callback for descriptor %d failed; it is not watched any more", fd)
        self.forget(fd)
