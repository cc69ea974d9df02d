"""An engine that runs nothing: containers whose ends and faults a test decides. It passes the tests of real ones."""

import os
import signal
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container.engine import (
    Attach,
    EngineError,
    Fetch,
    Missed,
    Phase,
    Plan,
    Request,
    Run,
    Seen,
    Watch,
)

PROGRAMS = {"true": 0, "false": 1}
"""What ends at once, and how; `exit N` does so too, `say OUT ERR` speaks before. All else goes on until a signal."""

Heard = tuple[Stream, bytes]


@define(eq=False)
class Container:
    """One that was made."""

    plan: Plan
    id: str
    phase: Phase = Phase.MADE
    code: int = 0
    out_of_memory: bool = False
    health: str = ""
    deaf: bool = False
    """It takes no notice of TERM."""
    ears: "set[ScriptedTalk]" = field(factory=set)
    said: list[Heard] = field(factory=list)
    dropped: int = 0
    """So many of what was said its log has no more."""
    signals: list[int] = field(factory=list)

    @property
    def command(self) -> tuple[str, ...]:
        found = self.plan.form.get("Cmd") or ()
        return tuple(map(str, found))  # type: ignore[call-overload]


class ScriptedTalk:
    """A `Talk`."""

    def __init__(self, engine: "ScriptedEngine", request: Request) -> None:
        self._engine = engine
        self.request = request
        self._queue: deque[Heard | EngineError | None] = deque()
        self._more = trio.Event()
        self.ours, self.theirs = socket.socketpair()
        self.size: tuple[int, int] | None = None
        self.exit: int | None = None

    def put(self, heard: Heard | EngineError | None) -> None:
        self._queue.append(heard)
        self._more.set()

    async def heard(self) -> Heard | None:
        while not self._queue:
            self._more = trio.Event()
            await self._more.wait()
        await trio.lowlevel.checkpoint()
        found = self._queue.popleft()
        if isinstance(found, EngineError):
            raise found
        return found

    def socket(self) -> int | None:
        return os.dup(self.ours.fileno()) if isinstance(self.request, Attach) and self.request.stdin else None

    async def code(self) -> int | None:
        await self._engine.begin("code")
        return self.exit

    async def resize(self, columns: int, rows: int) -> None:
        await trio.lowlevel.checkpoint()
        self.size = (columns, rows)


