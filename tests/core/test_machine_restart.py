"""What follows an end that nobody asked for: restart types, backoff, the limit."""

import pytest

from tests.core.driver import (
    CLEAN,
    CRASH,
    NO_JITTER,
    SPAWN_FAILED,
    TERMED,
    UNKILLABLE,
    Driver,
    commands,
    policy,
    starts,
    stops,
    tree,
)
from trio_supervisor.core.commands import StartChild
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import RemainsGone, ResetAsked
from trio_supervisor.core.grounds import Rule
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.policy import AtLimit, Backoff, Condition, Profile, ReadyBy, Restart, Strategy, Thresholds
from trio_supervisor.core.state import State
from trio_supervisor.record import changed


class TestRestartTypes:
    """OTP's table."""

    @pytest.mark.parametrize(
        ("restart", "exit", "state"),
        [
            (Restart.PERMANENT, CLEAN, State.STARTING),
            (Restart.PERMANENT, CRASH, State.STARTING),
            (Restart.PERMANENT, TERMED, State.STARTING),
            (Restart.PERMANENT, SPAWN_FAILED, State.STARTING),
            (Restart.TRANSIENT, CLEAN, State.FINISHED),
            (Restart.TRANSIENT, Exit(How.RETURNED), State.FINISHED),
            (Restart.TRANSIENT, CRASH, State.STARTING),
            (Restart.TRANSIENT, TERMED, State.STARTING),
            (Restart.TRANSIENT, Exit(How.CANCELLED), State.STARTING),
            (Restart.TEMPORARY, CLEAN, State.FINISHED),
            (Restart.TEMPORARY, CRASH, State.FAILED),
            (Restart.TEMPORARY, SPAWN_FAILED, State.FAILED),
        ],
    )
    @pytest.mark.parametrize("ready", [False, True])
    def test_the_restart_type_decides_whether_it_comes_back(
        self, restart: Restart, exit: Exit, state: State, ready: bool
    ) -> None:
        driver = Driver(a=policy(restart))
        driver.start("a")
        if ready:
            driver.started("a")

        driver.exits("a", exit)

        assert driver.state("a") is state

    def test_the_rule_is_told(self) -> None:
        driver = Driver(a=policy(Restart.TRANSIENT), b=policy(Restart.TEMPORARY))
        driver.bring_up()

        driver.exits("a", CLEAN)
        driver.exits("b", CRASH)

        assert driver["a"].reason == "exit code 0; transient: not restarted after a clean end"
        assert driver["b"].reason == "exit code 1; temporary: never restarted"

    def test_the_end_is_part_of_the_notice_that_comes_from_it(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY))
        driver.bring_up("a")
        assert driver.notice("a").exit is None
        assert driver["a"].last_exit is None

        driver.exits("a", TERMED)

        assert driver.notice("a").exit == TERMED
        assert driver["a"].last_exit == TERMED

    def test_a_sibling_notices_nothing(self) -> None:
        driver = Driver(a=policy(), b=policy())
        driver.bring_up()

        outputs = driver.exits("a")

        assert {getattr(output, "child", None) for output in outputs} == {"a"}
        assert driver.state("b") is State.READY

    def test_the_next_life_is_told_its_number_and_why_it_lives(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        assert commands(driver.exits("a", TERMED)) == [StartChild("a", 2, restart_count=1, reason="signal SIGTERM")]

        driver.exits("a", CRASH)
        assert commands(driver.pass_time(0.5)) == [StartChild("a", 3, restart_count=2, reason="exit code 1")]

    def test_it_is_at_most_one_life_at_a_time(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        for asked in (driver.start, driver.restart, driver.start, driver.restart):
            assert starts(asked("a")) == []
        assert starts(driver.exits("a")) == ["a"]


class TestAnEndOfOurOwnDoing:
    """It counts nowhere."""

    OURS = changed(CRASH, ours=True)

    @pytest.mark.parametrize("restart", Restart)
    @pytest.mark.parametrize("ready", [False, True])
    def test_it_is_followed_by_another_life_at_once(self, restart: Restart, ready: bool) -> None:
        driver = Driver(tree(restarts=0), a=policy(restart))
        driver.start("a")
        if ready:
            driver.started("a")

        assert commands(driver.exits("a", self.OURS)) == [StartChild("a", 2, restart_count=0, reason="exit code 1")]

        assert driver["a"].attempts == driver["a"].crashes.startups == driver["a"].restarts == 0
        assert driver["a"].lives_by == {"exited": 1}
        driver.exits("a", CRASH)
        assert starts(driver.out) == ["a", "a"]

    def test_it_is_told_with_its_ground(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        driver.exits("a", self.OURS)

        (told,) = [out for out in driver.out if isinstance(out, StateChanged) and out.exit]
        assert (told.new, told.reason, told.exit) == (State.WAITING, "exit code 1", self.OURS)
        assert [(ground.rule, ground.text) for ground in told.grounds] == [
            (Rule.RESTART, "what was in its way was the supervisor's own: started again, which does not count")
        ]

    def test_a_child_that_was_being_stopped_stays_down(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()
        driver.stop("a")

        driver.exits("a", self.OURS)

        assert driver.state("a") is State.STOPPED

    def test_a_child_that_was_stopped_as_failed_has_failed(self) -> None:
        driver = Driver(a=policy(health=Thresholds(failures=1)))
        driver.bring_up()
        driver.health("a", ok=False)

        driver.exits("a", self.OURS)

        assert driver["a"].restarts == 1

    @pytest.mark.parametrize("more", [{"profile": Profile.OTP}, {"strategy": Strategy.ONE_FOR_ALL}])
    def test_for_otp_and_in_a_group_it_is_an_end_like_others(self, more: dict[str, object]) -> None:
        driver = Driver(changed(tree(), **more), a=policy(Restart.TEMPORARY))
        driver.bring_up()

        assert starts(driver.exits("a", self.OURS)) == []


class TestBackoff:
    """The delay grows while failures follow each other."""

    def test_the_first_restart_is_immediate_and_then_the_delays_grow(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        assert [driver.crash_and_return("a") for _ in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]

    def test_a_reset_makes_the_next_restart_the_first_one_and_changes_nothing_else(self) -> None:
        driver = Driver(tree(restarts=3), a=policy())
        driver.bring_up("a")
        for _ in range(3):
            driver.crash_and_return("a")
        assert driver["a"].restarts == 3

        assert driver.tell(ResetAsked("a")) == []

        assert (driver["a"].restarts, driver.state("a")) == (0, State.READY)
        assert driver.crash_and_return("a") == 0
        assert driver.tell(ResetAsked("nobody")) == []

    def test_nothing_starts_before_the_delay_is_over(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.exits("a")
        assert driver.state("a") is State.BACKOFF
        assert driver.next_in() == 0.5

        assert starts(driver.pass_time(0.499)) == []
        assert starts(driver.pass_time(0.001)) == ["a"]

    def test_the_notice_tells_why_it_waits_and_until_when(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.exits("a", TERMED)

        notice = driver.notice("a")
        assert (notice.new, notice.reason, notice.restarts) == (State.BACKOFF, "signal SIGTERM", 2)
        assert notice.next_at == driver.now + 0.5
        assert driver.machine.deadline_of("a") == notice.next_at

    def test_the_draw_of_the_exit_moves_the_delay(self) -> None:
        driver = Driver(a=policy(backoff=Backoff(jitter=0.2)))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.exits("a", draw=0.0)

        assert driver.next_in() == pytest.approx(0.4)

    def test_without_an_initial_delay_every_restart_is_immediate(self) -> None:
        driver = Driver(a=policy(backoff=Backoff(initial=0)))
        driver.bring_up("a")

        assert [driver.crash_and_return("a") for _ in range(5)] == [0] * 5

    def test_a_mere_start_does_not_end_the_row(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.bring_up("a")
        delays = []

        for _ in range(4):
            driver.pass_time(59)
            delays.append(driver.crash_and_return("a"))

        assert delays == [0, 0.5, 1, 2]

    def test_enough_healthy_time_ends_the_row(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        for _ in range(3):
            driver.crash_and_return("a")

        driver.pass_time(59.999)
        assert driver.crash_and_return("a") == 2
        driver.pass_time(60)
        assert driver.crash_and_return("a") == 0
        assert driver.crash_and_return("a") == 0.5

    def test_time_that_it_was_not_ready_is_not_healthy_time(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.exits("a")
        driver.pass_time(0.5)
        driver.started("a")
        driver.pass_time(1000)
        driver.readiness("a", True)
        driver.pass_time(10)

        assert driver.crash_and_return("a") == 1

    def test_a_break_in_readiness_begins_the_healthy_time_anew(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.pass_time(40)
        driver.readiness("a", False)
        driver.readiness("a", True)
        driver.pass_time(40)

        assert driver.crash_and_return("a") == 0.5

    def test_healthy_time_counts_although_somebody_ended_it(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        for _ in range(3):
            driver.crash_and_return("a")

        driver.pass_time(60)
        driver.restart("a")
        driver.exits("a", TERMED)
        driver.make_ready("a")

        assert driver.crash_and_return("a") == 0

    def test_healthy_time_counts_although_readiness_was_lost_before_the_end(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.pass_time(60)
        driver.readiness("a", False)
        driver.pass_time(5)

        assert driver.crash_and_return("a") == 0

    def test_a_child_that_hangs_soon_after_each_start_is_not_restarted_without_delay_for_ever(self) -> None:
        driver = Driver(a=policy(health=Thresholds(failures=3)))
        driver.bring_up("a")
        delays = []

        for _ in range(4):
            for _ in range(3):
                driver.pass_time(30)
                driver.health("a", False)
            delays.append(driver.crash_and_return("a"))

        assert delays == [0, 0.5, 1, 2], "ready for 90 s, but healthy for less than 30 s of them"

    def test_healthy_time_ends_with_the_first_of_the_failed_probes(self) -> None:
        driver = Driver(a=policy(health=Thresholds(failures=2)))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.pass_time(59)
        driver.health("a", False)
        driver.pass_time(30)
        assert driver.crash_and_return("a") == 0.5

        driver.pass_time(60)
        driver.health("a", False)
        driver.pass_time(1)
        assert driver.crash_and_return("a") == 0

    def test_a_failed_probe_that_was_followed_by_a_good_one_is_forgiven(self) -> None:
        driver = Driver(a=policy(health=Thresholds(failures=2)))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.pass_time(30)
        driver.health("a", False)
        driver.health("a", True)
        driver.pass_time(30)

        assert driver.crash_and_return("a") == 0

    def test_failed_readiness_probes_end_healthy_time_before_they_change_the_state(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, readiness=Thresholds(failures=3)))
        driver.bring_up("a")
        driver.crash_and_return("a")

        driver.pass_time(59)
        driver.readiness("a", False)
        driver.pass_time(5)

        assert driver.crash_and_return("a") == 0.5

    def test_a_start_that_fails_at_once_is_delayed_too(self) -> None:
        driver = Driver(a=policy())
        driver.start("a")
        delays = []

        for _ in range(4):
            driver.exits("a", SPAWN_FAILED)
            delays.append(driver.next_in() if driver.state("a") is State.BACKOFF else 0)
            driver.pass_time(delays[-1])

        assert delays == [0, 0.5, 1, 2]


class TestLimit:
    """Intensity, and what happens beyond it."""

    def crash(self, driver: Driver, child: str, times: int) -> None:
        for _ in range(times):
            driver.exits(child)
            driver.pass_time(0)

    def test_at_the_limit_the_offender_is_held_with_its_reason(self) -> None:
        driver = Driver(tree(restarts=2, within=60), a=policy(backoff=Backoff(initial=0)))
        driver.start("a")

        self.crash(driver, "a", 2)
        assert driver.state("a") is State.STARTING
        self.crash(driver, "a", 1)

        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "restart limit: 2 restarts within 60 s; the last failure: exit code 1"
        assert driver["a"].restarts == 2
        assert driver.notice("a").next_at is None
        assert driver.pass_time(10_000) == []

    def test_siblings_of_the_offender_go_on(self) -> None:
        driver = Driver(tree(restarts=1), a=policy(), b=policy(), c=policy(needs={"a": Condition.STARTED}))
        driver.bring_up()

        self.crash(driver, "a", 2)

        assert driver.states() == {"a": "held", "b": "ready", "c": "ready"}
        assert stops(driver.out) == []

    def test_a_child_in_a_loop_does_not_use_up_what_its_siblings_may_need(self) -> None:
        driver = Driver(tree(restarts=1), a=policy(), b=policy())
        driver.bring_up()

        self.crash(driver, "a", 2)
        driver.exits("b")

        assert driver.states() == {"a": "held", "b": "starting"}

    def test_where_the_supervisor_gives_up_all_children_share_one_window(self) -> None:
        shared = changed(tree(restarts=2), at_limit=AtLimit.ESCALATE)
        driver = Driver(shared, a=policy(), b=policy(), c=policy())
        driver.bring_up()

        for child in "abc":
            driver.exits(child)

        assert driver.state("c") is State.FAILED
        assert driver.machine.shutting_down

    def test_intensity_zero_holds_at_the_first_failure(self) -> None:
        driver = Driver(tree(restarts=0), a=policy())
        driver.bring_up("a")

        driver.exits("a")

        assert driver.state("a") is State.HELD

    def test_the_window_slides(self) -> None:
        driver = Driver(tree(restarts=2, within=10), a=policy(backoff=Backoff(initial=0)))
        driver.start("a")
        self.crash(driver, "a", 1)
        driver.pass_time(6)
        self.crash(driver, "a", 1)

        driver.pass_time(4.001)
        self.crash(driver, "a", 1)
        assert driver.state("a") is State.STARTING, "the first is out of the window"

        driver.pass_time(5)
        self.crash(driver, "a", 1)
        assert driver.state("a") is State.HELD, "the second is not"

    def test_a_clean_end_of_a_permanent_child_counts(self) -> None:
        driver = Driver(tree(restarts=1), a=policy())
        driver.bring_up("a")

        driver.exits("a", CLEAN)
        driver.exits("a", CLEAN)

        assert driver.state("a") is State.HELD

    def test_a_start_that_fails_counts(self) -> None:
        driver = Driver(tree(restarts=2), a=policy())
        driver.start("a")

        driver.exits("a", SPAWN_FAILED)
        driver.exits("a", SPAWN_FAILED)
        driver.pass_time(0.5)
        driver.exits("a", SPAWN_FAILED)

        assert driver.state("a") is State.HELD
        assert driver["a"].reason.endswith("the last failure: cannot be started: no such program")

    def test_what_nobody_restarts_does_not_count(self) -> None:
        driver = Driver(tree(restarts=1), a=policy(Restart.TEMPORARY), b=policy(Restart.TRANSIENT), c=policy())
        driver.bring_up()
        driver.exits("a", CRASH)
        driver.exits("b", CLEAN)

        driver.exits("c")

        assert driver.state("c") is State.STARTING

    def test_what_somebody_asked_for_does_not_count(self) -> None:
        driver = Driver(tree(restarts=0), a=policy())
        driver.bring_up("a")

        for _ in range(5):
            driver.restart("a")
            driver.exits("a", TERMED)
            driver.make_ready("a")
            driver.stop("a")
            driver.exits("a", TERMED)
            driver.start("a")
            driver.make_ready("a")

        assert driver["a"].restarts == 0
        assert driver["a"].generation == 11

    def test_a_restart_beyond_the_limit_is_not_counted_itself(self) -> None:
        driver = Driver(tree(restarts=1, within=10), a=policy())
        driver.bring_up()
        driver.exits("a")
        driver.make_ready("a")
        driver.pass_time(6)
        driver.exits("a")
        assert driver.state("a") is State.HELD

        driver.pass_time(4.001)
        driver.start("a")
        driver.make_ready("a")
        driver.exits("a")

        assert driver.state("a") is State.STARTING

    def test_a_held_child_comes_back_when_somebody_starts_it_and_the_row_is_forgotten(self) -> None:
        driver = Driver(tree(restarts=2, within=60), a=policy())
        driver.bring_up("a")
        driver.crash_and_return("a")
        driver.crash_and_return("a")
        driver.exits("a")
        assert driver.state("a") is State.HELD

        driver.pass_time(61)
        assert starts(driver.start("a")) == ["a"]
        driver.make_ready("a")

        assert driver.crash_and_return("a") == 0


class TestUnkillable:
    """Something of the life is still there: no second life beside it."""

    @pytest.mark.parametrize("restart", list(Restart))
    def test_a_child_that_cannot_be_killed_is_held(self, restart: Restart) -> None:
        driver = Driver(a=policy(restart, health=Thresholds(failures=1)))
        driver.bring_up("a")
        driver.health("a", False)

        driver.exits("a", UNKILLABLE)

        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "cannot be killed: process 77 is still there"
        assert driver.pass_time(10_000) == []

    def test_not_even_a_restart_by_hand_gives_it_a_second_life(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.restart("a")

        assert starts(driver.exits("a", UNKILLABLE)) == []
        assert driver.state("a") is State.HELD

    def test_nor_does_a_start_that_was_asked_while_it_was_stopping(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.stop("a")
        driver.start("a")

        assert starts(driver.exits("a", UNKILLABLE)) == []
        assert driver.state("a") is State.HELD

    def test_once_it_is_gone_after_all_the_next_life_begins(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.restart("a")
        driver.exits("a", UNKILLABLE)
        assert starts(driver.tell(RemainsGone("a", 7))) == []
        assert starts(driver.tell(RemainsGone("nobody", 1))) == []

        driver.tell(RemainsGone("a", 1))

        assert driver.state("a") is State.STARTING
        assert driver["a"].generation == 2

    def test_whoever_is_down_as_asked_stays_down_when_it_is_gone(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.stop("a")
        driver.exits("a", UNKILLABLE)

        driver.tell(RemainsGone("a", 1))

        assert driver.state("a") is State.STOPPED

    def test_it_does_not_count_as_a_restart(self) -> None:
        driver = Driver(tree(restarts=1), a=policy(), b=policy())
        driver.bring_up()
        driver.exits("a", UNKILLABLE)

        driver.exits("b")

        assert driver.state("b") is State.STARTING

    def test_a_stop_that_could_not_kill_says_so(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.stop("a")

        driver.exits("a", UNKILLABLE)

        assert driver.state("a") is State.STOPPED
        assert driver["a"].reason == "stopped by hand (cannot be killed: process 77 is still there)"

    def test_whoever_depends_on_it_fails_and_comes_back_when_somebody_takes_the_risk(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.ITSELF), b=policy(needs={"a": Condition.READY}))
        driver.start("a", "b")
        driver.exits("a", UNKILLABLE)
        assert driver.states() == {"a": "held", "b": "failed"}

        assert starts(driver.start("a")) == ["a"]
        driver.started("a")
        assert starts(driver.says_ready("a")) == ["b"]


def test_no_jitter_is_what_these_tests_count_on() -> None:
    assert Backoff(initial=0.5, factor=2.0, max=30.0, jitter=0.0, reset_after=60.0) == NO_JITTER
