"""Each decision names the rules behind it, with the numbers that they went by."""

import math

import pytest

from tests.core.driver import CLEAN, CRASH, TERMED, Driver, policy, tree
from trio_supervisor.core.backoff import delay
from trio_supervisor.core.budget import Budget, Rate
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import CostReported, HeldByRule, LimitReached, Restored, ResumeAsked
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.limits import Lifetime, Progress, Then
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.policy import (
    AtLimit,
    Backoff,
    ChildPolicy,
    Condition,
    ExitCodes,
    Intensity,
    Profile,
    ReadyBy,
    Restart,
    Strategy,
    Thresholds,
    TreePolicy,
)
from trio_supervisor.core.state import State
from trio_supervisor.record import changed


def decision(driver: Driver, child: str = "a") -> StateChanged:
    """The last change of a child that has grounds; mere steps may follow it at once."""
    found = [out for out in driver.out if isinstance(out, StateChanged) and out.child == child and out.grounds]
    return found[-1]


def told(driver: Driver, child: str = "a") -> dict[str, str]:
    """The rules behind the last decision about a child, in words."""
    return {ground.rule.value: ground.text for ground in decision(driver, child).grounds}


def numbers(driver: Driver, rule: Rule, child: str = "a") -> dict[str, float]:
    (ground,) = [ground for ground in decision(driver, child).grounds if ground.rule is rule]
    return dict(ground.numbers)


def otp() -> TreePolicy:
    return TreePolicy(Intensity(1000, 60), profile=Profile.OTP)


