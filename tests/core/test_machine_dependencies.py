"""Who starts when: dependencies, and the number of starts at a time."""

import pytest

from tests.core.driver import CLEAN, CRASH, Driver, policy, starts, tree
from trio_supervisor.core.policy import Backoff, Condition, ReadyBy, Restart
from trio_supervisor.core.state import State

READY, STARTED, FINISHED = Condition.READY, Condition.STARTED, Condition.FINISHED


class TestOrder:
    """A dependent waits for what it needs, and for nothing else."""

    def test_children_without_dependencies_start_at_once_in_the_order_asked(self) -> None:
        driver = Driver(a=policy(), b=policy(), c=policy())

        assert starts(driver.start("c", "a", "b")) == ["c", "a", "b"]

    def test_a_chain_starts_link_by_link_whatever_the_order_of_asking(self) -> None:
        driver = Driver(c=policy(needs={"b": READY}), b=policy(needs={"a": READY}), a=policy())

        assert starts(driver.start()) == ["a"]
        assert starts(driver.started("a")) == ["b"]
        assert starts(driver.started("b")) == ["c"]

    @pytest.mark.parametrize(
        ("condition", "started_by"), [(STARTED, "started"), (READY, "readiness"), (FINISHED, "exits")]
    )
    def test_each_condition_waits_for_its_moment(self, condition: Condition, started_by: str) -> None:
        driver = Driver(
            a=policy(Restart.TEMPORARY, ready_by=ReadyBy.PROBE),
            b=policy(needs={"a": condition}),
        )
        driver.start("b", "a")

        moments = {
            "started": driver.started("a"),
            "readiness": driver.readiness("a", True),
            "exits": driver.exits("a", CLEAN),
        }

        assert {moment: starts(outputs) for moment, outputs in moments.items() if starts(outputs)} == {
            started_by: ["b"]
        }

    def test_a_child_with_several_dependencies_waits_for_the_last(self) -> None:
        driver = Driver(a=policy(), b=policy(), c=policy(needs={"a": READY, "b": READY}))
        driver.start()

        assert starts(driver.started("b")) == []
        assert starts(driver.started("a")) == ["c"]

    def test_the_reason_names_what_it_waits_for(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": READY}))

        driver.start("b")

        assert driver.state("b") is State.WAITING
        assert driver["b"].reason == "waiting for 'a' to be ready"

    def test_a_dependency_that_nobody_has_started_is_waited_for(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": READY}))
        driver.start("b")
        assert driver.pass_time(10_000) == []

        driver.start("a")
        assert starts(driver.started("a")) == ["b"]

    def test_a_start_does_not_start_the_dependencies(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": READY}))

        assert starts(driver.start("b")) == []
        assert driver.state("a") is State.STOPPED

    def test_a_dependent_that_is_up_stays_up_when_its_dependency_goes(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY), b=policy(needs={"a": READY}))
        driver.bring_up()

        driver.exits("a", CRASH)

        assert driver.states() == {"a": "failed", "b": "ready"}

    def test_the_dependency_is_checked_again_at_each_restart(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": READY}))
        driver.bring_up()
        driver.stop("a")
        driver.exits("a", CLEAN)

        driver.exits("b", CRASH)
        assert driver.state("b") is State.WAITING
        assert driver["b"].reason == "exit code 1; waiting for 'a' to be ready"

        driver.start("a")
        assert starts(driver.started("a")) == ["b"]

    def test_it_is_checked_again_after_a_delay_too(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE), b=policy(needs={"a": READY}))
        driver.bring_up()
        driver.crash_and_return("b")
        driver.exits("b")
        driver.readiness("a", False)

        assert starts(driver.pass_time(0.5)) == []
        assert driver.state("b") is State.WAITING
        assert starts(driver.readiness("a", True)) == ["b"]

    def test_a_child_that_needs_somebody_who_is_not_there_ends_with_all(self) -> None:
        driver = Driver(a=policy(needs={"nobody": READY}))
        driver.start()

        driver.shut_down()

        assert driver.machine.at_rest


class TestFailure:
    """A dependency that will not come."""

    @pytest.mark.parametrize("condition", list(Condition))
    def test_a_dependent_fails_at_once_when_its_dependency_ends_badly(self, condition: Condition) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY), b=policy(needs={"a": condition}))
        driver.start("b", "a")

        driver.exits("a", CRASH)

        assert driver.state("b") is State.FAILED
        assert driver["b"].reason == "dependency 'a' is failed"

    def test_a_dependency_that_finished_never_becomes_ready(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY, ready_by=ReadyBy.PROBE), b=policy(needs={"a": READY}))
        driver.start("b", "a")
        driver.started("a")

        driver.exits("a", CLEAN)

        assert driver["b"].reason == "dependency 'a' is finished"

    def test_a_held_dependency_fails_its_dependents(self) -> None:
        driver = Driver(tree(restarts=0), a=policy(ready_by=ReadyBy.PROBE), b=policy(needs={"a": READY}))
        driver.start("b", "a")

        driver.exits("a")

        assert driver.states() == {"a": "held", "b": "failed"}

    def test_failure_goes_on_to_the_dependents_of_dependents(self) -> None:
        driver = Driver(c=policy(needs={"b": READY}), b=policy(needs={"a": READY}), a=policy(Restart.TEMPORARY))
        driver.start()

        driver.exits("a")

        assert driver.states() == {"c": "failed", "b": "failed", "a": "failed"}
        assert driver["c"].reason == "dependency 'b' is failed"

    def test_a_dependency_that_does_not_exist_fails_the_dependent(self) -> None:
        driver = Driver(b=policy(needs={"a": STARTED}))

        driver.start("b")

        assert driver.state("b") is State.FAILED
        assert driver["b"].reason == "dependency 'a' is removed"

    def test_a_dependency_that_is_only_restarting_fails_nobody(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE), b=policy(needs={"a": READY}))
        driver.start()
        driver.exits("a")
        driver.exits("a")
        assert driver.state("a") is State.BACKOFF
        assert driver.state("b") is State.WAITING

        driver.pass_time(0.5)
        driver.started("a")
        assert starts(driver.readiness("a", True)) == ["b"]

    def test_it_does_not_use_up_restarts(self) -> None:
        driver = Driver(tree(restarts=1), a=policy(Restart.TEMPORARY), b=policy(needs={"a": READY}), c=policy())
        driver.start()
        driver.exits("a")

        driver.exits("c")

        assert driver.state("c") is State.STARTING


