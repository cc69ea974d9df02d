"""Asks one probe of one life, again and again; counts nothing.

The readiness probe is fast at first and slows down to its period; the health probe begins a period after the child
became ready. One question at a time, each within its timeout. One that was too long under way because nobody ran is no
answer, and is put again at once.
"""

from collections.abc import Callable, Iterator
from itertools import repeat

import trio
from attrs import define, field, frozen

from trio_supervisor.core.messages import Role
from trio_supervisor.engine.lateness import time_lost
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, ProbeFactory, Target
from trio_supervisor.runtimes.base import Life, Ownership, OwnsPorts
from trio_supervisor.spec import Health, Readiness

FIRST_DELAY = 0.1
SLOW_DOWN = 1.5
LATE = 0.25
"""Seconds: a question whose timeout is seen so late had nobody to hear its answer."""


@frozen
class Asked:
    """What to ask, how often, and whom to tell."""

    role: Role
    probe: Readiness | Health
    target: Target
    life: Life
    answered: Callable[[Role, Answer], None]
    complain: Callable[[str], None]
    """Takes in words why the question can't be put; that is no answer."""


async def keep_asking(asked: Asked, open_probe: ProbeFactory) -> None:
    """Ask until cancelled. A probe that can't even be opened is said once, and never asked."""
    try:
        async with open_probe(asked.probe.check, asked.target, asked.probe.timeout) as probe:
            await _Prober(asked, probe).run()
    except ProbeError as error:
        asked.complain(f"{asked.role.value} probe: {error}")


def _delays(probe: Readiness | Health) -> Iterator[float]:
    """Seconds between the beginnings of questions, until the first success of a readiness probe."""
    if isinstance(probe, Health):
        yield from repeat(probe.period)
    delay = FIRST_DELAY
    while delay < probe.period:
        yield delay
        delay *= SLOW_DOWN
    yield from repeat(probe.period)


@define
class _Prober:
    asked: Asked
    probe: OpenProbe
    owner_known: bool = False
    """Whether the listening socket was found to be the child's since the last failure."""
    complaint: str = field(default="")
    again: bool = False
    """Whether the present question is the one before, put once more."""

    async def run(self) -> None:
        delays = _delays(self.asked.probe)
        begun = trio.current_time()
        while True:
            if not self.again:
                await trio.sleep_until(begun + next(delays))
            begun = trio.current_time()
            try:
                answer = await self._ask_in_time()
            except ProbeError as error:
                self.again = False
                self._complain(str(error))
                continue
            # Nobody ran to hear the answer. Only once: what is as late again is itself so slow.
            self.again = not self.again and not answer.ok and time_lost(begun + self.asked.probe.timeout, LATE) > 0
            if self.again:
                continue
            self.complaint = ""
            if answer.ok:
                delays = repeat(self.asked.probe.period)
            self.asked.answered(self.asked.role, answer)

    def _complain(self, text: str) -> None:
        if text != self.complaint:
            self.complaint = text
            self.asked.complain(f"{self.asked.role.value} probe: {text}")

    async def _ask_in_time(self) -> Answer:
        timeout = self.asked.probe.timeout
        answer = Answer(False, f"no answer within {timeout:g} s")
        with trio.move_on_after(timeout):
            answer = await self.probe.ask()
            if answer.ok:
                answer = await self._check_owner(answer)
        if not answer.ok:
            self.owner_known = False
        return answer

    async def _check_owner(self, answer: Answer) -> Answer:
        """A stranger that answers on the child's port proves nothing about the child."""
        if self.owner_known or self.probe.port is None or not isinstance(self.asked.life, OwnsPorts):
            return answer
        ownership, who = await self.asked.life.owner(self.probe.port)
        if ownership is Ownership.STRANGER:
            return Answer(False, f"port {self.probe.port} is answered by a stranger: {who}")
        self.owner_known = True
        return answer