class TestRestarts:
    """How the delay came about, and how much of the limit is used."""

    def test_a_crash_names_the_type_the_limit_and_the_delay(self) -> None:
        driver = Driver(tree(restarts=5), a=policy(backoff=Backoff(jitter=0.2)))
        driver.bring_up("a")
        driver.exits("a")
        assert told(driver) == {
            "restart": "permanent: always restarted",
            "intensity": "1 of 5 restarts within 1 min used",
            "backoff": "failure 1 in a row: no delay before the first restart",
        }
        driver.make_ready("a")
        driver.exits("a", draw=0.75)
        assert told(driver)["backoff"] == "failure 2 in a row: 0.5 s x 2^0 = 0.5 s, +-20%: 0.55 s"
        assert numbers(driver, Rule.BACKOFF) == {"attempt": 2, "plain": 0.5, "delay": pytest.approx(0.55)}
        assert numbers(driver, Rule.INTENSITY) == {"used": 2, "restarts": 5, "within": 60, "shared": False}
        due = driver.notice("a").next_at
        assert due is not None
        assert due - driver.now == pytest.approx(0.55)

    def test_the_delay_that_is_told_is_the_one_that_is_waited(self) -> None:
        driver = Driver(a=policy(backoff=Backoff(jitter=0.2)))
        driver.bring_up("a")
        for attempt in range(1, 12):
            driver.exits("a", draw=0.3)
            assert numbers(driver, Rule.BACKOFF)["delay"] == delay(driver["a"].policy.backoff, attempt, 0.3)
            driver.pass_time(30)
            driver.make_ready("a")
        assert told(driver)["backoff"] == "failure 11 in a row: 0.5 s x 2^9, at most 30 s, +-20%: 27.6 s"

    def test_without_backoff_there_is_none(self) -> None:
        driver = Driver(a=policy(backoff=Backoff(0, 1, 0, 0)))
        driver.bring_up("a")
        driver.exits("a")
        assert told(driver)["backoff"] == "failure 1 in a row: no delay, as none is written"

    def test_at_the_limit_it_is_held_by_it(self) -> None:
        driver = Driver(tree(restarts=1), a=policy())
        driver.bring_up("a")
        driver.crash_and_return("a")
        driver.exits("a")
        assert driver.state("a") is State.HELD
        assert told(driver) == {
            "restart": "permanent: always restarted",
            "intensity": "1 of 1 restarts within 1 min used",
        }

    def test_a_pause_tells_how_long_it_is_at_each_restart_that_waits_for_it(self) -> None:
        driver = Driver(TreePolicy(Intensity(1, 30), at_limit=AtLimit.PAUSE), a=policy(), b=policy())
        driver.bring_up()
        driver.crash_and_return("a")
        driver.exits("a")
        assert told(driver)["intensity"] == "1 of 1 restarts within 30 s used (of all children together)"
        assert told(driver)["at_limit"] == "pause: no restart for 30 s"
        driver.pass_time(10)
        driver.exits("b")
        assert told(driver, "b")["at_limit"] == "pause: no restart for 20 s"
        assert "intensity" not in told(driver, "b")

    def test_a_limit_that_escalates(self) -> None:
        driver = Driver(TreePolicy(Intensity(0, 5), at_limit=AtLimit.ESCALATE), a=policy())
        driver.bring_up()
        driver.exits("a")
        assert driver.state("a") is State.FAILED
        assert told(driver)["intensity"] == "0 of 0 restarts within 5 s used (of all children together)"

    def test_siblings_that_go_with_it_are_told_so(self) -> None:
        driver = Driver(TreePolicy(Intensity(9, 60), strategy=Strategy.ONE_FOR_ALL), a=policy(), b=policy())
        driver.bring_up()
        driver.exits("a")
        assert told(driver, "b") == {"strategy": "one_for_all: restarted together with 'a'"}
        driver.exits("b", TERMED)
        driver.make_ready("a")
        driver.make_ready("b")
        driver.exits("a")
        driver.exits("b", TERMED)
        assert driver.state("b") is State.BACKOFF
        assert told(driver, "b") == {"strategy": "one_for_all: restarted together with 'a'"}
        assert driver["b"].lives_by == {"strategy": 1}

    def test_who_is_not_restarted_by_its_type(self) -> None:
        driver = Driver(a=policy(Restart.TRANSIENT), b=policy(Restart.TEMPORARY))
        driver.bring_up()
        driver.exits("a", CLEAN)
        driver.exits("b", CRASH)
        assert told(driver) == {"restart": "transient: not restarted after a clean end"}
        assert told(driver, "b") == {"restart": "temporary: never restarted"}

    @pytest.mark.parametrize(
        ("code", "words", "state"),
        [
            (75, "exit code 75 asks for a restart", State.STARTING),
            (78, "exit code 78 asks to be held", State.HELD),
            (3, "exit code 3 counts as success", State.FINISHED),
        ],
    )
    def test_what_an_exit_code_means(self, code: int, words: str, state: State) -> None:
        codes = ExitCodes((0, 3), (75,), (78,))
        driver = Driver(a=changed(policy(Restart.TRANSIENT), exit_codes=codes))
        driver.bring_up()
        driver.exits("a", Exit(How.EXITED, code=code))
        assert (driver.state("a"), told(driver)["exit_codes"]) == (state, words)

    def test_rows_of_crashes(self) -> None:
        last = Exit(How.EXITED, code=1, last_lines=("no key",))
        driver = Driver(a=changed(policy(), startup_crashes=2, same_exits=3))
        driver.start("a")
        driver.started("a")
        driver.exits("a", last)
        assert told(driver)["startup_crashes"] == (
            "1 of 2 startup crashes in a row, the first 0.0 s ago (it is held no sooner than 30 s after the first)"
        )
        assert told(driver)["same_exits"] == "1 of 3 ends in a row of the same kind with the same last lines"
        driver.pass_time(31)
        driver.started("a")
        driver.exits("a", last)
        assert driver.state("a") is State.HELD
        assert told(driver)["startup_crashes"] == "2 of 2 startup crashes in a row, the first 31 s ago"

    def test_a_failed_start_in_profile_otp_tells_its_delay_when_it_is_tried_again(self) -> None:
        driver = Driver(otp(), a=policy(backoff=Backoff(0, 1, 0, 0)))
        driver.bring_up()
        driver.exits("a")
        driver.exits("a", Exit(How.SPAWN_FAILED, detail="no"))
        assert driver["a"].lives_by == {"exited": 1, "spawn_failed": 1}


