"""One life of a process: spawned, read, signalled, waited for."""

from collections.abc import Callable, Sequence

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.core.messages import Exit, How
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Launch, Ownership, Stream
from trio_supervisor.runtimes.process.census import in_thread
from trio_supervisor.runtimes.process.command import run_command
from trio_supervisor.runtimes.process.environment import child_command, child_environment
from trio_supervisor.runtimes.process.pipe import LAST_WORDS_PATIENCE, OutputPipe
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.runtimes.process.sockets import owner_of
from trio_supervisor.runtimes.process.spawn import spawn
from trio_supervisor.runtimes.process.tree import Tree
from trio_supervisor.spec import AskStep, ProcessSpec, SignalStep


class ProcessLife:
    """A `Life` that owns ports and runs commands (see `trio_supervisor.runtimes.base`)."""

    def __init__(self, process: ProcessSpec, launch: Launch, lease: PortLease | None) -> None:
        self._process = process
        self._launch = launch
        self._lease = lease
        self._tree: Tree | None = None
        self._pipes: tuple[OutputPipe, ...] = ()
        self._killed = False

    @property
    def pid(self) -> int | None:
        """The leader's process id, from its start until it is reaped."""
        return None if self._tree is None else self._tree.pid

    async def start(self) -> None:
        """Start the process.

        Cancelled or not: when this is over, there is a process that `wait` waits for, or none.

        Raises:
            StartError: it can't be started, or it was killed before it was.
        """
        if self._lease is not None:
            await self._lease.secure(self._say)
        await trio.lowlevel.checkpoint()
        # No checkpoint from here on: a cancelled start either has not spawned, or is not noticed.
        if self._killed:
            raise StartError("killed before it was started")
        self._spawn()

    @trio.lowlevel.enable_ki_protection
    def _spawn(self) -> None:
        spawned = spawn(self._command(), self._process.cwd, self._environment())
        self._tree = Tree(spawned.pid, spawned.pidfd)
        self._pipes = (
            OutputPipe(spawned.stdout, self._taker(Stream.STDOUT), self._launch.room),
            OutputPipe(spawned.stderr, self._taker(Stream.STDERR), self._launch.room),
        )

    async def wait(self) -> Exit:
        """Wait until nothing is left of the process, its group and its session; see `Tree.wait_over`.

        What was said before the end has been handed over by then, and both streams are ended.
        """
        if self._tree is None:
            return Exit(How.CANCELLED)
        exit = await self._tree.wait_over()
        until = trio.current_time() + LAST_WORDS_PATIENCE
        for pipe in self._pipes:
            await pipe.finish(until - trio.current_time())
        if self._lease is not None:
            self._lease.life_over()
        return exit

    async def ask(self, step: AskStep) -> None:
        """Send the signal of the step to the whole group."""
        if self._tree is None or not isinstance(step, SignalStep):
            return
        try:
            self._tree.ask(step.signal)
        except PermissionError:
            self._say(f"{step.signal.name} can't be sent: the process runs as another user")

    def kill(self) -> None:
        """SIGKILL to the group now, and to the rest of the session as soon as the leader is gone."""
        self._killed = True
        if self._tree is not None:
            self._tree.kill()

    async def owner(self, port: int) -> tuple[Ownership, str]:
        """Whose the listening TCP socket on `port` is, and in words who holds it."""
        leader = self.pid
        if leader is None:
            return Ownership.UNKNOWN, "the child does not run"
        ownership, who = await in_thread(owner_of, port, leader)
        if ownership is Ownership.OURS and self._lease is not None and port == self._lease.port:
            self._lease.seen_listening()
        return ownership, who

    async def run(self, command: Sequence[str], timeout: float) -> Completed:
        """Run a short command in the child's directory and environment; see `run_command`."""
        return await run_command(command, self._process.cwd, self._environment(), timeout)

    def _port(self) -> int | None:
        return None if self._lease is None else self._lease.port

    def _command(self) -> tuple[str, ...]:
        return child_command(self._process, self._launch, self._port())

    def _environment(self) -> dict[str, str]:
        return child_environment(self._process, self._launch, self._port())

    def _taker(self, stream: Stream) -> Callable[[bytes], None]:
        output = self._launch.output
        return lambda chunk: output(stream, chunk)

    def _say(self, text: str) -> None:
        self._launch.output(Stream.SUPERVISOR, text.encode(errors="backslashreplace") + b"\n")
