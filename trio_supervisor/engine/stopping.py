"""The stop of one life: the steps of its spec one after the other, each within its wait, then the kill of all.

It ends as soon as the life is over. Each step is taken once. One that can't be taken is said, and the next follows at
once; a command that fails is said too, but its wait goes on, for it may have done its work. While it takes long, it is
said who is waited for. Times are seconds.
"""

import math
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.engine.lateness import time_lost
from trio_supervisor.errors import ProbeError, StepError
from trio_supervisor.record import record
from trio_supervisor.runtimes.base import Life, ListsMembers, Ownership, OwnsPorts, RunsCommands, Runtime
from trio_supervisor.spec import (
    CloseStdinStep,
    CommandStep,
    ContainerSpec,
    HttpStep,
    ProcessSpec,
    RemoteSpec,
    SendStep,
    SignalStep,
    StopStep,
    SupervisorSpec,
    TaskSpec,
    expand,
)

KILL_PATIENCE = 10.0
"""So long after a kill it is told that a life can't be ended. A runtime that can tell does so earlier."""
QUIET = 1.0
"""A stop that takes no longer tells nothing."""
SOON = 0.5
"""Between two lines that tell how far a stop is, there is at least so much time."""
LOOK = 0.5
"""So long a look at who is left may take; the stop does not wait for more."""
NAMED = 10
"""So many of those who are left are named."""

Request = Callable[[HttpStep, str, int | None], Awaitable[None]]
"""Sends the request of a step, for (step, path of the child, its port).

Raises StepError when it can't be sent, or is refused. A server that dies over it has taken it.
"""


@record
class Stopped:
    """What is to be stopped, and by what means."""

    child: str
    run: "ProcessSpec | TaskSpec | RemoteSpec | ContainerSpec | SupervisorSpec"
    runtime: Runtime
    life: Life
    say: Callable[[str], None]
    request: Request


