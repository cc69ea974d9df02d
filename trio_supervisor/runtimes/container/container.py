"""One container of ours: made, started, kept in contact with, and removed in the end. Times are seconds.

A task of its own carries it. Whoever waits for its start may be cancelled; what was begun goes on until it is known
what there is.
"""

import signal
from contextlib import suppress

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.container.contact import Contact
from trio_supervisor.runtimes.container.ending import Ending
from trio_supervisor.runtimes.container.engine import EngineError, Phase, Seen
from trio_supervisor.runtimes.container.first import FirstProcess
from trio_supervisor.runtimes.container.input import ContainerInput
from trio_supervisor.runtimes.container.kill import Kill
from trio_supervisor.runtimes.container.making import Making
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.undead import Undead
from trio_supervisor.runtimes.container.watch import Listener
from trio_supervisor.runtimes.process.pipe import LAST_WORDS_PATIENCE

MAKING = 10.0
"""So long the making of a container may go on after it was cancelled."""
BURIAL = 15.0
"""So long the removal of one that was not started, or is over, is waited for; then it goes on without us."""
REST = 5.0
"""So long what was missed of one that is over is waited for; of one that was killed `REST_OF_KILLED`."""
REST_OF_KILLED = 2.0
CONNECT = 2.0
"""So long a start waits for the stream of events; without one it goes on."""


class Container:
    """One container, from the moment in which it is asked for."""

    def __init__(self, setting: Setting, listener: Listener, kill: Kill, undead: Undead) -> None:
        """Begin to make and start it. No checkpoint: it either has not begun, or is known to who waits for its end."""
        self.engine = listener.engine
        self.local = listener.local
        """Its processes can be seen from here."""
        self.started = False
        self.stop_signal = setting.spec.stop_signal or signal.SIGTERM
        """What asks it to end."""
        self._setting = setting
        self._name = setting.name
        self._listener = listener
        self._kill = kill
        self._undead = undead
        self._making = Making(setting, self.engine, kill)
        self._ending = Ending(setting, listener, kill)
        self._contact = Contact(setting, self.engine, self._ending, kill)
        self._settled = trio.Event()
        """It is started, or known not to be."""
        self._failure: Exception | None = None
        self._carrying = trio.CancelScope()
        self._carried = trio.Event()
        """Nobody carries it any more: all was heard."""
        listener.add(self._name, self._ending.wake)
        trio.lowlevel.spawn_system_task(self._carry, name=f"trio_supervisor container {self._name}")

    @property
    def runs(self) -> bool:
        """Whether it is started and not over yet, as far as is known."""
        return self.started and not self.over

    @property
    def over(self) -> bool:
        """Whether it is known to be over, or was given up."""
        return self._ending.over.is_set()

    @property
    def first(self) -> FirstProcess | None:
        """Its first process, where that can be seen from here."""
        return self._ending.first

    @property
    def input(self) -> ContainerInput | None:
        """What it reads, if it reads anything of us."""
        return self._contact.input

    async def wait_started(self) -> Exception | None:
        """Wait until it is started, or return why it is not: there is no container then."""
        await self._settled.wait()
        if isinstance(self._failure, EngineError):
            error = StartError(str(self._failure))
            error.__cause__ = self._failure
            return error
        return self._failure

    async def signal(self, number: int) -> None:
        """Signal its first process. Raises EngineError."""
        # Before it is sent: its answer may come later than the end.
        self._kill.sent |= number == signal.SIGKILL
        await self.engine.signal(self._name, number)

    def kill(self) -> None:
        """A kill is wanted: see to it now."""
        self._making.break_off()
        self._ending.wake()

    async def wait_gone(self) -> Exit:
        """Wait until it is over and removed; what it has said is handed over by then.

        What can't be killed or removed is left to `Undead`.
        """
        await self._wait_settled()
        if not self.started:
            await self._carried.wait()
            return Exit(How.CANCELLED)
        exit = await self._ending.wait()
        if exit.how is not How.UNKILLABLE:
            await self._hear_last_words()
        self._carrying.cancel()
        await self._carried.wait()
        if exit.how is How.UNKILLABLE:
            gone = self._setting.launch.remains_gone
            self._undead.add(self.engine, self._name, exit.detail, self._setting.say, gone=gone)
        else:
            # It does not run any more: whoever waits for the end of a kill need not wait for the engine to tidy up.
            await self._bury(min(BURIAL, self._kill.patience))
        return exit

    def close(self) -> None:
        """Let go of it: there is no container any more."""
        self._listener.drop(self._name)
        self._contact.end_input()
        self._ending.close()

    async def _carry(self) -> None:
        """Make it, start it, hear it to its end."""
        try:
            with self._carrying:
                with trio.move_on_after(CONNECT):
                    await self._listener.wait_connected()
                await self._making.make()
                await self._contact.keep(self._start)
        except Exception as error:  # a system task must not raise: it is told to who waits for the start
            self._failure = error
        finally:
            if not self.started:
                self._failure = self._failure or EngineError("cancelled before it was started")
            if not self.started and self._making.may_be_there:
                await self._bury(BURIAL)  # noqa: ASYNC102 -- it shields itself, and is bounded
            self._settled.set()
            self._carried.set()
            self._ending.wake()

    async def _start(self) -> None:
        self._kill.check_unwanted()
        await self.engine.start(self._name)
        self.started = True
        with suppress(EngineError):
            seen = await self.engine.look(self._name)
            if seen is not None:
                self._take_in(seen)
        self._settled.set()

    def _take_in(self, seen: Seen) -> None:
        """What is known of it only now."""
        self.stop_signal = self._setting.spec.stop_signal or _signal(seen.stop_signal) or signal.SIGTERM
        if self.local and seen.pid is not None and seen.phase is Phase.RUNNING:
            self._ending.watch(seen.pid, seen.id)

    async def _wait_settled(self) -> None:
        with trio.move_on_after(MAKING):
            await self._settled.wait()
        if not self._settled.is_set():
            # Its start was cancelled, and takes too long to end by itself.
            self._carrying.cancel()
            await self._carried.wait()

    async def _hear_last_words(self) -> None:
        with trio.move_on_after(LAST_WORDS_PATIENCE):
            await self._carried.wait()
            return
        # A connection that has fallen silent, or an engine that came back just now: its log has them.
        self._contact.break_off()
        with trio.move_on_after(REST_OF_KILLED if self._kill.wanted else REST):
            await self._carried.wait()

    async def _bury(self, patience: float) -> None:
        await self._undead.bury_within(self.engine, self._name, patience, self._setting.say, dead=self._ending.dead)


def _signal(text: str) -> signal.Signals | None:
    """A signal as an image names it: SIGQUIT, QUIT or 3."""
    with suppress(ValueError, KeyError):
        return signal.Signals(int(text)) if text.isdecimal() else signal.Signals["SIG" + text.removeprefix("SIG")]
    return None
