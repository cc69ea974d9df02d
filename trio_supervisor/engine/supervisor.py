"""The task that owns a machine: a mailbox of facts, the lives that follow from its commands, and the shielded end."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import trio

from trio_supervisor.core.child import Child
from trio_supervisor.core.machine import Machine
from trio_supervisor.core.messages import (
    ChildAdded,
    Command,
    CutGrace,
    Fact,
    ForgetChild,
    HurryAsked,
    Notice,
    ShutdownAsked,
    StartAsked,
    StartChild,
    StateChanged,
    StopChild,
    TimePassed,
    WatchHealth,
)
from trio_supervisor.core.policy import ChildPolicy, ReadyBy, Thresholds, TreePolicy
from trio_supervisor.engine.child import ChildLife, Kept
from trio_supervisor.engine.world import World
from trio_supervisor.runtimes.base import Runtime
from trio_supervisor.spec import ChildSpec, SupervisorSpec

Listener = Callable[[Notice], None]


class Supervisor:
    """One supervisor. `run()` is its task; everything else only sends facts to it or looks."""

    def __init__(self, spec: SupervisorSpec, world: World) -> None:
        self._spec = spec
        self._world = world
        self._machine = Machine(TreePolicy(spec.intensity, spec.max_parallel_starts, spec.stop_deadline))
        self._send, self._inbox = trio.open_memory_channel[Fact](float("inf"))
        self._kept: dict[str, Kept] = {}
        self._lives: dict[str, ChildLife] = {}
        self._nursery: trio.Nursery | None = None
        self._listeners: list[Listener] = []
        self._waiters = trio.lowlevel.ParkingLot()
        self._begun = False
        self._ended = trio.Event()

    # For everybody

    @property
    def children(self) -> Mapping[str, Child]:
        """The children by id, as they are now. To be read only."""
        return self._machine.children

    def kept(self, child: str) -> Kept | None:
        """The spec and the runtime of a child."""
        return self._kept.get(child)

    def life(self, child: str) -> ChildLife | None:
        """The present life of a child."""
        return self._lives.get(child)

    def next_at(self, child: str) -> float | None:
        """When the machine will act on a child by itself, on Trio's clock."""
        return self._machine.deadline_of(child)

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with every notice, in order; it must not raise or block."""
        self._listeners.append(listener)

    def stop(self, reason: str = "asked to stop") -> None:
        """Begin the orderly stop of everything; `run()` returns when it is done."""
        self.post(ShutdownAsked(reason))

    def hurry(self, reason: str = "asked to hurry") -> None:
        """Stop everything without any grace."""
        self.post(HurryAsked(reason))

    def post(self, fact: Fact) -> None:
        """Send a fact to the machine."""
        self._send.send_nowait(fact)

    async def wait(self) -> None:
        """Wait until nothing is left to run: every child is finished, failed, held or stopped."""
        while not self._machine.at_rest or self._inbox.statistics().current_buffer_used:
            await self._waiters.park()

    async def run(self, *, task_status: trio.TaskStatus["Supervisor"] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children and supervise until `stop()`; a cancellation from outside becomes an orderly, bounded
        stop.

        Usable once, also as `await nursery.start(supervisor.run)`.
        """
        if self._begun:
            raise RuntimeError("a supervisor runs once")
        self._begun = True
        try:
            async with trio.open_nursery() as self._nursery:
                try:
                    self._add_all()
                    task_status.started(self)
                    await self._serve()
                finally:
                    await self._end()  # noqa: ASYNC102 -- shields itself, and the stop deadline bounds it
        finally:
            self._close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Supervisor"]:
        """Run while the block lasts; leaving it, in any way, stops everything first.

        An exception of the block comes out as it is, not in a group.
        """
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.run)
                try:
                    yield self
                except BaseException as error:
                    failure = error
                    raise
                finally:
                    self.stop("the block was left")
                    with trio.CancelScope(shield=True):
                        await self._ended.wait()
        except BaseExceptionGroup as group:
            if failure is None or group.exceptions != (failure,):
                raise
        if failure is not None:
            raise failure

    # The loop

    def _add_all(self) -> None:
        # All first, then the starts: a fixed port is reserved before anybody picks one from a range.
        for spec in self._spec.children:
            self._add(spec)
        for spec in self._spec.children:
            self._take(StartAsked(spec.id))

    def _add(self, spec: ChildSpec) -> None:
        runtime = self._world.runtime(spec)
        self._kept[spec.id] = Kept(spec.id, spec, runtime)
        self._take(ChildAdded(spec.id, child_policy(spec, runtime)))

    async def _serve(self) -> None:
        while not (self._machine.shutting_down and self._machine.at_rest):
            with trio.move_on_at(self._machine.next_deadline()):
                self._take(await self._inbox.receive())
            while self._inbox.statistics().current_buffer_used:
                self._take(self._inbox.receive_nowait())
            if trio.current_time() >= self._machine.next_deadline():
                self._take(TimePassed())
            self._waiters.unpark_all()

    async def _end(self) -> None:
        """Stop all that is left. Bounded: by the stop deadline, after which everything is killed."""
        with trio.CancelScope(shield=True):
            try:
                self._take(ShutdownAsked("cancelled"))
                await self._serve()
            finally:
                # Only if the machine itself failed is anybody left here.
                for life in self._lives.values():
                    life.life.kill()

    def _close(self) -> None:
        for kept in self._kept.values():
            kept.runtime.close()
        self._ended.set()
        self._waiters.unpark_all()

    def _take(self, fact: Fact) -> None:
        for output in self._machine.handle(fact, trio.current_time()):
            if isinstance(output, StateChanged):
                for listener in self._listeners:
                    listener(output)
            else:
                self._obey(output)

    def _obey(self, command: Command) -> None:
        assert self._nursery is not None
        match command:
            case StartChild():
                life = ChildLife(self._kept[command.child], command, self._world, self.post)
                self._lives[command.child] = life
                self._nursery.start_soon(life.run, name=f"{command.child} #{command.generation}")
            case WatchHealth():
                self._lives[command.child].watch_health()
            case StopChild():
                life = self._lives[command.child]
                self._nursery.start_soon(life.stop, command.hurry, name=f"stop of {command.child}")
            case CutGrace():
                self._lives[command.child].cut_grace()
            case ForgetChild():
                self._lives.pop(command.child, None)
                self._kept.pop(command.child).runtime.close()


def child_policy(spec: ChildSpec, runtime: Runtime) -> ChildPolicy:
    """What the machine has to know of a spec."""
    ready_by, deadline, thresholds = ReadyBy.START, float("inf"), Thresholds()
    if spec.readiness is not None:
        ready_by, deadline = ReadyBy.PROBE, spec.readiness.deadline
        thresholds = Thresholds(spec.readiness.failures, spec.readiness.successes)
    elif runtime.announces:
        ready_by = ReadyBy.ITSELF
    return ChildPolicy(
        restart=spec.restart,
        backoff=spec.backoff,
        ready_by=ready_by,
        start_deadline=deadline,
        readiness=thresholds,
        health=None if spec.health is None else Thresholds(spec.health.failures, spec.health.successes),
        depends_on=spec.depends_on,
    )
