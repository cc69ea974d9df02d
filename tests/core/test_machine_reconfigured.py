"""What is written anew: policies, dependencies, limits and order change, and no life ends for it."""

import math

import pytest

from tests.core.driver import CRASH, NO_JITTER, Driver, policy, tree
from trio_supervisor.core.budget import Budget, Rate
from trio_supervisor.core.commands import (
    LookAtLife,
    Output,
    PassStartup,
    StartChild,
    StopChild,
    WatchHealth,
    WatchReadiness,
)
from trio_supervisor.core.facts import CostReported, Reconfigured, TimePassed
from trio_supervisor.core.limits import Idle, Lifetime, Progress
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.policy import (
    AtLimit,
    Backoff,
    ChildPolicy,
    Condition,
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

ONCE = Thresholds(1, 1)
THRICE = Thresholds(3, 1)


def up(driver: Driver, *children: str) -> Driver:
    """All of them ready, who is so when started."""
    driver.start()
    driver.started(*(children or driver.machine.children))
    return driver


def change(driver: Driver, **children: ChildPolicy) -> list[Output]:
    return driver.tell(Reconfigured(children))


def moves(outputs: list[Output]) -> list[Output]:
    """What is more than words."""
    return [each for each in outputs if isinstance(each, StartChild | StopChild | StateChanged)]


class TestPolicies:
    def test_nothing_moves(self) -> None:
        driver = up(Driver(a=policy(), b=policy()))

        assert change(driver, a=policy(Restart.TEMPORARY), nobody=policy()) == []

        assert driver["a"].generation == driver["b"].generation == 1
        driver.exits("a", CRASH)
        assert driver.state("a") is State.FAILED

    def test_who_is_down_goes_by_it_too(self) -> None:
        driver = Driver(a=policy())
        change(driver, a=policy(deadline=3.0))
        driver.start("a")
        assert driver.next_in() == 3.0

    def test_nothing_changes_for_who_ends_anyway(self) -> None:
        driver = up(Driver(a=policy()))
        driver.shut_down()
        change(driver, a=policy(Restart.TEMPORARY))
        assert driver["a"].policy.restart is Restart.PERMANENT

    def test_who_is_being_stopped_goes_on_to_end(self) -> None:
        driver = up(Driver(a=policy()))
        driver.stop("a")
        assert change(driver, a=policy(health=ONCE, ready_by=ReadyBy.PROBE)) == []
        assert driver.state("a") is State.STOPPING

    def test_the_next_life_goes_by_another_policy(self) -> None:
        driver = up(Driver(a=policy(), b=policy()))
        later = policy(Restart.TEMPORARY, needs={"b": Condition.READY}, deadline=7.0)
        assert driver.tell(Reconfigured(later={"a": later, "nobody": later})) == []
        assert driver["a"].policy.restart is Restart.PERMANENT
        assert driver["a"].policy.depends_on == {"b": Condition.READY}

        driver.restart("a")
        driver.exits("a", CRASH)
        assert driver["a"].policy is later
        assert driver.next_in() == 7.0

    def test_who_has_no_life_takes_the_next_policy_at_once(self) -> None:
        driver = Driver(a=policy())
        driver.tell(Reconfigured(later={"a": policy(Restart.TEMPORARY)}))
        assert driver["a"].policy.restart is Restart.TEMPORARY


class TestRestarts:
    def test_what_has_counted_counts_on_under_another_limit(self) -> None:
        driver = up(Driver(tree(5, 60.0), a=policy(backoff=Backoff(initial=0, max=0, jitter=0))))
        for _ in range(2):
            driver.exits("a", CRASH)
            driver.started("a")
        change(driver, a=changed(driver["a"].policy, intensity=Intensity(2, 60.0)))
        driver.exits("a", CRASH)
        assert driver.state("a") is State.HELD
        assert "2 restarts within 60 s" in driver["a"].reason

    @pytest.mark.parametrize("at_limit", [AtLimit.HOLD, AtLimit.ESCALATE])
    def test_the_limit_of_the_supervisor(self, at_limit: AtLimit) -> None:
        driver = up(Driver(TreePolicy(Intensity(5, 60.0), at_limit=at_limit), a=policy(backoff=NO_JITTER), b=policy()))
        driver.exits("a", CRASH)
        driver.started("a")
        driver.tell(Reconfigured(tree=TreePolicy(Intensity(1, 60.0), at_limit=at_limit)))
        driver.exits("a", CRASH)
        assert driver.state("a") is (State.HELD if at_limit is AtLimit.HOLD else State.FAILED)

    def test_a_pause_ends_with_the_rule(self) -> None:
        driver = up(Driver(TreePolicy(Intensity(0, 60.0), at_limit=AtLimit.PAUSE), a=policy(backoff=NO_JITTER)))
        driver.exits("a", CRASH)
        assert driver.machine.deadline_of("a") == driver.now + 60.0
        pausing = TreePolicy(Intensity(0, 60.0), at_limit=AtLimit.PAUSE, max_parallel_starts=3)
        driver.tell(Reconfigured(tree=pausing))
        driver.tell(Reconfigured(tree=TreePolicy(Intensity(5, 60.0))))
        assert driver.machine.policy.intensity.restarts == 5
        driver.start("a")
        driver.started("a")
        driver.exits("a", CRASH)
        assert driver.state("a") is not State.BACKOFF or driver.next_in() < 60.0

    def test_a_budget_that_is_less_by_now(self) -> None:
        driver = up(Driver(a=ChildPolicy(budget=Budget(usd=Rate(10, 3600)))))
        driver.tell(CostReported("a", 4))
        change(driver, a=ChildPolicy(budget=Budget(usd=Rate(5, 3600))))
        driver.tell(CostReported("a", 1))
        assert driver.state("a") is State.STOPPING
        driver = up(Driver(a=ChildPolicy(), b=ChildPolicy(budget=Budget(usd=Rate(10, 3600)))))
        change(driver, a=ChildPolicy(budget=Budget(usd=Rate(5, 3600))), b=ChildPolicy())
        assert driver["b"].ledger is None
        driver.tell(CostReported("a", 5))
        assert driver.state("a") is State.STOPPING

    def test_profile_and_template_stay(self) -> None:
        driver = Driver(a=policy())
        for other in (TreePolicy(profile=Profile.OTP), TreePolicy(strategy=Strategy.SIMPLE_ONE_FOR_ONE)):
            with pytest.raises(ValueError, match="stay as they are"):
                driver.tell(Reconfigured(tree=other))

    def test_more_may_start_at_a_time(self) -> None:
        driver = Driver(tree(parallel=1), a=policy(), b=policy(), c=policy())
        driver.start()
        assert driver.states() == {"a": "starting", "b": "waiting", "c": "waiting"}
        driver.tell(Reconfigured(tree=tree(parallel=2)))
        assert driver.states() == {"a": "starting", "b": "starting", "c": "waiting"}
        driver.tell(Reconfigured(tree=tree(parallel=1)))
        driver.started("a")
        assert driver.state("c") is State.WAITING
        driver.started("b")
        assert driver.state("c") is State.STARTING


class TestDependencies:
    def test_who_waited_for_another_one_starts(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE), b=policy(needs={"a": Condition.READY}))
        driver.start()
        assert driver.state("b") is State.WAITING
        change(driver, b=policy())
        assert driver.state("b") is State.STARTING

    def test_two_may_change_places(self) -> None:
        driver = up(Driver(a=policy(needs={"b": Condition.READY}), b=policy()), "b")
        driver.started("a")
        assert change(driver, a=policy(), b=policy(needs={"a": Condition.READY})) == []
        driver.shut_down()
        assert driver.states() == {"a": "ready", "b": "stopping"}
        driver.exits("b")
        assert driver.states() == {"a": "stopping", "b": "stopped"}

    def test_who_would_wait_for_himself_is_a_mistake(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": Condition.READY}))
        with pytest.raises(ValueError, match="wait for itself"):
            change(driver, a=policy(needs={"b": Condition.READY}))

    def test_who_is_bound_from_now_on_to_one_that_is_down_goes_down(self) -> None:
        driver = up(Driver(a=policy(), b=policy()))
        driver.stop("b")
        driver.exits("b")
        change(driver, a=ChildPolicy(depends_on={"b": Condition.STARTED}, binds_to=("b",)))
        assert driver.state("a") is State.STOPPING

    def test_the_order(self) -> None:
        driver = Driver(a=policy(), b=policy(), c=policy())
        driver.tell(Reconfigured(order=("c", "nobody", "a")))
        assert list(driver.machine.children) == ["c", "a", "b"]


class TestStarts:
    @pytest.mark.parametrize(
        ("old", "new", "left"), [(10.0, 15.0, 13.0), (10.0, math.inf, math.inf), (math.inf, 5.0, 5.0)]
    )
    def test_a_start_under_way_has_another_deadline(self, old: float, new: float, left: float) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=old))
        driver.start()
        driver.started("a")
        driver.now += 2
        change(driver, a=policy(ready_by=ReadyBy.PROBE, deadline=new))
        assert driver.next_in() == left

    def test_who_is_ready_has_none(self) -> None:
        driver = up(Driver(a=policy(deadline=10.0)))
        change(driver, a=policy(deadline=20.0))
        assert driver.next_in() == math.inf

    def test_a_deadline_that_ended_with_the_startup_probe_stays_so(self) -> None:
        before = policy(ready_by=ReadyBy.PROBE, startup=ONCE, deadline=10.0)
        driver = Driver(a=before)
        driver.start()
        driver.started("a")
        driver.startup("a", True)
        change(driver, a=changed(before, start_deadline=5.0))
        assert driver.next_in() == math.inf

    def test_a_deadline_that_ended_with_a_startup_probe_that_is_gone(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, startup=ONCE, deadline=10.0))
        driver.start()
        driver.started("a")
        driver.startup("a", True)
        change(driver, a=policy(ready_by=ReadyBy.PROBE, deadline=10.0))
        change(driver, a=policy(ready_by=ReadyBy.PROBE, deadline=5.0))
        assert driver.next_in() == math.inf

    def test_no_startup_probe_any_more(self) -> None:
        driver = Driver(a=policy(startup=THRICE), b=policy(startup=THRICE, ready_by=ReadyBy.PROBE))
        driver.start()
        driver.started("a", "b")
        change(driver, a=policy(startup=ONCE), b=policy(startup=ONCE, ready_by=ReadyBy.PROBE))
        assert driver["a"].startup is not None
        assert driver["a"].startup.thresholds == ONCE
        out = change(driver, a=policy(), b=policy(ready_by=ReadyBy.PROBE))
        assert [each.child for each in out if isinstance(each, PassStartup)] == ["a", "b"]
        assert driver.states() == {"a": "ready", "b": "running"}

    def test_a_startup_probe_that_has_done_its_work_may_go(self) -> None:
        driver = Driver(a=policy(startup=ONCE))
        driver.start()
        driver.started("a")
        driver.startup("a", True)
        assert change(driver, a=policy()) == []
        assert driver["a"].startup is None

    def test_a_new_startup_probe_is_for_the_next_start(self) -> None:
        driver = up(Driver(a=policy(), b=policy()), "a")
        assert moves(change(driver, a=policy(startup=ONCE), b=policy(startup=ONCE))) == []
        driver.started("b")
        assert driver.states() == {"a": "ready", "b": "running"}


