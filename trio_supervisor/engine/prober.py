"""Asks one probe of one life, again and again; counts nothing.

The startup and readiness probes are fast at first and slow down to their period; the health probe begins after a
period, unless `initial_delay` says otherwise. One question at a time, each within its timeout. An answer that failed
because nobody ran (this program or the machine was suspended) is none.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING

import trio
from attrs import define, field, frozen

from trio_supervisor.core.facts import Role
from trio_supervisor.engine.lanes import Lane, current_lanes
from trio_supervisor.engine.lateness import time_lost
from trio_supervisor.engine.tally import Tally
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, ProbeFactory, Target
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import KnowsItsOwn, Life, Ownership, OwnsPorts
from trio_supervisor.spec import Health, Probe

if TYPE_CHECKING:
    from trio_supervisor.engine.pace import Pace

FIRST_DELAY = 0.1
SLOW_DOWN = 1.5
LATE = 0.25
"""Seconds: a question whose timeout is seen so late had nobody to hear its answer."""
KILL_TIME = 5.0
"""Seconds: so long it may take until nothing is left of a command whose time is over."""
OWNER_KNOWN = 60.0
"""Seconds: so long it is believed who listens on a port that answers without a failure."""


def _middle() -> float:
    return 0.5


@frozen
class Asked:
    """What to ask, how often, and whom to tell."""

    role: Role
    probe: Probe
    target: Target
    life: Life
    answered: Callable[[Role, Answer], None]
    complain: Callable[[str], None]
    """Takes in words why the question can't be put; that is no answer."""
    draw: Callable[[], float] = _middle
    """A random number in [0, 1), for the jitter."""
    pace: "Pace | None" = None
    """Of a child that is only watched: it is asked at once at first, and by growing pauses when it is lost."""
    tally: Tally = field(factory=Tally)
    """What came of it, counted."""


async def keep_asking(asked: Asked, open_probe: ProbeFactory) -> None:
    """Ask until cancelled. A probe that can't even be opened is said once, and never asked."""
    try:
        async with open_probe(asked.probe.check, asked.target, asked.probe.timeout) as probe:
            prober = _Prober(asked, probe)
            await (prober.listen() if probe.waits else prober.run())
    except ProbeError as error:
        asked.complain(f"{asked.role.value} probe: {error}")


async def ask_once(asked: Asked, open_probe: ProbeFactory) -> tuple[Answer, float]:
    """Ask now, beside whoever keeps asking; returns the answer and the seconds that it took. Of what a child says by
    itself it is what is known.

    Raises:
        ProbeError: the question can't be put.
    """
    async with open_probe(asked.probe.check, asked.target, asked.probe.timeout) as probe:
        if probe.last is not None:
            return probe.last(), 0.0
        prober = _Prober(asked, probe)
        async with prober.lane().place():
            begun = trio.current_time()
            return await prober.ask_in_time(), trio.current_time() - begun


def _delays(probe: Probe, *, eager: bool) -> Iterator[float]:
    """Seconds between the beginnings of questions, until the first success of a startup or readiness probe.

    `eager`: a health probe begins as those do.
    """
    if isinstance(probe, Health) and not eager:
        yield probe.period if probe.initial_delay is None else probe.initial_delay
        yield from repeat(probe.period)
    if probe.initial_delay:
        yield probe.initial_delay
    delay = FIRST_DELAY
    while delay < probe.period:
        yield delay
        delay *= SLOW_DOWN
    yield from repeat(probe.period)


@define
class _Prober:
    asked: Asked
    probe: OpenProbe
    owner_known_until: float = 0.0
    """So long the listening socket is believed to be the child's, after it was found to be."""
    complaint: str = field(default="")
    voided: bool = False
    """Whether the answer before was none; two in a row never are."""
    late: bool = False
    """Whether no answer came in time to the question before."""

    async def listen(self) -> None:
        """Pass on what the child says by itself."""
        while True:
            self.asked.answered(self.asked.role, await self.probe.ask())

    async def run(self) -> None:
        delays = _delays(self.asked.probe, eager=self.asked.pace is not None)
        begun = trio.current_time()
        at_once = False
        while True:
            wanted = trio.current_time() if at_once else begun + self._jittered(next(delays))
            if self.asked.pace is None or at_once:
                await trio.sleep_until(wanted)
            else:
                wanted = await self.asked.pace.wait(begun, wanted)
            lost = not at_once and time_lost(wanted) > 0
            at_once = False
            async with self.lane().place():
                begun = trio.current_time()
                try:
                    answer = await self.ask_in_time()
                except ProbeError as error:
                    self._complain(str(error))
                    continue
            if not answer.ok and self.probe.excused():
                continue
            took = trio.current_time() - begun
            # The kill of a command takes its time after that; so whoever runs it tells how late its end was seen.
            late = answer.late if self.probe.heavy else took - self.asked.probe.timeout
            unheard = late > LATE
            # Only once: what is as late again is itself so slow.
            self.voided = not self.voided and not answer.ok and (lost or unheard)
            if self.voided:
                # Nobody heard the answer: ask again. Nobody ran before: what is due from the child may come yet.
                at_once = unheard
                continue
            self.complaint = ""
            self.asked.tally.note(took, answer.ok)
            if answer.ok:
                if self.asked.pace is not None:
                    self.asked.pace.succeeded()
                delays = repeat(self.asked.probe.period)
            self.asked.answered(self.asked.role, answer)

    def _jittered(self, delay: float) -> float:
        jitter = self.asked.probe.jitter
        return delay * (1 + jitter * (2 * self.asked.draw() - 1)) if jitter else delay

    def lane(self) -> Lane:
        """Among whom it is asked."""
        lanes = current_lanes()
        if self.probe.heavy:
            return lanes.heavy
        return lanes.slow if self.late else lanes.quick

    def _complain(self, text: str) -> None:
        self.voided = False
        if text != self.complaint:
            self.complaint = text
            self.asked.complain(f"{self.asked.role.value} probe: {text}")

    async def ask_in_time(self) -> Answer:
        """One answer, which must be the child's own; none within the timeout is one too. Raises ProbeError."""
        timeout = self.asked.probe.timeout
        answer = Answer(False, f"no answer within {timeout:g} s")
        # A command is stopped at its time by who runs it, who can then tell what it has said.
        begun = trio.current_time()
        with trio.move_on_after(timeout + KILL_TIME if self.probe.heavy else timeout) as patience:
            answer = await self.probe.ask()
            if answer.ok:
                answer = await self._check_owner(answer)
        self.late = patience.cancelled_caught
        if self.late:
            answer = changed(answer, late=trio.current_time() - begun - timeout)
        if not answer.ok:
            self.owner_known_until = 0.0
        return answer

    async def _check_owner(self, answer: Answer) -> Answer:
        """A stranger that answers in the place of the child proves nothing about the child."""
        if answer.peer is not None and isinstance(self.asked.life, KnowsItsOwn):
            ownership, who = self.asked.life.owns(answer.peer)
            if ownership is Ownership.STRANGER:
                return Answer(False, f"a stranger answers: {who}")
        now = trio.current_time()
        if now < self.owner_known_until or self.probe.port is None or not isinstance(self.asked.life, OwnsPorts):
            return answer
        ownership, who = await self.asked.life.owner(self.probe.port)
        if ownership is Ownership.STRANGER:
            return Answer(False, f"port {self.probe.port} is answered by a stranger: {who}")
        self.owner_known_until = now + OWNER_KNOWN
        return answer
