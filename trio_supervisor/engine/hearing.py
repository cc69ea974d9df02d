"""What one life says and tells, by whatever way, taken in and turned into facts.

Most lives say little: what listens for more is made when there is something to listen for.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from trio_supervisor.core.commands import StartChild
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    CostReported,
    DeadlineExtended,
    Fact,
    LimitReached,
    RemainsGone,
    Told,
)
from trio_supervisor.engine.ears import Ears, listens
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.notes import said_by
from trio_supervisor.engine.probing import probes_of
from trio_supervisor.engine.world import World
from trio_supervisor.runtimes.base import (
    CountsConnections,
    HasCost,
    Interactive,
    IsBusy,
    Life,
    MadeProgress,
    Said,
    Stream,
    WasActive,
)
from trio_supervisor.spec import Stdio, TaskSpec, expand
from trio_supervisor.telling import Telling, file_time, seconds
from trio_supervisor.words import one_line

if TYPE_CHECKING:
    from trio_supervisor.questions import LinePipe, Questions

LONGEST_STATUS = 200
"""Characters."""
MOST_METERS = 1024
"""So many meters (sessions) of a child are known; what is forgotten counts in all again: too much, not too little."""
_NOBODY: frozenset[str] = frozenset()


class Hearing(ABC):
    """Of one life: the `Launch` that its runtime tells by."""

    life: Life

    def __init__(self, kept: Kept, order: StartChild, world: World, post: Callable[[Fact], None]) -> None:
        self.child = kept.path
        self.generation = order.generation
        self.restart_count = order.restart_count
        self.restart_reason = order.reason
        self.over = False
        """Whether nothing of this life is left."""
        self._kept = kept
        self._world = world
        self._post = post
        self._began = file_time()
        self._sink = world.sink(kept.path, order.generation, kept.spec.log, kept.spec.ring)
        self._telling: Telling | None = None
        self._questions: Questions | None = None
        if kept.spec.probes:
            self._telling = self._new_telling()
            self._questions = self._new_questions()
        self._ears: Ears | None = None
        self._hears = listens(kept.spec, kept.account)
        self._said_of_main_pid = False
        self._busy_scopes = 0
        self._busy_by = _NOBODY
        self._costs: dict[str, float] | None = None
        """What each meter that counts in all has told last."""

    def _new_telling(self) -> Telling:
        kept = self._kept
        checks = {role: probe.check for role, probe in probes_of(kept.spec).items()}
        return Telling(checks, lambda text: expand(text, kept.path, kept.runtime.port), self._began)

    def _new_questions(self) -> "Questions | None":
        kept = self._kept
        if not any(isinstance(probe.check, Stdio) for probe in probes_of(kept.spec).values()):
            return None
        from trio_supervisor.questions import Questions  # noqa: PLC0415 -- most children are asked otherwise

        return Questions(lambda: kept.lease(kept.spec.id), self._pipe)

    def _pipe(self) -> "LinePipe | None":
        # Its spec has a pipe: what it reads takes whole lines.
        return cast("LinePipe | None", self.life.input) if isinstance(self.life, Interactive) else None

    @property
    def telling(self) -> Telling:
        """What it says and tells, for its probes."""
        if self._telling is None:
            self._telling = self._new_telling()
        return self._telling

    @property
    def ears(self) -> Ears:
        """What is heard in what it says."""
        if self._ears is None:
            self._ears = self._new_ears()
        return self._ears

    def _new_ears(self) -> Ears:
        return Ears(self._kept.spec, self._kept.account, self.report, self._out_of_quota, self.say)

    def hear_anew(self) -> None:
        """Its spec is another one: where its output goes, and what is listened for."""
        kept = self._kept
        self._sink = self._world.sink(kept.path, self.generation, kept.spec.log, kept.spec.ring)
        if self._ears is not None:
            self._ears = self._new_ears().after(self._ears)
        self._hears = listens(kept.spec, kept.account)

    # What it says of itself

    def report(self, said: Said) -> None:
        """Take in what this life says of itself, by whatever way: a notify message, a pattern, a probe, a call.

        Raises ValueError for a cost that is none.
        """
        if isinstance(said, HasCost) and not 0 <= said.usd < math.inf:
            raise ValueError(f"a cost must be >= 0 USD and finite, not {said.usd}")
        self.ears.note(said)
        match said:
            case IsBusy():
                before = self.busy
                by = {said.source}
                self._busy_by = self._busy_by | by if said.busy else self._busy_by - by
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
        self._post(self.ears.seen(self._kept.spec.id, self.generation, count))

    def _note_busy(self, before: bool) -> None:
        if self.busy != before and not self.over:
            self._post(BusyChanged(self._kept.spec.id, self.generation, self.busy))

    def _added(self, cost: HasCost) -> float:
        """What has come to it. A meter that tells less than before has begun anew."""
        if not cost.total:
            return cost.usd
        if self._costs is None:
            self._costs = {}
        costs = self._kept.costs if cost.lasting else self._costs
        before = costs.pop(cost.meter, 0.0)
        costs[cost.meter] = cost.usd
        if len(costs) > MOST_METERS:
            # The one that has told nothing for the longest time.
            del costs[next(iter(costs))]
        return cost.usd - before if cost.usd >= before else cost.usd

    def _out_of_quota(self, said: str, seconds: float, until: str, span: bool) -> None:
        self._kept.seat.out_of_quota(self._world.redact(said), seconds, until, span=span)

    # Its output

    async def room(self) -> None:
        """See `Launch`."""
        await self._world.room()

    def at_once(self, stream: Stream) -> int:
        """See `Launch`."""
        return self._world.at_once(self._kept.path, stream)

    def say(self, text: str) -> None:
        """Tell something about it to people, among what it says."""
        self.output(Stream.SUPERVISOR, text.encode(errors="backslashreplace") + b"\n")

    def output(self, stream: Stream, chunk: bytes) -> None:
        """See `Launch`."""
        # What a process says its runtime redacts, across the borders of chunks; all else comes in whole texts.
        if stream is Stream.SUPERVISOR or (chunk and isinstance(self._kept.spec.run, TaskSpec)):
            chunk = self._redacted(chunk)
        if self._questions is not None and stream is Stream.STDOUT:
            rest = self._questions.take(chunk) if chunk else self._questions.rest()
            if rest:
                self._pass_on(stream, rest)
            if chunk:
                return
        self._pass_on(stream, chunk)

    def _redacted(self, chunk: bytes) -> bytes:
        if not self._world.has_secrets():
            return chunk
        return self._world.redact(chunk.decode(errors="backslashreplace")).encode(errors="backslashreplace")

    def _pass_on(self, stream: Stream, chunk: bytes) -> None:
        """What it says, without the answers to its probes."""
        if self._telling is not None and self._telling.searches and stream is not Stream.SUPERVISOR:
            self._telling.said(stream, chunk, error=stream is not Stream.STDOUT)
        self._sink(stream, chunk)
        if self._hears and stream is not Stream.SUPERVISOR:
            # Many servers log each question, also that of a probe, which must not keep them from being idle.
            probed = self._questions is not None and self._questions.waiting and stream is Stream.STDERR
            self.ears.hear(stream, chunk, counts=not probed)

    # What its runtime tells

    def notified(self, fields: Mapping[str, str]) -> None:
        """See `Launch`."""
        self.telling.notifications.take(fields)
        if (more := seconds(fields.get("EXTEND_TIMEOUT_USEC"))) is not None:
            self._post(DeadlineExtended(self._kept.spec.id, self.generation, more))
            self.extend_stop(more)
        if "MAINPID" in fields and not self._said_of_main_pid:
            self._said_of_main_pid = True
            self.say(
                f"MAINPID={one_line(fields['MAINPID'], 20)} is ignored: its main process is the one that was started"
            )
        for said in said_by(fields):
            self.report(said)
        for name, value in fields.items():
            if name == "STATUS" or name.startswith("X_AGENT_"):
                text = one_line(self._world.redact(value), LONGEST_STATUS)
                self._post(Told(self._kept.spec.id, self.generation, name, text))

    @abstractmethod
    def extend_stop(self, seconds: float) -> None:
        """It asks for so much time where it is being stopped."""

    def remains_gone(self) -> None:
        """See `Launch`."""
        self._post(RemainsGone(self._kept.spec.id, self.generation))

    def limit_reached(self, reason: str) -> None:
        """See `Launch`."""
        self._post(LimitReached(self._kept.spec.id, self.generation, self._world.redact(reason)))

    def ready(self, value: object = None) -> None:
        """See `Launch`."""
        self._post(BecameReady(self._kept.spec.id, self.generation, value))
