"""The present lives of the children of one supervisor: begun, watched and stopped as the machine commands it."""

from collections.abc import Callable
from functools import partial

import trio

from trio_supervisor.core.commands import (
    CutGrace,
    LookAtLife,
    PassStartup,
    Repace,
    StartChild,
    WatchHealth,
    WatchReadiness,
)
from trio_supervisor.core.facts import Fact, Role
from trio_supervisor.engine.child import ChildLife
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.world import World

LifeCommand = CutGrace | LookAtLife | PassStartup | Repace | WatchHealth | WatchReadiness


class Lives:
    """By child. The last life of a child is kept until the next one, or its removal."""

    def __init__(self, world: World, post: Callable[[Fact], None]) -> None:
        self._world = world
        self._post = post
        self._lives: dict[str, ChildLife] = {}
        self._nursery: trio.Nursery | None = None
        """Where what is done with them runs."""
        self._shelter: trio.Nursery | None = None
        """Where they run: no cancellation from outside reaches in, so none needs a scope of its own against it."""
        self._no_more = trio.Event()
        self._interrupt = self._end_all
        """One for all of them, as a bound method is made anew each time."""

    def open(self, nursery: trio.Nursery) -> None:
        """From here on they can begin. The nursery is cancelled by what interrupts one of them."""
        self._nursery = nursery
        nursery.start_soon(self._keep_shelter)

    async def _keep_shelter(self) -> None:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as self._shelter:
                for life in self._lives.values():
                    self._run(life)
                await self._no_more.wait()

    def _run(self, life: ChildLife) -> None:
        if self._shelter is not None:
            self._shelter.start_soon(life.run, name=f"{life.child} #{life.generation}")

    def close(self) -> None:
        """None begins any more; the shelter lasts as long as anybody is in it."""
        self._no_more.set()

    def _end_all(self, error: BaseException) -> None:
        """Raised in the shelter, it would cancel all others instead of having them stopped."""

        async def strike() -> None:  # noqa: ASYNC124 -- a nursery takes nothing else
            raise error

        assert self._nursery is not None
        self._nursery.start_soon(strike)

    def get(self, child: str) -> ChildLife | None:
        """The present or last one."""
        return self._lives.get(child)

    def forget(self, child: str) -> None:
        """It is removed."""
        self._lives.pop(child, None)

    def begin(self, kept: Kept, command: StartChild) -> None:
        """Start one."""
        life = self._lives[command.child] = ChildLife(kept, command, self._world, self._post, self._interrupt)
        self._run(life)

    def adopt(self, child: str) -> None:
        """Another spec holds for the present one."""
        assert self._nursery is not None
        if life := self._lives.get(child):
            life.adopt(self._nursery)

    def stop(self, child: str, *, hurry: bool) -> None:
        """Ask it to end; `hurry`: kill it."""
        assert self._nursery is not None
        life = self._lives[child]
        if hurry:
            # Now, not when the task below runs: who is stopped later is killed later.
            life.kill()
        self._nursery.start_soon(life.stop, hurry, name=f"stop of {child}")

    def obey(self, command: LifeCommand) -> None:
        """Do something with a present one."""
        life = self._lives[command.child]
        match command:
            case WatchHealth():
                life.probing.ask(Role.HEALTH)
            case WatchReadiness():
                life.probing.ask(Role.READINESS)
            case LookAtLife():
                assert self._nursery is not None
                look = partial(life.look, connections=command.connections)
                self._nursery.start_soon(look, name=f"look at {command.child}")
            case PassStartup():
                life.probing.pass_startup()
            case Repace():
                life.probing.repace(command.role, lost=command.lost)
            case CutGrace():
                life.cut_grace()

    def kill_rest(self) -> None:
        """Nothing else is done for those that are left."""
        for life in self._lives.values():
            if not life.over:
                life.life.kill()
