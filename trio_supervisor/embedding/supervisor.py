"""A supervisor for an embedding program: an async context manager, or a task of a nursery. Puts engine and plug-ins
together.
"""

import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Self, TypeVar, Unpack

import trio
from attrs import evolve, frozen

from trio_supervisor.control.endpoints import EndpointWatch
from trio_supervisor.control.insights import EndpointChange
from trio_supervisor.core.notices import Notice
from trio_supervisor.embedding.specs import SupervisorOptions, TaskOptions, supervisor_spec, task
from trio_supervisor.embedding.tree import Tree
from trio_supervisor.engine.outcome import error_of
from trio_supervisor.engine.supervisor import Supervisor as Engine
from trio_supervisor.engine.world import World
from trio_supervisor.errors import ChildStartError, RestartLimitReached
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.output.hub import Hub
from trio_supervisor.plugins import open_guarded, open_probe, outbound, runtimes_under, send_request
from trio_supervisor.runtimes.base import Runtime, RuntimeFactory
from trio_supervisor.spec import ChildSpec, SupervisorSpec
from trio_supervisor.vault import has_secrets, note_secret_sources, redact

LAST_WRITES = 2.0
"""So many seconds a slow disk has at the end for the log files."""

_log = logging.getLogger(__name__)

FunctionT = TypeVar("FunctionT", bound=Callable[..., Awaitable[object]])


@frozen
class Event:
    """Something that a supervisor of the tree tells. `at` is in seconds of Trio's clock."""

    at: float
    supervisor: str
    """The path of the supervisor; empty for the top one."""
    notice: Notice


