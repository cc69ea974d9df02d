"""One life: from the start to ready, and what its probes say."""

import math

import pytest

from tests.core.driver import CLEAN, CRASH, Driver, changes, commands, judged, policy, starts, tree
from trio_supervisor.core.commands import StartChild, StopChild, WatchHealth
from trio_supervisor.core.facts import (
    BecameReady,
    Exited,
    ProbeAnswered,
    Role,
    StartAsked,
    Started,
    StopAsked,
    TimePassed,
)
from trio_supervisor.core.policy import ReadyBy, Restart, Thresholds
from trio_supervisor.core.state import State

PROBED = policy(ready_by=ReadyBy.PROBE, deadline=10.0, readiness=Thresholds(failures=2, successes=2))
WATCHED = policy(health=Thresholds(failures=3, successes=1))


class TestStart:
    """From asked to ready."""

    def test_an_added_child_stays_down_until_somebody_asks(self) -> None:
        driver = Driver(a=policy())

        assert driver.out == []
        assert driver.states() == {"a": "stopped"}
        assert driver["a"].generation == 0

    def test_a_start_begins_generation_one_without_a_reason(self) -> None:
        driver = Driver(a=policy())

        assert commands(driver.start("a")) == [StartChild("a", generation=1, restart_count=0, reason="")]
        assert driver.state("a") is State.STARTING

    def test_a_child_without_probe_is_ready_as_soon_as_it_is_started(self) -> None:
        driver = Driver(a=policy())
        driver.start("a")

        assert commands(driver.started("a")) == []
        assert driver.state("a") is State.READY
        assert driver["a"].ready_since == driver.now

    def test_a_child_with_a_readiness_probe_runs_until_enough_answers_are_good(self) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")
        driver.started("a")
        assert driver.state("a") is State.RUNNING

        for ok in (False, True, False, True):
            driver.readiness("a", ok)
            assert driver.state("a") is State.RUNNING

        driver.readiness("a", True, "status 200")
        assert driver.state("a") is State.READY
        assert driver["a"].reason == "status 200"

    def test_a_probe_without_words_still_gives_a_reason(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE))
        driver.start("a")
        driver.started("a")

        driver.readiness("a", True, "")

        assert driver["a"].reason == "readiness probe succeeded"

    def test_a_child_that_announces_itself_runs_until_it_does(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.ITSELF))
        driver.start("a")
        driver.started("a")
        assert driver.state("a") is State.RUNNING

        driver.says_ready("a")
        assert driver.state("a") is State.READY

    def test_an_announcement_that_overtakes_the_start_is_not_lost(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.ITSELF))
        driver.start("a")

        driver.says_ready("a")
        driver.started("a")

        assert driver.state("a") is State.READY

    def test_announcing_again_changes_nothing(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.ITSELF))
        driver.bring_up("a")

        assert driver.says_ready("a") == []

    @pytest.mark.parametrize("ready_by", [ReadyBy.START, ReadyBy.PROBE])
    def test_only_a_child_that_is_to_announce_itself_becomes_ready_by_saying_so(self, ready_by: ReadyBy) -> None:
        driver = Driver(a=policy(ready_by=ready_by))
        driver.start("a")

        assert driver.says_ready("a") == []
        driver.started("a")
        state = driver.state("a")
        assert driver.says_ready("a") == []
        assert driver.state("a") is state

    @pytest.mark.parametrize("ready_by", [ReadyBy.START, ReadyBy.ITSELF])
    def test_answers_to_a_question_nobody_asked_change_nothing(self, ready_by: ReadyBy) -> None:
        driver = Driver(a=policy(ready_by=ready_by))
        driver.bring_up("a")

        assert driver.readiness("a", False) == []
        assert [driver.health("a", False) for _ in range(5)] == [[]] * 5

    def test_answers_before_the_start_is_over_change_nothing(self) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")

        assert [driver.readiness("a", True) for _ in range(3)] == [[]] * 3
        assert driver.state("a") is State.STARTING

    def test_being_told_twice_that_it_started_changes_nothing(self) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")
        driver.started("a")

        assert driver.started("a") == []


