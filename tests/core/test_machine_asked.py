"""Start, stop, restart and remove are legal in every state."""

from collections.abc import Callable

import pytest

from tests.core.driver import CLEAN, CRASH, TERMED, Driver, commands, policy, starts, stops, tree
from trio_supervisor.core.commands import CutGrace, ForgetChild, StartChild, StopChild
from trio_supervisor.core.facts import HeldByRule
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.policy import Condition, ReadyBy, Restart, Thresholds
from trio_supervisor.core.state import TRANSITIONS, State
from trio_supervisor.record import changed


def _down() -> Driver:
    return Driver(a=policy())


def _waiting_for_a_dependency() -> Driver:
    driver = Driver(b=policy(), a=policy(needs={"b": Condition.READY}))
    driver.start("a")
    return driver


def _waiting_for_a_place() -> Driver:
    driver = Driver(tree(parallel=1), b=policy(), a=policy())
    driver.start("b", "a")
    return driver


def _starting() -> Driver:
    driver = Driver(a=policy())
    driver.start("a")
    return driver


def _running() -> Driver:
    driver = Driver(a=policy(ready_by=ReadyBy.ITSELF))
    driver.start("a")
    driver.started("a")
    return driver


def _ready() -> Driver:
    driver = Driver(a=policy())
    driver.bring_up("a")
    return driver


def _draining() -> Driver:
    driver = Driver(a=changed(policy(), drain=5.0))
    driver.bring_up("a")
    driver.restart("a")
    return driver


def _stopping() -> Driver:
    driver = _ready()
    driver.stop("a")
    return driver


def _stopping_as_unhealthy() -> Driver:
    driver = Driver(a=policy(Restart.TEMPORARY, health=Thresholds(failures=1)))
    driver.bring_up("a")
    driver.health("a", False)
    return driver


def _stopping_to_restart() -> Driver:
    driver = _ready()
    driver.restart("a")
    return driver


def _backing_off() -> Driver:
    driver = _ready()
    driver.crash_and_return("a")
    driver.exits("a")
    return driver


def _stopped() -> Driver:
    driver = _stopping()
    driver.exits("a", TERMED)
    return driver


def _finished() -> Driver:
    driver = Driver(a=policy(Restart.TEMPORARY))
    driver.bring_up("a")
    driver.exits("a", CLEAN)
    return driver


def _failed() -> Driver:
    driver = Driver(a=policy(Restart.TEMPORARY))
    driver.bring_up("a")
    driver.exits("a", CRASH)
    return driver


def _paused() -> Driver:
    driver = _ready()
    driver.tell(HeldByRule("a", "out of quota", driver.now + 60))
    driver.exits("a", TERMED)
    return driver


def _held() -> Driver:
    driver = Driver(tree(restarts=0), a=policy())
    driver.bring_up("a")
    driver.exits("a")
    return driver


WAYS = {
    State.STOPPED: (_down, _stopped),
    State.WAITING: (_waiting_for_a_dependency, _waiting_for_a_place),
    State.STARTING: (_starting,),
    State.RUNNING: (_running,),
    State.READY: (_ready,),
    State.DRAINING: (_draining,),
    State.STOPPING: (_stopping, _stopping_as_unhealthy, _stopping_to_restart),
    State.BACKOFF: (_backing_off,),
    State.FINISHED: (_finished,),
    State.FAILED: (_failed,),
    State.HELD: (_held, _paused),
}

everywhere = pytest.mark.parametrize(
    "bring", [pytest.param(way, id=way.__name__[1:]) for ways in WAYS.values() for way in ways]
)


def test_these_are_all_the_states_in_which_somebody_can_ask() -> None:
    assert set(WAYS) == set(State) - {State.REMOVED, State.UNHEALTHY}, (
        "a child is never left unhealthy: it is stopped at once"
    )
    assert {state for state, ways in WAYS.items() if all(way()["a"].state is state for way in ways)} == set(WAYS)


def end(driver: Driver) -> None:
    """Let the life of `a` end, if it has one and was asked to end it."""
    if "a" in driver.machine.children and driver.state("a") is State.DRAINING:
        driver.pass_time(5)
    if "a" in driver.machine.children and driver.state("a") is State.STOPPING:
        driver.exits("a", TERMED)