class Supervisor(Tree):
    """The top of a tree.

        async with Supervisor(process("a", ["agent"]), strategy="rest_for_one", intensity=(5, 60)) as tree:
            await tree.wait()

    Leaving the block stops the tree. If it gives up, the block is cancelled and `RestartLimitReached` is raised. In
    profile otp a child that fails in the first start is raised as `ChildStartError`, with all others stopped again.
    Usable once.
    """

    def __init__(
        self,
        *children: ChildSpec,
        runtimes: Mapping[type, RuntimeFactory] | None = None,
        guardian: bool = True,
        **options: Unpack[SupervisorOptions],
    ) -> None:
        """The options are the fields of `SupervisorSpec`. `runtimes`: for children whose `run` is of a class of your
        own. `guardian`: have processes born by a small process that kills all of them if this one is killed; it is
        launched when the first is born, and there is one for all supervisors of a Trio run.

        Raises:
            SpecError: a value can't be right.
        """
        self._spec = supervisor_spec(children, **options)
        self._runtimes = dict(runtimes or {})
        self._guardian = guardian
        self._hub = Hub(tails=self._spec.tails)
        self._made: Engine | None = None
        self._failure: ChildStartError | RestartLimitReached | None = None
        self._stack = AsyncExitStack()
        self.path = ""

    @classmethod
    def from_spec(
        cls, spec: SupervisorSpec, runtimes: Mapping[type, RuntimeFactory] | None = None, *, guardian: bool = True
    ) -> Self:
        """A supervisor by its spec, as a file gives it."""
        made = cls(runtimes=runtimes, guardian=guardian)
        made._spec = spec
        made._hub = Hub(tails=spec.tails)
        return made

    def task(self, id: str = "", **options: Unpack[TaskOptions]) -> Callable[[FunctionT], FunctionT]:
        """Decorate an async function: it is a child from the beginning. Its id is its name, with hyphens, unless
        given.
        """

        if callable(id):
            raise TypeError("write @tree.task(), with parentheses")

        def add(function: FunctionT) -> FunctionT:
            if self._made is not None:
                raise RuntimeError("the supervisor runs already: use start_child")
            name = id or getattr(function, "__name__", "").strip("_").replace("_", "-")
            self._spec = evolve(self._spec, children=(*self._spec.children, task(name, function, **options)))
            return function

        return add

    @property
    def engine(self) -> Engine:
        """The top supervisor's engine."""
        if self._made is None:
            world = World(
                self._runtime,
                open_probe,
                self._hub.sink,
                self._hub.room,
                random.random,
                send_request,
                redact,
                self._hub.ring,
                self._hub.forget,
                self._hub.at_once,
                outbound=outbound,
                has_secrets=has_secrets,
            )
            self._made = self._top = Engine(self._spec, world)
        return self._made

    def inner(self, path: str) -> Tree:
        """The children of an inner supervisor, by its path; also of its later lives."""
        return Tree(self.engine, path)

    def _runtime(self, spec: ChildSpec) -> Runtime:
        return self._runtimes.get(type(spec.run), runtimes_under(self._spec.containers))(spec)

    # Living

    # `_run` calls started().
    async def run(self, *, task_status: trio.TaskStatus["Supervisor"] = trio.TASK_STATUS_IGNORED) -> None:  # noqa: ASYNC128
        """Supervise until `stop()`, or until the tree ends by itself; for `await nursery.start(tree.run)`.

        Cancelled, it stops all children in order before it returns.

        Raises:
            RestartLimitReached: it gave up.
            ChildStartError: profile otp, a child failed in the first start.
        """
        note_secret_sources(self._spec)
        try:
            await self._run(task_status)
        finally:
            self._hub.flush()
            await self._hub.aclose(LAST_WRITES)  # noqa: ASYNC102 -- it shields itself, and is bounded

    async def _run(self, task_status: trio.TaskStatus["Supervisor"]) -> None:
        announcement = _Announcement(lambda: task_status.started(self))
        try:
            async with _without_groups(everywhere=True), self._guarded(), trio.open_nursery() as nursery:
                nursery.start_soon(self._hub.run)
                await self.engine.run(task_status=announcement)
                nursery.cancel_scope.cancel()
        except BaseException as failure:
            # That it gave up is told also to who has been cancelled meanwhile.
            if (error := self._error()) and _is_cancellation(failure):
                raise error from None  # noqa: ASYNC104 -- for that reason
            if error:
                raise BaseExceptionGroup("a tree gave up, and more", [error, failure]) from None  # noqa: ASYNC104 -- within
            raise
        if error := self._error():
            raise error
        # Stopped before all was started: no failure of whoever waits for that.
        announcement.started()

    def _guarded(self) -> AbstractAsyncContextManager[object]:
        return open_guarded(Guard(_log.warning)) if self._guardian else nullcontext()

    def _error(self) -> ChildStartError | RestartLimitReached | None:
        # The same object for everybody who is told: `wait()` in the block and the end of the block are one failure.
        if self._failure is None:
            self._failure = error_of(self.engine.ending, self.engine.children)
        return self._failure

    def stop(self, reason: str = "asked to stop") -> None:
        """Begin the orderly stop of everything."""
        self.engine.stop(reason)

    def reopen_logs(self) -> None:
        """Go on in the log files that have the names by now: they were moved away (logrotate)."""
        self._hub.reopen_logs()

    async def wait(self) -> None:
        """Wait until nothing is left to run: every child is finished, failed, held or stopped.

        Raises:
            RestartLimitReached: it gave up.
        """
        await self.engine.wait()
        if self.engine.ending:
            await self.engine.wait_over()
            if error := self._error():
                raise error

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._open())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        # It shields itself, and the stop deadline bounds it.
        return await self._stack.__aexit__(kind, error, trace)  # noqa: ASYNC102 -- for that reason

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        async with _without_groups(), trio.open_nursery() as nursery:
            await nursery.start(self.run)
            try:
                yield
            finally:
                self.stop("the block was left")
                with trio.CancelScope(shield=True):
                    await self.engine.wait_over()

    # Watching

    def events(self) -> "trio.MemoryReceiveChannel[Event]":
        """All that the tree tells from now on, in order, until it has ended: `async for event in tree.events()`.

        Nothing is lost and nothing waits for the reader; close the stream when you stop reading.
        """
        send, receive = trio.open_memory_channel[Event](float("inf"))

        def tell(path: str, notice: Notice) -> None:
            try:
                send.send_nowait(Event(trio.current_time(), path, notice))
            except trio.BrokenResourceError:
                self.engine.ignore(tell)

        self.engine.listen(tell)
        self.engine.at_end(send.close)
        return receive

    def endpoint_changes(self) -> "trio.MemoryReceiveChannel[EndpointChange]":
        """Each endpoint that comes and goes from now on, in order, until the tree has ended; see `endpoints()`.

        Nothing is lost and nothing waits for the reader; close the stream when you stop reading.
        """
        send, receive = trio.open_memory_channel[EndpointChange](float("inf"))

        def tell(change: EndpointChange) -> None:
            try:
                send.send_nowait(change)
            except trio.BrokenResourceError:
                watch.close()

        watch = EndpointWatch(self.engine, tell, lambda: time.time() - trio.current_time())
        self.engine.at_end(send.close)
        return receive


class _Announcement:
    """Passes on, once, that all is started."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._told = False

    def started(self, value: object = None) -> None:
        if not self._told:
            self._told = True
            self._tell()


@asynccontextmanager
async def _without_groups(*, everywhere: bool = False) -> AsyncIterator[None]:
    """A group that a nursery has made round a single exception is taken off; one of two or more stays, so that nothing
    is lost.

    `everywhere`: any number of such groups in one another.
    """
    sole: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as group:
        if _sole(group) is None:
            raise
        sole = _sole(group)
        while everywhere and isinstance(sole, BaseExceptionGroup) and (inner := _sole(sole)):
            sole = inner
    if sole is not None:
        try:
            raise sole
        finally:
            # The frame would keep the exception, and the exception the frame.
            del sole


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_cancellation(each) for each in error.exceptions)
    return isinstance(error, trio.Cancelled)


def _identity(error: BaseException) -> object:
    """What makes an exception the same one: a group is copied when a nursery takes cancellations out of it."""
    if isinstance(error, BaseExceptionGroup):
        return type(error), error.message, tuple(map(_identity, error.exceptions))
    return id(error)


def _sole(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The only exception of a group of no special kind; a cancellation is no exception beside another one."""
    if type(group) not in (ExceptionGroup, BaseExceptionGroup):
        return None
    different = list({_identity(error): error for error in group.exceptions}.values())
    errors = [error for error in different if not _is_cancellation(error)] or different
    return errors[0] if len(errors) == 1 else None