class ScriptedEngine:
    """A `ContainerEngine`."""

    def __init__(self, images: tuple[str, ...] = ("bb:1",), registry: tuple[str, ...] = ()) -> None:
        """`registry`: images that can be fetched."""
        self.images = set(images)
        self.registry = registry
        self.containers: dict[str, Container] = {}
        self.asked: Counter[str] = Counter()
        """How often each verb was used."""
        self.failing: dict[str, EngineError] = {}
        """Verbs that fail until they are taken out again."""
        self.hanging: set[str] = set()
        self.talks: set[ScriptedTalk] = set()
        self.tells_memory = False
        self.process: tuple[int, str] | None = None
        """The number of the first process of each container, and what names it in its cgroup."""
        self.quiet = False
        """No events are sent."""
        self._released = trio.Event()

    # What a test does

    def end(self, name: str, code: int, *, out_of_memory: bool = False) -> None:
        """A container ends by itself."""
        one = self.containers[name]
        one.code, one.out_of_memory, one.phase = code, out_of_memory, Phase.OVER
        for talk in one.ears:
            talk.put(None)
        self._tell(one)

    def say(self, name: str, stream: Stream, text: bytes) -> None:
        """A container says something."""
        one = self.containers[name]
        one.said.append((stream, text))
        for talk in one.ears:
            talk.put((stream, text))

    def lose(self) -> None:
        """All streams break off, as when an engine is restarted."""
        for talk in self.talks:
            talk.put(EngineError("the connection was lost"))

    def go_away(self, words: str) -> None:
        """Nobody answers any more, and all streams break off; it is back once `failing` is cleared."""
        for verb in ("look", "signal", "Attach", "Watch", "Missed"):
            self.failing[verb] = EngineError(words, reached=False)
        self.lose()

    def release(self) -> None:
        """What hangs goes on."""
        self.hanging.clear()
        self._released.set()
        self._released = trio.Event()

    @property
    def only(self) -> Container:
        """The one container that there is."""
        (one,) = self.containers.values()
        return one

    def of(self, agent: str) -> Container:
        """That of an agent."""
        found = (one for one in self.containers.values() if _labels(one).get("trio-supervisor.agent") == agent)
        return next(found)

    # The verbs

    async def create(self, plan: Plan) -> str:
        await self.begin("create")
        if str(plan.form["Image"]) not in self.images:
            raise EngineError(f"no such image: {plan.form['Image']}", 404)
        if plan.name in self.containers:
            raise EngineError(f"the name {plan.name} is in use", 409)
        one = Container(plan, f"id-{len(self.asked)}-{plan.name}")
        self.containers[plan.name] = one
        self._tell(one)
        await trio.lowlevel.checkpoint()
        return one.id

    async def start(self, name: str) -> None:
        await self.begin("start")
        one = self._get(name)
        program, *arguments = one.command or ("true",)
        if program == "no-such-program":
            raise EngineError("exec: no-such-program: executable file not found", 400)
        if one.phase is Phase.MADE:
            one.phase = Phase.RUNNING
            self._tell(one)
            if program == "say":
                for stream, text in zip((Stream.STDOUT, Stream.STDERR), arguments, strict=False):
                    self.say(name, stream, text.encode())
            if program in (*PROGRAMS, "exit", "say"):
                self.end(name, int(arguments[0]) if program == "exit" else PROGRAMS.get(program, 0))
        await trio.lowlevel.checkpoint()

    async def look(self, name: str) -> Seen | None:
        await self.begin("look")
        one = self.containers.get(name)
        if one is None:
            return None
        pid, id = self.process or (None, one.id)
        return Seen(id, one.phase, _labels(one), pid, one.code, one.out_of_memory, self.tells_memory, health=one.health)

    async def signal(self, name: str, number: int) -> None:
        await self.begin("signal")
        one = self.containers.get(name)
        if one is None or one.phase is not Phase.RUNNING:
            return
        one.signals.append(number)
        if number == signal.SIGKILL or not one.deaf:
            self.end(name, 128 + number)

    async def remove(self, name: str, *, force: bool = False) -> None:
        await self.begin("remove")
        one = self.containers.get(name)
        if one is not None and one.phase is Phase.RUNNING and not force:
            raise EngineError("it is running", 409)
        self.containers.pop(name, None)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[ScriptedTalk]:
        await self.begin(type(request).__name__)
        talk = ScriptedTalk(self, request)
        try:
            self._fill(talk)
            self.talks.add(talk)
            yield talk
        finally:
            self.talks.discard(talk)
            for one in self.containers.values():
                one.ears.discard(talk)
            talk.ours.close()
            talk.theirs.close()

    def _fill(self, talk: ScriptedTalk) -> None:
        match talk.request:
            case Attach(name):
                one = self._get(name)
                if one.phase is Phase.OVER:
                    talk.put(None)
                one.ears.add(talk)
            case Missed(name, _, follow):
                one = self._get(name)
                for heard in one.said[one.dropped :]:
                    talk.put(heard)
                if follow and one.phase is Phase.RUNNING:
                    one.ears.add(talk)
                else:
                    talk.put(None)
            case Run(name, command):
                if self._get(name).phase is not Phase.RUNNING:
                    raise EngineError(f"container {name} is not running", 409)
                if command[0] != "sleep":
                    talk.put((Stream.STDOUT, " ".join(command).encode()))
                    talk.exit = int(command[1]) if command[0] == "exit" else PROGRAMS.get(command[0], 0)
                    talk.put(None)
            case Fetch(image):
                if image in self.registry:
                    talk.put((Stream.SUPERVISOR, b"Pulling"))
                    self.images.add(image)
                    talk.put(None)
                else:
                    talk.put(EngineError(f"pull access denied for {image}", 500))
            case Watch():
                pass

    async def begin(self, verb: str) -> None:
        self.asked[verb] += 1
        await trio.lowlevel.checkpoint()
        while verb in self.hanging:
            await self._released.wait()
        if verb in self.failing:
            raise self.failing[verb]

    def _get(self, name: str) -> Container:
        if name not in self.containers:
            raise EngineError(f"no such container: {name}", 404)
        return self.containers[name]

    def _tell(self, one: Container) -> None:
        for talk in self.talks:
            if isinstance(talk.request, Watch) and not self.quiet:
                label, _, value = talk.request.label.partition("=")
                if _labels(one).get(label) == value:
                    talk.put((Stream.SUPERVISOR, one.plan.name.encode()))


def _labels(one: Container) -> Mapping[str, str]:
    found = one.plan.form["Labels"]
    assert isinstance(found, dict)
    return found
