"""Who listens to an engine: one stream of events for all children that live there, as long as there are any.

An event only wakes up: what has happened is looked up. When the stream breaks off, and when there is one again, all are
woken: so nothing that happened meanwhile is missed.
"""

from collections.abc import Callable

import trio

from trio_supervisor.runtimes.container.address import is_local
from trio_supervisor.runtimes.container.docker import DockerEngine
from trio_supervisor.runtimes.container.engine import ContainerEngine, EngineError, Watch
from trio_supervisor.runtimes.container.form import INSTANCE

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two tries to get a stream."""
SETTLED = 10.0
"""A stream that has lasted so long was a good one: the next try after it is soon."""

Wake = Callable[[], None]


class Listener:
    """Listens to one engine."""

    def __init__(self, engine: ContainerEngine, instance: str, address: str) -> None:
        self.engine = engine
        self.address = address
        self.local = is_local(address)
        """The processes of its containers can be seen from here."""
        self._label = f"{INSTANCE}={instance}"
        self._wakes: dict[str, Wake] = {}
        self._scope: trio.CancelScope | None = None
        self._connected = trio.Event()

    def add(self, name: str, wake: Wake) -> None:
        """Call `wake` whenever something may have changed with a container."""
        self._wakes[name] = wake
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._connected = trio.Event()
            trio.lowlevel.spawn_system_task(self._listen, self._scope, name="trio_supervisor containers")

    def drop(self, name: str) -> None:
        """Call it no more; with the last one the stream ends."""
        self._wakes.pop(name, None)
        if not self._wakes and self._scope is not None:
            self._scope.cancel()
            self._scope = None

    async def wait_connected(self) -> None:
        """Wait until there is a stream, or there was one."""
        await self._connected.wait()

    async def _listen(self, scope: trio.CancelScope) -> None:
        pause = FIRST_PAUSE
        with scope:
            while True:
                begun = trio.current_time()
                try:
                    async with self.engine.open(Watch(self._label)) as talk:
                        self._connected.set()
                        self._wake_all()
                        while (heard := await talk.heard()) is not None:
                            self._wake(heard[1].decode(errors="replace"))
                except EngineError:
                    pass  # it may be starting anew; those who need it say so
                pause = FIRST_PAUSE if trio.current_time() - begun >= SETTLED else min(2 * pause, LONGEST_PAUSE)
                self._wake_all()
                await trio.sleep(pause)

    def _wake_all(self) -> None:
        for wake in tuple(self._wakes.values()):
            wake()

    def _wake(self, name: str) -> None:
        if (wake := self._wakes.get(name)) is not None:
            wake()


Connect = Callable[[str], ContainerEngine]
"""Makes the engine at an address."""

_listeners: "trio.lowlevel.RunVar[dict[tuple[str, Connect], Listener]]" = trio.lowlevel.RunVar(
    "trio_supervisor.container engines"
)


def listener_of(address: str, instance: str, connect: Connect = DockerEngine) -> Listener:
    """The one that listens to the engine at an address, in this Trio run."""
    try:
        listeners = _listeners.get()
    except LookupError:
        listeners = {}
        _listeners.set(listeners)
    key = (f"{instance}@{address}", connect)
    if key not in listeners:
        listeners[key] = Listener(connect(address), instance, address)
    return listeners[key]
