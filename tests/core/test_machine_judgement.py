"""When there is no sense in another life: startup crashes, the same end again and again, exit codes, a budget."""

from typing import Any

import pytest

from tests.core.driver import CLEAN, CRASH, SPAWN_FAILED, TERMED, Driver, policy, starts, stops, tree
from tests.core.obedient import otp
from trio_supervisor.core.budget import AtBudget, Budget, Meter, Rate
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import CostReported, HoldAsked, ResumeAsked, SpendingRestored
from trio_supervisor.core.notices import Warned
from trio_supervisor.core.policy import AtLimit, Backoff, ExitCodes, ReadyBy, Restart, Strategy, TreePolicy
from trio_supervisor.core.reports import Ending, ending
from trio_supervisor.core.state import State
from trio_supervisor.core.verdict import Meaning, meaning
from trio_supervisor.record import changed

CODES = ExitCodes(success=(0, 3), restart=(75,), hold=(78,))
NO_DELAY = Backoff(initial=0)


def said(*lines: str, code: int = 1) -> Exit:
    return Exit(How.EXITED, code=code, last_lines=lines)


def code(number: int) -> Exit:
    return Exit(How.EXITED, code=number)


def make(its: Any = None, /, **options: Any) -> Driver:
    return Driver(tree(), a=changed(its or policy(backoff=NO_DELAY), **options))


class TestStartupCrashes:
    """Design part 5."""

    def crash(self, driver: Driver, times: int, pause: float, exit: Exit = CRASH) -> None:
        for _ in range(times):
            driver.now += pause
            driver.exits("a", exit)

    def test_so_many_in_a_row_hold_it_with_its_last_lines(self) -> None:
        driver = make(startup_crashes=5)
        driver.start("a")
        self.crash(driver, 4, 10, said("loading", "no key"))
        assert driver.state("a") is State.STARTING
        self.crash(driver, 1, 10, said("loading", "no key"))

        assert driver.state("a") is State.HELD
        assert driver["a"].reason == ("5 startup crashes in a row: exit code 1; its last lines:\n  loading\n  no key")

    def test_not_before_30_s_are_over(self) -> None:
        driver = make(startup_crashes=5)
        driver.start("a")
        self.crash(driver, 12, 1)
        assert driver.state("a") is State.STARTING
        self.crash(driver, 1, 30)
        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "13 startup crashes in a row: exit code 1"

    def test_a_life_in_between_that_was_up_ends_the_row(self) -> None:
        driver = make(startup_crashes=2)
        driver.start("a")
        self.crash(driver, 1, 40)
        driver.started("a")
        self.crash(driver, 1, 5)
        self.crash(driver, 1, 40)
        assert driver.state("a") is State.STARTING

    @pytest.mark.parametrize(("lasts", "state"), [(0.9, State.HELD), (1.0, State.STARTING)])
    def test_without_a_probe_less_than_a_second_is_no_life(self, lasts: float, state: State) -> None:
        driver = make(startup_crashes=2)
        driver.start("a")
        for _ in range(2):
            driver.now += 40
            driver.started("a")
            driver.now += lasts
            driver.exits("a")
        assert driver.state("a") is state

    def test_with_a_probe_ready_is_ready(self) -> None:
        driver = make(policy(ready_by=ReadyBy.PROBE, backoff=NO_DELAY), startup_crashes=2)
        driver.bring_up("a")
        for _ in range(3):
            driver.now += 40
            driver.exits("a")
            driver.make_ready("a")
        assert driver.state("a") is State.READY

    @pytest.mark.parametrize("exit", [SPAWN_FAILED, TERMED])
    def test_a_start_that_fails_in_another_way_counts_too(self, exit: Exit) -> None:
        driver = make(startup_crashes=2)
        driver.start("a")
        self.crash(driver, 2, 40, exit)
        assert driver.state("a") is State.HELD

    def test_so_does_one_that_takes_too_long(self) -> None:
        driver = make(policy(ready_by=ReadyBy.ITSELF, deadline=40, backoff=NO_DELAY), startup_crashes=2)
        driver.start("a")
        for _ in range(2):
            driver.started("a")
            driver.pass_time(40)
            driver.exits("a", TERMED)
        assert driver["a"].reason == "2 startup crashes in a row: not ready 40 s after its start"

    def test_a_clean_end_is_no_crash(self) -> None:
        driver = make(startup_crashes=1)
        driver.start("a")
        self.crash(driver, 3, 40, CLEAN)
        assert driver.state("a") is State.STARTING

    def test_who_resumes_it_sees_a_new_row(self) -> None:
        driver = make(startup_crashes=2)
        driver.start("a")
        self.crash(driver, 2, 40)
        assert starts(driver.tell(ResumeAsked("a"))) == ["a"]
        self.crash(driver, 1, 40)
        assert driver.state("a") is State.STARTING

    def test_in_a_group_the_offender_is_held(self) -> None:
        group = TreePolicy(strategy=Strategy.ONE_FOR_ALL, at_limit=AtLimit.HOLD)
        driver = Driver(group, a=changed(policy(backoff=NO_DELAY), startup_crashes=1), b=policy())
        driver.bring_up("b")
        driver.start("a")
        self.crash(driver, 1, 40)
        assert driver.state("b") is State.STOPPING
        driver.exits("b", TERMED)
        self.crash(driver, 1, 40)
        assert driver.state("a") is State.HELD

    def test_in_profile_otp_it_is_off(self) -> None:
        driver = Driver(otp(restarts=100), a=policy(backoff=NO_DELAY))
        driver.start("a")
        driver.started("a")
        self.crash(driver, 20, 40)
        assert driver["a"].generation == 21


