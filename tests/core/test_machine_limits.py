"""Limits of a life: lifetime, idle, progress, a silent meter; drain; the holds that follow."""

import math
from typing import Any

import pytest

from tests.core.driver import CRASH, TERMED, UNKILLABLE, Driver, changes, commands, policy, starts, stops, tree
from tests.core.obedient import otp
from trio_supervisor.core.commands import LookAtLife, Output, StopChild
from trio_supervisor.core.facts import (
    BecameReady,
    HeldByRule,
    HoldAsked,
    HoldMoved,
    LimitReached,
    ResumeAsked,
    Started,
    TimeLost,
    TimePassed,
)
from trio_supervisor.core.limits import Idle, Lifetime, LimitKind, Progress, Then, in_words
from trio_supervisor.core.notices import Warned
from trio_supervisor.core.policy import AtLimit, Condition, ReadyBy, Restart, Strategy, Thresholds, TreePolicy
from trio_supervisor.core.state import State
from trio_supervisor.record import changed


def limited(**limits: Any) -> Driver:
    driver = Driver(tree(restarts=0), a=changed(policy(), **limits))
    driver.bring_up("a")
    return driver


def warnings(outputs: list[Output]) -> list[Warned]:
    return [output for output in outputs if isinstance(output, Warned)]


def looks(outputs: list[Output]) -> list[LookAtLife]:
    return [output for output in outputs if isinstance(output, LookAtLife)]


class TestLifetime:
    """A planned restart: no failure."""

    def test_it_warns_at_80_percent_and_restarts_at_the_end_each_once(self) -> None:
        driver = limited(lifetime=Lifetime(100, variance=0))

        assert warnings(driver.pass_time(79.9)) == []
        (warning,) = warnings(driver.pass_time(0.1))
        assert (warning.about, warning.value, warning.limit) == (LimitKind.LIFETIME, 80, 100)
        assert warning.reason == "lifetime limit: 80 s old; it is restarted in 20 s"
        assert commands(driver.pass_time(20)) == [StopChild("a", 1, "lifetime limit: 100 s old")]

    def test_it_counts_nowhere(self) -> None:
        driver = limited(lifetime=Lifetime(100, variance=0))
        for _ in range(3):
            driver.pass_time(100)
            assert starts(driver.exits("a", TERMED)) == ["a"]
            driver.make_ready("a")

        assert (driver["a"].restarts, driver["a"].attempts, driver["a"].generation) == (0, 0, 4)

    @pytest.mark.parametrize(("draw", "lasts"), [(0.0, 100), (0.5, 95), (0.999, 90.01)])
    def test_the_variance_only_shortens_it(self, draw: float, lasts: float) -> None:
        driver = Driver(a=changed(policy(), lifetime=Lifetime(100, variance=0.1)))
        driver.start("a")
        driver.tell(Started("a", 1, draw=draw))

        driver.pass_time(lasts - 0.001)
        assert driver.state("a") is State.READY
        driver.pass_time(0.002)
        assert driver.state("a") is State.STOPPING

    def test_it_can_hold_instead(self) -> None:
        driver = limited(lifetime=Lifetime(100, variance=0, then=Then.HOLD))

        (warning,) = warnings(driver.pass_time(80))
        driver.pass_time(20)
        driver.exits("a", TERMED)

        assert warning.reason.endswith("; it is stopped and held in 20 s")
        assert (driver.state("a"), driver["a"].reason) == (State.HELD, "lifetime limit: 100 s old")
        assert driver.machine.at_rest

    def test_a_temporary_child_does_not_come_back(self) -> None:
        driver = Driver(a=changed(policy(Restart.TEMPORARY), lifetime=Lifetime(100, variance=0)))
        driver.bring_up("a")
        driver.pass_time(100)
        driver.exits("a", TERMED)

        assert driver.state("a") is State.FAILED
        assert driver["a"].reason == "lifetime limit: 100 s old; temporary: never restarted"

    def test_a_late_clock_warns_first_all_the_same(self) -> None:
        driver = limited(lifetime=Lifetime(100, variance=0))
        driver.now += 1000

        outputs = driver.tell(TimePassed())

        assert len(warnings(outputs)) == 1
        assert driver.state("a") is State.STOPPING

    def test_lost_time_counts_as_age(self) -> None:
        driver = limited(lifetime=Lifetime(100, variance=0))
        driver.now += 90
        driver.tell(TimeLost(90))

        assert driver.next_in() <= 0

    def test_in_profile_otp_it_is_a_restart_in_its_turn(self) -> None:
        limit = changed(policy(), lifetime=Lifetime(100, variance=0))
        driver = Driver(otp(restarts=0), a=limit)
        driver.start("a")
        driver.started("a")
        driver.pass_time(100)

        assert driver.state("a") is State.STOPPING
        driver.exits("a", TERMED)
        assert driver.state("a") is State.STARTING

    def test_in_profile_otp_it_waits_for_what_is_under_way(self) -> None:
        limit = changed(policy(), lifetime=Lifetime(100, variance=0))
        driver = Driver(otp(restarts=0), a=limit, b=policy(ready_by=ReadyBy.ITSELF))
        driver.start("a")
        driver.started("a")
        driver.start("b")
        driver.started("b")
        driver.pass_time(100)
        assert driver.state("a") is State.READY

        driver.says_ready("b")
        assert driver.state("a") is State.STOPPING
        assert driver.machine.next_deadline() == math.inf


