"""One life of a process: born, read, asked, killed, waited for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import StartError, StepError
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import Launch, Ownership, Stream, Usage, WasActive
from trio_supervisor.runtimes.process.births import Newborn, begin, kill_lost, numbers, start_error
from trio_supervisor.runtimes.process.census import in_thread
from trio_supervisor.runtimes.process.command import run_command
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.input import InputPipe
from trio_supervisor.runtimes.process.last_words import ports_in
from trio_supervisor.runtimes.process.mouth import Mouth
from trio_supervisor.runtimes.process.notify import Notifying, NotifySocket
from trio_supervisor.runtimes.process.pipe import LAST_WORDS_PATIENCE, LifePipe
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.runtimes.process.redacted import KnownValues
from trio_supervisor.runtimes.process.sampling import Ceilings
from trio_supervisor.runtimes.process.setting import Setting
from trio_supervisor.runtimes.process.sockets import connections_of, holder_of, owner_of
from trio_supervisor.runtimes.process.spawner import BirthError, GuardianLostError, Spawner
from trio_supervisor.runtimes.process.tree import Tree
from trio_supervisor.spec import (
    AskStep,
    CloseStdinStep,
    ProcessSpec,
    SendStep,
    SignalStep,
    SignalTo,
    Stdin,
    expand,
)
from trio_supervisor.system import lineage
from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.members import is_member
from trio_supervisor.system.procfs import Process, command_line

MOST_BIRTHS = 5
"""A start that loses its guardian begins again, at most so often."""


class ProcessLife:
    """A `Life` that owns ports and runs commands (see `trio_supervisor.runtimes.base`)."""

    starts_at_once = False

    def __init__(
        self,
        process: ProcessSpec,
        launch: Launch,
        lease: PortLease | None,
        known: KnownValues,
        notifying: Notifying | None = None,
    ) -> None:
        """`known`: the secrets of the lives before; `notifying`: what it is given to send notifications by; None:
        nothing.
        """
        self._launch = launch
        self._notifying = notifying
        self._notify_socket: NotifySocket | None = None
        self._lease = lease
        self._setting = Setting(process, launch, lease, known)
        self._newborn: Newborn | None = None
        """A birth that is under way."""
        self._tree: Tree | None = None
        self._pipes: tuple[LifePipe, ...] = ()
        self._killed = False
        self._marker = ""
        self._input: InputPipe | None = None
        self._mouth: Mouth | None = None
        self._cgroup: Cgroup | None = None
        self._ceilings: Ceilings | None = None

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
        await self._setting.look_up()
        try:
            self._open_notify_socket()
            for _ in range(MOST_BIRTHS):
                # No turn of the loop for it: to wait for the birth is one.
                await trio.lowlevel.checkpoint_if_cancelled()
                if self._killed:
                    raise StartError("killed before it was started")
                if await self._is_born():
                    return
            raise StartError(f"the guardian has ended in each of {MOST_BIRTHS} starts")
        except StartError:
            self._close_notify_socket()
            raise

    def _open_notify_socket(self) -> None:
        if self._notifying is not None:
            setting = self._setting
            self._notify_socket = NotifySocket(
                self._notifying, self.owns, self._launch.notified, setting.say, setting.account.uid
            )

    def _close_notify_socket(self) -> None:
        if self._notify_socket is not None:
            self._notify_socket.close()

    async def _is_born(self) -> bool:
        """One try; False when the guardian was lost in it."""
        spawner = current_spawner()
        self._marker = lineage.token(spawner.instance, self._launch.child, self._launch.generation, next(numbers))
        self._enter_cgroup(spawner)
        plan = self._setting.plan(self._marker, () if self._cgroup is None else self._cgroup.join_files)
        if self._notify_socket is not None:
            # Not part of the setting: commands that run beside it have nothing to notify of.
            plan.env |= self._notify_socket.told
        try:
            # No checkpoint between: a cancelled start either has not begun, or is known to `wait`.
            self._newborn = begin(
                spawner,
                self._launch.child,
                self._launch.generation,
                plan,
                stdin=self._setting.process.stdin is Stdin.PIPE,
                window=self._setting.process.window if self._setting.process.stdin is Stdin.PTY else None,
                sockets=self._setting.sockets,
                cgroup=self._cgroup,
            )
        except OSError as error:
            raise start_error(error, plan.argv, plan.cwd, plan.env, self._setting.account) from error
        return await self._take_in(self._newborn)

    def _enter_cgroup(self, spawner: Spawner) -> None:
        """Make the groups that it is to be born in, fresh for each birth."""
        self._leave_cgroup()
        limits = self._setting.process.limits
        if spawner.always_in_cgroups or limits.ceilings:
            self._cgroup = spawner.cgroups.make(self._launch.child, self._launch.generation, limits)
        self._ceilings = Ceilings(
            limits, self._cgroup, self._members, self._setting.say, self._launch.limit_reached, self._kill_tree
        )

    def _leave_cgroup(self) -> None:
        if self._cgroup is not None:
            self._cgroup.remove()
            self._cgroup = None

    async def _take_in(self, newborn: Newborn) -> bool:
        """Wait for a birth; what is born is kept. False when the guardian was lost in it."""
        try:
            leader = await newborn.birth.wait()
        except GuardianLostError:
            self._newborn = None
            with trio.CancelScope(shield=True):
                await kill_lost(self._marker, newborn.has_nobody)
            newborn.close()
            return False
        except BirthError as error:
            self._newborn = None
            newborn.close()
            if error.step == "cgroup" and self._cgroup is not None:
                newborn.spawner.cgroups.give_up(str(error))
                return False
            self._leave_cgroup()
            raise self._start_error(error) from error
        self._newborn = None
        self._tree = Tree(leader, newborn.spawner, self._marker, newborn.cgroup)
        if self._killed:
            self._tree.kill()
        if self._notify_socket is not None:
            self._notify_socket.listen()
        self._input = newborn.input()
        if self._input is not None:
            self._input.taken = partial(self._launch.report, WasActive())
        self._listen(newborn)
        return True

    def _listen(self, newborn: Newborn) -> None:
        mouth = self._mouth = Mouth(self._launch, self._setting.output)
        self._pipes = (LifePipe(newborn.stdout, Stream.STDOUT, mouth),)
        if newborn.stderr != newborn.stdout:
            self._pipes += (LifePipe(newborn.stderr, Stream.STDERR, mouth),)

    async def wait(self) -> Exit:
        """Wait until nothing is left of the process and all that it has started; see `Tree.wait_over`.

        What was said before the end has been handed over by then, and both streams are ended.
        """
        if self._newborn is not None:
            # The start was cancelled in the middle of the birth.
            with suppress(StartError):
                await self._take_in(self._newborn)
            self.kill()
        if self._tree is None:
            self._leave_cgroup()
            self._close_notify_socket()
            return Exit(How.CANCELLED)
        watches = self._watches()
        if watches:
            async with self._watched(watches):
                exit = await self._wait_over(self._tree)
        else:
            exit = await self._wait_over(self._tree)
        if self._ceilings is not None:
            exit = self._ceilings.judge(exit, killed_by_us=self._killed)
        exit = await self._explained(exit)
        self._leave_cgroup()
        if self._lease is not None:
            self._lease.life_over()
        return exit

    async def _wait_over(self, tree: Tree) -> Exit:
        """Wait until nothing is left of it, and all that it has said is handed over."""
        exit = await tree.wait_over()
        if self._input is not None:
            self._input.close()
        until = trio.current_time() + LAST_WORDS_PATIENCE
        for pipe in self._pipes:
            await pipe.finish(until - trio.current_time())
        self._close_notify_socket()
        return exit

    async def ask(self, step: AskStep) -> None:
        """Take a step of the stop.

        Raises:
            StepError: it can't be taken.
        """
        if self._tree is None:
            return
        try:
            match step:
                case SignalStep():
                    await self._tree.ask(step.signal, group=step.to is SignalTo.GROUP)
                case CloseStdinStep():
                    stdin = self._stdin()
                    self._tree.expect_end()
                    await stdin.end()
                case SendStep():
                    stdin = self._stdin()
                    self._tree.expect_end()
                    await stdin.write(expand(step.send, self._launch.child, self._setting.port).encode())
        except PermissionError as error:
            raise StepError("no signal can be sent: the process runs as another user") from error
        except OSError as error:
            raise StepError(error.strerror or str(error)) from error

    @property
    def input(self) -> InputPipe | None:
        """What it reads, if it reads anything of us."""
        return self._input

    async def signal(self, number: int, *, group: bool = True) -> None:
        """Send a signal that is no request to end; see `Interactive`."""
        if self._tree is None or (group and self._input is not None and self._input.interrupt(number)):
            return
        self._tree.leader.signal(number, group=group)

    def _stdin(self) -> InputPipe:
        if self._input is None:
            raise StepError("its standard input is the null device: write stdin: pipe, or pty")
        return self._input

    def kill(self) -> None:
        """SIGKILL to the whole tree, now and until it is gone."""
        self._killed = True
        if self._tree is not None:
            self._tree.kill()

    def _kill_tree(self, _reason: str) -> None:
        """For its own sake, which is no kill by anybody."""
        if self._tree is not None:
            self._tree.kill()

    async def members(self) -> list[str]:
        """All processes of its tree, in words, as far as they can be seen."""
        return [str(each) for each in await self._members()]

    async def _members(self) -> list[Process]:
        try:
            return [] if self._tree is None else await self._tree.members()
        except OSError:
            return []

    async def usage(self) -> Usage | None:
        """What its tree uses."""
        if self._tree is None or self._tree.leader.reaped:
            return None
        from trio_supervisor.runtimes.process.usage import usage_of  # noqa: PLC0415 -- most runs are never asked
        from trio_supervisor.system.usage import Grove  # noqa: PLC0415

        leader = self._tree.leader
        return await usage_of(Grove(leader.pid, leader.started, self._marker, self._cgroup))

    async def owner(self, port: int) -> tuple[Ownership, str]:
        """Whose the listening TCP socket on `port` is, and in words who holds it."""
        leader = self.pid
        if leader is None:
            return Ownership.UNKNOWN, "the child does not run"
        try:
            ownership, who = await in_thread(owner_of, port, leader)
        except OSError as error:
            return Ownership.UNKNOWN, f"its sockets can't be looked at: {error.strerror}"
        if ownership is Ownership.OURS and self._lease is not None and port == self._lease.port:
            self._lease.seen_listening()
        return ownership, who

    async def connections(self) -> int:
        """How many TCP connections are open on its port, at the end that its tree holds."""
        leader, port = self.pid, self._setting.port
        if leader is None or port is None:
            return 0
        try:
            return await in_thread(connections_of, port, leader)
        except OSError:
            return 0

    def owns(self, pid: int) -> tuple[Ownership, str]:
        """Whose a process is, and in words who it is."""
        leader = self.pid
        if leader is None:
            # Between its birth and the news of it, or after its end: there is nobody else that could be asked about.
            return Ownership.UNKNOWN, "the child does not run"
        match is_member(pid, leader, self._marker):
            case True:
                return Ownership.OURS, ""
            case None:
                return Ownership.UNKNOWN, f"pid {pid}, which has ended"
            case False:
                return Ownership.STRANGER, f"pid {pid} ({command_line(pid)})"

    async def run(self, command: Sequence[str], timeout: float) -> Completed:
        """Run a short command in the child's directory and environment, as its user; see `run_command`."""
        setting = self._setting
        return await run_command(
            command, setting.process.cwd, setting.environment(self._marker), timeout, setting.account
        )

    async def _explained(self, exit: Exit) -> Exit:
        """With the holder of the port, where the child says that it could not have it."""
        if exit.clean or exit.how is not How.EXITED or self._mouth is None:
            return exit
        last_words = self._mouth.last_words
        if not last_words.tell_of_an_address_in_use:
            return exit
        own = last_words.port_in_use(self._setting.port)
        ports = ports_in(self._setting.command) if own is None else [own]
        for port in ports:
            if holder := await in_thread(holder_of, port):
                return changed(exit, detail=f"port {port} is held by {holder}")
        if own is not None and self._lease is not None and self._lease.may_be_in_the_way(own):
            detail = (
                f"port {own} is kept for it by this supervisor, and held by nobody else: it seems to bind without "
                "SO_REUSEADDR; from its next start on the port is free for it"
            )
            return changed(exit, detail=detail, ours=True)
        return changed(exit, detail=f"port {own} is held by nobody any more" if own else "an address is in use")

    def _start_error(self, error: BirthError) -> StartError:
        setting = self._setting
        return start_error(
            error, setting.command, setting.process.cwd, setting.environment(self._marker), setting.account
        )

    def _watches(self) -> list[Callable[[], Awaitable[None]]]:
        """What keeps to its ceilings, and passes on in time what is held back for secrets; most lives have neither."""
        watches: list[Callable[[], Awaitable[None]]] = []
        if self._setting.redacted is not None:
            watches.append(self._setting.redacted.run)
        if self._ceilings is not None and self._ceilings.needed:
            watches.append(self._ceilings.watch)
        return watches

    @asynccontextmanager
    async def _watched(self, watches: list[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for watch in watches:
                nursery.start_soon(watch)
            yield
            nursery.cancel_scope.cancel()