class TestProbes:
    """How many answers of how many."""

    def test_unhealthy_by_so_many_in_a_row(self) -> None:
        driver = Driver(a=policy(health=Thresholds(2, 1)))
        driver.bring_up()
        driver.health("a", False)
        driver.pass_time(5)
        driver.health("a", False, "status 500")
        assert told(driver) == {"health": "2 of 2 failed in a row, the first 5.0 s ago; the last answer: status 500"}
        assert numbers(driver, Rule.HEALTH) == {"failed": 2, "failures": 2, "worked": 0, "successes": 1}
        driver.exits("a", TERMED)
        assert driver["a"].lives_by == {"health": 1}

    def test_ready_and_not_ready_any_more(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, readiness=Thresholds(1, 2)))
        driver.start("a")
        driver.started("a")
        driver.readiness("a", True)
        driver.readiness("a", True)
        assert told(driver) == {"readiness": "good; the last answer: status 200"}
        driver.readiness("a", False, "busy")
        assert driver.state("a") is State.RUNNING
        assert told(driver)["readiness"] == "1 of 1 failed in a row, the first 0.0 s ago; the last answer: busy"

    def test_a_start_that_takes_too_long(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=10))
        driver.start("a")
        driver.started("a")
        driver.pass_time(10)
        assert told(driver) == {"deadline": "not ready within 10 s"}
        driver.exits("a", TERMED)
        driver.started("a")
        driver.readiness("a", False, "refused")
        driver.pass_time(10)
        assert told(driver) == {"deadline": "not ready within 10 s; the last answer: refused"}
        assert driver["a"].lives_by == {"deadline": 1}

    def test_a_start_that_fails_by_an_answer(self) -> None:
        driver = Driver(
            a=policy(startup=Thresholds(2, 1)),
            b=policy(startup=Thresholds(math.inf, 1)),
            c=policy(ready_by=ReadyBy.PROBE),
        )
        driver.start()
        driver.started("a", "b", "c")
        driver.startup("a", False)
        driver.startup("a", False, "no")
        driver.startup("b", False, "never", decisive=True)
        driver.readiness("c", False, "in use", decisive=True)
        assert told(driver)["startup"] == "2 of 2 failed in a row, the first 0.0 s ago; the last answer: no"
        assert told(driver, "b")["startup"] == "1 failed in a row, the first 0.0 s ago; the last answer: never"
        assert told(driver, "c")["readiness"] == "1 of 1 failed in a row, the first 0.0 s ago; the last answer: in use"

    def test_ready_by_its_startup_probe(self) -> None:
        driver = Driver(a=policy(startup=Thresholds(2, 1)))
        driver.bring_up()
        assert told(driver) == {"startup": "good; the last answer: started up"}

    def test_one_that_is_watched_goes_and_comes(self) -> None:
        watched = policy(ready_by=ReadyBy.HEALTH, health=Thresholds(1, 2), remote=True, deadline=9)
        with_readiness = policy(ready_by=ReadyBy.PROBE, remote=True)
        driver = Driver(a=watched, b=with_readiness)
        driver.start()
        driver.started("a", "b")
        driver.health("a", True, "200")
        driver.health("a", True, "200")
        assert told(driver) == {"health": "good; the last answer: 200"}
        driver.health("a", False, "500")
        driver.health("a", False, "500")
        assert driver.state("a") is State.UNHEALTHY
        assert told(driver)["health"].startswith("1 of 1 failed in a row")
        driver.readiness("b", True)
        driver.readiness("b", False, "503")
        assert driver.state("b") is State.UNHEALTHY
        assert told(driver, "b")["readiness"].startswith("1 of 1 failed in a row")