class TestSameExits:
    """The same end with the same words is not worth another try."""

    def test_so_many_hold_it_whatever_the_numbers_in_the_words(self) -> None:
        driver = make(same_exits=3)
        driver.bring_up("a")
        for number in range(3):
            driver.now += 5
            driver.exits("a", said(f"12:00:0{number} pid {number} at 0x{number:x}f: no credit"))
            if number < 2:
                driver.make_ready("a")

        assert driver.state("a") is State.HELD
        assert driver["a"].reason.startswith("ended 3 times in a row in the same way, with the same last lines: exit")

    @pytest.mark.parametrize(
        "other",
        [said("other"), said("no credit", code=2), CRASH, Exit(How.SIGNALED, signal=9, last_lines=("no credit",))],
    )
    def test_another_end_begins_anew(self, other: Exit) -> None:
        driver = make(same_exits=2)
        driver.bring_up("a")
        for exit in (said("no credit"), other, said("no credit")):
            driver.exits("a", exit)
            driver.make_ready("a")
        assert driver.state("a") is State.READY

    def test_without_words_nothing_is_known(self) -> None:
        driver = make(same_exits=2)
        driver.bring_up("a")
        for _ in range(5):
            driver.exits("a")
            driver.make_ready("a")
        assert driver.state("a") is State.READY

    def test_healthy_time_between_them_ends_the_row(self) -> None:
        driver = make(same_exits=2)
        driver.bring_up("a")
        for _ in range(4):
            driver.now += 60
            driver.exits("a", said("no credit"))
            driver.make_ready("a")
        assert driver.state("a") is State.READY


