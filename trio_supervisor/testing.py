"""For tests of supervised programs: children and probes that follow a script, without processes and in virtual time.

Give `ScriptedWorld().world` to an engine and run it under `trio.testing.MockClock`: every start, stop and probe then
happens at an exact second, and `events` tells them in order.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain, repeat

import trio
from attrs import define, field, frozen

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.engine.world import World
from trio_supervisor.errors import StartError
from trio_supervisor.output.ring import Ring
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.runtimes.base import Launch, Life, Said, Stream, a_little_at_once
from trio_supervisor.spec import AskStep, Check, CloseStdinStep, HttpStep, SendStep, SignalStep


@frozen
class Script:
    """What one life does. Times are seconds."""

    start_delay: float = 0.0
    """So long the start takes."""
    start_error: str = ""
    """If given, the start fails with it."""
    ready_after: float | None = None
    """If given, the child announces its readiness so long after its start."""
    lifetime: float = math.inf
    """So long after its start it ends by itself, with `exit`."""
    exit: Exit = Exit(How.EXITED, code=1)
    stop_delay: float = 0.0
    """So long after it was asked to, it ends; `math.inf` if it does not care."""
    kill_delay: float = 0.0
    """So long after it was killed, it is gone."""
    says: tuple[tuple[float, str], ...] = ()
    """Lines of output, each with the time after its start, in order."""
    connections: int = 0
    """So many are open on its port, always."""


def _nothing(*_said: object) -> None:
    """Nobody wants to know."""


@frozen
class ScriptedLaunch:
    """What one life is given, for who tries a runtime by itself: a `Launch` that is put together."""

    child: str = "agent"
    generation: int = 1
    restart_count: int = 0
    restart_reason: str = ""
    output: Callable[[Stream, bytes], None] = _nothing
    room: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    ready: Callable[..., None] = _nothing
    at_once: Callable[[Stream], int] = lambda _stream: a_little_at_once()
    limit_reached: Callable[[str], None] = _nothing
    report: Callable[[Said], None] = _nothing
    remains_gone: Callable[[], None] = _nothing
    notified: Callable[[Mapping[str, str]], None] = _nothing


@define
class ScriptedWorld:
    """A world in which each child follows its scripts: the n-th life the n-th script, later ones the last."""

    scripts: Mapping[str, Sequence[Script]] = field(factory=dict)
    answers: Mapping[str, Iterable[Answer | float]] = field(factory=dict)
    """What the probes of a child answer in turn, the last for ever; a number is a delay of so many seconds without an
    answer. By the name of the child, or of one of its probes: `a.startup`.
    """
    draw: Callable[[], float] = lambda: 0.5
    events: list[tuple[float, str, str]] = field(factory=list)
    """(seconds since the clock's zero, child, what happened), in order."""
    output: list[tuple[str, Stream, bytes]] = field(factory=list)
    rings: dict[str, Ring] = field(factory=dict)
    """What each child has said."""
    _answers: dict[str, "chain[Answer | float]"] = field(factory=dict, init=False)

    @property
    def world(self) -> World:
        """What the engine takes."""
        return World(
            runtime=lambda spec: ScriptedRuntime(spec.id, self.scripts.get(spec.id, (Script(),)), self.note),
            probe=self._open_probe,
            sink=lambda child, generation, _log, _ring: partial(self._take, child, generation),
            room=trio.lowlevel.checkpoint,
            draw=self.draw,
            request=self._request,
            ring=self._ring,
        )

    def _ring(self, child: str, *, there: bool = False) -> Ring | None:
        return self.rings.get(child)

    def _take(self, child: str, generation: int, stream: Stream, chunk: bytes) -> None:
        self.output.append((child, stream, chunk))
        self.rings.setdefault(child, Ring()).append(stream, chunk, generation)

    def note(self, child: str, what: str) -> None:
        """Add an event."""
        self.events.append((round(trio.current_time(), 6), child, what))

    async def _request(self, step: HttpStep, child: str, port: int | None) -> None:
        self.note(child, f"got {step.method} {step.http}")

    @asynccontextmanager
    async def _open_probe(self, check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        own = f"{target.child}.{target.role.value}"
        name = own if own in self.answers else target.child
        if name not in self._answers:
            given = list(self.answers.get(name, (Answer(True, "fine"),)))
            self._answers[name] = chain(given, repeat(given[-1]))
        answers = self._answers[name]

        async def ask() -> Answer:
            answer = next(answers)
            self.note(target.child, "asked" if name == target.child else f"asked for {target.role.value}")
            await trio.sleep(0 if isinstance(answer, Answer) else answer)
            return answer if isinstance(answer, Answer) else Answer(True, "late")

        yield OpenProbe(ask)


class ScriptedRuntime:
    """Makes the lives of one scripted child."""

    port: int | None = None

    def __init__(self, child: str, scripts: Sequence[Script], note: Callable[[str, str], None]) -> None:
        self._child = child
        self._scripts = scripts
        self._note = note
        self._lives: list[ScriptedLife] = []
        self.announces = any(script.ready_after is not None for script in scripts)

    def life(self, launch: Launch) -> Life:
        """The next life."""
        assert not any(life.there for life in self._lives), f"child {self._child!r}: two lives at a time"
        script = self._scripts[min(len(self._lives), len(self._scripts) - 1)]
        self._lives.append(ScriptedLife(script, launch, self._note))
        return self._lives[-1]

    def close(self) -> None:
        """Note it."""
        self._note(self._child, "closed")


class ScriptedLife:
    """One life that follows its script."""

    starts_at_once = False
    pid: int | None = None

    def __init__(self, script: Script, launch: Launch, note: Callable[[str, str], None]) -> None:
        self._script = script
        self._launch = launch
        self._note = note
        self._end = trio.CancelScope()
        self._exit: Exit | None = None
        self._begun = False
        self._killed = False
        self.there = False
        """It was told to start, and has not ended."""

    def _say(self, what: str) -> None:
        self._note(self._launch.child, f"{what} #{self._launch.generation}")

    async def start(self) -> None:
        """Take the scripted time, then run or fail."""
        self.there = True
        if self._script.start_delay:
            await trio.sleep(self._script.start_delay)
        if self._script.start_error:
            self._say("start failed")
            self.there = False
            raise StartError(self._script.start_error)
        self._begun = True
        self._say("started")

    async def wait(self) -> Exit:
        """Live to the scripted end, or to the one that was asked for."""
        exit = Exit(How.CANCELLED)
        if self._begun:
            with self._end:
                await self._live()
                exit = self._script.exit
            exit = self._exit or exit
            self._say(f"ended ({exit})")
        self.there = False
        return exit

    async def connections(self) -> int:
        """As many as the script says."""
        return self._script.connections

    async def _live(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak)
            await self._last()
            nursery.cancel_scope.cancel()

    async def _speak(self) -> None:
        begun = trio.current_time()
        for at, line in self._script.says:
            await trio.sleep_until(begun + at)
            self._launch.output(Stream.STDOUT, f"{line}\n".encode())

    async def _last(self) -> None:
        ready_after = self._script.ready_after
        if ready_after is not None and ready_after < self._script.lifetime:
            await trio.sleep(ready_after)
            self._launch.ready()
            await trio.sleep(self._script.lifetime - ready_after)
        else:
            await trio.sleep(self._script.lifetime)

    async def ask(self, step: AskStep) -> None:
        """End after `stop_delay`."""
        self._say(f"asked to end by {_name(step)}")
        self._finish_in(self._script.stop_delay, Exit(How.EXITED, code=0))

    def kill(self) -> None:
        """End after `kill_delay`."""
        if not self._killed and self.there:
            self._killed = True
            self._say("killed")
            self._finish_in(self._script.kill_delay, Exit(How.SIGNALED, signal=9))

    def _finish_in(self, delay: float, exit: Exit) -> None:
        when = trio.current_time() + delay
        if when < self._end.deadline:
            self._end.deadline = when
            self._exit = exit


def _name(step: AskStep) -> str:
    match step:
        case SignalStep():
            return step.signal.name
        case CloseStdinStep():
            return "the end of its input"
        case SendStep():
            return repr(step.send)
