"""One life in a container: made, started, heard, asked, killed, and removed in the end. Times are seconds.

A task of its own carries it: it makes the container, hears what it says, and finds it again when an engine was
restarted. Whoever waits for a start may be cancelled; what was begun goes on until it is known what there is. Whether
it is over is what the engine shows when it is looked at: events, and the end of what it says, only tell when.
"""

import math
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import ProbeError, StartError, StepError
from trio_supervisor.runtimes.base import Stream, Usage, WasActive
from trio_supervisor.runtimes.container.address import NoEngineError, remedy
from trio_supervisor.runtimes.container.engine import (
    Attach,
    ContainerEngine,
    EngineError,
    Phase,
    Seen,
    Talk,
)
from trio_supervisor.runtimes.container.exec import run_in
from trio_supervisor.runtimes.container.exits import exit_of
from trio_supervisor.runtimes.container.first import FirstProcess
from trio_supervisor.runtimes.container.hearing import Hearing
from trio_supervisor.runtimes.container.input import ContainerInput
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.undead import Undead
from trio_supervisor.runtimes.container.watch import Listener
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.pipe import LAST_WORDS_PATIENCE
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.spec import AskStep, CloseStdinStep, Pull, SendStep, SignalStep, Stdin, expand
from trio_supervisor.system import procfs
from trio_supervisor.words import took

UNKILLABLE_AFTER = 9.0
"""So long after a kill a container is called unkillable: before the engine of the tree does so for us."""
MAKING = 10.0
"""So long the making of a container may go on after it was cancelled."""
BURIAL = 15.0
"""So long the removal of one that was not started, or is over, is waited for; then it goes on without us."""
SHORTEST_CALL = 1.0
"""So long a kill may take in any case."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Between two looks at what should be over, and two tries to reach an engine."""
REST = 5.0
"""So long what was missed of one that is over is waited for; of one that was killed `REST_OF_KILLED`."""
REST_OF_KILLED = 2.0
UNNOTICED = 3.0
"""So long after the end of its first process an engine may call it running."""
LOOK_EVERY = 10.0
"""Between two looks at one whose engine is reached over a network: a connection may fall silent and tell nobody."""
CONNECT = 2.0
"""So long a start waits for the stream of events; without one it goes on."""


