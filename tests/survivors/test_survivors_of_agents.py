"""Nothing outlives us, whatever the agents do: a graceful stop, and a SIGKILL of the supervisor."""

import signal
from pathlib import Path

import pytest

from tests.survivors.cases import ALL, CASES, Case
from tests.survivors.ground import Ground
from tests.survivors.staged import agent_of, end_gracefully, kill, see_nothing_left, staged
from tests.survivors.table import Record

pytestmark = pytest.mark.slow

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
async def test_nothing_outlives_a_graceful_stop(case: Case, tmp_path: Path, ground: Ground, record: Record) -> None:
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see(case.sign, case.signs)

        await end_gracefully(it, ground, case, signal.SIGTERM, record)


@each_case
async def test_nothing_outlives_a_kill(case: Case, tmp_path: Path, ground: Ground, record: Record) -> None:
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see(case.sign, case.signs)
        if case.provoke:
            kill(agent_of(it), signal.SIGTERM)
            await it.see("| storm")

        it.send(signal.SIGKILL)
        await see_nothing_left(it, ground, case.name, "SIGKILL", record)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
async def test_nothing_of_all_together_outlives_a_graceful_stop(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    async with staged(tmp_path, ground, ALL.agents) as it:
        await it.see(ALL.sign, ALL.signs)

        await end_gracefully(it, ground, ALL, number, record)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda number: number.name)
async def test_nothing_of_all_together_outlives_a_crash(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    async with staged(tmp_path, ground, ALL.agents) as it:
        await it.see(ALL.sign, ALL.signs)

        it.send(number)
        await see_nothing_left(it, ground, ALL.name, number.name, record)
