"""The end of everything."""

import math

import pytest

from tests.core.driver import CLEAN, CRASH, TERMED, UNKILLABLE, Driver, changes, commands, policy, starts, stops, tree
from trio_supervisor.core.commands import CutGrace, StopChild
from trio_supervisor.core.facts import RemoveAsked
from trio_supervisor.core.policy import Condition, ReadyBy, Restart, Thresholds
from trio_supervisor.core.state import State

READY = Condition.READY


def chain(*, stop_deadline: float = 30.0) -> Driver:
    """c needs b needs a; all are ready."""
    driver = Driver(
        tree(stop_deadline=stop_deadline), a=policy(), b=policy(needs={"a": READY}), c=policy(needs={"b": READY})
    )
    driver.bring_up()
    return driver


class TestOrder:
    """Nothing is stopped while somebody who needs it is alive."""

    def test_children_that_do_not_need_each_other_stop_at_once(self) -> None:
        driver = Driver(a=policy(), b=policy())
        driver.bring_up()

        assert commands(driver.shut_down()) == [StopChild("a", 1, "time to go"), StopChild("b", 1, "time to go")]

    def test_a_chain_stops_link_by_link_from_the_end(self) -> None:
        driver = chain()

        assert stops(driver.shut_down()) == ["c"]
        assert stops(driver.exits("c", TERMED)) == ["b"]
        assert stops(driver.exits("b", TERMED)) == ["a"]
        assert stops(driver.exits("a", TERMED)) == []
        assert set(driver.states().values()) == {"stopped"}

    def test_a_dependency_of_many_waits_for_the_last_of_them(self) -> None:
        driver = Driver(db=policy(), a=policy(needs={"db": READY}), b=policy(needs={"db": READY}))
        driver.bring_up()

        assert stops(driver.shut_down()) == ["a", "b"]
        assert stops(driver.exits("a", TERMED)) == []
        assert stops(driver.exits("b", TERMED)) == ["db"]

    def test_who_is_down_already_holds_nobody_up(self) -> None:
        driver = chain()
        driver.stop("c")
        driver.exits("c", TERMED)

        assert stops(driver.shut_down()) == ["b"]

    def test_a_child_that_was_being_stopped_is_waited_for_but_not_told_again(self) -> None:
        driver = chain()
        driver.stop("c")

        assert stops(driver.shut_down()) == []
        assert stops(driver.exits("c", TERMED)) == ["b"]

    def test_a_dependent_that_dies_by_itself_frees_its_dependency(self) -> None:
        driver = chain()
        driver.shut_down()
        driver.exits("c", TERMED)

        assert changes(driver.exits("a", CRASH))[0].new is State.STOPPED
        assert stops(driver.exits("b", CRASH)) == []
        assert set(driver.states().values()) == {"stopped"}

    def test_a_dependent_that_cannot_be_killed_does_not_keep_the_others_up(self) -> None:
        driver = chain()
        driver.shut_down()

        assert stops(driver.exits("c", UNKILLABLE)) == ["b"]

    def test_a_dependent_that_is_removed_during_the_stop_frees_its_dependency(self) -> None:
        driver = chain()
        driver.shut_down()
        driver.tell(RemoveAsked("c"))

        assert stops(driver.exits("c", TERMED)) == ["b"]
        assert "c" not in driver.machine.children

    def test_a_deadline_of_a_start_does_not_stop_a_child_before_its_dependents(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, deadline=10), b=policy(needs={"a": Condition.STARTED}))
        driver.start()
        driver.started("a", "b")
        assert stops(driver.shut_down()) == ["b"]

        assert stops(driver.pass_time(20)) == []
        assert stops(driver.exits("b", TERMED)) == ["a"]

    def test_an_unhealthy_child_is_not_stopped_before_its_dependents(self) -> None:
        driver = Driver(a=policy(health=Thresholds(failures=1)), b=policy(needs={"a": READY}))
        driver.bring_up()
        driver.shut_down()

        assert driver.health("a", False) == []
        assert stops(driver.exits("b", TERMED)) == ["a"]


