"""Budgets fed by what an ACP agent says that its sessions cost."""

import json

import pytest
import trio
from trio.testing import MockClock

from tests.engine.test_supervisor import child
from trio_supervisor.core.budget import Budget, Rate
from trio_supervisor.core.state import State
from trio_supervisor.engine.acp_usage import Usage, usage_in
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.spec import Account, ChildSpec, SupervisorSpec
from trio_supervisor.testing import Script, ScriptedWorld


def update(session: str, amount: object, currency: str = "USD", **more: object) -> str:
    cost = {"amount": amount, "currency": currency}
    body = {"sessionUpdate": "usage_update", "used": 1000, "size": 200000, "cost": cost, **more}
    return json.dumps({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": session, "update": body}})


def agent(*lines: str, lifetime: float = 1e9) -> Script:
    return Script(says=tuple((float(at), line) for at, line in enumerate(lines, 1)), lifetime=lifetime)


def budgeted(usd: float = 5.0, **options: object) -> ChildSpec:
    return child("a", protocol="acp", budget=Budget(usd=Rate(usd, 3600)), **options)


def used(supervisor: Supervisor) -> float:
    ledger = supervisor.children["a"].ledger
    assert ledger is not None
    return sum(amount for _, amount in ledger.export(trio.current_time())["usd"])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (update("s", 0.25), Usage("s", 0.25, "USD")),
        (update("s", 3), Usage("s", 3.0, "USD")),
        (update("s", -1), None),
        (update("s", "1"), None),
        (update("s", 1, cost=None), None),
        (update("s", float("inf")), None),
        ('{"method": "session/update", "params": {"update": "usage_update"}}', None),
        ('["usage_update"]', None),
        ('"usage_update" {', None),
    ],
)
def test_what_a_line_says(line: str, found: Usage | None) -> None:
    assert usage_in(line.encode()) == found


async def test_it_is_the_whole_of_each_session_that_is_told(autojump_clock: MockClock) -> None:
    lines = (update("x", 1), update("y", 0.5), update("x", 1.5), update("x", 1.5), update("y", 3))
    world = ScriptedWorld({"a": [agent(*lines)]})
    supervisor = Supervisor(SupervisorSpec((budgeted(),)), world.world)
    async with supervisor.open():
        await trio.sleep(4.5)
        assert used(supervisor) == pytest.approx(2)
        assert supervisor.children["a"].state is State.READY
        await trio.sleep(2)
        assert used(supervisor) == pytest.approx(4.5)


async def test_a_session_that_is_resumed_in_the_next_life_is_not_paid_twice(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [agent(update("x", 2), lifetime=10), agent(update("x", 2.5), update("z", 1))]})
    supervisor = Supervisor(SupervisorSpec((budgeted(),)), world.world)
    async with supervisor.open():
        await trio.sleep(20)
        assert supervisor.children["a"].generation == 2
        assert used(supervisor) == pytest.approx(3.5)


async def test_at_the_limit_it_is_held_and_its_account_too(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [agent(update("x", 6))]})
    children = (child("a", protocol="acp", account="team"), child("b", account="team"))
    accounts = {"team": Account(Budget(usd=Rate(5, 3600)))}
    supervisor = Supervisor(SupervisorSpec(children, accounts=accounts), world.world)
    async with supervisor.open():
        await trio.sleep(5)
        assert {each.state for each in supervisor.children.values()} == {State.HELD}


async def test_other_money_is_said_once_and_counts_nothing(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [agent(update("x", 6, "EUR"), update("x", 7, "EUR"))]})
    supervisor = Supervisor(SupervisorSpec((budgeted(),)), world.world)
    async with supervisor.open():
        await trio.sleep(5)
        assert used(supervisor) == 0
    said = [text for _, _, text in world.output if b"EUR" in text and b"budget" in text]
    assert said == [b"budget: it tells what it costs in EUR; only USD can be counted\n"]


async def test_who_speaks_no_acp_or_has_a_pattern_is_not_searched(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [agent(update("x", 6))]})
    for spec in (
        child("a", budget=Budget(usd=Rate(5, 3600))),
        child("a", protocol="acp", budget=Budget(usd=Rate(5, 3600), pattern="cost: ([0-9.]+)")),
    ):
        supervisor = Supervisor(SupervisorSpec((spec,)), world.world)
        async with supervisor.open():
            await trio.sleep(5)
            assert used(supervisor) == 0