class TestReturn:
    """A dependency that comes back brings those that failed because of it."""

    def make(self) -> Driver:
        driver = Driver(
            a=policy(Restart.TEMPORARY, ready_by=ReadyBy.PROBE),
            b=policy(needs={"a": READY}),
            c=policy(needs={"b": READY}),
        )
        driver.start()
        driver.exits("a")
        assert driver.states() == {"a": "failed", "b": "failed", "c": "failed"}
        return driver

    def test_they_wait_as_soon_as_it_is_started_again(self) -> None:
        driver = self.make()

        driver.start("a")

        assert driver.states() == {"a": "starting", "b": "waiting", "c": "waiting"}
        assert driver["b"].reason == "dependency is back; waiting for 'a' to be ready"

    def test_and_start_in_their_order(self) -> None:
        driver = self.make()
        driver.start("a")
        driver.started("a")

        assert starts(driver.readiness("a", True)) == ["b"]
        assert starts(driver.started("b")) == ["c"]

    def test_they_fail_again_if_it_fails_again(self) -> None:
        driver = self.make()
        driver.start("a")

        driver.exits("a")

        assert driver.states() == {"a": "failed", "b": "failed", "c": "failed"}

    def test_who_was_stopped_meanwhile_stays_down(self) -> None:
        driver = self.make()
        driver.stop("b")

        driver.start("a")
        driver.started("a")
        driver.readiness("a", True)

        assert driver.states() == {"a": "ready", "b": "stopped", "c": "waiting"}

    def test_who_failed_by_itself_does_not_come_back(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY), b=policy(Restart.TEMPORARY, needs={"a": STARTED}))
        driver.bring_up()
        driver.exits("b", CRASH)
        driver.exits("a", CRASH)

        driver.start("a")
        driver.started("a")

        assert driver.state("b") is State.FAILED

    def test_a_removed_dependency_fails_those_who_wait_and_comes_back_by_being_added(self) -> None:
        driver = Driver(a=policy(), b=policy(needs={"a": READY}))
        driver.start("b")

        driver.remove("a")
        assert driver.state("b") is State.FAILED

        driver.add("a", policy())
        assert driver.state("b") is State.WAITING, "as it would be if it were started now"
        driver.start("a")
        assert starts(driver.started("a")) == ["b"]

    def test_a_dependency_that_is_there_but_stopped_is_waited_for_again(self) -> None:
        driver = self.make()

        driver.stop("a")

        assert driver.states() == {"a": "stopped", "b": "waiting", "c": "waiting"}

    def test_trying_a_blocked_child_by_hand_fails_again_with_the_same_words(self) -> None:
        driver = self.make()

        driver.start("b")

        assert driver.state("b") is State.FAILED
        assert driver["b"].reason == "dependency 'a' is failed"
        driver.start("a")
        assert driver.state("b") is State.WAITING