class TestLimits:
    """Limits of a life, budgets, holds by rule."""

    def test_the_limit_that_restarts_or_holds(self) -> None:
        driver = Driver(
            a=changed(policy(), lifetime=Lifetime(100, 0)),
            b=changed(policy(), lifetime=Lifetime(100, 0, Then.HOLD)),
            c=changed(policy(), progress=Progress(100)),
        )
        driver.bring_up()
        driver.pass_time(100)
        driver.looked("c")
        for child in "ab":
            driver.exits(child, TERMED)
        assert driver.state("b") is State.HELD
        assert told(driver, "b") == {"lifetime": "lifetime limit: 100 s old"}
        driver.pass_time(20)
        driver.looked("c")
        assert told(driver, "c") == {"progress": "progress limit: none within 100 s"}
        driver.exits("c", TERMED)
        assert (driver["a"].lives_by, driver["c"].lives_by) == ({"lifetime": 1}, {"progress": 1})

    def test_what_drains_tells_by_what_and_how_long(self) -> None:
        driver = Driver(a=changed(policy(), lifetime=Lifetime(100, 0), drain=30.0))
        driver.bring_up()
        driver.busy("a")
        driver.pass_time(100)
        assert told(driver) == {
            "lifetime": "lifetime limit: 100 s old",
            "drain": "waits for what it is busy with, 30 s at the most",
        }
        driver.pass_time(30)
        assert driver.state("a") is State.STOPPING
        assert told(driver) == {"lifetime": "lifetime limit: 100 s old"}

    def test_too_much_memory(self) -> None:
        driver = Driver(a=policy(), b=changed(policy(), drain=30.0))
        driver.bring_up()
        for child in "ab":
            driver.tell(LimitReached(child, 1, "memory_soft: 2 of 1 GiB"))
            assert told(driver, child)["memory_soft"] == "memory_soft: 2 of 1 GiB"
        driver.exits("a", TERMED)
        assert driver["a"].lives_by == {"memory_soft": 1}

    def test_a_budget_that_is_used_up(self) -> None:
        budget = Budget(usd=Rate(5, 3600), restarts=Rate(1, 86400))
        driver = Driver(a=changed(policy(), budget=budget))
        driver.bring_up()
        driver.tell(CostReported("a", 5.5))
        driver.exits("a", TERMED)
        assert driver.state("a") is State.HELD
        assert told(driver) == {"budget": "5.50 of 5 USD per h used"}
        assert numbers(driver, Rule.BUDGET) == {"used": 5.5, "limit": 5, "within": 3600}

    def test_restarts_that_are_used_up(self) -> None:
        driver = Driver(a=changed(policy(), budget=Budget(restarts=Rate(1, 86400))))
        driver.bring_up()
        driver.crash_and_return("a")
        driver.exits("a")
        assert told(driver) == {"budget": "1 of 1 restarts per day used"}

    def test_a_hold_that_is_over(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()
        driver.tell(HeldByRule("a", "quota", driver.now + 10, Ground(Rule.QUOTA, "used up")))
        driver.exits("a", TERMED)
        assert told(driver) == {"quota": "used up"}
        driver.pass_time(10)
        driver.make_ready("a")
        assert driver["a"].lives_by == {"hold": 1}

    def test_a_hold_of_an_earlier_run(self) -> None:
        driver = Driver(a=policy())
        driver.tell(Restored("a", held="held by hand"))
        assert told(driver) == {"hold": "it was held already when the run before ended"}


class TestLives:
    """Why lives were begun, for those who count them."""

    def test_each_life_has_its_reason_and_nothing_forgets_them(self) -> None:
        bound = changed(policy(needs={"a": Condition.STARTED}), binds_to=("a",))
        driver = Driver(a=policy(), b=bound, c=policy())
        driver.bring_up("a", "b", "c")
        driver.restart("a")
        driver.exits("b", TERMED)
        driver.exits("a", TERMED)
        driver.make_ready("a")
        driver.make_ready("b")
        driver.stop("c")
        driver.exits("c", TERMED)
        driver.start("c")
        assert (driver["a"].lives_by, driver["b"].lives_by) == ({"asked": 1}, {"binds_to": 1})
        assert driver["c"].lives_by == {"asked": 1}

    def test_how_long_it_took_to_be_ready(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.start("a")
        driver.pass_time(2)
        driver.started("a")
        driver.pass_time(1)
        driver.readiness("a", True)
        driver.readiness("a", False)
        driver.readiness("a", True)
        assert (driver["a"].readied, driver["a"].ready_seconds) == (1, 3)

    def test_orders_in_profile_otp(self) -> None:
        driver = Driver(otp(), a=policy())
        driver.bring_up()
        driver.restart("a")
        driver.exits("a", TERMED)
        driver.make_ready("a")
        driver.stop("a")
        driver.exits("a", TERMED)
        driver.tell(ResumeAsked("a"))
        driver.start("a")
        assert driver["a"].lives_by == {"asked": 2}

    def test_one_that_comes_back_with_its_dependency(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY, ready_by=ReadyBy.PROBE), b=policy(needs={"a": Condition.READY}))
        driver.start()
        driver.exits("a")
        assert driver.state("b") is State.FAILED
        driver.bring_up("a")
        driver.make_ready("b")
        assert driver["b"].lives_by == {}
        assert driver["b"].again == "depends_on"


def test_grounds_are_no_part_of_the_value() -> None:
    driver = Driver(a=ChildPolicy())
    driver.bring_up()
    driver.exits("a")
    notice = decision(driver)
    assert notice == changed(notice, grounds=())
