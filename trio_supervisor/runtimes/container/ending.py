"""The end of a container: whether it is over is what its engine shows when it is looked at. Times are seconds.

Events, the end of what it says and the end of its first process only tell when to look.
"""

import math
import signal

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.container.engine import EngineError, Phase, Seen
from trio_supervisor.runtimes.container.exits import exit_of
from trio_supervisor.runtimes.container.first import FirstProcess
from trio_supervisor.runtimes.container.kill import UNKILLABLE_AFTER, Kill
from trio_supervisor.runtimes.container.pauses import FIRST_PAUSE, longer
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.watch import Listener

UNNOTICED = 3.0
"""So long after the end of its first process an engine may call it running."""
LOOK_EVERY = 10.0
"""Between two looks at one whose engine is reached over a network: a connection may fall silent and tell nobody."""


class Ending:
    """Waits for the end of one container, and brings it about once a kill is wanted."""

    def __init__(self, setting: Setting, listener: Listener, kill: Kill) -> None:
        self.over = trio.Event()
        """It is over, or has been given up."""
        self.first: FirstProcess | None = None
        """Its first process, where that can be seen from here."""
        self._setting = setting
        self._engine = listener.engine
        self._look_every = math.inf if listener.local else LOOK_EVERY
        self._kill = kill
        self._news = trio.Event()

    @property
    def dead(self) -> bool:
        """Whether its first process has ended so long ago that it is over, whatever its engine says."""
        return self._first_ended(UNNOTICED)

    def watch(self, pid: int, id: str) -> None:
        """Watch its first process; `id`: of the container."""
        self.first = FirstProcess(pid, id, self.wake)

    def wake(self) -> None:
        """Look at it: something may have happened."""
        self._news.set()

    def close(self) -> None:
        """Watch no more."""
        if self.first is not None:
            self.first.close()
            self.first = None

    async def wait(self) -> Exit:
        """Wait until it is over; UNKILLABLE: it is not, nor can it be killed."""
        complaint, pause = "", FIRST_PAUSE
        while True:
            self._news = trio.Event()
            trouble, exit = await self._look()
            if exit is None:
                self._tell(trouble, complaint)
                exit = self._given_up(trouble)
            if exit is not None:
                self.over.set()
                return exit
            complaint = trouble
            if not trouble and not self._kill.wanted and not self._first_ended():
                await self._wait_news(self._look_every)
                pause = FIRST_PAUSE
                continue
            pause = min(pause, max(0.0, self._kill.left))
            await self._wait_news(pause)
            pause = longer(pause)

    async def _wait_news(self, patience: float) -> None:
        with trio.move_on_after(patience):
            await self._news.wait()

    async def _look(self) -> tuple[str, Exit | None]:
        """What is in the way of knowing, and the exit if it is over."""
        seen: Seen | None = None
        killed = self._kill.wanted
        try:
            with trio.move_on_after(self._kill.patience) as patience:
                if killed and not self._first_ended():
                    await self._engine.signal(self._setting.name, signal.SIGKILL)
                seen = await self._engine.look(self._setting.name)
        except EngineError as error:
            return str(error), None
        if patience.cancelled_caught:
            return f"it does not answer within {UNKILLABLE_AFTER:g} s", None
        if seen is None:
            return "", Exit(How.KILLED, detail="its container was removed by somebody else")
        if seen.phase is Phase.RUNNING:
            return "", None
        return "", exit_of(seen, self._setting.spec.memory, killed=killed or self._kill.sent)

    def _tell(self, trouble: str, before: str) -> None:
        if trouble and trouble != before:
            self._setting.say(f"its engine can't be asked: {trouble}; it is tried again")
        elif before and not trouble:
            self._setting.say("its engine answers again")

    def _given_up(self, trouble: str) -> Exit | None:
        """The exit of one that is waited for no longer."""
        if self.dead and (not trouble or self._kill.wanted):
            return Exit(How.KILLED, detail="its first process has ended, and its engine can't say how")
        if self._kill.left <= 0:
            detail = trouble or "it runs on after SIGKILL"
            return Exit(How.UNKILLABLE, detail=f"container {self._setting.name}: {detail}")
        return None

    def _first_ended(self, before: float = 0.0) -> bool:
        return self.first is not None and self.first.ended_before(before)