class TestDeadline:
    """A start that takes too long has failed."""

    @pytest.mark.parametrize("told_started", [False, True])
    def test_a_start_that_is_not_ready_in_time_is_stopped_as_failed(self, told_started: bool) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")
        if told_started:
            driver.started("a")

        assert commands(driver.pass_time(9.999)) == []
        assert commands(driver.pass_time(0.001)) == [StopChild("a", 1, "not ready 10 s after its start")]
        assert driver.state("a") is State.STOPPING

    def test_what_the_probe_said_last_is_told(self) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")
        driver.started("a")
        driver.readiness("a", False, "connection refused")
        driver.readiness("a", False, "status 503")

        driver.pass_time(10)
        assert driver["a"].reason == "not ready 10 s after its start; the last answer: status 503"

        driver.exits("a")
        driver.pass_time(10)
        assert driver["a"].reason == "not ready 10 s after its start", "the life before is over"

    def test_a_failed_start_counts_and_is_tried_again(self) -> None:
        driver = Driver(tree(restarts=1), a=PROBED)
        driver.start("a")

        driver.pass_time(10)
        again = driver.exits("a", CLEAN)
        assert commands(again) == [StartChild("a", 2, 1, "not ready 10 s after its start")]

        driver.pass_time(10)
        driver.exits("a", CLEAN)
        assert driver.state("a") is State.HELD

    def test_ready_in_time_ends_the_deadline(self) -> None:
        driver = Driver(a=PROBED)
        driver.bring_up("a")

        assert driver.next_in() == math.inf
        assert driver.pass_time(1000) == []

    def test_the_deadline_begins_anew_with_each_life(self) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")
        driver.pass_time(6)
        driver.exits("a")

        assert driver.next_in() == 10.0

    def test_an_exit_before_ready_ends_the_start_at_once(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY, ready_by=ReadyBy.PROBE, deadline=10.0))
        driver.start("a")
        driver.started("a")

        driver.exits("a")

        assert driver.state("a") is State.FAILED
        assert driver.next_in() == math.inf

    def test_the_notices_of_a_start_tell_when_it_will_have_failed(self) -> None:
        driver = Driver(a=PROBED)

        driver.start("a")
        assert driver.notice("a").next_at == driver.now + 10

        driver.pass_time(4)
        driver.started("a")
        assert driver.notice("a").next_at == driver.now + 6

        driver.readiness("a", True)
        driver.readiness("a", True)
        assert driver.notice("a").next_at is None


class TestReadiness:
    """After the first success it only moves the state."""

    def test_lost_readiness_moves_the_state_back_and_forth_without_a_restart(self) -> None:
        driver = Driver(a=PROBED)
        driver.bring_up("a")

        driver.readiness("a", False)
        assert driver.state("a") is State.READY
        driver.readiness("a", False, "status 503")
        assert driver.state("a") is State.RUNNING
        assert driver["a"].reason == "not ready: status 503"
        assert driver["a"].ready_since is None

        assert driver.pass_time(1000) == [], "the deadline of the start is over for good"

        driver.readiness("a", True)
        driver.readiness("a", True)
        assert driver.state("a") is State.READY
        assert commands(driver.out) == [StartChild("a", 1, 0, "")]

    def test_it_is_edge_triggered(self) -> None:
        driver = Driver(a=PROBED)
        driver.bring_up("a")
        seen = len(driver.out)

        for ok in [True] * 5 + [False] * 5 + [True] * 5:
            driver.readiness("a", ok)

        assert [change.new for change in changes(driver.out[seen:])] == [State.RUNNING, State.READY]
        assert [what for _, what, _, _ in judged(driver.out[seen:])] == ["suspect", "unhealthy", "recovered"]


