"""One life of one child: its cancel scopes, its readiness task, its health task, its stop."""

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from trio_supervisor.commands import Completed
from trio_supervisor.core.messages import (
    BecameReady,
    Exit,
    Exited,
    Fact,
    How,
    ProbeAnswered,
    Role,
    ShutdownAsked,
    StartChild,
    Started,
)
from trio_supervisor.engine.prober import Asked, keep_asking
from trio_supervisor.engine.world import World
from trio_supervisor.errors import StartError
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.runtimes.base import Launch, Life, RunsCommands, Runtime, Stream
from trio_supervisor.spec import AskStep, ChildSpec, StopStep

KILL_PATIENCE = 10.0
"""So many seconds after a kill it is told that a life can't be ended. A runtime that can tell does so earlier."""


@frozen
class Kept:
    """What the engine keeps of a child for all its lives."""

    path: str
    spec: ChildSpec
    runtime: Runtime
    stop: tuple[StopStep, ...]
    """In order, before the kill; as the profile has it where the spec says nothing."""


class ChildLife:
    """From the order to start until nothing of it is left; tells what happens by `post`."""

    def __init__(self, kept: Kept, order: StartChild, world: World, post: Callable[[Fact], None]) -> None:
        self._kept = kept
        self._generation = order.generation
        self._world = world
        self._post = post
        self._output = world.sink(kept.path)
        self.life: Life = kept.runtime.life(
            Launch(
                child=kept.path,
                generation=order.generation,
                restart_count=order.restart_count,
                restart_reason=order.reason,
                output=self._output,
                room=world.room,
                ready=self._ready,
            )
        )
        self._start_scope = trio.CancelScope()
        self._grace_scope = trio.CancelScope()
        self._probers: trio.Nursery | None = None
        self._stop_begun = False
        self._hurried = False
        self.over = trio.Event()
        """Set when nothing of this life is left."""

    async def run(self) -> None:
        """Live. Cancellation from outside does not reach in: only `stop` ends a life before its time."""
        with trio.CancelScope(shield=True):
            exit = Exit(How.RAISED, detail="interrupted")
            try:
                exit = await self._live()
            except BaseException:
                # It is nobody's exit (KeyboardInterrupt) and ends everything: before anybody starts this child again.
                self._post(ShutdownAsked("interrupted"))
                raise
            finally:
                # Whatever happened: else its end is waited for in vain.
                self.over.set()
                self._post(Exited(self._kept.spec.id, self._generation, exit, self._world.draw()))

    async def _live(self) -> Exit:
        if self._stop_begun:
            return Exit(How.CANCELLED)
        try:
            with self._start_scope:
                await self.life.start()
        except StartError as error:
            return Exit(How.SPAWN_FAILED, detail=str(error), exception=error)
        if self._start_scope.cancelled_caught:
            self.life.kill()
            return await self.life.wait()
        self._post(Started(self._kept.spec.id, self._generation, self.life.pid))
        return await self._wait_among_probers()

    async def _wait_among_probers(self) -> Exit:
        if self._kept.spec.readiness is None and self._kept.spec.health is None:
            return await self.life.wait()
        async with trio.open_nursery() as self._probers:
            if self._kept.spec.readiness is not None:
                self._probers.start_soon(self._keep_asking, Role.READINESS)
            exit = await self.life.wait()
            self._probers.cancel_scope.cancel()
        return exit

    def watch_health(self) -> None:
        """Begin to ask the health probe."""
        if self._probers is not None and not self.over.is_set():
            self._probers.start_soon(self._keep_asking, Role.HEALTH)

    def kill(self) -> None:
        """End it by force, now; `stop` waits for the end."""
        self._stop_begun = True
        self._start_scope.cancel()
        self.life.kill()

    async def stop(self, hurry: bool) -> None:
        """Ask, wait within bounds, kill; returns when the life is over. `hurry`: kill at once."""
        self._stop_begun = True
        self._hurried = self._hurried or hurry
        with trio.CancelScope(shield=True):
            self._start_scope.cancel()
            for step in self._kept.stop:
                if self._hurried or self.over.is_set():
                    break
                with trio.move_on_after(step.wait) as self._grace_scope:
                    if isinstance(step, AskStep):
                        await self.life.ask(step)
                    await self.over.wait()
            if not self.over.is_set():
                self.life.kill()
            with trio.move_on_after(KILL_PATIENCE):
                await self.over.wait()
            if not self.over.is_set():
                self._give_up()

    def _give_up(self) -> None:
        """Tell the end of a life that has none: nobody can wait for it for ever."""
        detail = f"it goes on {KILL_PATIENCE:g} s after it was killed"
        if self.life.pid is None:
            detail += ": a task that ignores its cancellation"
        self._post(Exited(self._kept.spec.id, self._generation, Exit(How.UNKILLABLE, detail=detail)))

    def cut_grace(self) -> None:
        """End the stop that is under way by force, at once."""
        self._hurried = True
        self._grace_scope.cancel()

    # What the life tells

    def _complain(self, text: str) -> None:
        self._output(Stream.SUPERVISOR, text.encode() + b"\n")

    def _ready(self, value: object = None) -> None:
        self._post(BecameReady(self._kept.spec.id, self._generation, value))

    def _answered(self, role: Role, answer: Answer) -> None:
        self._post(ProbeAnswered(self._kept.spec.id, self._generation, role, answer.ok, answer.detail))

    async def _keep_asking(self, role: Role) -> None:
        spec = self._kept.spec
        probe = spec.readiness if role is Role.READINESS else spec.health
        if probe is None:
            return
        run: Callable[..., Awaitable[Completed]] | None = None
        if isinstance(self.life, RunsCommands):
            run = self.life.run
        target = Target(self._kept.path, self._kept.runtime.port, run)
        await keep_asking(Asked(role, probe, target, self.life, self._answered, self._complain), self._world.probe)