class ContainerLife:
    """A `Life` that can be talked to and runs commands (see `trio_supervisor.runtimes.base`)."""

    starts_at_once = False

    def __init__(self, setting: Setting, lease: PortLease | None, find: Callable[[], Listener], undead: Undead) -> None:
        """`find` gives its engine, or raises StartError; `undead`: what could not be killed of the lives before."""
        self.name = setting.name
        self.pid: int | None = None
        """Its first process, where that can be seen from here."""
        self._id = ""
        self._setting = setting
        self._launch = setting.launch
        self._lease = lease
        self._find = find
        self._found: Listener | None = None
        self._undead = undead
        self._begun = False
        self._may_be_there = False
        """It was asked for, and not refused."""
        self._started = False
        self._settled = trio.Event()
        """It is started, or known not to be."""
        self._failure: Exception | None = None
        self._hearing = Hearing(setting)
        self._listening = trio.CancelScope()
        self._missed = False
        """Something may have been said while nobody listened."""
        self._carrying = trio.CancelScope()
        self._fetching: trio.CancelScope | None = None
        self._carried = trio.Event()
        """Nobody carries it any more: all was heard."""
        self._first: FirstProcess | None = None
        self._killed_at: float | None = None
        self._sent_kill = False
        """Somebody has had SIGKILL sent to it, as a step of its stop or as any other signal."""
        self._over = trio.Event()
        self._news = trio.Event()
        self._input: ContainerInput | None = None
        self._size: tuple[int, int] | None = None
        self._sizing = False
        self._stop_signal = signal.SIGTERM
        self._memory = setting.spec.memory

    @property
    def _listener(self) -> Listener:
        assert self._found is not None
        return self._found

    @property
    def _engine(self) -> ContainerEngine:
        return self._listener.engine

    # The start

    async def start(self) -> None:
        """Make and start a container.

        Raises:
            StartError: it can't be had, or was killed before it ran; there is no container then.
        """
        await trio.lowlevel.checkpoint()
        self._check_wanted()
        await self._undead.wait_gone(BURIAL)
        await self._setting.look_up()
        self._check_wanted()
        self._found = await self._find_engine()
        # Before anything is made there: whoever clears up after us must know where.
        current_spawner().note_engine(self._found.address)
        # No checkpoint between: a cancelled start either has not begun, or is known to `wait`.
        self._begun = True
        self._listener.add(self.name, self._wake)
        trio.lowlevel.spawn_system_task(self._carry, name=f"trio_supervisor container {self.name}")
        await self._settled.wait()
        if self._failure is not None:
            self._begun = False
            self._listener.drop(self.name)
            self._end_input()
            if isinstance(self._failure, EngineError):
                raise StartError(str(self._failure)) from self._failure
            raise self._failure

    async def _find_engine(self) -> Listener:
        """Wait for one that answers: that it is away is no fault of what is to be started."""
        waited, pause = False, FIRST_PAUSE
        while True:
            self._check_wanted()
            try:
                found = self._find()
                await found.engine.look(self.name)
            except NoEngineError as error:
                why = str(error)
            except EngineError as error:
                if not error.away:
                    # The first that is asked of it tells what is wrong.
                    return found
                why = f"{error}; {remedy(self._setting.spec.engine, os.environ)}"
            else:
                if waited:
                    self._setting.waits_for("")
                return found
            waited = True
            self._setting.waits_for(f"its container engine: {why}")
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _check_wanted(self) -> None:
        if self._killed_at is not None:
            raise StartError("killed before it was started")

    async def _carry(self) -> None:
        """Make it, start it, hear it to its end."""
        try:
            with self._carrying:
                with trio.move_on_after(CONNECT):
                    await self._listener.wait_connected()
                await self._make()
                await self._live()
        except Exception as error:  # a system task must not raise: it is told to who waits for the start
            self._failure = error
        finally:
            if not self._started:
                self._failure = self._failure or EngineError("cancelled before it was started")
            if not self._started and self._may_be_there:
                # It shields itself, and is bounded.
                await self._undead.bury_within(self._engine, self.name, BURIAL, self._setting.say)  # noqa: ASYNC102
            self._settled.set()
            self._carried.set()
            self._wake()

    async def _make(self) -> None:
        image, pull = self._setting.spec.image, self._setting.spec.pull
        if pull is Pull.ALWAYS:
            await self._fetch(image)
        try:
            await self._create()
        except EngineError as error:
            if error.status != 404 or "image" not in str(error).lower():
                raise
            if pull is Pull.NEVER:
                raise EngineError(f"{error}; `pull: never` keeps it from being fetched", 404) from error
            if pull is Pull.ALWAYS:
                raise
            await self._fetch(image)
            await self._create()

    async def _create(self) -> None:
        self._check_alive()
        self._may_be_there = True
        try:
            await self._engine.create(self._setting.plan)
        except EngineError as error:
            self._may_be_there = not error.status and error.reached
            raise

    async def _fetch(self, image: str) -> None:
        from trio_supervisor.runtimes.container.fetch import fetch  # noqa: PLC0415 -- most images are there

        self._check_alive()
        begun = trio.current_time()
        self._setting.tells(f"fetches image {image}")
        try:
            with trio.CancelScope() as self._fetching:
                await fetch(self._engine, image, self._setting.say)
                self._setting.say(f"image {image} was fetched in {took(trio.current_time() - begun)}")
        except EngineError as error:
            raise EngineError(f"image {image} can't be fetched: {error}", error.status) from error
        finally:
            self._fetching = None
            self._setting.tells("")

    def _check_alive(self) -> None:
        if self._killed_at is not None:
            raise EngineError("killed before it was started")

    # What it says

    async def _live(self) -> None:
        """Start it, and hear it until it is over."""
        stdin = self._setting.spec.stdin
        with self._listening:
            await self._listen(Attach(self.name, stdin=stdin is not Stdin.NULL, terminal=stdin is Stdin.PTY))
        # Of one that was killed while it has much to say nobody waits for all.
        if self._missed or (self._listening.cancelled_caught and self._killed_at is None):
            await self._hearing.hear_rest(self._engine)

    async def _listen(self, attach: Attach) -> None:
        """Start it, and hear it over as many connections as that takes."""
        begun, pause, told = trio.current_time(), FIRST_PAUSE, False
        try:
            async with self._engine.open(attach) as talk:
                self._take_input(talk, attach)
                await self._start()
                await self._hearing.hear(talk)
                # An engine that is stopped ends it in order, too.
                self._missed = self._first is not None and not self._first_ended()
        except EngineError:
            # Once it is started, an engine that does not answer ends nothing.
            if not self._started:
                raise
            self._missed = True
        while True:
            self._wake()
            lasted = trio.current_time() - begun > LONGEST_PAUSE
            pause = FIRST_PAUSE if lasted else min(2 * pause, LONGEST_PAUSE)
            if not await self._goes_on(pause):
                return
            if lasted or not told:
                told = True
                self._setting.say("the connection to its engine broke off; it runs on, and is heard again")
            begun = trio.current_time()
            try:
                self._missed = False
                await self._hear_again(attach)
            except EngineError:
                self._missed = True

    async def _hear_again(self, attach: Attach) -> None:
        if not attach.stdin:
            await self._hearing.hear_log(self._engine, follow=True)
            return
        async with self._engine.open(attach) as talk:
            self._take_input(talk, attach)
            if attach.terminal:
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

    async def _start(self) -> None:
        self._check_alive()
        await self._engine.start(self.name)
        self._started = True
        with suppress(EngineError):
            seen = await self._engine.look(self.name)
            if seen is not None:
                self._stop_signal = self._setting.spec.stop_signal or _signal(seen.stop_signal) or signal.SIGTERM
                self._id = seen.id
                self.pid = seen.pid if self._listener.local and seen.phase is Phase.RUNNING else None
                if self.pid is not None:
                    self._first = FirstProcess(self.pid, self._id, self._wake)
        self._settled.set()

    async def _goes_on(self, pause: float) -> bool:
        """Whether it runs although nothing is heard any more; waits until its engine tells."""
        while True:
            with trio.move_on_after(pause):
                await self._over.wait()
                return False
            try:
                seen = await self._engine.look(self.name)
            except EngineError:
                self._missed = True
            else:
                return seen is not None and seen.phase is Phase.RUNNING
            pause = min(2 * pause, LONGEST_PAUSE)

    # Its input

    @property
    def input(self) -> ContainerInput | None:
        """What it reads, if it reads anything of us."""
        return self._input

    def _take_input(self, talk: Talk, attach: Attach) -> None:
        fd = talk.socket() if attach.stdin else None
        if fd is None:
            return
        self._end_input()
        self._input = ContainerInput(fd, terminal=attach.terminal, resized=partial(self._resize, talk))
        self._input.taken = partial(self._launch.report, WasActive())
        if attach.terminal and self._size is None:
            window = self._setting.spec.window
            self._resize(talk, window.columns, window.rows)

    def _resize(self, talk: Talk, columns: int, rows: int) -> None:
        self._size = (columns, rows)
        if not self._sizing:
            self._sizing = True
            trio.lowlevel.spawn_system_task(self._keep_size, talk)

    async def _keep_size(self, talk: Talk) -> None:
        """Set the size, until it is the one that was wanted last: one after the other, once it runs."""
        done: tuple[int, int] | None = None
        await self._settled.wait()
        while self._started and self._size is not None and self._size != done:
            done = self._size
            # It may be over; and nobody can be told.
            with suppress(EngineError):
                await talk.resize(*done)
        self._sizing = False

    def _end_input(self) -> None:
        if self._input is not None:
            self._input.close()

    # The end

    async def wait(self) -> Exit:
        """Wait until the container is over and removed; what it has said is handed over by then."""
        if not self._begun:
            return Exit(How.CANCELLED)
        async with trio.open_nursery() as nursery:
            if self._setting.redacted is not None:
                nursery.start_soon(self._setting.redacted.run)
            exit = await self._wait_to_the_end()
            nursery.cancel_scope.cancel()
        self._listener.drop(self.name)
        self._end_input()
        if self._first is not None:
            self._first.close()
        self.pid = None
        if self._started:
            for stream in (Stream.STDOUT, Stream.STDERR):
                self._setting.output(stream, b"")
        if self._lease is not None:
            self._lease.life_over()
        return exit

    async def _wait_to_the_end(self) -> Exit:
        if not self._settled.is_set():
            # The start was cancelled.
            with trio.move_on_after(MAKING):
                await self._settled.wait()
            if not self._settled.is_set():
                self._carrying.cancel()
                await self._carried.wait()
        if not self._started:
            await self._carried.wait()
            return Exit(How.CANCELLED)
        exit = await self._wait_over()
        self._over.set()
        if exit.how is not How.UNKILLABLE:
            await self._hear_last_words()
        self._carrying.cancel()
        await self._carried.wait()
        if exit.how is How.UNKILLABLE:
            gone = self._launch.remains_gone
            self._undead.add(self._engine, self.name, exit.detail, self._setting.say, gone=gone)
        else:
            # It does not run any more: whoever waits for the end of a kill need not wait for the engine to tidy up.
            patience = BURIAL
            if self._killed_at is not None:
                patience = max(SHORTEST_CALL, self._killed_at + UNKILLABLE_AFTER - trio.current_time())
            dead = self._first_ended(UNNOTICED)
            await self._undead.bury_within(self._engine, self.name, patience, self._setting.say, dead=dead)
        return exit

    async def _hear_last_words(self) -> None:
        with trio.move_on_after(LAST_WORDS_PATIENCE):
            await self._carried.wait()
            return
        # A connection that has fallen silent, or an engine that came back just now: its log has them.
        self._listening.cancel()
        with trio.move_on_after(REST if self._killed_at is None else REST_OF_KILLED):
            await self._carried.wait()

    async def _wait_over(self) -> Exit:
        complaint, pause = "", FIRST_PAUSE
        while True:
            self._news = trio.Event()
            trouble, exit = await self._look()
            if exit is not None:
                return exit
            if trouble and trouble != complaint:
                self._setting.say(f"its engine can't be asked: {trouble}; it is tried again")
            elif complaint and not trouble:
                self._setting.say("its engine answers again")
            complaint = trouble
            if self._first_ended(UNNOTICED) and (not trouble or self._killed_at is not None):
                return Exit(How.KILLED, detail="its first process has ended, and its engine can't say how")
            if self._killed_at is not None and trio.current_time() - self._killed_at >= UNKILLABLE_AFTER:
                detail = trouble or "it runs on after SIGKILL"
                return Exit(How.UNKILLABLE, detail=f"container {self.name}: {detail}")
            if not trouble and self._killed_at is None and not self._first_ended():
                pause = FIRST_PAUSE
                with trio.move_on_after(math.inf if self._listener.local else LOOK_EVERY):
                    await self._news.wait()
                continue
            if self._killed_at is not None:
                pause = min(pause, max(0.0, self._killed_at + UNKILLABLE_AFTER - trio.current_time()))
            with trio.move_on_after(pause):
                await self._news.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    def _first_ended(self, before: float = 0.0) -> bool:
        return self._first is not None and self._first.ended_before(before)

    async def _look(self) -> tuple[str, Exit | None]:
        """What is in the way of knowing, and the exit if it is over."""
        seen: Seen | None = None
        killed = self._killed_at is not None
        until = math.inf
        if self._killed_at is not None:
            until = max(self._killed_at + UNKILLABLE_AFTER, trio.current_time() + SHORTEST_CALL)
        try:
            with trio.CancelScope(deadline=until) as patience:
                if killed and not self._first_ended():
                    await self._engine.signal(self.name, signal.SIGKILL)
                seen = await self._engine.look(self.name)
        except EngineError as error:
            return str(error), None
        if patience.cancelled_caught:
            return f"it does not answer within {UNKILLABLE_AFTER:g} s", None
        if seen is None:
            return "", Exit(How.KILLED, detail="its container was removed by somebody else")
        if seen.phase is Phase.RUNNING:
            return "", None
        return "", exit_of(seen, self._memory, killed=killed or self._sent_kill)

    def _wake(self) -> None:
        self._news.set()

    def kill(self) -> None:
        """SIGKILL to the container, now and until it is over."""
        if self._killed_at is None:
            self._killed_at = trio.current_time()
        if self._fetching is not None:
            self._fetching.cancel()
        self._wake()

    # What it is asked

    async def ask(self, step: AskStep) -> None:
        """Take a step of the stop; TERM is what its spec or its image has for that.

        Raises:
            StepError: it can't be taken.
        """
        if not self._started or self._over.is_set():
            return
        match step:
            case SignalStep():
                wanted = self._stop_signal if step.signal is signal.SIGTERM else step.signal
                await self._signal(wanted)
                self._advise(wanted)
            case CloseStdinStep():
                await self._reads().end()
            case SendStep():
                inner = self._setting.spec.inner_port(self._setting.port)
                try:
                    await self._reads().write(expand(step.send, self._launch.child, inner).encode())
                except OSError as error:
                    raise StepError(error.strerror or str(error)) from error

    async def signal(self, number: int, *, group: bool = True) -> None:
        """Send a signal that is no request to end; see `Interactive`. Raises StepError."""
        if self._over.is_set() or (group and self._input is not None and self._input.interrupt(number)):
            return
        await self._signal(number)

    async def _signal(self, number: int) -> None:
        # Before it is sent: its answer may come later than the end.
        self._sent_kill |= number == signal.SIGKILL
        try:
            await self._engine.signal(self.name, number)
        except EngineError as error:
            raise StepError(str(error)) from error

    def _advise(self, asked: int) -> None:
        if self._setting.spec.init or self.pid is None:
            return
        if not self._first_ended() and procfs.heeds(self.pid, asked) is False:
            self._setting.say(
                f"{signal.Signals(asked).name} can't end it: it has no handler for that, and without one the first "
                "process of a container takes no notice of it; write `init: true`"
            )

    def _reads(self) -> ContainerInput:
        if self._input is None:
            raise StepError("its standard input is closed: write stdin: pipe, or pty")
        return self._input

    async def run(self, command: Sequence[str], timeout: float) -> Completed:
        """Run a short command in the container; see `RunsCommands`."""
        return await run_in(self._engine, self.name, tuple(command), timeout, local=self._listener.local)

    async def members(self) -> list[str]:
        """What is left of it, in words."""
        return [] if self._over.is_set() or not self._started else [f"container {self.name}"]

    async def usage(self) -> Usage | None:
        """What its processes use, without commands that were sent after it; None where they can't be seen from here."""
        if self.pid is None or self._over.is_set():
            return None
        from trio_supervisor.runtimes.container.usage import usage_of_container  # noqa: PLC0415 -- as for a process

        return await usage_of_container(self.pid, self._id)

    async def engine_health(self) -> tuple[str, str]:
        """How its engine says it is; see `HasEngine`."""
        try:
            seen = await self._engine.look(self.name)
        except EngineError as error:
            raise ProbeError(str(error)) from error
        return ("", "") if seen is None else (seen.health, seen.health_detail)


def _signal(text: str) -> signal.Signals | None:
    """A signal as an image names it: SIGQUIT, QUIT or 3."""
    with suppress(ValueError, KeyError):
        return signal.Signals(int(text)) if text.isdecimal() else signal.Signals["SIG" + text.removeprefix("SIG")]
    return None