class TestStop:
    """Somebody wants it down."""

    @everywhere
    def test_it_ends_stopped_and_stays_so(self, bring: Callable[[], Driver]) -> None:
        driver = bring()

        driver.stop("a", "enough")
        end(driver)

        assert driver.state("a") is State.STOPPED
        assert starts(driver.pass_time(10_000)) == []
        assert driver.state("a") is State.STOPPED

    @everywhere
    def test_stopping_twice_is_stopping_once(self, bring: Callable[[], Driver]) -> None:
        driver = bring()
        driver.stop("a")

        assert driver.stop("a") == []

    def test_the_life_is_told_to_end_once_with_the_reason(self) -> None:
        driver = _ready()

        assert commands(driver.stop("a", "too loud")) == [StopChild("a", 1, "too loud", hurry=False)]
        assert driver["a"].reason == "too loud"

    def test_the_reason_stays_until_it_is_down(self) -> None:
        driver = _ready()
        driver.stop("a", "too loud")

        driver.exits("a", TERMED)

        assert driver["a"].reason == "too loud (signal SIGTERM)"

    def test_a_stop_by_hand_replaces_the_reason_of_a_stop_by_rule(self) -> None:
        driver = _stopping_as_unhealthy()

        assert commands(driver.stop("a", "too loud")) == []
        driver.exits("a", TERMED)

        assert driver.state("a") is State.STOPPED
        assert driver["a"].reason == "too loud (signal SIGTERM)"

    def test_a_child_that_ends_badly_while_stopping_is_stopped_all_the_same(self) -> None:
        driver = _stopping()

        driver.exits("a", CRASH)

        assert driver.state("a") is State.STOPPED
        assert driver["a"].restarts == 0

    def test_a_delayed_restart_is_cancelled(self) -> None:
        driver = _backing_off()

        driver.stop("a")

        assert driver.machine.next_deadline() == float("inf")


class TestStart:
    """Somebody wants it up."""

    @everywhere
    def test_it_gets_a_life_or_has_one_or_waits_for_its_turn(self, bring: Callable[[], Driver]) -> None:
        driver = bring()
        waits = driver.state("a") is State.WAITING

        driver.start("a")
        end(driver)

        assert driver.state("a") in (State.STARTING, State.RUNNING, State.READY) or waits

    @everywhere
    def test_starting_twice_is_starting_once(self, bring: Callable[[], Driver]) -> None:
        driver = bring()
        driver.start("a")

        assert driver.start("a") == []

    def test_a_start_while_it_is_being_stopped_follows_the_stop(self) -> None:
        driver = _stopping()

        assert driver.start("a") == []
        assert starts(driver.exits("a", TERMED)) == ["a"]
        assert driver["a"].restarts == 0

    def test_the_last_word_counts(self) -> None:
        driver = _stopping()

        driver.start("a")
        driver.stop("a")
        assert starts(driver.exits("a", TERMED)) == []

    def test_a_start_is_not_lost_on_a_temporary_child_that_is_being_stopped_as_unhealthy(self) -> None:
        driver = _stopping_as_unhealthy()

        driver.start("a")

        assert starts(driver.exits("a", TERMED)) == ["a"]

    def test_a_start_during_a_delay_ends_the_delay_and_the_row_of_failures(self) -> None:
        driver = _backing_off()

        assert starts(driver.start("a")) == ["a"]
        driver.make_ready("a")

        assert driver.crash_and_return("a") == 0


class TestRestart:
    """Somebody wants a new life."""

    @everywhere
    def test_it_gets_a_new_life_as_soon_as_it_can(self, bring: Callable[[], Driver]) -> None:
        driver = bring()
        waits = driver.state("a") is State.WAITING
        before = driver["a"].generation

        driver.restart("a")
        end(driver)

        assert waits or (driver.state("a"), driver["a"].generation) == (State.STARTING, before + 1)

    def test_the_old_life_ends_before_the_new_one_begins(self) -> None:
        driver = _ready()

        assert commands(driver.restart("a")) == [StopChild("a", 1, "restarted by hand")]
        assert commands(driver.exits("a", TERMED)) == [StartChild("a", 2, restart_count=0, reason="restarted by hand")]

    def test_it_is_neither_counted_nor_delayed(self) -> None:
        driver = Driver(tree(restarts=0), a=policy())
        driver.bring_up("a")

        for _ in range(3):
            driver.restart("a")
            driver.exits("a", CRASH)
            driver.make_ready("a")

        assert driver["a"].restarts == 0
        assert driver["a"].generation == 4

    @pytest.mark.parametrize("restart", list(Restart))
    def test_every_restart_type_can_be_restarted_by_hand(self, restart: Restart) -> None:
        driver = Driver(a=policy(restart))
        driver.bring_up("a")
        driver.restart("a")

        assert starts(driver.exits("a", CLEAN)) == ["a"]

    def test_a_restart_of_a_child_that_is_being_stopped_brings_it_back(self) -> None:
        driver = _stopping()

        assert commands(driver.restart("a")) == []
        assert starts(driver.exits("a", TERMED)) == ["a"]