class TestHealth:
    """From the first time ready on."""

    def test_it_is_watched_from_the_first_time_ready_and_only_once_a_life(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, health=Thresholds()))
        driver.start("a")
        assert WatchHealth("a", 1) not in driver.started("a")

        assert commands(driver.readiness("a", True)) == [WatchHealth("a", 1)]
        driver.readiness("a", False)
        assert commands(driver.readiness("a", True)) == []

    def test_each_life_is_watched_anew(self) -> None:
        driver = Driver(a=WATCHED)
        driver.bring_up("a")
        driver.health("a", False)
        driver.health("a", False)

        driver.exits("a")
        assert commands(driver.started("a")) == [WatchHealth("a", 2)]

        driver.health("a", False)
        driver.health("a", False)
        assert driver.state("a") is State.READY, "failures of the life before do not count"

    def test_answers_before_it_was_ready_do_not_count(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, health=Thresholds(failures=1)))
        driver.start("a")
        driver.started("a")

        assert driver.health("a", False) == []

    def test_enough_failures_in_a_row_stop_the_child(self) -> None:
        driver = Driver(a=WATCHED)
        driver.bring_up("a")

        assert changes(driver.health("a", False)) == []
        assert driver.health("a", False) == []
        outputs = driver.health("a", False, "timeout")

        reason = "unhealthy: 3 failed probes in a row, the last: timeout"
        assert commands(outputs) == [StopChild("a", 1, reason)]
        assert [(out.old, out.new) for out in changes(outputs)] == [
            (State.READY, State.UNHEALTHY),
            (State.UNHEALTHY, State.STOPPING),
        ]
        assert driver["a"].reason == reason

    def test_one_failed_probe_is_no_plural(self) -> None:
        driver = Driver(a=policy(health=Thresholds(failures=1)))
        driver.bring_up("a")

        driver.health("a", False, "status 500")

        assert driver["a"].reason == "unhealthy: 1 failed probe in a row, the last: status 500"

    def test_a_success_in_between_starts_the_count_anew(self) -> None:
        driver = Driver(a=WATCHED)
        driver.bring_up("a")

        for ok in (False, False, True, False, False):
            driver.health("a", ok)

        assert driver.state("a") is State.READY

    def test_failures_after_the_edge_change_nothing_more(self) -> None:
        driver = Driver(a=WATCHED)
        driver.bring_up("a")
        for _ in range(3):
            driver.health("a", False)

        assert [driver.health("a", False) for _ in range(9)] == [[]] * 9

    def test_a_child_that_is_running_but_not_ready_is_still_watched(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, health=Thresholds(failures=1)))
        driver.bring_up("a")
        driver.readiness("a", False)

        driver.health("a", False)

        assert driver.state("a") is State.STOPPING

    def test_an_unhealthy_child_is_restarted_when_it_is_gone_and_counted_once(self) -> None:
        driver = Driver(tree(restarts=1), a=WATCHED)
        driver.bring_up("a")
        for _ in range(3):
            outputs = driver.health("a", False)
        assert starts(outputs) == []

        outputs = driver.exits("a", CLEAN)

        assert starts(outputs) == ["a"]
        assert driver["a"].restarts == 1
        driver.started("a")
        driver.exits("a")
        assert driver.state("a") is State.HELD, "the budget of 1 was used by the unhealthy life, and by nothing else"

    @pytest.mark.parametrize(
        ("restart", "then"),
        [(Restart.PERMANENT, State.STARTING), (Restart.TRANSIENT, State.STARTING), (Restart.TEMPORARY, State.FAILED)],
    )
    def test_unhealthy_is_a_failure_however_cleanly_it_then_ends(self, restart: Restart, then: State) -> None:
        driver = Driver(a=policy(restart, health=Thresholds(failures=1)))
        driver.bring_up("a")
        driver.health("a", False)

        driver.exits("a", CLEAN)

        assert driver.state("a") is then


class TestOtherLives:
    """What is not about the present life changes nothing."""

    @pytest.mark.parametrize("generation", [0, 1, 3, -1])
    def test_facts_of_another_generation_are_ignored(self, generation: int) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, health=Thresholds(failures=1)))
        driver.start("a")
        driver.exits("a")
        driver.started("a")
        assert driver["a"].generation == 2

        assert driver.tell(Started("a", generation)) == []
        assert driver.tell(BecameReady("a", generation)) == []
        assert driver.tell(ProbeAnswered("a", generation, Role.READINESS, ok=True)) == []
        assert driver.tell(ProbeAnswered("a", generation, Role.HEALTH, ok=False)) == []
        assert driver.tell(Exited("a", generation, CRASH)) == []
        assert driver.state("a") is State.RUNNING

    def test_a_second_exit_of_the_same_life_is_ignored(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY))
        driver.bring_up("a")
        driver.exits("a", CLEAN)

        assert driver.exits("a", CRASH) == []
        assert driver.state("a") is State.FINISHED

    def test_a_child_nobody_knows_is_ignored(self) -> None:
        driver = Driver(a=policy())

        assert driver.tell(StartAsked("b")) == []
        assert driver.tell(StopAsked("b")) == []
        assert driver.tell(Exited("b", 1, CRASH)) == []
        assert driver.states() == {"a": "stopped"}

    def test_time_that_has_not_come_changes_nothing(self) -> None:
        driver = Driver(a=PROBED)
        driver.start("a")

        assert driver.tell(TimePassed()) == []

    @pytest.mark.parametrize("was_ready", [False, True])
    def test_while_it_is_stopping_only_its_end_matters(self, was_ready: bool) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, health=Thresholds(failures=1)))
        driver.start("a")
        if was_ready:
            driver.make_ready("a")
        driver.stop("a")

        assert driver.started("a") == []
        assert driver.says_ready("a") == []
        assert driver.readiness("a", True) == []
        assert driver.readiness("a", False) == []
        assert driver.health("a", False) == []
        assert driver.state("a") is State.STOPPING

    def test_a_child_cannot_be_added_twice(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")

        with pytest.raises(ValueError, match="child 'a' is there already"):
            driver.add("a", policy())

        assert driver.states() == {"a": "ready"}
        assert driver.exits("a"), "and the machine goes on"
