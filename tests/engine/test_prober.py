"""The prober: which answers are none."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.runtimes.contract import Heard
from trio_supervisor.core.messages import Role
from trio_supervisor.engine.prober import LATE, Asked, keep_asking
from trio_supervisor.probes.base import Answer, OpenProbe, Target
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
