"""Where what `run` says goes: to its standard output, into a file, or both; each with its own look and pace."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

import trio

from trio_supervisor.cli.console import Console, Out
from trio_supervisor.cli.wording import Tone
from trio_supervisor.control.api import Remark, StateChanged
from trio_supervisor.output.hub import Hub


class Closing(Out, Protocol):
    """Where bytes go, with an end."""

    @property
    def room(self) -> Callable[[], Awaitable[None]]:
        """Waits, within bounds, until there is room."""

    async def aclose(self, grace: float, /) -> bool:
        """Write what waits, for so many seconds at the most."""


class Consoles:
    """A `Console` that is several."""

    def __init__(self, parts: Sequence[tuple[Console, Closing]]) -> None:
        self._parts = tuple(parts)

    def add(self, console: Console, out: Closing) -> None:
        """One more, before it listens."""
        self._parts = (*self._parts, (console, out))

    @contextmanager
    def listening(self, hub: Hub) -> Iterator[None]:
        """Print what children say while the block lasts."""
        with ExitStack() as stack:
            for console, out in self._parts:
                stack.enter_context(hub.listening(console.record, out.room))
            yield

    def notice(self, notice: StateChanged, now: float, *, port: int | None = None, pid: int | None = None) -> None:
        """Print a change of state."""
        for console, _ in self._parts:
            console.notice(notice, now, port=port, pid=pid)

    def remark(self, remark: Remark) -> None:
        """Print what is told of a child that stays in its state."""
        for console, _ in self._parts:
            console.remark(remark)

    def say(self, text: str, *, child: str | None = None, tone: Tone = Tone.QUIET, name: str | None = None) -> None:
        """Print free text of the supervisor, about `child` if given."""
        for console, _ in self._parts:
            console.say(text, child=child, tone=tone, name=name)

    async def aclose(self, grace: float) -> None:
        """End all of them; what waits is written within so many seconds."""
        for console, _ in self._parts:
            console.close()
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for _, out in self._parts:
                    nursery.start_soon(out.aclose, grace)
