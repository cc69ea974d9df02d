"""The three probes of a life: startup before all others, readiness, health, and what is told of them."""

import math

import pytest

from tests.core.driver import CRASH, Driver, changes, commands, judged, policy, stops, tree
from trio_supervisor.core.commands import PassStartup, StopChild, WatchHealth
from trio_supervisor.core.facts import BecameReady, DeadlineExtended, Exited, ProbeAnswered, Role, TimePassed, Told
from trio_supervisor.core.notices import StatusTold
from trio_supervisor.core.policy import Condition, ReadyBy, Thresholds
from trio_supervisor.core.state import State

PATIENT = Thresholds(failures=math.inf)


class TestStartup:
    """Until it succeeds nothing else counts; it holds the deadline."""

    def test_a_child_without_readiness_is_ready_when_its_startup_probe_succeeds(self) -> None:
        driver = Driver(a=policy(startup=PATIENT, health=Thresholds()))
        driver.start("a")

        driver.started("a")
        assert (driver.state("a"), driver["a"].reason) == (State.RUNNING, "started, not ready yet")
        assert driver.startup("a", False) == []

        outputs = driver.startup("a", True)
        assert commands(outputs) == [PassStartup("a", 1), WatchHealth("a", 1)]
        assert (driver.state("a"), driver["a"].reason) == (State.READY, "started up")

    def test_readiness_and_health_do_not_count_before_it_and_do_after_it(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, startup=PATIENT, health=Thresholds(failures=1)))
        driver.start("a")
        driver.started("a")

        assert driver.readiness("a", True) == driver.health("a", False) == []

        assert commands(driver.startup("a", True)) == [PassStartup("a", 1), WatchHealth("a", 1)]
        assert driver.state("a") is State.RUNNING
        assert stops(driver.health("a", False)) == ["a"], "health does not wait for readiness"

    def test_a_child_that_announces_itself_needs_both_in_any_order(self) -> None:
        driver = Driver(
            a=policy(ready_by=ReadyBy.ITSELF, startup=PATIENT), b=policy(ready_by=ReadyBy.ITSELF, startup=PATIENT)
        )
        driver.start("a", "b")
        driver.tell(BecameReady("a", 1, "first"))
        driver.started("a", "b")
        assert driver.states() == {"a": "running", "b": "running"}

        driver.startup("a", True)
        driver.startup("b", True)
        assert driver.states() == {"a": "ready", "b": "running"}
        assert driver["a"].value == "first"

        driver.says_ready("b")
        assert driver.state("b") is State.READY

    def test_it_needs_as_many_successes_as_are_asked_for(self) -> None:
        driver = Driver(a=policy(startup=Thresholds(failures=math.inf, successes=2)))
        driver.start("a")
        driver.started("a")

        for ok in (True, False, True):
            driver.startup("a", ok)
        assert driver.state("a") is State.RUNNING

        driver.startup("a", True)
        assert driver.state("a") is State.READY
        assert driver.startup("a", False) == driver.startup("a", False) == [], "it is asked once in a life"

    def test_when_its_deadline_is_over_the_start_has_failed_with_its_last_answer(self) -> None:
        driver = Driver(a=policy(startup=PATIENT, deadline=10))
        driver.start("a")
        driver.started("a")
        driver.startup("a", False, "connection refused")

        (stop,) = commands(driver.pass_time(10))

        assert stop == StopChild("a", 1, "not ready 10 s after its start; the last answer: connection refused")

    def test_after_it_there_is_no_deadline_any_more(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, startup=PATIENT, deadline=10))
        driver.start("a")
        driver.started("a")
        driver.startup("a", True)

        assert driver.pass_time(1000) == []
        driver.readiness("a", False)
        assert driver.readiness("a", False, decisive=True) == [], "readiness never ends a life"
        driver.readiness("a", True)
        assert driver.state("a") is State.READY

    def test_who_has_passed_it_gives_others_a_place_to_start(self) -> None:
        driver = Driver(tree(parallel=1), a=policy(ready_by=ReadyBy.PROBE, startup=PATIENT), b=policy())
        driver.start("a", "b")
        driver.started("a")
        assert driver.state("b") is State.WAITING

        driver.startup("a", True)

        assert driver.state("b") is State.STARTING

    def test_with_a_threshold_so_many_failures_in_a_row_fail_the_start(self) -> None:
        driver = Driver(a=policy(startup=Thresholds(failures=2)))
        driver.start("a")
        driver.started("a")

        assert driver.startup("a", False) == []
        assert commands(driver.startup("a", False, "status 500")) == [
            StopChild("a", 1, "its start has failed: status 500")
        ]
        driver.exits("a")
        assert driver["a"].restarts == 1

    def test_a_decisive_failure_fails_the_start_at_once(self) -> None:
        driver = Driver(a=policy(startup=PATIENT), b=policy(ready_by=ReadyBy.PROBE))
        driver.start("a", "b")
        driver.started("a", "b")

        assert stops(driver.startup("a", False, "EADDRINUSE", decisive=True)) == ["a"]
        assert stops(driver.readiness("b", False, "EADDRINUSE", decisive=True)) == ["b"]

    def test_who_is_to_end_anyway_ends_in_its_turn(self) -> None:
        driver = Driver(a=policy(startup=PATIENT), b=policy(needs={"a": Condition.STARTED}))
        driver.start("a", "b")
        driver.started("a")
        driver.started("b")
        driver.shut_down()

        assert driver.startup("a", False, decisive=True) == []

    def test_each_life_has_its_own(self) -> None:
        driver = Driver(a=policy(startup=PATIENT))
        driver.bring_up("a")
        driver.exits("a", CRASH)
        driver.started("a")

        assert driver.state("a") is State.RUNNING
        assert commands(driver.startup("a", True)) == [PassStartup("a", 2)]

    def test_an_answer_before_the_life_is_started_does_not_count(self) -> None:
        driver = Driver(a=policy(startup=PATIENT))
        driver.start("a")

        assert driver.startup("a", True) == []


