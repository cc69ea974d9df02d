"""The reactor: two tasks of a Trio run that wait for all exits and for all output of all children.

A task for each pipe and process would cost kilobytes and tens of microseconds; here a descriptor costs one callback.
The exits have a task of their own, and the other one pauses after every slice of output, so that no flood delays them.
Nothing wakes up while nothing happens.
"""

import logging
import selectors
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import trio

from trio_supervisor.record import record

SLICE = 0.005
"""So long (seconds) output is read before others have their turn."""

Readable = Callable[[int], None]
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


@record
class _Watch:
    readable: Readable
    room: Room


async def always_room() -> None:
    """A `Room` that never waits."""


class Reactor:
    """Calls back for descriptors that became readable."""

    def __init__(self) -> None:
        self._exits = selectors.DefaultSelector()
        self._outputs = selectors.DefaultSelector()

    def watch_exit(self, fd: int, readable: Readable) -> None:
        """Call `readable(fd)` as soon as `fd`, which tells an exit, can be read."""
        self._exits.register(fd, selectors.EVENT_READ, _Watch(readable, always_room))

    def watch_output(self, fd: int, readable: Readable, room: Room = always_room) -> None:
        """Call `readable(fd)` whenever `fd`, which carries output, can be read and there is `room`.

        The descriptors take turns.
        """
        self._outputs.register(fd, selectors.EVENT_READ, _Watch(readable, room))

    def forget(self, fd: int) -> None:
        """Never call back for `fd` again; to be called before it is closed. Harmless when it is not watched."""
        for selector in (self._exits, self._outputs):
            with suppress(KeyError):
                selector.unregister(fd)

    async def serve_exits(self) -> None:
        """Tell exits until cancelled."""
        with self._exits:
            while True:
                await trio.lowlevel.wait_readable(self._exits.fileno())
                for key, _ in self._exits.select(0):
                    self._call(self._exits, key)

    async def serve_outputs(self) -> None:
        """Tell output until cancelled."""
        with self._outputs:
            while True:
                await trio.lowlevel.wait_readable(self._outputs.fileno())
                await self._one_turn_each(self._outputs.select(0))

    async def _one_turn_each(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        until = time.perf_counter() + SLICE
        for key, _ in ready:
            with self._kept_going(key):
                await key.data.room()
            self._call(self._outputs, key)
            if time.perf_counter() >= until:
                await trio.lowlevel.checkpoint()
                until = time.perf_counter() + SLICE

    def _call(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        # It may be forgotten since it was selected, and the number belong to something else by now.
        if selector.get_map().get(key.fd) is key:
            with self._kept_going(key):
                key.data.readable(key.fd)

    @contextmanager
    def _kept_going(self, key: selectors.SelectorKey) -> Iterator[None]:
        try:
            yield
        except Exception:
            # Asked again, it would most likely raise again, for ever.
            _log.exception("a callback for descriptor %d failed; it is not watched any more", key.fd)
            self.forget(key.fd)