class TestRemove:
    """Somebody wants it gone."""

    @everywhere
    def test_it_is_gone_once_its_life_is_over(self, bring: Callable[[], Driver]) -> None:
        driver = bring()

        driver.remove("a")
        end(driver)

        assert "a" not in driver.machine.children
        assert driver.out[-1] == ForgetChild("a") or driver.out.index(ForgetChild("a"))
        assert driver.notice("a").new is State.REMOVED

    @everywhere
    def test_removing_twice_is_removing_once(self, bring: Callable[[], Driver]) -> None:
        driver = bring()
        driver.remove("a")

        assert driver.remove("a") == []

    def test_it_is_forgotten_only_when_nothing_of_it_is_left(self) -> None:
        driver = _ready()

        assert commands(driver.remove("a")) == [StopChild("a", 1, "removed by hand")]
        assert commands(driver.exits("a", TERMED)) == [ForgetChild("a")]
        assert driver.notice("a").reason == "removed by hand (signal SIGTERM)"

    @pytest.mark.parametrize("ask", ["stop", "start", "restart"])
    def test_what_is_asked_of_a_child_that_is_going_does_not_keep_it(self, ask: str) -> None:
        driver = _ready()
        driver.remove("a")

        assert getattr(driver, ask)("a") == []
        driver.exits("a", TERMED)

        assert "a" not in driver.machine.children

    @pytest.mark.parametrize("end_all", ["shut_down", "hurry"])
    def test_a_child_that_is_going_is_gone_even_if_everything_ends_meanwhile(self, end_all: str) -> None:
        driver = _ready()
        driver.remove("a")

        getattr(driver, end_all)()
        outputs = driver.exits("a", TERMED)

        assert ForgetChild("a") in outputs
        assert driver.machine.at_rest

    def test_a_removed_child_can_be_added_again(self) -> None:
        driver = _backing_off()
        driver.remove("a")
        driver.add("a", policy(Restart.TEMPORARY))

        driver.bring_up("a")
        driver.exits("a", CLEAN)

        assert driver.state("a") is State.FINISHED
        assert driver["a"].restarts == 0

    def test_a_removed_child_gives_its_place_and_its_deadline_back(self) -> None:
        driver = Driver(tree(parallel=1), a=policy(ready_by=ReadyBy.PROBE, deadline=5), b=policy(), c=policy())
        driver.start("a", "b", "c")
        driver.remove("b")

        outputs = driver.remove("a")

        assert starts(outputs) == ["c"]
        assert driver.machine.next_deadline() == float("inf")


@everywhere
@pytest.mark.parametrize("ask", ["start", "stop", "restart", "remove"])
@pytest.mark.parametrize("then", ["start", "stop", "restart", "remove"])
def test_whatever_two_things_are_asked_no_life_is_doubled_and_the_way_down_stays_open(
    bring: Callable[[], Driver], ask: str, then: str
) -> None:
    driver = bring()

    outputs = getattr(driver, ask)("a") + getattr(driver, then)("a")
    assert stops(outputs).count("a") <= 1
    assert starts(outputs).count("a") <= 1

    driver.shut_down()
    end(driver)
    assert driver.states().get("a") in (None, "stopped", "finished", "failed", "held")


def test_every_notice_is_a_step_of_the_table() -> None:
    for ways in WAYS.values():
        for way in ways:
            notices = [output for output in way().out if isinstance(output, StateChanged)]
            assert all(notice.new in TRANSITIONS[notice.old] for notice in notices)


def test_hurry_cuts_the_grace_of_a_stop_by_hand() -> None:
    driver = _stopping()

    assert CutGrace("a", 1) in driver.hurry()
