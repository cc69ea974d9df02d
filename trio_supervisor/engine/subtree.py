"""A supervisor is a child like any other: its start is the first start of its children, its stop is theirs."""

from collections.abc import Callable, Mapping
from typing import Protocol

from trio_supervisor.core.child import Child
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.notices import TreeEnding
from trio_supervisor.engine.outcome import exit_of
from trio_supervisor.runtimes.base import Launch, Life
from trio_supervisor.spec import AskStep


class Inner(Protocol):
    """What a subtree needs of the engine."""

    @property
    def children(self) -> Mapping[str, Child]:
        """Its children."""

    @property
    def ending(self) -> TreeEnding | None:
        """Why it ends or has ended."""

    @property
    def exit_as(self) -> Exit | None:
        """As what its end is to be told, if somebody said so."""

    @property
    def patient(self) -> bool:
        """Whether an order to stop may wait for its turn."""

    async def run(self) -> None:
        """Supervise until it ends."""

    def stop(self, reason: str = ..., *, in_turn: bool = ...) -> None:
        """Begin the orderly stop."""

    def kill(self, reason: str = ...) -> None:
        """Kill everything at once."""


class SubtreeRuntime:
    """Makes the lives of one inner supervisor: each begins from its spec (rule 53)."""

    port: int | None = None
    announces = True

    def __init__(self, make: Callable[[Callable[[], None]], Inner]) -> None:
        self._make = make
        self.inner: Inner | None = None
        """The present or last one."""

    def life(self, launch: Launch) -> Life:
        """A new supervisor."""
        self.inner = self._make(launch.ready)
        return SubtreeLife(self.inner)

    def close(self) -> None:
        """Nothing is kept."""


class SubtreeLife:
    """One inner supervisor, from its start to the end of its last child."""

    starts_at_once = True
    pid: int | None = None

    def __init__(self, inner: Inner) -> None:
        self._inner = inner

    async def start(self) -> None:
        """Nothing; it says itself when its children are started."""

    async def wait(self) -> Exit:
        """Supervise to the end."""
        await self._inner.run()
        return self._inner.exit_as or exit_of(self._inner.ending, self._inner.children)

    async def members(self) -> list[str]:
        """Its children that are not down yet."""
        return [name for name, child in self._inner.children.items() if child.state.alive]

    async def ask(self, step: AskStep) -> None:
        """Begin the orderly stop."""
        self._inner.stop("its supervisor stops it", in_turn=self._inner.patient)

    def kill(self) -> None:
        """Kill everything in it."""
        self._inner.kill("its supervisor kills it")
