"""Budgets and quotas outlast an inner supervisor and the run; and a quota ends by its own clock."""

import time

import pytest
import trio
from trio.testing import MockClock

from tests.engine.test_supervisor import child
from trio_supervisor.control.register import Added, Register
from trio_supervisor.core.budget import AtBudget, Budget, Rate
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.spending import Ledger, Spending
from trio_supervisor.core.state import State
from trio_supervisor.engine import day_clock
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.day_clock import DayClock, wait_for
from trio_supervisor.engine.spendings import MOST_ENTRIES, Plain, Spendings
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.engine.world import World
from trio_supervisor.record import changed
from trio_supervisor.spec import Account, ChildSpec, Quota, SupervisorSpec
from trio_supervisor.testing import Script, ScriptedWorld

HOUR = 3600.0


class Kept:
    """What one run keeps for the next."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], Plain] = {}

    def world(self, world: ScriptedWorld, *named: str) -> World:
        def remember(owner: str, name: str, value: Plain) -> None:
            self.values[owner, name] = value

        return changed(
            world.world,
            remember=remember,
            recall=lambda owner, name: self.values.get((owner, name)),
            named=lambda path: path in named,
        )

    def age(self, seconds: float) -> None:
        """Let time pass between two runs."""
        for value in self.values.values():
            for entries in value.values() if isinstance(value, dict) else ():
                for entry in entries if isinstance(entries, list) else ():
                    assert isinstance(entry, list)
                    assert isinstance(entry[0], float)
                    entry[0] -= seconds


def began(world: ScriptedWorld) -> list[str]:
    return [who for _, who, what in world.events if what.startswith("started")]


def spender(**options: object) -> SupervisorSpec:
    return SupervisorSpec((child("a", budget=Budget(usd=Rate(5, HOUR), **options)), child("b")))  # type: ignore[arg-type]


async def spend(spec: SupervisorSpec, kept: Kept, usd: float) -> None:
    """A run in which `a` costs so much, and which is killed: it keeps nothing at its end."""
    supervisor = Supervisor(spec, kept.world(ScriptedWorld()))
    async with supervisor.open():
        await trio.sleep(1)
        supervisor.report_cost("a", usd)
        await trio.sleep(1)
        found = dict(kept.values)
    assert kept.values == found, "it was kept at once, not at the end"


async def test_what_was_spent_in_an_earlier_run_counts(autojump_clock: MockClock) -> None:
    kept = Kept()
    await spend(spender(), kept, 4.5)
    supervisor = Supervisor(spender(), kept.world(ScriptedWorld()))
    async with supervisor.open():
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.READY
        supervisor.report_cost("a", 0.5)
        await trio.sleep(1)
        assert supervisor.children["a"].reason.startswith("budget: 5.00 of 5 USD per h used")
        assert supervisor.children["b"].state is State.READY


async def test_who_has_spent_all_is_held_before_it_starts_and_goes_on_when_there_is_room(
    autojump_clock: MockClock,
) -> None:
    kept = Kept()
    await spend(spender(then=AtBudget.PAUSE), kept, 6)
    kept.age(HOUR / 2)
    world = ScriptedWorld()
    supervisor = Supervisor(spender(then=AtBudget.PAUSE), kept.world(world))
    async with supervisor.open():
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.HELD
        assert began(world) == ["b"]
        await trio.sleep(HOUR / 2 + 1)
        assert supervisor.children["a"].state is State.READY


async def test_whoever_names_it_approves_of_as_much_again(autojump_clock: MockClock) -> None:
    kept = Kept()
    await spend(spender(), kept, 6)
    supervisor = Supervisor(spender(), kept.world(ScriptedWorld(), "a"))
    async with supervisor.open():
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.READY
        supervisor.report_cost("a", 4.5)
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.READY
    assert "budget" not in str(kept.values["a", "budget"])


async def test_the_restarts_of_an_earlier_run_count(autojump_clock: MockClock) -> None:
    kept = Kept()
    spec = SupervisorSpec((child("a", budget=Budget(restarts=Rate(3, 86400))),))
    lives = ScriptedWorld({"a": [Script(lifetime=100)]})
    for _ in range(2):
        supervisor = Supervisor(spec, kept.world(lives))
        async with supervisor.open():
            await trio.sleep(250)
    assert supervisor.children["a"].state is State.HELD
    assert supervisor.children["a"].reason.startswith("budget: 3 of 3 restarts per day used")


async def test_accounts_too(autojump_clock: MockClock) -> None:
    def spec() -> SupervisorSpec:
        accounts = {"team": Account(Budget(usd=Rate(10, HOUR), then=AtBudget.PAUSE))}
        return SupervisorSpec((child("a", account="team"), child("b", account="team"), child("c")), accounts=accounts)

    kept, world = Kept(), ScriptedWorld()
    await spend(spec(), kept, 10)
    supervisor = Supervisor(spec(), kept.world(world))
    async with supervisor.open():
        await trio.sleep(1)
        assert began(world) == ["c"]
        assert supervisor.children["b"].reason.startswith("account 'team': budget: 10.00 of 10 USD per h used")
    named = Supervisor(spec(), kept.world(world, "a"))
    async with named.open():
        await trio.sleep(1)
        assert named.children["a"].state is State.READY


@pytest.mark.parametrize("account", ["team", None])
async def test_a_quota_that_is_used_up_is_so_in_the_next_run(account: str | None, autojump_clock: MockClock) -> None:
    kept = Kept()
    spec = SupervisorSpec(
        (child("a", account=account, quota=(Quota("limit reached", wait=600),)), child("b", account=account))
    )
    supervisor = Supervisor(spec, kept.world(ScriptedWorld({"a": [Script(says=((5, "limit reached"),))]})))
    async with supervisor.open():
        await trio.sleep(10)
        assert supervisor.children["a"].state is State.HELD

    world = ScriptedWorld()
    later = Supervisor(spec, kept.world(world))
    async with later.open():
        await trio.sleep(1)
        assert began(world) == ([] if account else ["b"])
        assert later.children["a"].reason.endswith(": limit reached")
        await trio.sleep(600)
        assert {each.state for each in later.children.values()} == {State.READY}


async def test_a_budget_goes_on_when_its_supervisor_begins_anew(autojump_clock: MockClock) -> None:
    """An inner supervisor that escalates makes new machines for the same children."""
    dies = child("dies", restart=Restart.TRANSIENT)
    inner = SupervisorSpec((child("a", budget=Budget(usd=Rate(5, HOUR))), dies), intensity=None, at_limit=None)
    world = ScriptedWorld()
    supervisor = Supervisor(SupervisorSpec((ChildSpec("inner", inner),)), world.world)
    async with supervisor.open():
        await trio.sleep(1)
        first = supervisor.inner("inner")
        assert first is not None
        first.report_cost("a", 4)
        await trio.sleep(1)
        first.kill()
        await trio.sleep(5)
        second = supervisor.inner("inner")
        assert second is not None
        assert second is not first
        second.report_cost("a", 1)
        await trio.sleep(1)
        assert second.children["a"].state is State.HELD


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [1],
        {"usd": 3},
        {"usd": [3, "x", [1], ["x", 2], [1, 2, 3], [1e999, 1], [1, -1]]},
        {"until": "soon", "why": 3},
        {"until": 0, "why": "long ago"},
    ],
)
def test_what_nobody_of_us_has_written_is_as_good_as_nothing(value: Plain) -> None:
    it = Spendings(lambda owner, name, kept: None, lambda owner, name: value)

    assert not any(it.spent("a").values())
    assert it.quota("a", 100) is None


def test_a_clock_that_was_set_back_makes_nothing_younger_than_now_nor_a_quota_longer_than_is_believed() -> None:
    future = time.time() + 10**6
    it = Spendings(
        lambda owner, name, kept: None,
        lambda owner, name: {"usd": [[future, 2.0]]} if name == "budget" else {"until": future, "why": "x"},
    )

    assert it.spent("a") == {"usd": [(0.0, 2.0)]}
    assert it.quota("a", 100) == (100, "x")


def test_many_small_amounts_are_joined_and_never_count_shorter() -> None:
    spending = Spending(Rate(1000, 1000))
    for second in range(1000):
        spending.add(0.5, float(second))

    found = spending.export(999.0, MOST_ENTRIES)

    assert len(found) <= MOST_ENTRIES
    assert sum(amount for _, amount in found) == 500
    assert found[0][0] < 999
    assert found[-1][0] == 0
    assert found == sorted(found, reverse=True)
    ledger = Ledger(Budget(usd=Rate(1, 10)))
    assert ledger.export(0.0, MOST_ENTRIES) == {"usd": []}


# The clock of a quota


class Clocks:
    """Clocks of the system that go with Trio's, until they are set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = dict.fromkeys(DayClock, 1e9)
        self._set = trio.Event()
        monkeypatch.setattr(DayClock, "now", lambda clock: trio.current_time() + self.ahead[clock])
        monkeypatch.setattr(day_clock, "wait_for", self.wait_for)

    def set(self, clock: DayClock, by: float) -> None:
        self.ahead[clock] += by
        self._set.set()
        self._set = trio.Event()

    async def wait_for(self, clock: DayClock, when: float) -> None:
        with trio.move_on_after(max(0, when - clock.now())):
            await self._set.wait()


