"""One life in a container, as the engine of the tree sees it: started, asked, killed, waited for. Times are seconds.

What it needs is looked up, and its engine found; then a `Container` is carried by a task of its own.
"""

import signal
from collections.abc import Sequence

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import ProbeError, StepError
from trio_supervisor.runtimes.base import Stream, Usage
from trio_supervisor.runtimes.container.container import BURIAL, Container
from trio_supervisor.runtimes.container.engine import EngineError
from trio_supervisor.runtimes.container.exec import run_in
from trio_supervisor.runtimes.container.finding import Find, find_engine
from trio_supervisor.runtimes.container.input import ContainerInput
from trio_supervisor.runtimes.container.kill import Kill
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.undead import Undead
from trio_supervisor.runtimes.container.usage import usage_of_container
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.spec import AskStep, CloseStdinStep, SendStep, SignalStep, expand
from trio_supervisor.system import procfs


class ContainerLife:
    """A `Life` that can be talked to and runs commands (see `trio_supervisor.runtimes.base`)."""

    starts_at_once = False

    def __init__(self, setting: Setting, lease: PortLease | None, find: Find, undead: Undead) -> None:
        """`undead`: what could not be killed of the lives before."""
        self.name = setting.name
        self._setting = setting
        self._lease = lease
        self._find = find
        self._undead = undead
        self._kill = Kill()
        self._container: Container | None = None
        """Once it was asked for."""

    @property
    def pid(self) -> int | None:
        """Its first process, where that can be seen from here."""
        first = None if self._container is None else self._container.first
        return None if first is None else first.pid

    @property
    def _there(self) -> Container:
        assert self._container is not None
        return self._container

    async def start(self) -> None:
        """Make and start a container.

        Raises:
            StartError: it can't be had, or was killed before it ran; there is no container then.
        """
        await trio.lowlevel.checkpoint()
        self._kill.check_unwanted()
        await self._undead.wait_gone(BURIAL)
        await self._setting.look_up()
        found = await find_engine(self._find, self._setting, self._kill)
        # Before anything is made there: whoever clears up after us must know where.
        current_spawner().note_engine(found.address)
        self._container = container = Container(self._setting, found, self._kill, self._undead)
        failure = await container.wait_started()
        if failure is not None:
            self._container = None
            container.close()
            raise failure

    async def wait(self) -> Exit:
        """Wait until the container is over and removed; what it has said is handed over by then."""
        container = self._container
        if container is None:
            return Exit(How.CANCELLED)
        async with trio.open_nursery() as nursery:
            if self._setting.redacted is not None:
                nursery.start_soon(self._setting.redacted.run)
            exit = await container.wait_gone()
            nursery.cancel_scope.cancel()
        container.close()
        if container.started:
            for stream in (Stream.STDOUT, Stream.STDERR):
                self._setting.output(stream, b"")
        if self._lease is not None:
            self._lease.life_over()
        return exit

    def kill(self) -> None:
        """SIGKILL to the container, now and until it is over."""
        self._kill.want()
        if self._container is not None:
            self._container.kill()

    async def ask(self, step: AskStep) -> None:
        """Take a step of the stop; TERM is what its spec or its image has for that.

        Raises:
            StepError: it can't be taken.
        """
        container = self._container
        if container is None or not container.runs:
            return
        match step:
            case SignalStep():
                wanted = container.stop_signal if step.signal is signal.SIGTERM else step.signal
                await self._signal(wanted)
                self._advise(container, wanted)
            case CloseStdinStep():
                await self._reads().end()
            case SendStep():
                inner = self._setting.spec.inner_port(self._setting.port)
                try:
                    await self._reads().write(expand(step.send, self._setting.launch.child, inner).encode())
                except OSError as error:
                    raise StepError(error.strerror or str(error)) from error

    @property
    def input(self) -> ContainerInput | None:
        """What it reads, if it reads anything of us."""
        return None if self._container is None else self._container.input

    async def signal(self, number: int, *, group: bool = True) -> None:
        """Send a signal that is no request to end; see `Interactive`. Raises StepError."""
        if self._there.over or (group and self.input is not None and self.input.interrupt(number)):
            return
        await self._signal(number)

    async def _signal(self, number: int) -> None:
        try:
            await self._there.signal(number)
        except EngineError as error:
            raise StepError(str(error)) from error

    def _advise(self, container: Container, asked: int) -> None:
        first = container.first
        if self._setting.spec.init or first is None or first.ended_before(0.0):
            return
        if procfs.heeds(first.pid, asked) is False:
            self._setting.say(
                f"{signal.Signals(asked).name} can't end it: it has no handler for that, and without one the first "
                "process of a container takes no notice of it; write `init: true`"
            )

    def _reads(self) -> ContainerInput:
        if self.input is None:
            raise StepError("its standard input is closed: write stdin: pipe, or pty")
        return self.input

    async def run(self, command: Sequence[str], timeout: float) -> Completed:
        """Run a short command in the container; see `RunsCommands`."""
        there = self._there
        return await run_in(there.engine, self.name, tuple(command), timeout, local=there.local)

    async def members(self) -> list[str]:
        """What is left of it, in words."""
        there = self._container is not None and self._container.runs
        return [f"container {self.name}"] if there else []

    async def usage(self) -> Usage | None:
        """What its processes use, without commands that were sent after it; None where they can't be seen from here."""
        container = self._container
        if container is None or container.first is None or container.over:
            return None
        return await usage_of_container(container.first.pid, container.first.id)

    async def engine_health(self) -> tuple[str, str]:
        """How its engine says it is; see `HasEngine`."""
        try:
            seen = await self._there.engine.look(self.name)
        except EngineError as error:
            raise ProbeError(str(error)) from error
        return ("", "") if seen is None else (seen.health, seen.health_detail)