class Stop:
    """One stop. `run()` is its task."""

    def __init__(self, stopped: Stopped, steps: tuple[StopStep, ...]) -> None:
        self._it = stopped
        self._steps = steps
        self._started = trio.Event()
        """Set when the life is started, or over without that."""
        self._over = trio.Event()
        self._hurried = False
        self._scope = trio.CancelScope()
        self._begun = 0.0
        self._step_begun = 0.0
        self._said_at = 0.0
        self._marks = _marks()
        self._next_mark = 0.0
        self._extended_until = 0.0
        self._taken = 0
        """How many steps were begun; one more than there are: the kill."""

    @property
    def progress(self) -> str:
        """What it does now, in words; "" when it does nothing."""
        if not self._taken or self._over.is_set():
            return ""
        spent = trio.current_time() - self._step_begun
        if self._taken > len(self._steps):
            return f"SIGKILL to what is left, {spent:.1f} of {KILL_PATIENCE:g} s"
        step = self._steps[self._taken - 1]
        limit = "" if step.wait == math.inf else f" of {step.wait:g}"
        then = "the kill" if self._taken == len(self._steps) else self._words(self._steps[self._taken])
        return f"step {self._taken} of {len(self._steps)}: {self._words(step)}, {spent:.1f}{limit} s; then {then}"

    async def run(self) -> None:
        """Take the steps, then kill; returns when the life is over, or `KILL_PATIENCE` after the kill."""
        self._begun = trio.current_time()
        self._set_mark()
        for number, step in enumerate(self._steps, 1):
            if self._hurried or self._over.is_set():
                break
            self._taken = number
            with trio.CancelScope(shield=True) as self._scope:
                await self._take(step)
        if not self._over.is_set():
            with trio.CancelScope(shield=True):
                await self._kill()

    def note_started(self) -> None:
        """The life is started."""
        self._started.set()

    def note_over(self) -> None:
        """Nothing is left of the life."""
        self._over.set()
        self._started.set()

    def change(self, steps: tuple[StopStep, ...]) -> None:
        """Take these steps instead; nothing changes once it has begun."""
        self._steps = steps

    def cut(self) -> None:
        """No step any more: kill at once."""
        self._hurried = True
        self._scope.cancel()

    def extend(self, seconds: float) -> None:
        """What is under way may take so long from now on (sd_notify(3), EXTEND_TIMEOUT_USEC); the kill may not."""
        self._extended_until = trio.current_time() + seconds

    async def _kill(self) -> None:
        if trio.current_time() - self._begun >= QUIET:
            with trio.CancelScope() as self._scope:
                if self._is_process:
                    await self._say_who_is_left("SIGKILL to what is left", before=": ")
                else:
                    await self._say_who_is_left("its time is over")
        self._it.life.kill()
        self._taken = len(self._steps) + 1
        self._step_begun = trio.current_time()
        await self._wait(KILL_PATIENCE)

    # One step

    async def _take(self, step: StopStep) -> None:
        self._step_begun = trio.current_time()
        if not self._started.is_set():
            await self._wait(step.wait, self._started)
        if not self._started.is_set() or self._over.is_set():
            return
        if isinstance(step, CommandStep | HttpStep):
            await self._carry_out(step)
            return
        # For the asking alone: the wait has a time that may grow.
        self._scope.deadline = self._step_begun + step.wait
        try:
            await self._it.life.ask(step)
        except StepError as error:
            self._say_failure(step, str(error))
            return
        self._scope.deadline = math.inf
        await self._wait_for_step(step)

    async def _carry_out(self, step: CommandStep | HttpStep) -> None:
        """Do what the engine itself has to do, and wait meanwhile."""

        async def act() -> None:
            try:
                match step:
                    case CommandStep():
                        await self._run(step)
                    case HttpStep():
                        await self._request(step)
            except (StepError, ProbeError) as error:
                self._say_failure(step, str(error))
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(act)
            await self._wait_for_step(step)
            # What the command has not done by now, it does not do: nothing outlives a life that is to end.
            nursery.cancel_scope.cancel()

    async def _run(self, step: CommandStep) -> None:
        it, port = self._it, self._it.runtime.port
        if not isinstance(it.life, RunsCommands):
            raise StepError("in a child of this kind no command can be run")
        if port is None and any("{port}" in part for part in step.command):
            raise StepError("it needs a port, and the child has none")
        command = tuple(expand(part, it.child, port) for part in step.command)
        completed = await it.life.run(command, step.wait)
        if completed.code is not None and completed.code != 0:
            self._say_failure(step, _failure(completed))

    async def _request(self, step: HttpStep) -> None:
        it, port = self._it, self._it.runtime.port
        if port is not None and step.http.startswith("/") and isinstance(it.life, OwnsPorts):
            ownership, who = await it.life.owner(port)
            if ownership is Ownership.STRANGER:
                raise StepError(f"port {port} is answered by a stranger: {who}")
        await it.request(step, it.child, port)

    # Waiting

    async def _wait_for_step(self, step: StopStep) -> None:
        if self._step_begun - self._begun >= QUIET:
            await self._say_progress(step)
        await self._wait(step.wait, step=step)

    async def _wait(self, seconds: float, event: trio.Event | None = None, step: StopStep | None = None) -> None:
        """Wait for `event` (the end of the life), at most so long from the begin of the step.

        Time in which nobody ran does not count: what came due meanwhile gets as much again, up to its whole wait.
        """
        event = self._over if event is None else event
        until = self._step_begun + seconds
        while not event.is_set():
            wake = min(until, self._next_mark if step else until)
            with trio.move_on_at(wake):
                await event.wait()
            if event.is_set():
                return
            if lost := time_lost(wake):
                until = max(until + lost, trio.current_time() + min(lost, seconds))
            if step:
                until = max(until, self._extended_until)
            if trio.current_time() >= until:
                return
            if step and trio.current_time() >= self._next_mark:
                await self._pass_mark(step, until)

    async def _pass_mark(self, step: StopStep, until: float) -> None:
        self._set_mark()
        # Said a moment ago, or it is about to be, when the next step begins.
        if min(trio.current_time() - self._said_at, until - trio.current_time()) >= SOON:
            await self._say_progress(step)

    def _set_mark(self) -> None:
        now = trio.current_time()
        self._next_mark = next(mark for each in self._marks if (mark := self._begun + each) > now)

    # Telling

    @property
    def _is_process(self) -> bool:
        return isinstance(self._it.run, ProcessSpec | ContainerSpec)

    def _say_failure(self, step: StopStep, why: str) -> None:
        if not self._over.is_set():
            self._it.say(f"stop: {self._words(step)}: {why}")

    async def _say_progress(self, step: StopStep) -> None:
        taken = trio.current_time() - self._step_begun
        limit = "" if step.wait == math.inf else f" of {step.wait:g}"
        await self._say_who_is_left(f"still stopping: {self._words(step)}, {taken:.{taken < 10:d}f}{limit} s")

    async def _say_who_is_left(self, what: str, before: str = "; left: ") -> None:
        self._said_at = trio.current_time()
        left: list[str] = []
        if isinstance(self._it.life, ListsMembers):
            with trio.move_on_after(LOOK):
                left = await self._it.life.members()
        if not self._over.is_set():
            self._it.say(f"{what}{before}{_names(left)}" if left else what)

    def _words(self, step: StopStep) -> str:
        match step:
            case SignalStep():
                to = "container" if isinstance(self._it.run, ContainerSpec) else step.to.value
                return f"{step.signal.name} to the {to}" if self._is_process else "asked to end"
            case CloseStdinStep():
                return "end of its input"
            case SendStep():
                return "text to its input"
            case CommandStep():
                return f"command {step.command[0]}"
            case HttpStep():
                return f"{step.method.upper()} {step.http}"


def _marks() -> Iterator[float]:
    """When it is said who is waited for: seconds from the begin of the stop, 1, 5, 10, 20, 40, ..."""
    yield QUIET
    mark = 5.0
    while True:
        yield mark
        mark *= 2


def _names(left: list[str]) -> str:
    more = len(left) - NAMED
    return ", ".join(islice(left, NAMED)) + (f" and {more} more" if more > 0 else "")


def _failure(completed: Completed) -> str:
    assert completed.code is not None
    how = f"exit code {completed.code}" if completed.code > 0 else f"ended by signal {-completed.code}"
    lines = completed.output.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{how}: {last[:160]}" if last else how