class TestNothingNew:
    """After the shutdown was asked, nothing starts."""

    def test_nothing_that_ends_comes_back(self) -> None:
        driver = Driver(a=policy(), b=policy(Restart.TRANSIENT))
        driver.bring_up()
        driver.shut_down()

        assert starts(driver.exits("a", CRASH) + driver.exits("b", CRASH)) == []
        assert driver.states() == {"a": "stopped", "b": "stopped"}
        assert driver["a"].reason == "time to go (ended badly: exit code 1)"
        assert driver["a"].restarts == 0

    def test_who_waits_or_backs_off_is_stopped_at_once(self) -> None:
        driver = Driver(
            tree(parallel=1), a=policy(), b=policy(needs={"a": READY}), c=policy(ready_by=ReadyBy.PROBE), d=policy()
        )
        driver.bring_up("a")
        driver.crash_and_return("a")
        driver.exits("a")
        driver.start("b", "c", "d")
        assert driver.states() == {"a": "backoff", "b": "waiting", "c": "starting", "d": "waiting"}

        driver.shut_down()

        assert driver.states() == {"a": "stopped", "b": "stopped", "c": "stopping", "d": "stopped"}
        assert starts(driver.exits("c", TERMED) + driver.pass_time(10_000)) == []

    def test_who_has_ended_keeps_how_it_ended(self) -> None:
        driver = Driver(
            tree(restarts=0), a=policy(Restart.TEMPORARY), b=policy(Restart.TEMPORARY), c=policy(), d=policy()
        )
        driver.bring_up("a", "b", "c")
        driver.exits("a", CLEAN)
        driver.exits("b", CRASH)
        driver.exits("c", CRASH)

        assert changes(driver.shut_down()) == []
        assert driver.states() == {"a": "finished", "b": "failed", "c": "held", "d": "stopped"}

    @pytest.mark.parametrize("ask", ["start", "restart"])
    def test_starts_and_restarts_are_refused(self, ask: str) -> None:
        driver = Driver(a=policy(), b=policy())
        driver.bring_up("a")
        driver.shut_down()

        assert getattr(driver, ask)("a") == []
        assert getattr(driver, ask)("b") == []
        assert starts(driver.exits("a", TERMED)) == []
        assert getattr(driver, ask)("a") == []

    def test_a_restart_that_was_under_way_becomes_a_stop(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.restart("a")
        driver.shut_down()

        assert starts(driver.exits("a", TERMED)) == []
        assert driver.state("a") is State.STOPPED

    def test_a_child_added_now_stays_down(self) -> None:
        driver = Driver()
        driver.shut_down()
        driver.add("a", policy())

        assert driver.start("a") == []
        assert driver.machine.at_rest

    def test_a_dependency_that_ends_brings_nobody_back(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY), b=policy(needs={"a": Condition.FINISHED}))
        driver.start()
        driver.started("a")
        driver.shut_down()

        assert starts(driver.exits("a", CLEAN)) == []
        assert driver.state("b") is State.STOPPED

    def test_asking_twice_changes_nothing(self) -> None:
        driver = chain()
        driver.shut_down()
        deadline = driver.machine.next_deadline()

        driver.pass_time(5)

        assert driver.shut_down() == []
        assert driver.machine.next_deadline() == deadline


