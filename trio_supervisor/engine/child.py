"""One life of one child: its cancel scopes, the tasks of its probes, its stop, its end."""

from collections.abc import Callable

import trio

from trio_supervisor.core.commands import StartChild
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import Exited, Fact, ProbeAnswered, Role, ShutdownAsked, Started
from trio_supervisor.engine.hearing import Hearing
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.probing import Probed, Probing, paces_of, probes_of
from trio_supervisor.engine.redacted import redacted
from trio_supervisor.engine.stopping import KILL_PATIENCE, Stop, Stopped
from trio_supervisor.engine.world import World
from trio_supervisor.errors import StartError
from trio_supervisor.output.last import last_lines
from trio_supervisor.probes.base import Answer
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import IsBusy, Life

_INTERRUPTED = Exit(How.RAISED, detail="interrupted")


class ChildLife(Hearing):
    """From the order to start until nothing of it is left; tells what happens by `post`."""

    def __init__(
        self,
        kept: Kept,
        order: StartChild,
        world: World,
        post: Callable[[Fact], None],
        interrupt: Callable[[BaseException], None],
    ) -> None:
        """`interrupt`: takes what is nobody's exit (KeyboardInterrupt) and ends everything."""
        super().__init__(kept, order, world, post)
        self._interrupt = interrupt
        self.card: object = None
        """How this life describes itself, as its probes have seen it last."""
        self._probing: Probing | None = None
        self._stop: Stop | None = None
        self._start_scope: trio.CancelScope | None = None
        """While it is started."""
        self._stop_begun = False
        self._has_started = False
        self.life: Life = kept.runtime.life(self)

    async def run(self) -> None:
        """Live. To be run where no cancellation from outside reaches: only `stop` ends a life before its time."""
        exit = _INTERRUPTED
        try:
            exit = await self._live()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: ASYNC103 -- raised where it reaches no other life
            # Before anybody starts this child again.
            self._post(ShutdownAsked("interrupted"))
            self._interrupt(error)
        finally:
            # Whatever happened: else its end is waited for in vain.
            self.over = True
            if self._stop is not None:
                self._stop.note_over()
            if self._probing is not None:
                self._probing.close()
            if self._world.has_secrets():
                exit = redacted(exit, self._world.redact)
            exit = self._with_last_lines(exit)
            self._post(Exited(self._kept.spec.id, self.generation, exit, self._world.draw()))

    async def _live(self) -> Exit:
        if self._stop_begun:
            return Exit(How.CANCELLED)
        try:
            started = await self._start()
        except StartError as error:
            return Exit(How.SPAWN_FAILED, detail=str(error), exception=error, again=error.again)
        if not started:
            self.life.kill()
            return await self.life.wait()
        self._has_started = True
        if self._stop is not None:
            self._stop.note_started()
        draw = 0.0 if self._kept.spec.limits.lifetime is None else self._world.draw()
        self._post(Started(self._kept.spec.id, self.generation, self.life.pid, draw))
        return await (self.probing.among(self.life.wait) if self._kept.spec.probes else self.life.wait())

    async def _start(self) -> bool:
        """False: somebody wants it down meanwhile."""
        if self.life.starts_at_once:
            await self.life.start()
            return True
        with trio.CancelScope() as scope:
            self._start_scope = scope
            await self.life.start()
        self._start_scope = None
        return not scope.cancelled_caught

    @property
    def probing(self) -> Probing:
        """Its probes."""
        if self._probing is None:
            self._probing = Probing(
                probes_of(self._kept.spec), self._world, self._probed(), paces_of(self._kept.spec, self._world.draw)
            )
            if self.over:
                self._probing.close()
        return self._probing

    def _probed(self) -> Probed:
        kept = self._kept
        return Probed(
            kept.path,
            self.life,
            self.telling,
            self._questions,
            lambda: kept.runtime.port,
            self._answered,
            self.say,
            kept.tallies,
        )

    def _answered(self, role: Role, answer: Answer) -> None:
        self.card = self.card if answer.card is None else answer.card
        if answer.busy is not None:
            self.report(IsBusy(answer.busy, "probe"))
        detail = self._world.redact(answer.detail)
        self._post(ProbeAnswered(self._kept.spec.id, self.generation, role, answer.ok, detail, answer.decisive))

    def adopt(self, nursery: trio.Nursery) -> None:
        """What is kept of the child has changed: go by it. `nursery` outlasts this life."""
        self.probing.adopt(self._kept.spec, nursery)
        self.hear_anew()
        if self._stop is not None:
            self._stop.change(self._kept.stop)

    def kill(self) -> None:
        """End it by force, now; `stop` waits for the end."""
        self._stop_begun = True
        self._start_no_more()
        self.life.kill()

    async def stop(self, hurry: bool) -> None:
        """Ask, wait within bounds, kill; returns when the life is over. `hurry`: kill at once."""
        self._stop_begun = True
        if hurry:
            self._stopping.cut()
        self._start_no_more()
        await self._stopping.run()
        if not self.over:
            self._give_up()

    def _start_no_more(self) -> None:
        if self._start_scope is not None:
            self._start_scope.cancel()

    @property
    def _stopping(self) -> Stop:
        if self._stop is None:
            kept = self._kept
            stopped = Stopped(
                child=kept.path,
                run=kept.spec.run,
                runtime=kept.runtime,
                life=self.life,
                say=self.say,
                request=self._world.request,
            )
            self._stop = Stop(stopped, kept.stop)
            if self._has_started:
                self._stop.note_started()
            if self.over:
                self._stop.note_over()
        return self._stop

    def _give_up(self) -> None:
        """Tell the end of a life that has none: nobody can wait for it for ever."""
        detail = f"it goes on {KILL_PATIENCE:g} s after it was killed"
        if self.life.pid is None:
            detail += ": a task that ignores its cancellation"
        self._post(Exited(self._kept.spec.id, self.generation, Exit(How.UNKILLABLE, detail=detail)))

    @property
    def stop_progress(self) -> str:
        """What its stop does now, in words; "" when there is none under way."""
        return "" if self._stop is None else self._stop.progress

    def cut_grace(self) -> None:
        """End the stop that is under way by force, at once."""
        self._stopping.cut()

    def extend_stop(self, seconds: float) -> None:
        """It asks for so much time where it is being stopped."""
        self._stopping.extend(seconds)

    def _with_last_lines(self, exit: Exit) -> Exit:
        """With the last that it said, where that may tell why it ended badly."""
        ring = None if exit.clean else self._world.ring(self._kept.path, there=True)
        return exit if ring is None else changed(exit, last_lines=last_lines(ring, self.generation))

    @property
    def started(self) -> bool:
        """Whether it is started, and not over."""
        return self._has_started and not self.over
