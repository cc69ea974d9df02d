"""Ends that were asked for and ends that were not, limits of a life, and time in which nobody ran."""

import math
import signal

import pytest

from tests.core.driver import CRASH, TERMED, Driver, policy, starts, stops, tree
from tests.core.obedient import Obedient, otp
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import LimitReached, TimeLost, TimePassed
from trio_supervisor.core.policy import Backoff, ChildPolicy, Condition, ReadyBy, Restart, Thresholds
from trio_supervisor.core.state import State

INTERRUPTED_FIRST = ChildPolicy(stop_signals=frozenset({signal.SIGINT, signal.SIGTERM}))

AS_ASKED = [
    Exit(How.EXITED, code=0),
    Exit(How.EXITED, code=128 + signal.SIGINT),
    Exit(How.EXITED, code=128 + signal.SIGTERM),
    Exit(How.EXITED, code=128 + signal.SIGKILL),
    Exit(How.EXITED, detail="its exit status was taken by something else in this program"),
    Exit(How.SIGNALED, signal=signal.SIGINT),
    Exit(How.SIGNALED, signal=signal.SIGTERM),
    Exit(How.SIGNALED, signal=signal.SIGKILL),
    Exit(How.KILLED),
    Exit(How.CANCELLED),
    Exit(How.RETURNED),
    Exit(How.SHUT_DOWN, value="done"),
]
OTHERWISE = [
    Exit(How.EXITED, code=3),
    Exit(How.EXITED, code=128 + signal.SIGHUP),
    Exit(How.SIGNALED, signal=signal.SIGSEGV),
    Exit(How.RAISED, detail="ValueError: no"),
]


class TestStopThatWasAskedFor:
    @pytest.mark.parametrize("exit", AS_ASKED, ids=str)
    def test_to_end_as_asked_is_no_failure(self, exit: Exit) -> None:
        driver = Driver(a=INTERRUPTED_FIRST)
        driver.bring_up()
        driver.stop("a")

        driver.exits("a", exit)

        assert driver.state("a") is State.STOPPED
        assert driver["a"].reason == f"stopped by hand ({exit})"
        assert driver["a"].last_failure is None

    @pytest.mark.parametrize("exit", OTHERWISE, ids=str)
    def test_to_end_otherwise_is_said_and_restarts_nothing(self, exit: Exit) -> None:
        driver = Driver(a=INTERRUPTED_FIRST)
        driver.bring_up()
        driver.stop("a")

        assert starts(driver.exits("a", exit)) == []

        assert driver.state("a") is State.STOPPED
        assert driver["a"].reason == f"stopped by hand (ended badly: {exit})"
        assert driver["a"].last_failure is exit

    def test_the_same_exit_without_having_been_asked_is_a_failure(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()

        assert starts(driver.exits("a", TERMED)) == ["a"]

        assert driver["a"].last_failure is TERMED

    def test_who_is_killed_for_having_failed_is_a_failure(self) -> None:
        killed = Exit(How.SIGNALED, signal=signal.SIGKILL)
        driver = Driver(a=policy(health=Thresholds(failures=1)))
        driver.bring_up()
        driver.health("a", False)

        driver.exits("a", killed)

        assert driver["a"].last_failure is killed

    def test_otp_asks_no_more_of_a_process_than_that_it_ended(self) -> None:
        machine = Obedient(otp(), stops={"a": Exit(How.EXITED, code=3)}, a=policy()).up()

        machine.stop("a")

        assert machine.did() == ["-a"]
        assert machine["a"].reason == "stopped by hand (ended badly: exit code 3)"


class TestLimitOfALife:
    def over(self, driver: Driver, *, ago: int = 0) -> list[str]:
        return stops(driver.tell(LimitReached("a", driver["a"].generation - ago, "memory: 1.6 GB of 1.5 GB")))

    def test_it_is_stopped_as_failed_and_started_again_out_of_the_same_budget(self) -> None:
        driver = Driver(tree(restarts=1), a=policy())
        driver.bring_up()

        assert self.over(driver) == ["a"]
        assert driver.notice("a").new is State.STOPPING
        assert driver.notice("a").reason == "memory: 1.6 GB of 1.5 GB"

        assert starts(driver.exits("a", TERMED)) == ["a"]
        assert driver["a"].restart_reason == "memory: 1.6 GB of 1.5 GB"
        driver.make_ready("a")
        self.over(driver)
        driver.exits("a", TERMED)
        assert driver.state("a") is State.HELD

    def test_a_temporary_child_has_failed(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY))
        driver.bring_up()

        self.over(driver)
        driver.exits("a", Exit(How.EXITED, code=0))

        assert driver.state("a") is State.FAILED

    def test_it_may_come_before_the_child_has_started(self) -> None:
        driver = Driver(a=policy())
        driver.start("a")

        assert self.over(driver) == ["a"]

    def test_within_a_start_that_the_supervisor_waits_for_it_is_a_failed_start(self) -> None:
        machine = Obedient(otp(), slow={"a"}, a=policy(ready_by=ReadyBy.ITSELF)).up()

        assert self.over(machine) == ["a"]
        machine.exits("a", TERMED)

        assert machine.did()[-1] == "ending: start failed"

    def test_an_older_life_and_one_that_is_stopped_or_over_are_left_alone(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()
        driver.crash_and_return("a")

        assert self.over(driver, ago=1) == []
        driver.stop("a")
        assert self.over(driver) == []
        driver.exits("a", TERMED)
        assert self.over(driver) == []
        assert driver.state("a") is State.STOPPED

    def test_who_is_to_end_anyway_ends_in_its_turn(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": Condition.STARTED}))
        driver.bring_up()
        driver.shut_down()

        assert driver.state("a") is State.READY
        assert self.over(driver) == []


class TestLostTime:
    def lose(self, driver: Driver, seconds: float) -> None:
        driver.now += seconds
        late = driver.now - driver.machine.next_deadline()
        assert driver.tell(TimeLost(late)) == []

    def test_a_start_has_as_much_time_again_as_was_lost(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=60))
        driver.start("a")
        driver.pass_time(50)

        self.lose(driver, 30)

        assert driver.next_in() == 20
        assert driver.tell(TimePassed()) == []
        assert stops(driver.pass_time(20)) == ["a"]

    def test_but_never_more_than_a_whole_start_may_take(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=60))
        driver.start("a")

        self.lose(driver, 8 * 3600)

        assert driver.next_in() == 60

    def test_what_was_not_due_yet_is_put_off_by_what_was_lost(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=10), b=policy(ready_by=ReadyBy.PROBE, deadline=100))
        driver.start()

        self.lose(driver, 30)

        assert driver.machine.deadline_of("b") == 100 + 100 + 20

    def test_the_whole_stop_has_its_time_again(self) -> None:
        driver = Driver(tree(stop_deadline=30), a=policy())
        driver.bring_up()
        driver.shut_down()

        self.lose(driver, 34)
        assert driver.next_in() == 4
        self.lose(driver, 1000)
        assert driver.next_in() == 30

    def test_a_delay_before_a_start_is_over_when_it_is(self) -> None:
        driver = Driver(a=policy(backoff=Backoff(initial=5, jitter=0)))
        driver.bring_up()
        driver.crash_and_return("a")
        driver.exits("a", CRASH)

        self.lose(driver, 20)

        assert starts(driver.tell(TimePassed())) == ["a"]

    def test_where_nothing_is_due_nothing_changes(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()

        assert driver.tell(TimeLost(60)) == []

        assert driver.next_in() == math.inf