LINES = {
    DayClock.DAY: ("limit until 17:00", Quota("limit until (?P<until>.*)")),
    DayClock.SPAN: ("limit for 600", Quota("limit for (?P<after>.*)")),
}


@pytest.mark.parametrize("clock", DayClock)
@pytest.mark.parametrize("by", [500.0, 10_000.0])
async def test_a_quota_does_not_end_late_because_the_machine_slept(
    clock: DayClock, by: float, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trio's clock stands still in a suspended machine; the times of providers do not."""
    clocks = Clocks(monkeypatch)
    line, quota = LINES[clock]
    monkeypatch.setattr("trio_supervisor.engine.quota._until", lambda text, now: 600.0)
    world = ScriptedWorld({"a": [Script(says=((0, line),)), Script()]})
    supervisor = Supervisor(SupervisorSpec((child("a", quota=(quota,)),)), world.world)
    async with supervisor.open():
        await trio.sleep(10)
        assert supervisor.children["a"].state is State.HELD
        other = DayClock.SPAN if clock is DayClock.DAY else DayClock.DAY
        clocks.set(other, by)
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.HELD, "not its clock"
        clocks.set(clock, by)
        await trio.sleep(max(1, 600 - 10 - by - 5) if by < 600 else 1)
        assert (supervisor.children["a"].state is State.HELD) is (by < 600)
        await trio.sleep(10)
        assert supervisor.children["a"].state is State.READY


async def test_a_quota_lasts_longer_when_the_clock_is_set_back(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    monkeypatch.setattr("trio_supervisor.engine.quota._until", lambda text, now: 600.0)
    world = ScriptedWorld({"a": [Script(says=((0, "limit until 17:00"),)), Script()]})
    spec = SupervisorSpec((child("a", quota=(Quota("limit until (?P<until>.*)"),)), child("b")))
    supervisor = Supervisor(spec, world.world)
    async with supervisor.open():
        await trio.sleep(10)
        clocks.set(DayClock.DAY, -HOUR)
        await trio.sleep(HOUR)
        assert supervisor.children["a"].state is State.HELD
        assert supervisor.children["b"].state is State.READY
        await trio.sleep(600)
        assert supervisor.children["a"].state is State.READY


@pytest.mark.parametrize("clock", DayClock)
async def test_a_clock_of_the_system_wakes_who_waits_for_it(clock: DayClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for has_timer in (True, False):
        if not has_timer:
            monkeypatch.setattr(day_clock, "_timer", lambda clock, when: None)
        until = clock.now() + 0.05
        with trio.fail_after(20):
            await wait_for(clock, until)
            await wait_for(clock, until - 100)
        assert clock.now() >= until - 0.01


# Who is written anew, or comes again


async def test_who_was_added_and_comes_again_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    kept, added = Kept(), child("new", budget=Budget(usd=Rate(5, HOUR)))
    for usd, state in ((4.5, State.READY), (0.6, State.HELD), (0.0, State.HELD)):
        supervisor = Supervisor(SupervisorSpec((child("b"),)), kept.world(ScriptedWorld()))
        async with supervisor.open():
            Register(supervisor).restore({"new": Added("{}", True, (added,))}, {})
            await trio.sleep(1)
            supervisor.report_cost("new", usd)
            await trio.sleep(1)
            assert supervisor.children["new"].state is state


async def test_what_was_used_up_counts_for_another_budget_and_outlasts_the_run(autojump_clock: MockClock) -> None:
    kept, spec = Kept(), spender()
    other = SupervisorSpec((child("a", budget=Budget(usd=Rate(8, HOUR))), child("b")))
    supervisor = Supervisor(spec, kept.world(ScriptedWorld()))
    async with supervisor.open():
        supervisor.report_cost("a", 2)
        supervisor.report_cost("a", 2)
        await trio.sleep(1)
        supervisor.change(Change(other, at_once=other.children[:1]))
        await trio.sleep(1)
        supervisor.report_cost("a", 3)
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.READY

    again = Supervisor(other, kept.world(ScriptedWorld()))
    async with again.open():
        await trio.sleep(1)
        again.report_cost("a", 1)
        await trio.sleep(1)
        assert again.children["a"].reason.startswith("budget: 8.00 of 8 USD per h used")


async def test_an_account_that_is_written_anew_has_used_up_what_it_had(autojump_clock: MockClock) -> None:
    def shared(usd: float) -> SupervisorSpec:
        return SupervisorSpec((child("a", account="team"),), accounts={"team": Account(Budget(usd=Rate(usd, HOUR)))})

    kept = Kept()
    supervisor = Supervisor(shared(5), kept.world(ScriptedWorld()))
    async with supervisor.open():
        await trio.sleep(1)
        supervisor.report_cost("a", 4)
        await trio.sleep(1)
        supervisor.accounts.change(shared(5).accounts)
        supervisor.accounts.change({})
        supervisor.report_cost("a", 100)
        await trio.sleep(1)
        supervisor.accounts.change(shared(6).accounts)
        supervisor.report_cost("a", 1)
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.READY
        supervisor.report_cost("a", 1)
        await trio.sleep(1)
        assert supervisor.children["a"].reason.startswith("account 'team': budget: 6.00 of 6 USD per h used")
