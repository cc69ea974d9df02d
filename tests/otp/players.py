"""Children that follow their plan: a runtime for the engine, in this process and in virtual time."""

import math
from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field, frozen

from tests.otp.otp_terms import Json, exit_by_itself, reason_of, start_reason
from trio_supervisor import Exit, How, StartError
from trio_supervisor.runtimes.base import Launch, Life
from trio_supervisor.spec import AskStep, ChildSpec

Note = Callable[..., None]


@frozen
class PlanSpec:
    """What a child runs that follows a plan."""

    supervisor: str
    """The path of its supervisor."""
    id: str
    type: str = "worker"
    template: bool = False
    fails_with: str = ""
    """A supervisor whose own init fails: every start fails with this reason."""


@define
class Behaviour:
    """How the children of one id behave; it outlasts processes and specs."""

    settings: Json
    plan: list[str]
    then: str
    starts: int = 0
    """Starts tried since the plan was set."""
    successes: int = 0
    """Successful starts: OTP's processes of this id are numbered by it."""

    def set_plan(self, plan: list[str], then: str) -> None:
        self.plan, self.then, self.starts = list(plan), then, 0

    def next_outcome(self) -> str:
        self.starts += 1
        return self.plan[self.starts - 1] if self.starts <= len(self.plan) else self.then


@define
class Cast:
    """All players of a scenario."""

    note: Note
    dynamic: bool
    behaviours: dict[str, Behaviour] = field(factory=dict)
    lives: dict[str, list["PlayerLife"]] = field(factory=dict)
    """By the path in the scenario, the youngest last; also those that are over."""
    numbers: dict[tuple[str, int], int] = field(factory=dict)
    """The number of a process by the engine's path and generation."""
    names: dict[str, str] = field(factory=dict)
    """The engine's path of an instance -> its path in the scenario."""
    next_instance: str = ""
    """The id that the next instance of a template gets."""
    starting: int = 0

    def behaviour(self, path: str, settings: Json | None = None) -> Behaviour:
        if path not in self.behaviours:
            settings = settings or {}
            self.behaviours[path] = Behaviour(settings, list(settings.get("plan", [])), settings.get("then", "ok"))
        return self.behaviours[path]

    def make_runtime(self, spec: ChildSpec) -> "PlayerRuntime":
        run: Any = spec.run
        prefix = f"{run.supervisor}/" if run.supervisor else ""
        path = prefix + (self.next_instance if run.template else run.id)
        self.names[prefix + spec.id] = path
        if run.template:
            template = self.behaviour(prefix + run.id).settings
            self.behaviour(path, {k: v for k, v in template.items() if k not in ("plan", "then")})
        return PlayerRuntime(self, path, run)

    def name(self, path: str) -> str:
        """The path in the scenario of what has this path in the engine."""
        return self.names.get(path, path)

    def count(self, path: str, launch_path: str, generation: int) -> int:
        """Number a successful start."""
        behaviour = self.behaviour(path)
        behaviour.successes += 1
        self.numbers[launch_path, generation] = behaviour.successes
        return behaviour.successes


@frozen
class PlayerRuntime:
    """Makes the lives of one player."""

    cast: Cast
    path: str
    spec: PlanSpec
    port: None = None
    announces: bool = True

    def life(self, launch: Launch) -> Life:
        return PlayerLife(self, launch)

    def close(self) -> None:
        pass


class PlayerLife:
    """One life: its start follows the plan, its end is noted before anybody can act on it."""

    starts_at_once = False
    pid: int | None = None

    def __init__(self, runtime: PlayerRuntime, launch: Launch) -> None:
        self._cast = runtime.cast
        self._path = runtime.path
        self._spec = runtime.spec
        self._launch = launch
        self._behaviour = runtime.cast.behaviour(runtime.path)
        self._end = trio.CancelScope()
        self._after: trio.Event | None = None
        self._late: Exit | None = None
        self._exit: Exit | None = None
        self.n = 0
        self.told = trio.Event()
        """Set when its end is told to the engine."""

    @property
    def alive(self) -> bool:
        return self.n > 0 and self._exit is None

    @property
    def child(self) -> str:
        """Its id in the engine."""
        return self._launch.child.rpartition("/")[2]

    async def start(self) -> None:
        self._cast.starting += 1
        try:
            await trio.sleep(self._behaviour.settings.get("start_delay_ms", 0) / 1000)
        finally:
            self._cast.starting -= 1
        outcome = self._spec.fails_with or self._behaviour.next_outcome()
        if outcome == "ignore":
            self._fail("ignore")
            self._exit = Exit(How.IGNORED)
            self._end.cancel()
        elif outcome in ("ok", "ok_extra"):
            self._begin("extra" if outcome == "ok_extra" else None)
        else:
            self._fail("error" if self._spec.fails_with else outcome)
            raise StartError(start_reason(outcome, dynamic=self._cast.dynamic))

    def _fail(self, outcome: str) -> None:
        self._cast.note("start_failed", id=self._path, outcome=outcome)

    def _begin(self, value: str | None) -> None:
        self.n = self._cast.count(self._path, self._launch.child, self._launch.generation)
        self._cast.lives.setdefault(self._path, []).append(self)
        self._cast.note("started", id=self._path, n=self.n)
        self._launch.ready(value)

    async def wait(self) -> Exit:
        lifetime = self._behaviour.settings.get("lifetime_ms", math.inf) / 1000
        with self._end:
            await trio.sleep(lifetime)
        if self._exit is None and not self._end.cancelled_caught:
            self.die(exit_by_itself(self._behaviour.settings.get("lifetime_reason", "crash")))
        elif self._exit is None:
            self.die(self._late or Exit(How.CANCELLED))
        if self._after is not None:
            await self._after.wait()
        self.told.set()
        assert self._exit is not None
        return self._exit

    def die(self, exit: Exit, after: "PlayerLife | None" = None) -> None:
        """End with this reason; the engine is told only when it knows of the end of `after`."""
        if self._exit is not None:
            return
        self._exit = exit
        self._after = after.told if after else None
        if self.n:
            self._cast.note("stopped", id=self._path, n=self.n, reason=reason_of(exit))
        self._end.cancel()

    async def ask(self, step: AskStep) -> None:
        settings = self._behaviour.settings
        wish: Any = settings.get("on_shutdown", "exit") if settings.get("trap_exit", True) else "exit"
        if wish == "hang":
            return
        if wish == "exit":
            self.die(Exit(How.CANCELLED))
        elif "delay_ms" in wish:
            self._late = Exit(How.CANCELLED) if "reason" not in wish else exit_by_itself(wish["reason"])
            self._end.deadline = min(self._end.deadline, trio.current_time() + wish["delay_ms"] / 1000)
        else:
            self.die(exit_by_itself(wish["reason"]))

    def kill(self) -> None:
        self.die(Exit(How.KILLED))