class TestIdle:
    """Output, input and connections count; being busy stops the clock."""

    def test_it_is_looked_at_only_when_it_is_due(self) -> None:
        driver = limited(idle=Idle(100))
        assert driver.pass_time(79) == []
        assert driver.pass_time(1) == [LookAtLife("a", 1, connections=True)]
        assert driver.machine.next_deadline() == math.inf, "until somebody has looked"

    def test_output_in_the_meantime_arms_it_again_without_a_word(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(80)

        assert driver.looked("a", output=10) == []
        assert driver.next_in() == 70

    def test_a_connection_is_as_good_as_output(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(80)

        assert driver.looked("a", connections=2) == []
        assert driver.next_in() == 80

    def test_silence_warns_once_and_then_restarts(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(80)
        (warning,) = driver.looked("a")
        assert isinstance(warning, Warned)
        assert warning.reason == "idle limit: nothing for 80 s; it is restarted in 20 s if that goes on"

        driver.pass_time(20)
        assert stops(driver.looked("a")) == ["a"]
        assert driver["a"].reason == "idle limit: no output, no input, no connection for 100 s"
        assert starts(driver.exits("a", TERMED)) == ["a"]
        assert driver["a"].restarts == 0

    def test_in_one_life_it_warns_once_however_often_it_begins_anew(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(80)
        assert len(warnings(driver.looked("a"))) == 1
        driver.pass_time(20)
        assert driver.looked("a", output=5) == []
        assert driver.next_in() == 95
        driver.pass_time(95)
        assert stops(driver.looked("a")) == ["a"]

    def test_who_is_busy_is_not_idle(self) -> None:
        driver = limited(idle=Idle(100))
        driver.busy("a")
        assert driver.machine.next_deadline() == math.inf

        driver.pass_time(1000)
        driver.busy("a", False)
        assert driver.next_in() == 80

    def test_being_busy_counts_while_somebody_looks(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(80)
        driver.busy("a")

        assert driver.looked("a") == []
        assert driver.machine.next_deadline() == math.inf

    def test_who_became_busy_before_it_was_ready_is_busy_then(self) -> None:
        driver = Driver(a=changed(policy(ready_by=ReadyBy.ITSELF), idle=Idle(100)))
        driver.start("a")
        driver.started("a")
        driver.busy("a")
        driver.says_ready("a")

        assert driver.machine.next_deadline() == math.inf

    def test_a_child_that_is_ready_before_it_is_started_is_watched_too(self) -> None:
        driver = Driver(a=changed(policy(ready_by=ReadyBy.ITSELF), idle=Idle(100)))
        driver.start("a")
        driver.tell(BecameReady("a", 1))
        driver.started("a")

        assert driver.next_in() == 80

    def test_time_in_which_nobody_ran_is_no_idleness(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(50)
        driver.now += 500
        driver.tell(TimeLost(500))

        assert driver.next_in() == 30

    def test_without_limits_being_busy_is_only_remembered(self) -> None:
        driver = limited()
        assert driver.busy("a") == []
        assert driver["a"].busy is True
        assert driver.looked("a") == []

    def test_the_next_life_begins_anew(self) -> None:
        driver = Driver(a=changed(policy(), idle=Idle(100)))
        driver.bring_up("a")
        driver.busy("a")
        driver.exits("a", CRASH)
        driver.make_ready("a")

        assert driver.next_in() == 80

    def test_what_is_seen_of_a_life_that_is_being_stopped_changes_nothing(self) -> None:
        driver = limited(idle=Idle(100))
        driver.pass_time(80)
        driver.stop("a")

        assert driver.looked("a") == []
        assert driver.busy("a") == []


class TestProgress:
    """Who gets nowhere has failed."""

    def test_without_progress_it_counts_as_a_failure(self) -> None:
        driver = Driver(a=changed(policy(), progress=Progress(100)))
        driver.bring_up("a")
        assert looks(driver.pass_time(80)) == [LookAtLife("a", 1)]
        (warning,) = warnings(driver.looked("a", output=1))
        assert warning.reason == "progress limit: none for 80 s; it is restarted in 20 s if that goes on"
        driver.pass_time(20)
        driver.looked("a", output=1)
        assert driver["a"].reason == "progress limit: none within 100 s"

        driver.exits("a", TERMED)
        assert driver["a"].restarts == 1
        assert driver.notice("a").new is State.STARTING

    def test_progress_arms_it_again(self) -> None:
        driver = limited(progress=Progress(100))
        driver.pass_time(80)
        assert driver.looked("a", progress=30) == []
        assert driver.next_in() == 50

    def test_who_tells_that_it_is_busy_must_only_get_on_while_it_is(self) -> None:
        driver = limited(progress=Progress(100))
        driver.busy("a", False)
        assert driver.machine.next_deadline() == math.inf
        driver.pass_time(1000)
        driver.busy("a")
        assert driver.next_in() == 80

    def test_it_can_hold(self) -> None:
        driver = limited(progress=Progress(100, then=Then.HOLD))
        for seconds in (80, 20):
            driver.pass_time(seconds)
            driver.looked("a")
        driver.exits("a", TERMED)

        assert driver.state("a") is State.HELD


class TestSilentMeter:
    """A meter that does not work must not let money run."""

    def silent(self) -> Driver:
        return limited(silent_meter=100.0)

    def test_output_without_a_word_of_costs_holds_it(self) -> None:
        driver = self.silent()
        driver.pass_time(80)
        (warning,) = warnings(driver.looked("a", output=10))
        assert warning.about is LimitKind.METER
        driver.pass_time(20)
        driver.looked("a", output=10)
        driver.exits("a", TERMED)

        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "budget: its meter is silent, although there was output in the last 100 s"

    def test_who_says_nothing_has_nothing_to_tell(self) -> None:
        driver = self.silent()
        driver.pass_time(80)
        assert driver.looked("a") == []
        assert driver.next_in() == 80

    def test_a_report_arms_it_again(self) -> None:
        driver = self.silent()
        driver.pass_time(80)
        assert driver.looked("a", output=1, meter=30) == []
        assert driver.next_in() == 50


class TestAtOnce:
    """Several limits that are due in the same moment."""

    def test_all_limits_due_at_once_stop_it_once(self) -> None:
        limits = {"lifetime": Lifetime(100, variance=0), "idle": Idle(100), "progress": Progress(100)}
        driver = limited(**limits, silent_meter=100.0)
        driver.pass_time(80)
        driver.looked("a", output=80)
        driver.now += 20

        outputs = driver.tell(TimePassed()) + driver.looked("a", output=0.0)

        assert stops(outputs) == ["a"]
        assert looks(outputs) == []
        assert driver["a"].reason == "lifetime limit: 100 s old"

    def test_two_that_are_seen_to_be_due_stop_it_once(self) -> None:
        driver = limited(idle=Idle(100), progress=Progress(100))
        for seconds in (80, 20):
            driver.pass_time(seconds)
            outputs = driver.looked("a")

        assert stops(outputs) == ["a"]

    def test_a_limit_while_it_is_being_stopped_is_no_limit(self) -> None:
        driver = limited(lifetime=Lifetime(100, variance=0))
        driver.stop("a")
        assert driver.machine.next_deadline() == math.inf

    def test_nor_is_one_in_a_shutdown(self) -> None:
        driver = Driver(
            tree(stop_deadline=math.inf),
            db=changed(policy(), lifetime=Lifetime(100, variance=0)),
            a=policy(needs={"db": Condition.STARTED}),
        )
        driver.bring_up("db", "a")
        driver.shut_down()
        assert driver.state("db") is State.READY
        assert driver.busy("db") == []

        assert driver.machine.next_deadline() == math.inf


class TestDrain:
    """A planned restart waits for what is in flight."""

    def draining(self, **limits: Any) -> Driver:
        driver = limited(drain=30.0, **limits)
        driver.busy("a")
        driver.restart("a")
        return driver

    def test_it_is_not_ready_any_more_and_says_until_when(self) -> None:
        driver = limited(drain=30.0)
        outputs = driver.restart("a")

        notice = driver.notice("a")
        assert (notice.new, notice.reason, notice.next_at) == (State.DRAINING, "restarted by hand", driver.now + 30)
        assert commands(outputs) == [LookAtLife("a", 1, connections=True)]

    def test_with_nothing_in_flight_it_ends_at_once(self) -> None:
        driver = limited(drain=30.0)
        driver.restart("a")
        assert commands(driver.looked("a")) == [StopChild("a", 1, "restarted by hand")]
        assert starts(driver.exits("a", TERMED)) == ["a"]

    def test_it_ends_when_it_is_not_busy_any_more(self) -> None:
        driver = self.draining()
        assert driver.looked("a") == []
        assert driver.busy("a", True) == []
        assert commands(driver.busy("a", False)) == [LookAtLife("a", 1, connections=True)]
        assert stops(driver.looked("a")) == ["a"]

    def test_connections_are_looked_at_again_each_second(self) -> None:
        driver = limited(drain=30.0)
        driver.restart("a")
        assert driver.looked("a", connections=1) == []
        assert commands(driver.pass_time(1)) == [LookAtLife("a", 1, connections=True)]
        assert stops(driver.looked("a")) == ["a"]

    def test_it_waits_no_longer_than_it_may(self) -> None:
        driver = self.draining()
        outputs = driver.pass_time(30)

        assert commands(outputs) == [StopChild("a", 1, "restarted by hand; not done within 30 s")]

    def test_a_lifetime_that_is_over_drains(self) -> None:
        driver = limited(drain=30.0, lifetime=Lifetime(100, variance=0))
        driver.pass_time(100)
        assert driver.state("a") is State.DRAINING
        assert driver["a"].reason == "lifetime limit: 100 s old"

    def test_a_soft_limit_drains_and_counts_all_the_same(self) -> None:
        driver = Driver(a=changed(policy(), drain=30.0))
        driver.bring_up("a")
        driver.tell(LimitReached("a", 1, "memory_soft"))
        assert driver.state("a") is State.DRAINING
        driver.looked("a")
        driver.exits("a", TERMED)
        assert driver["a"].restarts == 1

    @pytest.mark.parametrize("ask", ["stop", "restart", "remove"])
    def test_who_asks_while_it_drains_does_not_wait(self, ask: str) -> None:
        driver = self.draining()
        assert stops(getattr(driver, ask)("a")) == ["a"]

    def test_a_hold_while_it_drains_holds_it(self) -> None:
        driver = self.draining()
        assert stops(driver.tell(HoldAsked("a", "budget"))) == ["a"]
        driver.exits("a", TERMED)
        assert (driver.state("a"), driver["a"].reason) == (State.HELD, "budget")

    def test_what_else_it_says_meanwhile_is_of_no_interest(self) -> None:
        driver = Driver(a=changed(policy(ready_by=ReadyBy.PROBE, health=Thresholds(failures=1)), drain=30.0))
        driver.bring_up("a")
        driver.restart("a")
        assert driver.readiness("a", False) == []
        assert driver.health("a", False) == []
        assert driver.tell(LimitReached("a", 1, "memory_soft")) == []

    def test_one_that_ends_while_it_drains_is_started_again_and_has_not_failed(self) -> None:
        driver = self.draining()
        assert starts(driver.exits("a", CRASH)) == ["a"]
        assert driver["a"].restarts == 0

    def test_one_that_can_not_be_killed_is_held(self) -> None:
        driver = self.draining()
        driver.exits("a", UNKILLABLE)
        assert driver.state("a") is State.HELD

    def test_a_child_that_was_never_ready_has_nothing_in_flight(self) -> None:
        driver = Driver(a=changed(policy(ready_by=ReadyBy.ITSELF), drain=30.0))
        driver.start("a")
        driver.started("a")
        assert stops(driver.restart("a")) == ["a"]

    def test_a_shutdown_does_not_wait_for_it(self) -> None:
        driver = self.draining()
        assert stops(driver.shut_down()) == ["a"]
        assert driver.looked("a") == []

    def test_in_a_shutdown_one_that_is_needed_waits_for_its_turn(self) -> None:
        condition = Condition.STARTED
        driver = Driver(tree(), a=changed(policy(), drain=30.0), b=policy(needs={"a": condition}))
        driver.bring_up("a", "b")
        driver.restart("a")
        driver.shut_down()

        assert driver.looked("a") == []
        assert stops(driver.exits("b", TERMED)) == ["a"]

    def test_one_that_is_needed_and_ends_by_itself_in_a_shutdown_is_stopped(self) -> None:
        driver = Driver(tree(), a=changed(policy(), drain=30.0), b=policy(needs={"a": Condition.STARTED}))
        driver.bring_up("a", "b")
        driver.restart("a")
        driver.shut_down()
        driver.exits("a", TERMED)

        assert driver.state("a") is State.STOPPED

    def test_time_in_which_nobody_ran_is_given_back(self) -> None:
        driver = self.draining()
        driver.now += 100
        driver.tell(TimeLost(100))
        assert driver.next_in() == 30

    def test_profile_otp_has_no_such_state(self) -> None:
        driver = Driver(otp(), a=changed(policy(), drain=30.0))
        driver.start("a")
        driver.started("a")
        driver.restart("a")
        assert driver.state("a") is State.STOPPING

    def test_a_group_drains_its_member_alone(self) -> None:
        group = TreePolicy(strategy=Strategy.ONE_FOR_ALL, at_limit=AtLimit.HOLD)
        driver = Driver(group, a=changed(policy(), drain=30.0), b=policy())
        driver.bring_up("a", "b")
        driver.restart("a")
        assert driver.state("a") is State.DRAINING
        driver.looked("a")
        driver.exits("a", TERMED)
        assert driver.states() == {"a": "starting", "b": "ready"}


class TestTimedHold:
    """Held by a rule until a time."""

    def held(self, seconds: float = 60.0) -> Driver:
        driver = limited()
        driver.tell(HeldByRule("a", "out of quota", driver.now + seconds))
        driver.exits("a", TERMED)
        assert driver.state("a") is State.HELD
        return driver

    def test_it_says_until_when_and_comes_back_by_itself(self) -> None:
        driver = self.held()
        assert (driver.notice("a").reason, driver.notice("a").next_at) == ("out of quota", driver.now + 60)
        assert not driver.machine.at_rest, "something is still to happen"

        assert starts(driver.pass_time(60)) == ["a"]
        assert driver["a"].restarts == 0

    def test_a_longer_one_wins(self) -> None:
        driver = self.held()
        driver.tell(HeldByRule("a", "longer", driver.now + 30))
        assert driver.next_in() == 60
        driver.tell(HeldByRule("a", "longer", driver.now + 90))
        assert (driver.next_in(), driver["a"].reason) == (90, "longer")

    @pytest.mark.parametrize("until", [10.0, 90.0])
    def test_it_ends_at_another_time_where_the_clock_was_set(self, until: float) -> None:
        driver = self.held()
        assert driver.tell(HoldMoved("a", "out of quota", driver.now + until)) == []
        assert driver.next_in() == until
        assert driver.tell(HeldByRule("a", "again", driver.now + until)) == []
        assert starts(driver.pass_time(until)) == ["a"]

    def test_so_it_does_where_that_is_known_before_it_is_down(self) -> None:
        driver = limited()
        driver.tell(HeldByRule("a", "out of quota", driver.now + 60))
        driver.tell(HoldMoved("a", "out of quota", driver.now + 10))
        driver.exits("a", TERMED)
        assert driver.next_in() == 10

    def test_nobody_is_held_nor_resumed_by_that(self) -> None:
        driver = limited()
        assert driver.tell(HoldMoved("a", "out of quota", driver.now)) == []
        assert driver.tell(HoldMoved("nobody", "out of quota", driver.now)) == []
        driver = self.held()
        driver.tell(HoldAsked("a", "by hand"))
        driver.tell(HoldMoved("a", "out of quota", driver.now))
        assert driver.machine.at_rest

    def test_one_by_hand_is_for_good(self) -> None:
        driver = self.held()
        driver.tell(HoldAsked("a", "by hand"))
        assert driver.machine.at_rest
        assert driver.machine.next_deadline() == math.inf
        assert driver.tell(HeldByRule("a", "out of quota", driver.now + 60)) == []

    def test_who_is_stopped_by_hand_stays_so(self) -> None:
        driver = limited()
        driver.stop("a")
        driver.exits("a", TERMED)
        assert driver.tell(HeldByRule("a", "out of quota", driver.now + 60)) == []

    def test_a_delay_ends_in_it(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.crash_and_return("a")
        driver.exits("a")
        assert driver.state("a") is State.BACKOFF
        driver.tell(HeldByRule("a", "out of quota", driver.now + 60))
        assert driver.state("a") is State.HELD

    def test_who_waits_for_a_dependency_is_held_too(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": Condition.READY}))
        driver.start("b")
        driver.tell(HeldByRule("b", "out of quota", driver.now + 60))
        assert driver.state("b") is State.HELD
        assert changes(driver.pass_time(60))[0].new is State.WAITING

    def test_a_time_that_is_over_before_it_is_down_is_over(self) -> None:
        driver = limited()
        driver.tell(HeldByRule("a", "out of quota", driver.now + 1))
        driver.now += 5
        driver.exits("a", TERMED)
        assert starts(driver.pass_time(0)) == ["a"]

    def test_a_resume_by_hand_is_at_once(self) -> None:
        assert starts(self.held().tell(ResumeAsked("a"))) == ["a"]

    @pytest.mark.parametrize("late", [False, True])
    def test_in_a_shutdown_nobody_is_resumed(self, late: bool) -> None:
        driver = limited()
        driver.tell(HeldByRule("a", "out of quota", driver.now + 60))
        if not late:
            driver.exits("a", TERMED)
        driver.shut_down()
        if late:
            driver.exits("a", TERMED)

        assert driver.machine.at_rest
        assert starts(driver.pass_time(100)) == []

    def test_in_profile_otp_it_ends_in_its_turn(self) -> None:
        driver = Driver(otp(), a=policy(), b=policy(ready_by=ReadyBy.ITSELF))
        driver.start("a")
        driver.started("a")
        driver.tell(HeldByRule("a", "out of quota", driver.now + 60))
        driver.exits("a", TERMED)
        assert driver.state("a") is State.HELD
        driver.start("b")
        driver.started("b")
        driver.pass_time(60)
        assert driver.state("a") is State.HELD
        driver.says_ready("b")
        assert driver.state("a") is State.STARTING

    def test_lost_time_is_over_too(self) -> None:
        driver = self.held()
        driver.now += 100
        assert driver.tell(TimeLost(100)) == []
        assert starts(driver.tell(TimePassed())) == ["a"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (86400, "1 day"),
        (172800, "2 days"),
        (604800, "1 week"),
        (5400, "1.5 h"),
        (3600, "1 h"),
        (90, "1.5 min"),
        (60, "1 min"),
        (30.04, "30 s"),
    ],
)
def test_spans_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lifetime(0),
        lambda: Lifetime(math.inf),
        lambda: Lifetime(1, variance=1.0),
        lambda: Idle(0),
        lambda: Progress(-1),
        lambda: Progress(1, "("),
        lambda: changed(policy(), drain=-1),
        lambda: changed(policy(), startup_crashes=-1),
    ],
)
def test_values_that_can_not_be_right(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|is not a regular"):
        make()


def test_a_notice_of_a_change_is_a_step_of_the_table() -> None:
    driver = TestTimedHold().held()
    assert [(each.old, each.new) for each in changes(driver.tell(HoldAsked("a", "x")))] == [(State.HELD, State.HELD)]