class TestCircles:
    """Nobody can wait for itself."""

    def test_a_circle_is_refused_and_nothing_changes(self) -> None:
        driver = Driver(a=policy(needs={"b": READY}))

        with pytest.raises(ValueError, match="'b' would wait for itself: b -> a -> b"):
            driver.add("b", policy(needs={"a": READY}))

        assert driver.states() == {"a": "stopped"}

    def test_a_removed_child_is_no_link_of_a_circle(self) -> None:
        driver = Driver(b=policy(), a=policy(needs={"b": STARTED}))
        driver.remove("a")
        driver.remove("b")

        driver.add("b", policy(needs={"a": STARTED}))
        driver.add("a", policy())

        driver.start("b", "a")
        assert starts(driver.started("a")) == ["b"]

    def test_adding_a_child_again_the_other_way_round_is_refused_too(self) -> None:
        driver = Driver(b=policy(), a=policy(needs={"b": STARTED}))
        driver.bring_up()
        driver.remove("b")
        driver.exits("b")

        with pytest.raises(ValueError, match="would wait for itself"):
            driver.add("b", policy(needs={"a": STARTED}))


class TestPlaces:
    """At most `max_parallel_starts` at a time."""

    def make(self, parallel: int = 2) -> Driver:
        probed = policy(Restart.TEMPORARY, ready_by=ReadyBy.PROBE, deadline=10)
        driver = Driver(tree(parallel=parallel), a=probed, b=probed, c=probed, d=probed)
        assert starts(driver.start()) == ["a", "b", "c", "d"][:parallel]
        return driver

    def test_who_finds_no_place_waits_and_says_so(self) -> None:
        driver = self.make()

        assert driver.states() == {"a": "starting", "b": "starting", "c": "waiting", "d": "waiting"}
        assert driver["c"].reason == "waiting until fewer than 2 others start"

    def test_a_start_is_under_way_until_the_child_is_ready(self) -> None:
        driver = self.make()

        assert starts(driver.started("a")) == []
        assert starts(driver.readiness("a", True)) == ["c"]

    def test_a_start_that_fails_frees_its_place(self) -> None:
        driver = self.make()

        assert starts(driver.exits("a")) == ["c"]

    def test_a_start_that_takes_too_long_frees_its_place(self) -> None:
        driver = self.make()

        assert starts(driver.pass_time(10)) == ["c", "d"]

    def test_a_stop_during_the_start_frees_its_place(self) -> None:
        driver = self.make()

        assert starts(driver.stop("b")) == ["c"]

    def test_who_loses_its_readiness_takes_no_place(self) -> None:
        driver = self.make()
        driver.started("a")
        driver.readiness("a", True)
        driver.started("b")

        driver.readiness("a", False)

        assert starts(driver.readiness("b", True)) == ["d"]

    def test_a_restart_lines_up_behind_those_who_wait(self) -> None:
        driver = Driver(tree(parallel=1), a=policy(), b=policy(), c=policy())
        driver.start()

        assert starts(driver.exits("a")) == ["b"]
        assert starts(driver.started("b")) == ["c"]
        assert starts(driver.started("c")) == ["a"]

    def test_a_child_whose_dependency_goes_while_it_queues_loses_its_turn(self) -> None:
        driver = Driver(
            tree(parallel=1),
            dep=policy(ready_by=ReadyBy.PROBE),
            slow=policy(),
            a=policy(needs={"dep": READY}),
            b=policy(),
        )
        driver.bring_up("dep")
        driver.start("slow", "a", "b")
        driver.readiness("dep", False)

        assert starts(driver.started("slow")) == ["b"]
        driver.readiness("dep", True)
        assert starts(driver.started("b")) == ["a"]

    def test_a_child_that_waits_for_a_dependency_takes_no_place(self) -> None:
        driver = Driver(tree(parallel=1), dep=policy(), a=policy(needs={"dep": READY}), b=policy())

        assert starts(driver.start("a", "b")) == ["b"]

    def test_with_one_place_a_dependency_and_its_dependent_still_come_up(self) -> None:
        driver = Driver(tree(parallel=1), b=policy(needs={"a": READY}), a=policy(backoff=Backoff(initial=0)))
        driver.start()
        driver.exits("a")
        driver.started("a")
        driver.started("b")

        assert driver.states() == {"b": "ready", "a": "ready"}