class TestBounds:
    """It ends in time."""

    def test_at_the_stop_deadline_every_grace_is_cut_and_nobody_waits_for_anybody(self) -> None:
        driver = chain(stop_deadline=10)
        driver.shut_down()
        assert commands(driver.pass_time(9.999)) == []

        reason = "stop deadline of 10 s"
        assert commands(driver.pass_time(0.001)) == [
            StopChild("a", 1, reason, hurry=True),
            StopChild("b", 1, reason, hurry=True),
            CutGrace("c", 1),
        ]
        assert driver.next_in() == math.inf

    def test_the_deadline_of_a_start_that_falls_together_with_it_does_not_matter(self) -> None:
        driver = Driver(tree(stop_deadline=10), a=policy(ready_by=ReadyBy.PROBE, deadline=10))
        driver.start("a")
        driver.shut_down()

        driver.pass_time(10)
        driver.exits("a", TERMED)

        assert driver.state("a") is State.STOPPED

    def test_an_endless_stop_deadline_never_comes(self) -> None:
        driver = chain(stop_deadline=math.inf)
        driver.shut_down()

        assert driver.next_in() == math.inf

    def test_a_stop_deadline_of_zero_gives_no_grace(self) -> None:
        driver = chain(stop_deadline=0)
        driver.shut_down()

        assert stops(driver.pass_time(0)) == ["a", "b"]

    def test_hurry_alone_stops_everything_by_force(self) -> None:
        driver = chain()

        outputs = driver.hurry()

        told = [output for output in outputs if isinstance(output, StopChild)]
        assert {(output.child, output.hurry) for output in told} == {("a", True), ("b", True), ("c", True)}
        assert driver.machine.shutting_down

    def test_hurry_after_a_shutdown_cuts_what_is_under_way_and_stops_the_rest(self) -> None:
        driver = chain()
        driver.shut_down()

        outputs = commands(driver.hurry())

        assert CutGrace("c", 1) in outputs
        assert stops(outputs) == ["a", "b"]  # type: ignore[arg-type]

    def test_hurry_keeps_what_has_ended(self) -> None:
        driver = Driver(a=policy(Restart.TEMPORARY), b=policy())
        driver.bring_up("a")
        driver.exits("a", CLEAN)

        assert changes(driver.hurry()) == []
        assert driver.states() == {"a": "finished", "b": "stopped"}

    def test_hurrying_again_stops_nobody_twice(self) -> None:
        driver = chain()
        driver.hurry()

        assert stops(driver.hurry()) == []


class TestAtRest:
    """Whether anything is left to run."""

    def test_with_nobody_there_it_is(self) -> None:
        assert Driver().machine.at_rest

    def test_it_is_not_while_anybody_lives_waits_or_backs_off(self) -> None:
        driver = Driver(tree(parallel=1), a=policy(ready_by=ReadyBy.ITSELF), b=policy(needs={"a": READY}))
        assert driver.machine.at_rest

        driver.start("b")
        assert not driver.machine.at_rest, "waiting"
        driver.stop("b")
        assert driver.machine.at_rest

        driver.start("a")
        assert not driver.machine.at_rest, "starting"
        driver.started("a")
        assert not driver.machine.at_rest, "running"
        driver.says_ready("a")
        assert not driver.machine.at_rest, "ready"
        driver.crash_and_return("a")
        driver.exits("a")
        assert not driver.machine.at_rest, "backing off"
        driver.stop("a")
        assert driver.machine.at_rest

    @pytest.mark.parametrize(("exit", "restarts"), [(CLEAN, 1), (CRASH, 1)])
    def test_it_is_when_all_have_ended_for_good(self, exit: object, restarts: int) -> None:
        driver = Driver(tree(restarts=restarts), a=policy(Restart.TEMPORARY), b=policy(Restart.TEMPORARY))
        driver.bring_up()

        driver.exits("a", exit)  # type: ignore[arg-type]
        assert not driver.machine.at_rest
        driver.exits("b", exit)  # type: ignore[arg-type]
        assert driver.machine.at_rest

    def test_it_is_when_only_held_and_blocked_children_are_left(self) -> None:
        driver = Driver(tree(restarts=0), a=policy(ready_by=ReadyBy.PROBE), b=policy(needs={"a": READY}))
        driver.start()

        driver.exits("a")

        assert driver.states() == {"a": "held", "b": "failed"}
        assert driver.machine.at_rest

    def test_it_is_when_the_last_one_is_removed(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up("a")
        driver.remove("a")
        assert not driver.machine.at_rest

        driver.exits("a", TERMED)
        assert driver.machine.at_rest

    def test_a_shutdown_ends_at_rest(self) -> None:
        driver = chain()
        driver.shut_down()

        for child in "cba":
            assert not driver.machine.at_rest
            driver.exits(child, TERMED)

        assert driver.machine.at_rest
