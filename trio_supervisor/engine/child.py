"""One life of one child: its cancel scopes, the tasks of its probes, what it tells, its stop."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import trio
from attrs import define, field

from trio_supervisor.core.commands import StartChild
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    CostReported,
    DeadlineExtended,
    Exited,
    Fact,
    LimitReached,
    ProbeAnswered,
    RemainsGone,
    Role,
    ShutdownAsked,
    Started,
    Told,
)
from trio_supervisor.engine.accounts import Seat
from trio_supervisor.engine.ears import Ears
from trio_supervisor.engine.notes import said_by
from trio_supervisor.engine.probing import Probed, Probing, paces_of, probes_of
from trio_supervisor.engine.redacted import redacted
from trio_supervisor.engine.stopping import KILL_PATIENCE, Stop, Stopped
from trio_supervisor.engine.tally import Tally
from trio_supervisor.engine.world import World
from trio_supervisor.errors import StartError
from trio_supervisor.output.last import last_lines
from trio_supervisor.probes.base import Answer
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import (
    CountsConnections,
    HasCost,
    Interactive,
    IsBusy,
    Launch,
    Life,
    MadeProgress,
    Runtime,
    Said,
    Stream,
    WasActive,
)
from trio_supervisor.spec import Account, Check, ChildSpec, Stdio, StopStep, TaskSpec, expand
from trio_supervisor.telling import Telling, seconds
from trio_supervisor.words import one_line

if TYPE_CHECKING:
    from trio_supervisor.questions import LinePipe, Questions
    from trio_supervisor.writing import Lease

LONGEST_STATUS = 200
"""Characters."""
MOST_METERS = 1024
"""So many meters (sessions) of a child are known; what is forgotten counts in all again: too much, not too little."""


@define(eq=False)
class Kept:
    """What the engine keeps of a child for all its lives."""

    path: str
    spec: ChildSpec
    runtime: Runtime
    stop: tuple[StopStep, ...]
    """In order, before the kill; as the profile has it where the spec says nothing."""
    seat: Seat
    """Its place in its account."""
    account: Account
    """As what that is specified."""
    lease: "Callable[[], Lease]"
    """Who may write to it."""
    restarts: int = 0
    """How many its account was told of."""
    tallies: dict[Role, Tally] = field(factory=dict)
    """By probe: what came of asking it."""
    costs: dict[str, float] = field(factory=dict)
    """What each meter that outlasts a life has told last, the latest last."""


class ChildLife:
    """From the order to start until nothing of it is left; tells what happens by `post`."""

    def __init__(self, kept: Kept, order: StartChild, world: World, post: Callable[[Fact], None]) -> None:
        self._kept = kept
        self._generation = order.generation
        self._world = world
        self._post = post
        self._output = world.sink(kept.path, order.generation, kept.spec.log, kept.spec.ring)
        probes = probes_of(kept.spec)
        checks = {role: probe.check for role, probe in probes.items()}
        self.card: object = None
        """How this life describes itself, as its probes have seen it last."""
        self._telling = Telling(checks, lambda text: expand(text, kept.path, kept.runtime.port))
        self._said_of_main_pid = False
        self.life: Life = kept.runtime.life(
            Launch(
                child=kept.path,
                generation=order.generation,
                restart_count=order.restart_count,
                restart_reason=order.reason,
                output=self._take_output,
                room=world.room,
                ready=self._ready,
                at_once=partial(world.at_once, kept.path),
                limit_reached=self._limit_reached,
                report=self.report,
                remains_gone=self._remains_gone,
                notified=self._notified,
            )
        )
        self._questions = self._questions_of(checks.values())
        self.probing = Probing(probes, world, self._probed(), paces_of(kept.spec, world.draw))
        self._ears = Ears(kept.spec, kept.account, self.report, self._out_of_quota, self._say)
        self._hears = self._ears.needed
        self._busy_scopes = 0
        self._busy_by: set[str] = set()
        self._costs: dict[str, float] = {}
        """What each meter that counts in all has told last."""
        self._start_scope = trio.CancelScope()
        self._stop_begun = False
        self._started = trio.Event()
        """Set when it is started, or over without that."""
        self.over = trio.Event()
        """Set when nothing of this life is left."""
        self._stop = Stop(
            Stopped(
                child=kept.path,
                run=kept.spec.run,
                runtime=kept.runtime,
                life=self.life,
                started=self._started,
                over=self.over,
                say=self._say,
                request=world.request,
            ),
            kept.stop,
        )

    def _questions_of(self, checks: Iterable[Check]) -> "Questions | None":
        if not any(isinstance(check, Stdio) for check in checks):
            return None
        from trio_supervisor.questions import Questions  # noqa: PLC0415 -- most children are asked otherwise

        return Questions(self._kept.lease, self._pipe)

    def _probed(self) -> Probed:
        kept = self._kept
        return Probed(
            kept.path,
            self.life,
            self._telling,
            self._questions,
            lambda: kept.runtime.port,
            self._answered,
            self._say,
            kept.tallies,
        )

    def _pipe(self) -> "LinePipe | None":
        # Its spec has a pipe: what it reads takes whole lines.
        return cast("LinePipe | None", self.life.input) if isinstance(self.life, Interactive) else None

    async def run(self) -> None:
        """Live. Cancellation from outside does not reach in: only `stop` ends a life before its time."""
        with trio.CancelScope(shield=True):
            exit = Exit(How.RAISED, detail="interrupted")
            try:
                exit = await self._live()
            except BaseException:
                # It is nobody's exit (KeyboardInterrupt) and ends everything: before anybody starts this child again.
                self._post(ShutdownAsked("interrupted"))
                raise
            finally:
                # Whatever happened: else its end is waited for in vain.
                self.over.set()
                self._started.set()
                self.probing.close()
                if self._world.has_secrets():
                    exit = redacted(exit, self._world.redact)
                exit = self._with_last_lines(exit)
                self._post(Exited(self._kept.spec.id, self._generation, exit, self._world.draw()))

    async def _live(self) -> Exit:
        if self._stop_begun:
            return Exit(How.CANCELLED)
        try:
            with self._start_scope:
                await self.life.start()
        except StartError as error:
            return Exit(How.SPAWN_FAILED, detail=str(error), exception=error, again=error.again)
        if self._start_scope.cancelled_caught:
            self.life.kill()
            return await self.life.wait()
        self._started.set()
        draw = 0.0 if self._kept.spec.limits.lifetime is None else self._world.draw()
        self._post(Started(self._kept.spec.id, self._generation, self.life.pid, draw))
        return await self.probing.among(self.life.wait)

    def adopt(self, nursery: trio.Nursery) -> None:
        """What is kept of the child has changed: go by it. `nursery` outlasts this life."""
        spec = self._kept.spec
        self.probing.adopt(spec, nursery)
        self._output = self._world.sink(self._kept.path, self._generation, spec.log, spec.ring)
        ears = Ears(spec, self._kept.account, self.report, self._out_of_quota, self._say)
        self._ears, self._hears = ears.after(self._ears), ears.needed
        self._stop.change(self._kept.stop)

    def kill(self) -> None:
        """End it by force, now; `stop` waits for the end."""
        self._stop_begun = True
        self._start_scope.cancel()
        self.life.kill()

    async def stop(self, hurry: bool) -> None:
        """Ask, wait within bounds, kill; returns when the life is over. `hurry`: kill at once."""
        self._stop_begun = True
        if hurry:
            self._stop.cut()
        self._start_scope.cancel()
        await self._stop.run()
        if not self.over.is_set():
            self._give_up()

    def _give_up(self) -> None:
        """Tell the end of a life that has none: nobody can wait for it for ever."""
        detail = f"it goes on {KILL_PATIENCE:g} s after it was killed"
        if self.life.pid is None:
            detail += ": a task that ignores its cancellation"
        self._post(Exited(self._kept.spec.id, self._generation, Exit(How.UNKILLABLE, detail=detail)))

    @property
    def stop_progress(self) -> str:
        """What its stop does now, in words; "" when there is none under way."""
        return self._stop.progress

    def cut_grace(self) -> None:
        """End the stop that is under way by force, at once."""
        self._stop.cut()

    # What it says of itself

    def report(self, said: Said) -> None:
        """Take in what this life says of itself, by whatever way: a notify message, a pattern, a probe, a call.

        Raises ValueError for a cost that is none.
        """
        if isinstance(said, HasCost) and not 0 <= said.usd < math.inf:
            raise ValueError(f"a cost must be >= 0 USD and finite, not {said.usd}")
        self._ears.note(said)
        match said:
            case IsBusy():
                before = self.busy
                (self._busy_by.add if said.busy else self._busy_by.discard)(said.source)
                self._note_busy(before)
            case HasCost():
                usd = self._added(said)
                self._post(CostReported(self._kept.spec.id, usd))
                self._kept.seat.cost(usd)
            case MadeProgress() | WasActive():
                return

    @property
    def busy(self) -> bool:
        """Whether it is, by anybody's account."""
        return self._busy_scopes > 0 or bool(self._busy_by)

    @contextmanager
    def while_busy(self) -> Iterator[None]:
        """It is busy while the block lasts; blocks may overlap."""
        before = self.busy
        self._busy_scopes += 1
        self._note_busy(before)
        try:
            yield
        finally:
            before = self.busy
            self._busy_scopes -= 1
            self._note_busy(before)

    async def look(self, *, connections: bool) -> None:
        """Tell when it was active last; with `connections` also how many are open on its port."""
        count = 0
        if connections and isinstance(self.life, CountsConnections):
            count = await self.life.connections()
        self._post(self._ears.seen(self._kept.spec.id, self._generation, count))

    def _note_busy(self, before: bool) -> None:
        if self.busy != before and not self.over.is_set():
            self._post(BusyChanged(self._kept.spec.id, self._generation, self.busy))

    def _added(self, cost: HasCost) -> float:
        """What has come to it. A meter that tells less than before has begun anew."""
        if not cost.total:
            return cost.usd
        costs = self._kept.costs if cost.lasting else self._costs
        before = costs.pop(cost.meter, 0.0)
        costs[cost.meter] = cost.usd
        if len(costs) > MOST_METERS:
            # The one that has told nothing for the longest time.
            del costs[next(iter(costs))]
        return cost.usd - before if cost.usd >= before else cost.usd

    def _out_of_quota(self, said: str, seconds: float, until: str, span: bool) -> None:
        self._kept.seat.out_of_quota(self._world.redact(said), seconds, until, span=span)

    def _with_last_lines(self, exit: Exit) -> Exit:
        """With the last that it said, where that may tell why it ended badly."""
        ring = None if exit.clean else self._world.ring(self._kept.path, there=True)
        return exit if ring is None else changed(exit, last_lines=last_lines(ring, self._generation))

    # What the life tells

    def say(self, text: str) -> None:
        """Tell something about it to people, among what it says."""
        self._say(text)

    def _say(self, text: str) -> None:
        self._take_output(Stream.SUPERVISOR, text.encode(errors="backslashreplace") + b"\n")

    def _take_output(self, stream: Stream, chunk: bytes) -> None:
        # What a process says its runtime redacts, across the borders of chunks; all else comes in whole texts.
        if stream is Stream.SUPERVISOR or (chunk and isinstance(self._kept.spec.run, TaskSpec)):
            chunk = self._world.redact(chunk.decode(errors="backslashreplace")).encode(errors="backslashreplace")
        if self._questions is not None and stream is Stream.STDOUT:
            rest = self._questions.take(chunk) if chunk else self._questions.rest()
            if rest:
                self._pass_on(stream, rest)
            if chunk:
                return
        self._pass_on(stream, chunk)

    def _pass_on(self, stream: Stream, chunk: bytes) -> None:
        """What it says, without the answers to its probes."""
        if self._telling.searches and stream is not Stream.SUPERVISOR:
            self._telling.said(stream, chunk, error=stream is not Stream.STDOUT)
        self._output(stream, chunk)
        if self._hears and stream is not Stream.SUPERVISOR:
            # Many servers log each question, also that of a probe, which must not keep them from being idle.
            probed = self._questions is not None and self._questions.waiting and stream is Stream.STDERR
            self._ears.hear(stream, chunk, counts=not probed)

    def _notified(self, fields: Mapping[str, str]) -> None:
        """The child has sent a notification (sd_notify(3))."""
        self._telling.notifications.take(fields)
        if (more := seconds(fields.get("EXTEND_TIMEOUT_USEC"))) is not None:
            self._post(DeadlineExtended(self._kept.spec.id, self._generation, more))
            self._stop.extend(more)
        if "MAINPID" in fields and not self._said_of_main_pid:
            self._said_of_main_pid = True
            self._say(
                f"MAINPID={one_line(fields['MAINPID'], 20)} is ignored: its main process is the one that was started"
            )
        for said in said_by(fields):
            self.report(said)
        for name, value in fields.items():
            if name == "STATUS" or name.startswith("X_AGENT_"):
                text = one_line(self._world.redact(value), LONGEST_STATUS)
                self._post(Told(self._kept.spec.id, self._generation, name, text))

    def _remains_gone(self) -> None:
        self._post(RemainsGone(self._kept.spec.id, self._generation))

    def _limit_reached(self, reason: str) -> None:
        self._post(LimitReached(self._kept.spec.id, self._generation, self._world.redact(reason)))

    def _ready(self, value: object = None) -> None:
        self._post(BecameReady(self._kept.spec.id, self._generation, value))

    def _answered(self, role: Role, answer: Answer) -> None:
        self.card = self.card if answer.card is None else answer.card
        if answer.busy is not None:
            self.report(IsBusy(answer.busy, "probe"))
        detail = self._world.redact(answer.detail)
        self._post(ProbeAnswered(self._kept.spec.id, self._generation, role, answer.ok, detail, answer.decisive))

    @property
    def started(self) -> bool:
        """Whether it is started, and not over."""
        return self._started.is_set() and not self.over.is_set()
