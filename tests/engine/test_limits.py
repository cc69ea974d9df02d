"""Limits, budgets, accounts and quotas with scripted children, in virtual time."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import ResumeAsked
from trio_supervisor.core.notices import Notice, Warned
from trio_supervisor.core.policy import Backoff, Profile
from trio_supervisor.core.state import State
from trio_supervisor.engine.quota import seconds_left
from trio_supervisor.engine.spendings import account_owner
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.output.search import LineSearch
from trio_supervisor.runtimes.base import HasCost, IsBusy, MadeProgress, Stream, WasActive
from trio_supervisor.spec import (
    Account,
    AtBudget,
    Budget,
    ChildSpec,
    Idle,
    Lifetime,
    Limits,
    ProcessSpec,
    Progress,
    Quota,
    Rate,
    SupervisorSpec,
)
from trio_supervisor.testing import Script, ScriptedWorld

STEADY = Backoff(initial=0, jitter=0)


def child(name: str, limits: Limits | None = None, **options: Any) -> ChildSpec:
    return ChildSpec(id=name, run=ProcessSpec((name,), limits=limits or Limits()), backoff=STEADY, **options)


def started(world: ScriptedWorld, name: str) -> list[float]:
    return [at for at, who, what in world.events if who == name and what.startswith("started")]


def state(supervisor: Supervisor, name: str) -> State:
    return supervisor.children[name].state


def reason(supervisor: Supervisor, name: str) -> str:
    return supervisor.children[name].reason


def said_of(world: ScriptedWorld, name: str) -> list[str]:
    """What the supervisor has told of a child, among what it says."""
    return [
        chunk.decode().strip() for who, stream, chunk in world.output if who == name and stream is Stream.SUPERVISOR
    ]


async def test_a_lifetime_warns_then_restarts_and_draws_its_variance_outside_the_core(
    autojump_clock: MockClock,
) -> None:
    world = ScriptedWorld(draw=lambda: 0.5)
    supervisor = Supervisor(SupervisorSpec((child("a", Limits(lifetime=Lifetime(100, 0.2))),)), world.world)

    async with supervisor.open():
        await trio.sleep(300)

    assert started(world, "a") == [0, 90, 180, 270]
    assert said_of(world, "a")[0] == "lifetime limit: 72 s old; it is restarted in 18 s"
    assert supervisor.children["a"].restarts == 0


async def test_idle_counts_from_the_last_output(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(says=((50, "one"), (120, "two"))), Script()]})
    supervisor = Supervisor(SupervisorSpec((child("a", Limits(idle=Idle(100))),)), world.world)

    async with supervisor.open():
        await trio.sleep(230)

    assert started(world, "a") == [0, 220]
    assert said_of(world, "a") == ["idle limit: nothing for 80 s; it is restarted in 20 s if that goes on"]


async def test_who_is_connected_or_was_given_something_to_do_is_not_idle(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"connected": [Script(connections=1)]})
    limits = Limits(idle=Idle(100))
    supervisor = Supervisor(SupervisorSpec((child("connected", limits), child("asked", limits))), world.world)

    async with supervisor.open():
        for _ in range(10):
            await trio.sleep(50)
            life = supervisor.life("asked")
            assert life is not None
            life.report(WasActive())

    assert started(world, "connected") == [0]
    assert started(world, "asked") == [0]


async def test_busy_is_counted_by_scopes_and_sources(autojump_clock: MockClock) -> None:
    world = ScriptedWorld()
    supervisor = Supervisor(SupervisorSpec((child("a", Limits(idle=Idle(10))),)), world.world)

    async with supervisor.open():
        await trio.sleep(1)
        life = supervisor.life("a")
        assert life is not None
        with life.while_busy(), life.while_busy():
            life.report(IsBusy(True, "notify"))
            await trio.sleep(100)
        assert life.busy
        await trio.sleep(100)
        life.report(IsBusy(True, "probe"))
        life.report(IsBusy(False, "notify"))
        await trio.sleep(100)
        assert started(world, "a") == [0]
        life.report(IsBusy(False, "probe"))
        await trio.sleep(11)

    assert started(world, "a") == [0, 311]


async def test_a_holder_that_fails_lets_go(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(SupervisorSpec((child("a", Limits(idle=Idle(10))),)), ScriptedWorld().world)

    async with supervisor.open():
        await trio.sleep(1)
        life = supervisor.life("a")
        assert life is not None
        with pytest.raises(RuntimeError), life.while_busy():
            raise RuntimeError
        assert not life.busy


async def test_progress_by_pattern_by_report_and_by_any_output(autojump_clock: MockClock) -> None:
    talk = tuple((float(at), f"hum {at}") for at in range(0, 400, 10))
    steps = tuple((float(at), f"step {at}") for at in range(0, 200, 50))
    world = ScriptedWorld({"hums": [Script(says=talk)], "steps": [Script(says=steps)], "wedged": [Script(says=talk)]})
    pattern = Limits(progress=Progress(100, "^step [0-9]+$"))
    children = (
        child("hums", Limits(progress=Progress(100))),
        child("steps", pattern),
        child("wedged", pattern),
        child("reports", pattern),
    )
    supervisor = Supervisor(SupervisorSpec(children), world.world)

    async with supervisor.open():
        for _ in range(5):
            await trio.sleep(49)
            life = supervisor.life("reports")
            assert life is not None
            life.report(MadeProgress())

        assert [started(world, name) for name in ("hums", "reports")] == [[0], [0]]
        assert started(world, "steps") == [0]
        assert started(world, "wedged") == [0, 100, 200]
        assert supervisor.children["wedged"].restarts == 2


async def test_a_drain_ends_with_the_work_and_not_before(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(draw=lambda: 0.0)
    limits = Limits(lifetime=Lifetime(100), drain=60)
    supervisor = Supervisor(SupervisorSpec((child("a", limits),)), world.world)

    async with supervisor.open():
        await trio.sleep(90)
        life = supervisor.life("a")
        assert life is not None
        with life.while_busy():
            await trio.sleep(20)
            assert state(supervisor, "a") is State.DRAINING
            await trio.sleep(5)
        await trio.sleep(1)

    assert started(world, "a") == [0, 115]


async def test_startup_crashes_hold_it_with_its_last_lines(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=0.9, says=((0.1, "loading"), (0.2, "no key at 0x1f")))]})
    spec = SupervisorSpec((ChildSpec("a", ProcessSpec(("a",)), backoff=Backoff(9, 1, 9, 0), same_exits=0),))
    supervisor = Supervisor(spec, world.world)

    async with supervisor.open():
        await trio.sleep(300)

    assert reason(supervisor, "a") == (
        "5 startup crashes in a row: exit code 1; its last lines:\n  loading\n  no key at 0x1f"
    )
    assert len(started(world, "a")) == 5


async def test_the_same_end_with_the_same_words_holds_it_early(autojump_clock: MockClock) -> None:
    lives = [Script(lifetime=20, says=((1, f"request {number} failed: no credit"),)) for number in range(9)]
    world = ScriptedWorld({"a": lives})
    supervisor = Supervisor(SupervisorSpec((child("a"),)), world.world)

    async with supervisor.open():
        await trio.sleep(300)

    assert len(started(world, "a")) == 5
    assert "same last lines: exit code 1" in reason(supervisor, "a")


async def test_in_profile_otp_nothing_of_that_is_judged(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=20, exit=Exit(How.EXITED, code=78), says=((1, "no"),))]})
    supervisor = Supervisor(SupervisorSpec((child("a"),), profile=Profile.OTP), world.world)

    async with supervisor.open():
        await trio.sleep(400)

    assert len(started(world, "a")) == 20


async def test_exit_code_78_holds_at_once(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=5, exit=Exit(How.EXITED, code=78), says=((1, "bad model"),))]})
    supervisor = Supervisor(SupervisorSpec((child("a"),)), world.world)

    async with supervisor.open():
        await trio.sleep(50)

    assert started(world, "a") == [0]
    assert reason(supervisor, "a").endswith("it can't run as it is; its last lines:\n  bad model")


class TestBudgets:
    """Money and restarts."""

    async def test_a_pattern_counts_and_the_limit_holds(self, autojump_clock: MockClock) -> None:
        says = tuple((float(at), f"cost: ${at / 10:.2f} so far") for at in range(1, 100))
        world = ScriptedWorld({"a": [Script(says=says)]})
        budget = Budget(usd=Rate(5, 3600), pattern=r"cost: \$([0-9.]+)", total=True)
        notices: list[Notice] = []
        supervisor = Supervisor(
            SupervisorSpec((child("a", budget=budget),)), world.world, tell=lambda _, notice: notices.append(notice)
        )

        async with supervisor.open():
            await trio.sleep(100)
            assert state(supervisor, "a") is State.HELD
            assert reason(supervisor, "a") == "budget: 5.00 of 5 USD per h used; held until somebody resumes it"

        assert next(what for at, _, what in world.events if at == 50).startswith("asked to end")
        assert [(each.value, each.limit) for each in notices if isinstance(each, Warned)] == [(4.0, 5)]
        assert said_of(world, "a") == ["budget: 4.00 of 5 USD per h used"]

    async def test_a_number_that_is_none_is_told_once(self, autojump_clock: MockClock) -> None:
        world = ScriptedWorld({"a": [Script(says=((1, "cost: 1.2.3"), (2, "cost: ..")))]})
        budget = Budget(usd=Rate(5, 3600), pattern="cost: ([0-9.]+)")
        async with Supervisor(SupervisorSpec((child("a", budget=budget),)), world.world).open():
            await trio.sleep(10)

        assert said_of(world, "a") == ["budget: the pattern found '1.2.3', which is no number of USD"]

    async def test_an_account_is_spent_together_and_holds_all_of_its_members(self, autojump_clock: MockClock) -> None:
        world = ScriptedWorld()
        accounts = {"team": Account(Budget(usd=Rate(10, 3600)))}
        inner = SupervisorSpec((child("c", account="team"),))
        children = (child("a", account="team"), child("b"), ChildSpec("inner", inner))
        supervisor = Supervisor(SupervisorSpec(children, accounts=accounts), world.world)

        async with supervisor.open():
            await trio.sleep(1)
            inside = supervisor.inner("inner")
            assert inside is not None
            # Two children reach it in the same moment.
            supervisor.report_cost("a", 6)
            inside.report_cost("c", 6)
            supervisor.report_cost("a", 6)
            await trio.sleep(1)

            assert (state(supervisor, "a"), state(inside, "c")) == (State.HELD, State.HELD)
            assert state(supervisor, "b") is State.READY
            assert reason(supervisor, "a") == (
                "account 'team': budget: 12.00 of 10 USD per h used; held until somebody resumes it"
            )
            spent = supervisor.accounts.spendings.spent(account_owner("team"))["usd"]
            assert [amount for _, amount in spent] == [6.0, 6.0, 6.0]

    async def test_an_account_on_pause_goes_on_by_itself(self, autojump_clock: MockClock) -> None:
        world = ScriptedWorld()
        accounts = {"team": Account(Budget(usd=Rate(10, 600), then=AtBudget.PAUSE))}
        spec = SupervisorSpec((child("a", account="team"), child("b", account="team")), accounts=accounts)
        supervisor = Supervisor(spec, world.world)

        async with supervisor.open():
            supervisor.report_cost("a", 8)
            await trio.sleep(100)
            assert said_of(world, "a") == ["account 'team': budget: 8.00 of 10 USD per 10 min used"]
            supervisor.report_cost("b", 2)
            await trio.sleep(499)
            assert {state(supervisor, name) for name in "ab"} == {State.HELD}
            await trio.sleep(2)
            assert {state(supervisor, name) for name in "ab"} == {State.READY}

    async def test_restarts_of_an_account(self, autojump_clock: MockClock) -> None:
        world = ScriptedWorld({"a": [Script(lifetime=20)], "b": [Script(lifetime=50)]})
        accounts = {"team": Account(Budget(restarts=Rate(3, 86400)))}
        spec = SupervisorSpec((child("a", account="team"), child("b", account="team")), accounts=accounts)
        supervisor = Supervisor(spec, world.world)

        async with supervisor.open():
            await trio.sleep(100)
            assert {state(supervisor, name) for name in "ab"} == {State.HELD}
            # The fourth is one too many: three are allowed.
            assert sum(one.restarts for one in supervisor.children.values()) == 4

    async def test_a_silent_meter_fails_closed(self, autojump_clock: MockClock) -> None:
        talk = tuple((float(at), f"thinking {at}") for at in range(0, 10000, 100))
        world = ScriptedWorld({"talks": [Script(says=talk)], "tells": [Script(says=talk)]})
        accounts = {"team": Account(Budget(usd=Rate(10, 600), silent_after=1000))}
        spec = SupervisorSpec(
            tuple(child(name, account="team") for name in ("talks", "tells", "quiet")), accounts=accounts
        )
        supervisor = Supervisor(spec, world.world)

        async with supervisor.open():
            for _ in range(5):
                await trio.sleep(500)
                supervisor.report_cost("tells", 0.01)
            assert state(supervisor, "talks") is State.HELD
            assert reason(supervisor, "talks").startswith("budget: its meter is silent")
            assert {state(supervisor, name) for name in ("tells", "quiet")} == {State.READY}

    async def test_whoever_resumes_a_member_approves_for_the_account(self, autojump_clock: MockClock) -> None:
        accounts = {"team": Account(Budget(usd=Rate(10, 600)))}
        spec = SupervisorSpec((child("a", account="team"),), accounts=accounts)
        supervisor = Supervisor(spec, ScriptedWorld().world)

        async with supervisor.open():
            supervisor.report_cost("a", 10)
            await trio.sleep(1)
            assert state(supervisor, "a") is State.HELD
            supervisor.post(ResumeAsked("a"))
            await trio.sleep(1)
            supervisor.report_cost("a", 5)
            await trio.sleep(1)
            assert state(supervisor, "a") is State.READY

    @pytest.mark.parametrize("usd", [-1, math.inf, math.nan])
    async def test_a_cost_that_is_none_is_refused(self, usd: float, autojump_clock: MockClock) -> None:
        supervisor = Supervisor(SupervisorSpec((child("a"),)), ScriptedWorld().world)
        async with supervisor.open():
            with pytest.raises(ValueError, match="a cost must be >= 0 USD and finite"):
                supervisor.report_cost("a", usd)

    async def test_a_meter_that_counts_in_all_may_begin_anew(self, autojump_clock: MockClock) -> None:
        supervisor = Supervisor(SupervisorSpec((child("a", budget=Budget(usd=Rate(100, 600))),)), ScriptedWorld().world)
        async with supervisor.open():
            await trio.sleep(1)
            life = supervisor.life("a")
            assert life is not None
            for total in (1, 3, 2):
                life.report(HasCost(total, total=True, meter="acp"))
            life.report(HasCost(0.5))
            await trio.sleep(1)
            ledger = supervisor.children["a"].ledger
            assert ledger is not None
            assert [amount for _, amount in ledger.export(trio.current_time())["usd"]] == [1, 2, 2, 0.5]


class TestQuotas:
    """Whoever says that a quota is used up speaks for all who share it."""

    async def test_all_of_the_account_are_held_and_resumed(self, autojump_clock: MockClock) -> None:
        world = ScriptedWorld({"a": [Script(says=((10, "429: retry after 3600"),)), Script()]})
        accounts = {"team": Account(quota=(Quota("429: retry after (?P<after>[0-9]+)"),))}
        children = (child("a", account="team"), child("b", account="team"), child("c"))
        supervisor = Supervisor(SupervisorSpec(children, accounts=accounts), world.world)

        async with supervisor.open():
            await trio.sleep(11)
            assert [state(supervisor, name) for name in "abc"] == [State.HELD, State.HELD, State.READY]
            assert reason(supervisor, "b").startswith("account 'team': quota used up until ")
            assert reason(supervisor, "b").endswith(": 429: retry after 3600")
            # Who comes in the meantime waits too.
            await supervisor.start_child(child("d", account="team"))
            await trio.sleep(1)
            assert state(supervisor, "d") is State.HELD
            await trio.sleep(3600)
            assert {state(supervisor, name) for name in "abcd"} == {State.READY}

    async def test_a_quota_that_is_used_up_again_at_once_holds_all_again(self, autojump_clock: MockClock) -> None:
        """However little later than the last one it ends."""
        world = ScriptedWorld(
            {"a": [Script(says=((1, "retry after 6"),)), Script(says=((1, "retry after 7"),)), Script()]}
        )
        accounts = {"team": Account(quota=(Quota("retry after (?P<after>[0-9]+)"),))}
        children = (child("a", account="team"), child("b", account="team"))
        supervisor = Supervisor(SupervisorSpec(children, accounts=accounts), world.world)

        async with supervisor.open():
            await trio.sleep(7.5)
            assert {state(supervisor, name) for name in "ab"} == {State.READY}
            await trio.sleep(1)
            assert {state(supervisor, name) for name in "ab"} == {State.HELD}
            assert reason(supervisor, "b").endswith(": retry after 7")
            kept = supervisor.accounts.spendings.quota(account_owner("team"), 100)
            assert kept is not None
            assert kept[1] == reason(supervisor, "b")
            await trio.sleep(7)
            assert {state(supervisor, name) for name in "ab"} == {State.READY}

    async def test_without_an_account_it_speaks_for_itself(self, autojump_clock: MockClock) -> None:
        world = ScriptedWorld(
            {"a": [Script(says=((10, "usage limit reached"), (10, "usage limit reached"))), Script()]}
        )
        supervisor = Supervisor(
            SupervisorSpec((child("a", quota=(Quota("limit reached", wait=60),)), child("b"))), world.world
        )
        async with supervisor.open():
            await trio.sleep(30)
            assert [state(supervisor, name) for name in "ab"] == [State.HELD, State.READY]
            await trio.sleep(41)
        assert started(world, "a") == [0, 70]

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("after 3600 s", 3600),
            ("after 90.5 s", 90.5),
            ("after 1h30m s", 5400),
            ("after 2d s", 172800),
            ("after soon s", 900),
            ("after 999999999 s", 8 * 86400),
            ("until 15:00.", 3600),
            ("until 3pm.", 3600),
            ("until 3:30 PM.", 5400),
            ("until 12 am.", 10 * 3600),
            ("until 14:00 (UTC).", 3600),
            ("until 13:59.", 900),
            ("until 09:00.", 19 * 3600),
            ("until 25:00.", 900),
            ("until noon.", 900),
            ("until 2026-03-01T15:00:00+01:00.", 3600),
            ("until 2026-03-01T14:30:00.", 1800),
            ("until 1772373600.", 3600),
            ("usage limit", 900),
        ],
    )
    def test_until_when(self, text: str, seconds: float) -> None:
        import re  # noqa: PLC0415 -- only here

        pattern = rb"after (?P<after>.+) s$|until (?P<until>.+)\.$|usage limit"
        match = re.search(pattern, text.encode())
        assert match is not None
        # 14:00 in a zone that is an hour ahead
        now = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=1)))
        assert now.astimezone(UTC).hour == 13
        assert seconds_left(Quota("x"), match, now) == seconds


class TestLineSearch:
    """Whole lines only, however they come."""

    def found(self, *chunks: bytes, pattern: str = "^a+$") -> list[bytes]:
        lines: list[bytes] = []
        search = LineSearch([(pattern, lambda match: lines.append(match[0]))])
        for chunk in chunks:
            search.feed(Stream.STDOUT, chunk)
        return lines

    def test_lines_over_chunks(self) -> None:
        assert self.found(b"b\naa", b"a\nab\n", b"a") == [b"aaa"]
        assert self.found(b"b\na", b"") == [b"a"]
        assert self.found(b"", b"") == []
        assert self.found(b"a\r\nx\n") == [b"a"]

    def test_a_line_without_end_is_kept_as_far_as_it_matters(self) -> None:
        assert self.found(b"x" * 200_000 + b"end", b"\n", pattern="end$") == [b"end"]

    def test_streams_are_apart(self) -> None:
        lines: list[bytes] = []
        search = LineSearch([("ab", lambda match: lines.append(match[0]))])
        search.feed(Stream.STDOUT, b"a")
        search.feed(Stream.STDERR, b"b\n")
        assert lines == []


async def test_a_child_without_limits_is_not_listened_to(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(SupervisorSpec((child("a"),)), ScriptedWorld().world)
    async with supervisor.open():
        await trio.sleep(1)
        life = supervisor.life("a")
        assert life is not None
        assert not life._hears