class TestProbes:
    def test_other_thresholds(self) -> None:
        both = policy(ready_by=ReadyBy.PROBE, readiness=THRICE, health=THRICE)
        driver = Driver(a=both)
        driver.start()
        driver.started("a")
        driver.readiness("a", True)
        change(driver, a=changed(both, readiness=ONCE, health=Thresholds(2, 1)))
        driver.readiness("a", False)
        assert driver.state("a") is State.RUNNING
        driver.readiness("a", True)
        driver.health("a", False)
        assert driver.state("a") is State.READY
        driver.health("a", False)
        assert driver.state("a") is State.STOPPING

    def test_a_new_readiness_probe_is_asked_and_it_stays_ready_meanwhile(self) -> None:
        driver = up(Driver(a=policy()))
        out = change(driver, a=policy(ready_by=ReadyBy.PROBE))
        assert out == [WatchReadiness("a", 1)]
        driver.readiness("a", False)
        assert driver.state("a") is State.RUNNING

    def test_without_a_readiness_probe_it_is_ready(self) -> None:
        driver = Driver(
            a=policy(ready_by=ReadyBy.PROBE), b=policy(ready_by=ReadyBy.PROBE), c=policy(ready_by=ReadyBy.PROBE)
        )
        driver.start()
        driver.started("a", "b")
        driver.readiness("a", True)
        assert moves(change(driver, a=policy())) == []
        change(driver, b=policy(), c=policy())
        assert driver.states() == {"a": "ready", "b": "ready", "c": "starting"}
        driver.started("c")
        assert driver.state("c") is State.READY

    def test_a_readiness_probe_that_comes_when_the_startup_probe_goes(self) -> None:
        driver = Driver(a=policy(startup=ONCE))
        driver.start()
        driver.started("a")
        out = change(driver, a=policy(ready_by=ReadyBy.PROBE))
        assert out == [PassStartup("a", 1)]
        driver.readiness("a", True)
        assert driver.state("a") is State.READY

    def test_a_readiness_probe_that_comes_while_the_startup_probe_is_asked_waits_for_it(self) -> None:
        driver = Driver(a=policy(startup=ONCE))
        driver.start()
        driver.started("a")
        assert change(driver, a=policy(startup=ONCE, ready_by=ReadyBy.PROBE)) == []
        driver.startup("a", True)
        assert driver.state("a") is State.RUNNING

    def test_a_health_probe_comes_and_goes(self) -> None:
        driver = up(Driver(a=policy(), b=policy()), "a")
        assert change(driver, a=policy(health=ONCE), b=policy(health=ONCE)) == [WatchHealth("a", 1)]
        change(driver, a=policy())
        driver.health("a", False)
        assert driver.state("a") is State.READY


