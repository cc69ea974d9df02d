"""The contact with a container: what it says and what it reads, over as many connections as that takes."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from trio_supervisor.runtimes.base import WasActive
from trio_supervisor.runtimes.container.ending import Ending
from trio_supervisor.runtimes.container.engine import Attach, ContainerEngine, EngineError, Phase, Talk
from trio_supervisor.runtimes.container.hearing import Hearing
from trio_supervisor.runtimes.container.input import ContainerInput
from trio_supervisor.runtimes.container.kill import Kill
from trio_supervisor.runtimes.container.pauses import FIRST_PAUSE, LONGEST_PAUSE, longer
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.terminal import TerminalSize
from trio_supervisor.spec import Stdin


class Contact:
    """Keeps up the contact with one container."""

    def __init__(self, setting: Setting, engine: ContainerEngine, ending: Ending, kill: Kill) -> None:
        self.input: ContainerInput | None = None
        """What it reads, if it reads anything of us."""
        self._setting = setting
        self._engine = engine
        self._ending = ending
        self._kill = kill
        stdin = setting.spec.stdin
        self._attach = Attach(setting.name, stdin=stdin is not Stdin.NULL, terminal=stdin is Stdin.PTY)
        self._hearing = Hearing(setting)
        self._size = TerminalSize(setting.spec.window)
        self._scope = trio.CancelScope()
        self._missed = False
        """Something may have been said while nobody listened."""

    async def keep(self, start: Callable[[], Awaitable[None]]) -> None:
        """Connect, `start` it, and hear it until it is over. Raises EngineError, and what `start` raises: it does not
        run.
        """
        with self._scope:
            begun = trio.current_time()
            await self._start_and_hear(start)
            await self._hear_on(begun)
        # Of one that was killed while it has much to say nobody waits for all.
        if self._missed or (self._scope.cancelled_caught and not self._kill.wanted):
            await self._hearing.hear_rest(self._engine)

    def break_off(self) -> None:
        """Hear no more over a connection: what is missing is read from its log."""
        self._scope.cancel()

    def end_input(self) -> None:
        """Write no more to it."""
        if self.input is not None:
            self.input.close()

    async def _start_and_hear(self, start: Callable[[], Awaitable[None]]) -> None:
        """From before its start, so that nothing is missed, as long as the first connection lasts."""
        runs = False
        try:
            async with self._engine.open(self._attach) as talk:
                self._take_input(talk)
                await start()
                runs = True
                if self._attach.terminal:
                    self._size.begin(talk)
                await self._hearing.hear(talk)
                # An engine that is stopped ends it in order, too.
                first = self._ending.first
                self._missed = first is not None and not first.ended_before(0.0)
        except EngineError:
            # Once it is started, an engine that does not answer ends nothing.
            if not runs:
                raise
            self._missed = True

    async def _hear_on(self, begun: float) -> None:
        """As long as it runs, over one connection after the other; the first was `begun` then."""
        pause, told = FIRST_PAUSE, False
        while True:
            self._ending.wake()
            lasted = trio.current_time() - begun > LONGEST_PAUSE
            pause = FIRST_PAUSE if lasted else longer(pause)
            if not await self._runs_on(pause):
                return
            if lasted or not told:
                told = True
                self._setting.say("the connection to its engine broke off; it runs on, and is heard again")
            begun = trio.current_time()
            self._missed = False
            try:
                await self._hear_again()
            except EngineError:
                self._missed = True

    async def _runs_on(self, pause: float) -> bool:
        """Whether it runs although nothing is heard any more; waits until its engine tells."""
        while True:
            with trio.move_on_after(pause):
                await self._ending.over.wait()
                return False
            try:
                seen = await self._engine.look(self._setting.name)
            except EngineError:
                self._missed = True
            else:
                return seen is not None and seen.phase is Phase.RUNNING
            pause = longer(pause)

    async def _hear_again(self) -> None:
        if not self._attach.stdin:
            await self._hearing.hear_log(self._engine, follow=True)
            return
        async with self._engine.open(self._attach) as talk:
            self._take_input(talk)
            if self._attach.terminal:
                # A log has whole lines: what is typed would be seen late. A line may be heard twice here.
                await self._hearing.hear_log(self._engine, follow=False)
                await self._hearing.hear(talk)
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_attached, talk, nursery.cancel_scope)
                try:
                    await self._hearing.hear_log(self._engine, follow=True)
                except EngineError:
                    self._missed = True
                nursery.cancel_scope.cancel()

    async def _keep_attached(self, talk: Talk, hearing: trio.CancelScope) -> None:
        """Only for what is said to it: what it says is read from its log."""
        try:
            while await talk.heard() is not None:
                pass
        except EngineError:
            self._missed = True
            hearing.cancel()

    def _take_input(self, talk: Talk) -> None:
        fd = talk.socket() if self._attach.stdin else None
        if fd is None:
            return
        self.end_input()
        self.input = ContainerInput(fd, terminal=self._attach.terminal, resized=partial(self._size.change, talk))
        self.input.taken = partial(self._setting.launch.report, WasActive())