class TestJudgements:
    """Each edge is told once, with the time of the first failure."""

    @pytest.mark.parametrize(
        ("role", "answers", "told"),
        [
            ("health", "-+", [("suspect", 101, 1), ("recovered", 101, 1)]),
            ("health", "--+-", [("suspect", 101, 1), ("recovered", 101, 2), ("suspect", 104, 1)]),
            ("health", "---", [("suspect", 101, 1), ("unhealthy", 101, 3)]),
            ("readiness", "--+", [("suspect", 101, 1), ("recovered", 101, 2)]),
            ("readiness", "----+", [("suspect", 101, 1), ("unhealthy", 101, 3), ("recovered", 101, 0)]),
            ("readiness", "++++", []),
        ],
    )
    def test_edges(self, role: str, answers: str, told: list[tuple[str, float, int]]) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, readiness=Thresholds(), health=Thresholds()))
        driver.bring_up("a")
        seen = len(driver.out)

        for answer in answers:
            driver.now += 1
            driver.tell(ProbeAnswered("a", 1, Role(role), answer == "+", "so"))

        assert judged(driver.out[seen:]) == [(role, *each) for each in told]

    def test_the_way_to_ready_is_no_recovery(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.start("a")
        driver.started("a")

        driver.readiness("a", False)
        driver.readiness("a", True)

        assert judged(driver.out) == []

    def test_a_decisive_failure_is_unhealthy_at_once_with_its_own_words(self) -> None:
        driver = Driver(a=policy(health=Thresholds()))
        driver.bring_up("a")

        outputs = driver.health("a", False, "WATCHDOG=trigger", decisive=True)

        assert judged(outputs) == [("health", "unhealthy", driver.now, 1)]
        assert commands(outputs) == [StopChild("a", 1, "unhealthy: WATCHDOG=trigger")]

    def test_flapping_below_the_threshold_never_restarts_unless_a_recovery_takes_more(self) -> None:
        driver = Driver(a=policy(health=Thresholds(3, 1)), b=policy(health=Thresholds(3, 2)))
        driver.bring_up("a", "b")

        for _ in range(50):
            for ok in (False, False, True):
                driver.health("a", ok)
        assert driver.state("a") is State.READY

        for ok in (False, True, False, True, False):
            driver.health("b", ok)
        assert driver.state("b") is State.STOPPING
        assert [what for _, what, _, _ in judged(driver.out) if what == "unhealthy"] == ["unhealthy"]


class TestWhatALifeTells:
    """sd_notify(3): more time to start, a status."""

    def test_more_time_to_start_is_given_from_now_on_and_never_less(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=10))
        driver.start("a")
        driver.started("a")

        driver.pass_time(9)
        driver.tell(DeadlineExtended("a", 1, 5))
        assert driver.next_in() == 5
        driver.tell(DeadlineExtended("a", 1, 2))
        assert driver.next_in() == 5

        assert stops(driver.pass_time(5)) == ["a"]

    def test_who_is_ready_has_no_deadline_that_could_be_moved(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        driver.tell(DeadlineExtended("a", 1, 5))

        assert driver.next_in() == math.inf

    def test_a_status_is_told_once_and_ends_with_its_life(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        assert driver.tell(Told("a", 1, "STATUS", "loading")) == [StatusTold("a", 1, "loading")]
        assert driver.tell(Told("a", 1, "STATUS", "loading")) == []
        assert driver["a"].status == "loading"
        driver.exits("a")
        assert driver["a"].status == ""

    def test_other_variables_change_nothing(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        assert driver.tell(Told("a", 1, "X_AGENT_SOMETHING", "1")) == []

    def test_a_life_that_is_being_stopped_tells_nothing_any_more(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.stop("a")

        assert driver.tell(Told("a", 1, "STATUS", "bye")) == []
        assert changes(driver.tell(Exited("a", 1, CRASH))) != []
        assert driver.tell(TimePassed()) == []