class TestExitCodes:
    """What a process says by its exit code."""

    def test_what_each_means(self) -> None:
        ends = {number: meaning(code(number), CODES).value for number in (0, 1, 3, 75, 78)}
        assert ends == {0: "good", 1: "bad", 3: "good", 75: "restart", 78: "hold"}
        assert meaning(Exit(How.RETURNED), CODES) is Meaning.GOOD
        assert meaning(Exit(How.EXITED), CODES) is Meaning.BAD
        assert meaning(code(0), ExitCodes(success=(1,))) is Meaning.BAD

    def test_success_is_a_clean_end(self) -> None:
        driver = make(policy(Restart.TRANSIENT), exit_codes=CODES)
        driver.bring_up("a")
        driver.exits("a", code(3))
        assert driver.state("a") is State.FINISHED
        assert driver["a"].last_failure is None
        assert ending(code(3), asked=False, success=(0, 3)) is Ending.NORMAL

    @pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
    def test_restart_is_at_once_and_no_failure_but_counts(self, restart: Restart) -> None:
        driver = Driver(tree(restarts=3), a=changed(policy(restart), exit_codes=CODES))
        driver.bring_up("a")
        for _ in range(3):
            assert starts(driver.exits("a", code(75))) == ["a"]
            driver.make_ready("a")
        assert (driver["a"].attempts, driver["a"].restarts) == (0, 3)
        driver.exits("a", code(75))
        assert driver["a"].reason.startswith("restart limit")

    def test_a_temporary_child_is_never_restarted(self) -> None:
        driver = make(policy(Restart.TEMPORARY), exit_codes=CODES)
        driver.bring_up("a")
        driver.exits("a", code(75))
        assert driver.state("a") is State.FAILED

    @pytest.mark.parametrize("restart", list(Restart))
    def test_hold_holds_whatever_its_type(self, restart: Restart) -> None:
        driver = make(policy(restart), exit_codes=CODES)
        driver.start("a")
        driver.exits("a", said("no config", code=78))
        assert driver.state("a") is State.HELD
        assert driver["a"].reason == (
            "exit code 78, by which it asks to be held: it can't run as it is; its last lines:\n  no config"
        )

    @pytest.mark.parametrize("restart", list(Restart))
    def test_a_start_that_would_come_to_the_same_again_holds_at_once(self, restart: Restart) -> None:
        driver = make(policy(restart))
        driver.start("a")
        driver.exits("a", Exit(How.SPAWN_FAILED, detail="it is denied", again=False))
        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "cannot be started: it is denied; another start would come to the same"

    def test_a_code_of_a_child_that_had_to_be_stopped_means_nothing(self) -> None:
        driver = make(policy(ready_by=ReadyBy.ITSELF, deadline=5), exit_codes=CODES)
        driver.start("a")
        driver.started("a")
        driver.pass_time(5)
        driver.exits("a", code(78))
        assert driver["a"].restarts == 1

    @pytest.mark.parametrize(("number", "state"), [(78, State.HELD), (75, State.STARTING), (3, State.FINISHED)])
    def test_in_the_restart_of_a_group_it_means_the_same(self, number: int, state: State) -> None:
        group = TreePolicy(strategy=Strategy.ONE_FOR_ALL, at_limit=AtLimit.HOLD)
        transient = changed(policy(Restart.TRANSIENT, ready_by=ReadyBy.ITSELF, backoff=NO_DELAY), exit_codes=CODES)
        driver = Driver(group, a=transient)
        driver.bring_up("a")
        driver.exits("a", CRASH)
        driver.started("a")
        driver.exits("a", code(number))
        assert driver.state("a") is state

    def test_in_profile_otp_a_start_that_fails_so_is_tried_or_held(self) -> None:
        driver = Driver(otp(restarts=10), a=changed(policy(backoff=NO_DELAY), exit_codes=CODES))
        driver.start("a")
        driver.started("a")
        driver.exits("a", CRASH)
        driver.exits("a", code(0))
        assert driver.state("a") is State.STARTING
        driver.exits("a", code(78))
        assert driver.state("a") is State.HELD

    @pytest.mark.parametrize("codes", [{"success": (0, 0)}, {"hold": (0,)}, {"restart": (256,)}, {"hold": (-1,)}])
    def test_values_that_can_not_be_right(self, codes: dict[str, tuple[int, ...]]) -> None:
        with pytest.raises(ValueError, match=r"exit_codes: (success|restart|hold): "):
            ExitCodes(**codes)


