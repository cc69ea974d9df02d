"""What one supervisor has to do with the hooks of its children. Most trees have none, and import nothing for them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from trio_supervisor.core.child import Child
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.engine.child import ChildLife
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.world import World
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import Hooks

if TYPE_CHECKING:
    from trio_supervisor.engine.hooks import HookCaller


class Hooking:
    """Calls them by a `HookCaller`, which is made when it is needed first."""

    def __init__(self, world: World, path: str) -> None:
        """`path`: of the supervisor."""
        self._world = world
        self._path = path
        self._nursery: trio.Nursery | None = None
        self._caller: HookCaller | None = None

    def begin(self, nursery: trio.Nursery) -> None:
        """From here on they are called; what was noted before was of an earlier run. They run in the nursery."""
        self._nursery = nursery

    def note(self, kept: Kept | None, child: Child | None, life: ChildLife | None, change: StateChanged) -> None:
        """A child has changed its state."""
        if kept is None or kept.spec.hooks is None or self._nursery is None:
            return
        from trio_supervisor.engine.hooks import About, HookCaller  # noqa: PLC0415

        if self._caller is None:
            outbound = self._world.outbound
            self._caller = HookCaller(self._start, outbound and outbound(), self._world.redact)
        about = About(kept.path, None if life is None else life.life.pid, kept.runtime.port)
        say = partial(self._say_of, kept) if life is None else life.say
        self._caller.note(kept.spec.hooks, child, change, about, say)

    def held(self, child: str, *, by_rule: bool) -> None:
        """Somebody, or a rule from outside, wants a child held."""
        if self._caller is not None:
            self._caller.held(child, by_rule=by_rule)

    def change(self, child: str, hooks: Hooks | None) -> None:
        """Other hooks are written for it."""
        if self._caller is not None:
            self._caller.change(child, hooks)

    def forget(self, child: str) -> None:
        """The child is removed."""
        if self._caller is not None:
            self._caller.forget(child)

    def close(self, seconds: float) -> None:
        """Those under way have so long still, and not much of it."""
        if self._caller is not None:
            self._caller.close(seconds)

    def _start(self, calls: Callable[[], Awaitable[None]]) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(calls, name=f"hooks in {self._path or 'the top supervisor'}")

    def _say_of(self, kept: Kept, text: str) -> None:
        """Tell something of a child that has not lived yet among what it says."""
        take = self._world.sink(kept.path, 0, kept.spec.log, kept.spec.ring)
        take(Stream.SUPERVISOR, self._world.redact(text).encode(errors="backslashreplace") + b"\n")
