"""The prober: which answers are none."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from tests.runtimes.contract import Heard
from trio_supervisor.core.facts import Role
from trio_supervisor.engine.prober import LATE, Asked, keep_asking
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.runtimes.base import Life, Ownership
from trio_supervisor.spec import Check, Health, Tcp
from trio_supervisor.testing import Script, ScriptedRuntime


@pytest.mark.slow
async def test_a_failure_is_void_when_nobody_was_there_to_hear_the_answer_but_not_twice_in_a_row() -> None:
    questions = 0
    answers: list[tuple[int, bool]] = []

    async def ask() -> Answer:
        nonlocal questions
        questions += 1
        # As a supervisor that is stopped: the time runs out, and nobody looks.
        time.sleep(LATE + 0.1)  # noqa: ASYNC251 -- for that reason
        await trio.sleep_forever()
        raise AssertionError

    @asynccontextmanager
    async def open_probe(check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        yield OpenProbe(ask)

    def answered(role: Role, answer: Answer) -> None:
        answers.append((questions, answer.ok))
        if len(answers) == 2:
            nursery.cancel_scope.cancel()

    life = ScriptedRuntime("a", [Script()], lambda child, what: None).life(Heard().launch())
    probe = Health(Tcp("1"), period=0.01, timeout=0.05)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            asked = Asked(Role.HEALTH, probe, Target("a", None, None), life, answered, lambda text: None)
            nursery.start_soon(keep_asking, asked, open_probe)

    assert answers == [(2, False), (4, False)]


async def test_a_command_that_was_under_way_while_nobody_ran_for_long_has_not_failed(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    asked_at: list[float] = []
    answers: list[tuple[float, bool]] = []

    async def ask() -> Answer:
        asked_at.append(trio.current_time())
        await trio.sleep(0.3 if len(asked_at) > 1 else 100)
        return Answer(True, "exit code 0")

    @asynccontextmanager
    async def open_probe(check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        yield OpenProbe(ask, heavy=True)

    def answered(role: Role, answer: Answer) -> None:
        answers.append((trio.current_time(), answer.ok))
        nursery.cancel_scope.cancel()

    life = ScriptedRuntime("a", [Script()], lambda child, what: None).life(Heard().launch())
    async with trio.open_nursery() as nursery:
        asked = Asked(
            Role.HEALTH,
            Health(Tcp("1"), period=1, timeout=0.5, jitter=0),
            Target("a", None, None),
            life,
            answered,
            lambda _: None,
        )
        nursery.start_soon(keep_asking, asked, open_probe)
        await trio.sleep(1.2)
        # Longer than a command has to be killed, too: nobody was there to do that.
        mock_clock.jump(12)

    assert asked_at == [1, pytest.approx(13.2)]
    assert answers == [(pytest.approx(13.5), True)]


class Owned:
    """A life whose port changes hands."""

    starts_at_once = False
    pid: int | None = None

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.stranger = False

    async def owner(self, port: int) -> tuple[Ownership, str]:
        self.looks.append(trio.current_time())
        return (Ownership.STRANGER, "pid 7 (nc)") if self.stranger else (Ownership.OURS, "")

    def owns(self, pid: int) -> tuple[Ownership, str]:
        return (Ownership.OURS, "") if pid == 1 else (Ownership.STRANGER, f"pid {pid} (nc)")


async def answers_of(
    ask: Callable[[], Awaitable[Answer]], life: Owned, seconds: float, port: int | None
) -> list[Answer]:
    """What the prober tells of a probe that is asked each second."""
    answers: list[Answer] = []

    @asynccontextmanager
    async def open_probe(check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        yield OpenProbe(ask, port)

    asked = Asked(
        Role.HEALTH,
        Health(Tcp("1"), period=1, jitter=0),
        Target("a", port, None),
        cast(Life, life),
        lambda role, answer: answers.append(answer),
        lambda text: None,
    )
    with trio.move_on_after(seconds):
        await keep_asking(asked, open_probe)
    return answers


async def test_a_stranger_that_takes_the_port_over_without_a_gap_is_found_within_a_minute(
    autojump_clock: MockClock,
) -> None:
    life = Owned()
    begun = trio.current_time()

    async def ask() -> Answer:
        life.stranger = trio.current_time() - begun > 10  # and answers 200 for ever
        return Answer(True, "200")

    answers = await answers_of(ask, life, 120.5, port=8080)

    bad = [number for number, answer in enumerate(answers) if not answer.ok]
    assert bad == list(range(60, 120)), "from then on, each time"
    assert answers[60].detail == "port 8080 is answered by a stranger: pid 7 (nc)"
    assert len([at for at in life.looks if at - begun < 61.5]) == 2, "while all is well it is looked at once a minute"


async def test_an_answer_by_a_stranger_s_process_does_not_count(autojump_clock: MockClock) -> None:
    peers = iter([1, 2, 1])

    async def ask() -> Answer:
        return Answer(True, "connected", peer=next(peers))

    answers = await answers_of(ask, Owned(), 3.5, port=None)

    assert [answer.ok for answer in answers] == [True, False, True]
    assert answers[1].detail == "a stranger answers: pid 2 (nc)"