class TestBudget:
    """Its own budget."""

    def spend(self, driver: Driver, usd: float) -> list[Any]:
        return list(driver.tell(CostReported("a", usd)))

    def test_it_warns_and_at_the_limit_it_is_held(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        driver.bring_up("a")
        assert self.spend(driver, 3.9) == []
        (warning,) = self.spend(driver, 0.2)
        assert (warning.about, warning.value, warning.limit) == (Meter.USD, 4.1, 5)
        assert warning.reason == "budget: 4.10 of 5 USD per h used"
        assert stops(self.spend(driver, 0.9)) == ["a"]
        driver.exits("a", TERMED)

        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "budget: 5.00 of 5 USD per h used; held until somebody resumes it"
        assert driver.machine.at_rest

    def test_whoever_resumes_it_approves_of_as_much_again(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        driver.bring_up("a")
        self.spend(driver, 5)
        driver.exits("a", TERMED)
        driver.tell(ResumeAsked("a"))
        driver.make_ready("a")

        assert self.spend(driver, 3.9) == []
        assert driver.state("a") is State.READY

    def test_a_pause_ends_when_there_is_room(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600), then=AtBudget.PAUSE))
        driver.bring_up("a")
        self.spend(driver, 5)
        driver.exits("a", TERMED)
        assert driver.next_in() == pytest.approx(3600, abs=0.01)
        assert starts(driver.pass_time(3601)) == ["a"]

    def test_what_comes_after_the_limit_is_counted_and_changes_nothing_more(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        driver.bring_up("a")
        self.spend(driver, 5)
        assert self.spend(driver, 5) == []
        driver.exits("a", TERMED)
        assert self.spend(driver, 5) == []

    def test_a_child_that_is_down_is_not_held_by_it(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        assert self.spend(driver, 9) == []
        assert driver.state("a") is State.STOPPED

    def test_a_hold_by_hand_stays_one(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600), then=AtBudget.PAUSE))
        driver.bring_up("a")
        driver.tell(HoldAsked("a"))
        assert self.spend(driver, 9) == []
        driver.exits("a", TERMED)
        assert driver["a"].reason == "held by hand"

    def test_in_a_shutdown_nobody_is_held(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        driver.bring_up("a")
        driver.shut_down()
        assert self.spend(driver, 9) == []

    def test_restarts_are_refused_when_they_are_used_up(self) -> None:
        driver = make(budget=Budget(restarts=Rate(5, 86400)))
        driver.bring_up("a")
        for _ in range(5):
            driver.exits("a")
            driver.make_ready("a")
        warnings = [out for out in driver.out if isinstance(out, Warned)]
        assert [warning.reason for warning in warnings] == ["budget: 4 of 5 restarts per day used"]
        driver.exits("a")

        assert driver.state("a") is State.HELD
        assert driver["a"].reason == "budget: 5 of 5 restarts per day used; held until somebody resumes it"
        assert self.spend(driver, 1) == []

    def test_without_a_limit_of_restarts_they_are_not_counted(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        driver.bring_up("a")
        assert starts(driver.exits("a")) == ["a"]

    def test_planned_restarts_are_no_restarts(self) -> None:
        driver = make(budget=Budget(restarts=Rate(1, 86400)))
        driver.bring_up("a")
        for _ in range(3):
            driver.restart("a")
            driver.exits("a", TERMED)
            driver.make_ready("a")
        assert driver.state("a") is State.READY

    def test_what_was_spent_before_this_run_counts(self) -> None:
        driver = make(budget=Budget(usd=Rate(5, 3600)))
        driver.bring_up("a")
        driver.tell(SpendingRestored("a", {"usd": [(100.0, 4.5)]}))
        assert stops(self.spend(driver, 0.5)) == ["a"]

    def test_who_has_none_counts_nothing(self) -> None:
        driver = make()
        driver.bring_up("a")
        assert self.spend(driver, 10**9) == []
        assert driver.tell(CostReported("nobody", 1)) == []