class TestLimits:
    def test_all_of_them_come_in_a_life_that_has_none(self) -> None:
        driver = up(Driver(a=ChildPolicy(), b=ChildPolicy()), "a")
        driver.now += 5
        limited = ChildPolicy(lifetime=Lifetime(10), idle=Idle(100), progress=Progress(200), silent_meter=300)
        change(driver, a=limited, b=limited)
        driver.now += 4
        assert _clocks(driver) == {"lifetime": 100.0, "idle": 105.0, "progress": 105.0, "meter": 105.0}
        driver.tell(TimePassed())
        driver.now += 2
        driver.tell(TimePassed())
        assert driver.state("a") is State.STOPPING

    def test_what_has_counted_counts_on(self) -> None:
        driver = up(Driver(a=ChildPolicy(idle=Idle(100), progress=Progress(200), silent_meter=300)))
        driver.now += 50
        change(driver, a=ChildPolicy(idle=Idle(60), progress=Progress(55), silent_meter=70))
        assert _clocks(driver) == {"idle": 100.0, "progress": 100.0, "meter": 150.0}
        out = driver.tell(TimePassed())
        assert [each for each in out if isinstance(each, LookAtLife)]

    def test_all_of_them_go(self) -> None:
        limited = ChildPolicy(lifetime=Lifetime(10), idle=Idle(100), progress=Progress(200), silent_meter=300)
        driver = up(Driver(a=limited))
        change(driver, a=ChildPolicy())
        assert _clocks(driver) == {}
        assert driver.next_in() == math.inf

    def test_some_wait_until_it_is_ready(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.start()
        driver.started("a")
        limited = changed(policy(ready_by=ReadyBy.PROBE), idle=Idle(100), progress=Progress(200), lifetime=Lifetime(9))
        change(driver, a=limited)
        assert set(_clocks(driver)) == {"lifetime"}
        change(driver, a=limited)
        driver.readiness("a", True)
        assert set(_clocks(driver)) == {"lifetime", "idle", "progress"}


def _clocks(driver: Driver) -> dict[str, float]:
    return {clock.kind.value: clock.since for clock in driver["a"].clocks or ()}


def needing(name: str) -> ChildPolicy:
    return changed(policy(), depends_on={name: Condition.READY})


class TestThoseToCome:
    """They are written, and not there yet."""

    def test_who_depends_on_one_waits_for_it(self) -> None:
        driver = up(Driver(a=policy()))
        needs = needing("b")
        driver.tell(Reconfigured(later={"a": needs}, order=("a", "b")))
        driver.restart("a")
        driver.exits("a")
        assert driver.states() == {"a": "waiting"}
        assert driver["a"].reason == "restarted by hand; waiting for 'b' to be ready"
        driver.add("b", policy())
        driver.start("b")
        driver.started("b")
        assert driver.states() == {"a": "starting", "b": "ready"}

    def test_who_is_bound_to_one_is_not_ended_for_it(self) -> None:
        driver = up(Driver(a=policy()))
        assert moves(driver.tell(Reconfigured({"a": changed(policy(), binds_to=("b",))}, order=("a", "b")))) == []

    def test_one_that_has_come_and_is_removed_is_waited_for_no_more(self) -> None:
        driver = up(Driver(a=policy()))
        driver.tell(Reconfigured(order=("a", "b")))
        driver.add("b", policy())
        driver.remove("b")
        driver.tell(Reconfigured({"a": needing("b")}))
        driver.restart("a")
        driver.exits("a")
        assert driver.states() == {"a": "failed"}
