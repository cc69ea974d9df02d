"""The probes of one life of a child: which of them are asked now, by whom, and how the question is put."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import Role
from trio_supervisor.core.policy import Backoff
from trio_supervisor.engine.prober import Asked, ask_once, keep_asking
from trio_supervisor.engine.tally import Tally
from trio_supervisor.engine.world import World
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import HasEngine, Life, LivesElsewhere, RunsCommands
from trio_supervisor.spec import ChildSpec, Probe, RemoteSpec
from trio_supervisor.telling import Telling

if TYPE_CHECKING:
    from trio_supervisor.engine.pace import Pace
    from trio_supervisor.questions import Questions


@define(eq=False)
class Probed:
    """Who is asked, and who is told of it."""

    path: str
    life: Life
    telling: Telling
    questions: "Questions | None"
    """What is asked over its standard input goes through these."""
    port: Callable[[], int | None]
    answered: Callable[[Role, Answer], None]
    say: Callable[[str], None]
    tallies: dict[Role, Tally]


@define(eq=False)
class Probing:
    """Those that the machine wants asked, each by a task of its own."""

    probes: Mapping[Role, Probe]
    _world: World
    _probed: Probed
    _paces: "Mapping[Role, Pace]"
    _nursery: trio.Nursery | None = field(default=None, init=False)
    _asking: dict[Role, trio.CancelScope] = field(factory=dict, init=False)
    """The probes that are asked now."""
    _over: bool = field(default=False, init=False)

    async def among(self, wait: Callable[[], Awaitable[Exit]]) -> Exit:
        """Ask while `wait` lasts, the startup probe first if there is one; returns what that does."""
        if not self.probes:
            return await wait()
        async with trio.open_nursery() as self._nursery:
            self.ask(Role.STARTUP if Role.STARTUP in self.probes else Role.READINESS)
            exit = await wait()
            self._nursery.cancel_scope.cancel()
        return exit

    def ask(self, role: Role) -> None:
        """Begin to ask it, if there is one, or begin anew."""
        probe = self.probes.get(role)
        if probe is not None and self._nursery is not None and not self._over:
            self.ask_no_more(role)
            scope = self._asking[role] = trio.CancelScope()
            self._nursery.start_soon(self._keep_asking, role, probe, scope, name=f"{role.value} of {self._probed.path}")

    def ask_no_more(self, role: Role) -> bool:
        """Whether it was asked."""
        scope = self._asking.pop(role, None)
        if scope is not None:
            scope.cancel()
        return scope is not None

    def pass_startup(self) -> None:
        """Ask the startup probe no more, and begin to ask the readiness probe."""
        self.ask_no_more(Role.STARTUP)
        self.ask(Role.READINESS)

    def repace(self, role: Role, *, lost: bool) -> None:
        """Ask a probe at the pace of a life that is lost, or at the usual one again."""
        self._paces[role].set(lost=lost)

    def adopt(self, spec: ChildSpec, nursery: trio.Nursery) -> None:
        """Others are written: those that are asked now and have changed begin anew. `nursery` outlasts the life."""
        if self._nursery is None:
            self._nursery = nursery
        before, self.probes = self.probes, probes_of(spec)
        for role in Role:
            if before.get(role) != self.probes.get(role) and self.ask_no_more(role):
                self.ask(role)

    def close(self) -> None:
        """The life is over."""
        self._over = True
        for role in tuple(self._asking):
            self.ask_no_more(role)

    async def ask_now(self, role: Role, probe: Probe) -> tuple[Answer, float]:
        """Ask a probe once, beside those that go on; nothing follows from the answer. Returns it with the seconds that
        it took. Raises ProbeError: the question can't be put.
        """
        answer, took = await ask_once(self._asked(role, probe, Tally()), self._world.probe)
        return changed(answer, detail=self._world.redact(answer.detail)), took

    async def _keep_asking(self, role: Role, probe: Probe, scope: trio.CancelScope) -> None:
        asked = self._asked(role, probe, self._probed.tallies.setdefault(role, Tally()))
        with scope:
            await keep_asking(asked, self._world.probe)

    def _asked(self, role: Role, probe: Probe, tally: Tally) -> Asked:
        it, life = self._probed, self._probed.life
        target = Target(
            it.path,
            it.port(),
            life.run if isinstance(life, RunsCommands) else None,
            role,
            probe.period,
            it.telling,
            life.address if isinstance(life, LivesElsewhere) else None,
            life.engine_health if isinstance(life, HasEngine) else None,
            it.questions,
        )
        return Asked(role, probe, target, life, it.answered, it.say, self._world.draw, self._paces.get(role), tally)


def probes_of(spec: ChildSpec) -> dict[Role, Probe]:
    """Those that a child has."""
    if not spec.probes:
        return {}
    found = {Role.STARTUP: spec.startup, Role.READINESS: spec.readiness, Role.HEALTH: spec.health}
    return {role: probe for role, probe in found.items() if probe is not None}


def paces_of(spec: ChildSpec, draw: Callable[[], float]) -> "dict[Role, Pace]":
    """Of a child that is only watched: how soon one that is lost is asked again."""
    if not isinstance(spec.run, RemoteSpec):
        return {}
    from trio_supervisor.engine.pace import Pace  # noqa: PLC0415 -- most trees have no such child

    return {role: Pace(spec.backoff or Backoff(), draw) for role in (Role.READINESS, Role.HEALTH)}
