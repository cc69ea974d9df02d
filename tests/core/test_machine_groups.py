"""Restarts of groups, the first start, the whole stop: one thing after the other (OTP rules 9 to 41)."""

import pytest

from tests.core.driver import CLEAN, CRASH, UNKILLABLE, policy
from tests.core.obedient import CANCELLED, FAILED, IGNORED, Obedient, otp
from trio_supervisor.core.answers import Answer, Verb
from trio_supervisor.core.commands import StopChild
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import (
    Exited,
    HoldAsked,
    RemoveAsked,
    RestartAsked,
    ResumeAsked,
    ShutdownAsked,
    StartAsked,
    Started,
    StopAsked,
    TreeStartAsked,
)
from trio_supervisor.core.policy import (
    AtLimit,
    AutoShutdown,
    Backoff,
    Condition,
    Intensity,
    Profile,
    ReadyBy,
    Restart,
    Strategy,
)
from trio_supervisor.core.state import State

ONE, ALL, REST = Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE
TRANSIENT, TEMPORARY = Restart.TRANSIENT, Restart.TEMPORARY
FAST = policy(backoff=Backoff(initial=0, max=0, jitter=0))
SLOW_BACK = policy(backoff=Backoff(initial=10, max=10, jitter=0))
FLEET = Profile.FLEET


def four(strategy: Strategy, **options: object) -> Obedient:
    return Obedient(otp(strategy), a=FAST, b=FAST, c=FAST, d=FAST, **options).up()  # type: ignore[arg-type]


class TestFirstStart:
    """In order, with rollback."""

    def test_children_start_one_after_the_other_in_order(self) -> None:
        machine = Obedient(otp(), slow={"a"}, a=FAST, b=FAST)
        machine.tell(TreeStartAsked())
        assert machine.did() == []

        machine.started("a")

        assert machine.did() == ["+b", "all started"]

    def test_a_failed_start_rolls_back_and_is_not_tried_again(self) -> None:
        machine = Obedient(otp(), starts={"c": [FAILED]}, a=FAST, b=FAST, c=FAST, d=FAST)
        machine.tell(TreeStartAsked())

        assert machine.did() == ["+a", "+b", "!c", "start_error c", "ending: start failed", "-b", "-a"]
        assert machine.machine.at_rest

    def test_an_ignored_start_keeps_the_child_unless_it_is_temporary(self) -> None:
        starts = {"a": [IGNORED], "b": [IGNORED]}
        machine = Obedient(otp(), starts=starts, a=FAST, b=policy(TEMPORARY), c=FAST)
        machine.tell(TreeStartAsked())

        assert machine.states() == {"a": "stopped", "c": "ready"}

    def test_nothing_to_start_is_a_start(self) -> None:
        for profile in Profile:
            machine = Obedient(otp(profile=profile))
            machine.tell(TreeStartAsked())
            assert machine.did() == ["all started"]

    def test_a_fleet_is_started_when_every_child_was_ready_or_came_to_rest(self) -> None:
        machine = Obedient(otp(profile=FLEET), starts={"b": [FAILED]}, slow={"a"}, a=FAST, b=policy(TEMPORARY), c=FAST)
        machine.tell(TreeStartAsked())
        assert "all started" not in machine.did()

        machine.started("a")

        assert machine.did() == ["all started"]

    def test_who_is_to_end_before_it_began_starts_nobody(self) -> None:
        machine = Obedient(otp(), a=FAST)
        machine.shut_down()
        machine.tell(TreeStartAsked())

        assert machine.did() == ["ending: asked"]


class TestStrategies:
    """Who is stopped and started, in which order."""

    @pytest.mark.parametrize(
        ("strategy", "did"),
        [(ONE, ["+b"]), (ALL, ["-d", "-c", "-a", "+a", "+b", "+c", "+d"]), (REST, ["-d", "-c", "+b", "+c", "+d"])],
    )
    def test_a_crash_concerns_the_group(self, strategy: Strategy, did: list[str]) -> None:
        machine = four(strategy)
        machine.exits("b")

        assert machine.did() == ["child_terminated b#1", *did]

    @pytest.mark.parametrize(
        ("strategy", "did"),
        [
            (ONE, ["+b", "child_terminated a#1", "+a"]),
            (ALL, ["-c", "shutdown_error a#1", "+a", "+b", "+c"]),
            (REST, ["-c", "+b", "+c", "child_terminated a#1", "-c", "-b", "+a", "+b", "+c"]),
        ],
    )
    def test_who_dies_while_the_supervisor_is_busy_is_decided_in_turn_or_found_dead(
        self, strategy: Strategy, did: list[str]
    ) -> None:
        slow = "b" if strategy is ONE else "c"
        machine = Obedient(otp(strategy), a=FAST, b=FAST, c=FAST).up()
        machine.slow.add(slow)
        machine.exits("b")
        machine.exits("a")
        machine.slow.clear()
        if strategy is ONE:
            machine.log.append("+b")
            machine.started("b")
        else:
            machine.log.append("-c")
            machine.exits("c", CANCELLED)

        assert machine.did() == ["child_terminated b#1", *did]

    def test_a_temporary_sibling_is_stopped_and_forgotten(self) -> None:
        machine = Obedient(otp(ALL), a=FAST, t=policy(TEMPORARY), b=FAST).up()
        machine.exits("a")

        assert machine.did() == ["child_terminated a#1", "-b", "-t", "+a", "+b"]
        assert "t" not in machine.states()

    def test_a_group_revives_who_was_stopped_but_not_who_is_held(self) -> None:
        machine = four(ALL)
        machine.tell(StopAsked("b"))
        machine.tell(HoldAsked("c"))
        machine.did()
        machine.exits("a")

        assert machine.did() == ["child_terminated a#1", "-d", "+a", "+b", "+d"]
        assert machine.states()["c"] == "held"

    def test_a_clean_end_of_a_transient_child_and_any_end_of_a_temporary_one_concern_nobody_else(self) -> None:
        machine = Obedient(otp(ALL), a=FAST, b=policy(TRANSIENT), t=policy(TEMPORARY)).up()
        machine.exits("b", CLEAN)
        machine.exits("t", CRASH)

        assert machine.did() == ["child_terminated t#1"]
        assert machine.states() == {"a": "ready", "b": "finished"}


class TestFailedRestarts:
    """They are tried again, and count."""

    @pytest.mark.parametrize(
        ("strategy", "did"),
        [
            (ALL, ["-d", "-c", "-b", "+a", "!b", "start_error b", "-a", "+a", "+b", "+c", "+d"]),
            (REST, ["-d", "-c", "-b", "+a", "!b", "start_error b", "+b", "+c", "+d"]),
        ],
    )
    def test_a_sibling_that_does_not_come_up(self, strategy: Strategy, did: list[str]) -> None:
        machine = four(strategy, starts={"b": [None, FAILED]})
        machine.exits("a")

        assert machine.did() == ["child_terminated a#1", *did]

    def test_the_offender_that_does_not_come_up_trips_the_limit(self) -> None:
        machine = Obedient(otp(ONE, 2), starts={"b": [None, FAILED, FAILED, FAILED]}, a=FAST, b=FAST).up()
        machine.exits("b")

        again = ["!b", "start_error b#1"]
        assert machine.did() == ["child_terminated b#1", *again, *again, "shutdown b#1", "ending: restart limit", "-a"]

    def test_a_call_between_two_attempts_ends_them(self) -> None:
        machine = Obedient(otp(), a=FAST, b=FAST).up()
        machine.slow.add("b")
        machine.exits("b")
        assert machine.call(Verb.TERMINATE, "b") is None
        machine.exits("b", FAILED)

        assert machine.did() == ["child_terminated b#1", "start_error b#1", "reply ok"]
        assert machine.states()["b"] == "stopped"

    def test_what_can_not_be_killed_is_held_and_not_tried_again(self) -> None:
        machine = Obedient(otp(), starts={"a": [None, UNKILLABLE]}, a=FAST).up()
        machine.exits("a")

        assert machine.states() == {"a": "held"}

    def test_an_ignored_restart_is_not_tried_again(self) -> None:
        machine = four(ALL, starts={"b": [None, IGNORED]})
        machine.exits("a")

        assert machine.states() == {"a": "ready", "b": "stopped", "c": "ready", "d": "ready"}


class TestStop:
    """Of everything, and what is told of it."""

    def test_the_last_is_stopped_first_and_each_is_dead_before_the_next_is_told(self) -> None:
        machine = four(ONE)
        machine.slow.add("c")
        machine.shut_down()
        assert machine.did() == ["ending: asked", "-d"]

        machine.exits("c", CANCELLED)

        assert machine.did() == ["-b", "-a"]
        assert machine.machine.at_rest

    @pytest.mark.parametrize(
        ("exit", "restart", "error"),
        [
            (CANCELLED, Restart.PERMANENT, False),
            (Exit(How.SHUT_DOWN), Restart.PERMANENT, False),
            (Exit(How.SHUT_DOWN, value=1), Restart.PERMANENT, True),
            (Exit(How.SHUT_DOWN, value=1), TRANSIENT, False),
            (Exit(How.RETURNED), Restart.PERMANENT, True),
            (Exit(How.RETURNED), TRANSIENT, False),
            (Exit(How.EXITED, code=3), Restart.PERMANENT, False),
            (Exit(How.SIGNALED, signal=9), Restart.PERMANENT, True),
            (Exit(How.KILLED), TEMPORARY, True),
            (Exit(How.OUT_OF_MEMORY, signal=9, detail="memory limit 2 GiB"), TEMPORARY, True),
            (Exit(How.RAISED), TRANSIENT, True),
            (Exit(How.GAVE_UP), Restart.PERMANENT, False),
        ],
    )
    def test_an_end_otherwise_than_asked_is_told(self, exit: Exit, restart: Restart, error: bool) -> None:
        machine = Obedient(otp(), stops={"a": exit}, a=policy(restart)).up()
        machine.call(Verb.TERMINATE, "a")

        assert ("shutdown_error a#1" in machine.did()) is error

    def test_an_exit_code_of_zero_by_itself_is_a_normal_end(self) -> None:
        machine = Obedient(otp(ALL), a=FAST, b=FAST, c=FAST).up()
        machine.slow.add("c")
        machine.exits("b")
        machine.exits("a", CLEAN)
        machine.exits("c", CANCELLED)

        assert machine.states() == {"a": "ready", "b": "ready", "c": "starting"}

    def test_that_a_child_was_killed_which_is_always_killed_is_no_error(self) -> None:
        machine = Obedient(otp(), stops={"a": Exit(How.KILLED)}, a=policy()).up()
        object.__setattr__(machine["a"].policy, "brutal_kill", True)
        machine.call(Verb.TERMINATE, "a")

        assert machine.did() == ["-a", "reply ok"]

    def test_a_permanent_child_that_is_always_killed_is_not_expected_to_shut_down_by_itself(self) -> None:
        for restart, told in ((Restart.PERMANENT, True), (TRANSIENT, False)):
            machine = Obedient(otp(), stops={"a": Exit(How.SHUT_DOWN)}, a=policy(restart)).up()
            object.__setattr__(machine["a"].policy, "brutal_kill", True)
            machine.call(Verb.TERMINATE, "a")
            assert ("shutdown_error a#1" in machine.did()) is told

    def test_an_order_in_turn_waits_and_one_out_of_turn_breaks_off(self) -> None:
        for in_turn in (True, False):
            machine = Obedient(otp(), slow={"b"}, a=FAST, b=FAST)
            machine.tell(TreeStartAsked())
            machine.tell(ShutdownAsked("time to go", in_turn))
            machine.call(Verb.START, "c", FAST)
            machine.slow.clear()
            assert machine["b"].state is (State.STARTING if in_turn else State.STOPPING)
            machine.tell(Started("b", 1) if in_turn else Exited("b", 1, CANCELLED))

            assert set(machine.states().values()) == {"stopped"}

    def test_calls_that_wait_are_answered_when_everything_ends(self) -> None:
        machine = Obedient(otp(), slow={"b"}, a=FAST).up()
        machine.call(Verb.START, "b", FAST)
        machine.call(Verb.TERMINATE, "a")
        machine.shut_down()

        assert machine.did() == ["admit b", "ending: asked", "reply shutting down", "reply shutting down"]

    def test_who_died_before_the_end_of_everything_is_found_dead(self) -> None:
        machine = four(ONE)
        machine.slow.add("d")
        machine.exits("d")
        machine.exits("b")
        machine.shut_down()
        machine.exits("d", CANCELLED)

        assert machine.did() == ["child_terminated d#1", "ending: asked", "-c", "shutdown_error b#1", "-a"]

    def test_all_is_hurried_from_the_last_to_the_first(self) -> None:
        machine = four(ONE)
        machine.slow |= set("abcd")
        outputs = machine.hurry()

        assert [each.child for each in outputs if isinstance(each, StopChild)] == ["d", "c", "b", "a"]

    def test_a_removed_child_stays_removed_while_everything_ends(self) -> None:
        machine = four(ONE)
        machine.slow |= {"d"}
        machine.shut_down()
        machine.tell(RemoveAsked("b"))
        machine.exits("d", CANCELLED)

        assert machine.states() == {"a": "stopped", "c": "stopped", "d": "stopped"}


class TestAutoShutdown:
    """The end of significant children."""

    def significant(self, mode: AutoShutdown, restart: Restart = TRANSIENT) -> Obedient:
        machine = Obedient(otp(auto=mode), a=FAST, s=policy(restart), u=policy(restart)).up()
        for name in "su":
            object.__setattr__(machine[name].policy, "significant", True)
        return machine

    def test_any(self) -> None:
        machine = self.significant(AutoShutdown.ANY_SIGNIFICANT)
        machine.exits("s", CLEAN)

        assert machine.did() == ["ending: automatic shutdown", "-u", "-a"]

    def test_all(self) -> None:
        machine = self.significant(AutoShutdown.ALL_SIGNIFICANT, TEMPORARY)
        machine.exits("s", CRASH)
        assert machine.did() == ["child_terminated s#1"]
        machine.exits("u", CLEAN)

        assert machine.did() == ["ending: automatic shutdown", "-a"]

    def test_never(self) -> None:
        machine = self.significant(AutoShutdown.NEVER)
        machine.exits("s", CLEAN)

        assert machine.did() == []

    def test_a_supervisor_that_gave_up_has_ended_cleanly_to_otp_and_badly_to_a_fleet(self) -> None:
        states = []
        for profile in Profile:
            machine = Obedient(otp(profile=profile), s=policy(TRANSIENT)).up()
            machine.exits("s", Exit(How.GAVE_UP, detail="too often"))
            states.append((profile, machine.states()["s"]))

        assert states == [(Profile.FLEET, "ready"), (Profile.OTP, "finished")]


class TestFleetGroups:
    """A group restart with backoff: the group waits as one."""

    def group(self, **options: object) -> Obedient:
        machine = Obedient(
            otp(REST, profile=FLEET, at_limit=AtLimit.HOLD),
            a=SLOW_BACK,
            b=SLOW_BACK,
            c=FAST,
            **options,  # type: ignore[arg-type]
        ).up()
        machine.exits("b")  # the first restart has no delay
        machine.did()
        return machine

    def test_the_group_waits_as_one_and_starts_as_one(self) -> None:
        machine = self.group()
        machine.exits("b")
        assert machine.states() == {"a": "ready", "b": "backoff", "c": "backoff"}
        assert machine.did() == ["child_terminated b#2", "-c"]

        machine.pass_time(10)

        assert machine.did() == ["+b", "+c"]

    def test_a_member_that_is_stopped_while_the_group_waits_stays_down(self) -> None:
        machine = self.group()
        machine.exits("b")
        machine.stop("c")
        machine.pass_time(10)

        assert machine.states() == {"a": "ready", "b": "ready", "c": "stopped"}

    def test_when_the_offender_is_stopped_the_others_of_the_group_still_start(self) -> None:
        machine = self.group()
        machine.exits("b")
        machine.stop("b")
        machine.pass_time(10)

        assert machine.states() == {"a": "ready", "b": "stopped", "c": "ready"}

    def test_when_the_offender_is_stopped_before_the_group_waits_the_others_still_start(self) -> None:
        machine = self.group()
        machine.slow |= {"c"}
        machine.exits("b")
        machine.stop("b")
        machine.exits("c", CANCELLED)
        machine.slow.clear()
        machine.pass_time(10)

        assert machine.states() == {"a": "ready", "b": "stopped", "c": "ready"}

    def test_when_all_of_the_group_are_stopped_nobody_waits(self) -> None:
        machine = self.group()
        machine.slow |= {"c"}
        machine.exits("b")
        machine.stop("b")
        machine.stop("c")
        machine.exits("c", CANCELLED)

        assert machine.states() == {"a": "ready", "b": "stopped", "c": "stopped"}
        assert machine.machine.deadline_of("c") is None

    def test_a_lone_offender_that_is_held_starts_nobody(self) -> None:
        machine = Obedient(otp(REST, profile=FLEET), a=SLOW_BACK).up()
        machine.exits("a")
        machine.exits("a")
        machine.tell(HoldAsked("a"))
        machine.pass_time(10)

        assert machine.states() == {"a": "held"}

    def test_a_held_child_starts_when_it_is_resumed_and_only_then(self) -> None:
        for profile in Profile:
            machine = Obedient(otp(ALL, profile=profile), a=FAST, b=FAST).up()
            machine.tell(HoldAsked("b"))
            machine.exits("a")
            assert machine.states() == {"a": "ready", "b": "held"}
            machine.tell(ResumeAsked("a"))
            machine.tell(ResumeAsked("b"))
            assert machine.states() == {"a": "ready", "b": "ready"}

    def test_an_earlier_crash_takes_the_waiting_group_over(self) -> None:
        machine = self.group()
        machine.exits("b")
        machine.did()
        machine.exits("a")

        assert machine.did() == ["child_terminated a#1", "+a", "+b", "+c"]

    def test_a_sibling_whose_start_ends_well_is_no_failure(self) -> None:
        machine = Obedient(
            otp(ALL, profile=FLEET), a=FAST, b=policy(TRANSIENT, ready_by=ReadyBy.PROBE), t=policy(TEMPORARY)
        ).up()
        machine.readiness("b", True)
        machine.exits("a")
        machine.exits("b", CLEAN)

        assert machine.states() == {"a": "ready", "b": "finished", "t": "stopped"}

    def test_a_member_that_is_stopped_while_it_is_being_started_leaves_the_plan(self) -> None:
        machine = self.group()
        machine.slow |= {"b"}
        machine.exits("b")
        machine.pass_time(10)
        machine.stop("c")
        machine.stop("b")
        machine.exits("b", CANCELLED)

        assert machine.states() == {"a": "ready", "b": "stopped", "c": "stopped"}

    def test_a_member_that_is_removed_while_it_is_being_started_leaves_the_plan(self) -> None:
        machine = self.group()
        machine.slow |= {"b"}
        machine.exits("b")
        machine.pass_time(10)
        machine.remove("b")
        machine.exits("b", CANCELLED)

        assert machine.states() == {"a": "ready", "c": "ready"}

    def test_a_member_that_waits_for_a_dependency_does_not_hold_the_plan_up(self) -> None:
        machine = Obedient(
            otp(ALL, profile=FLEET),
            slow={"x"},
            x=policy(TEMPORARY),
            a=FAST,
            b=policy(needs={"x": Condition.READY}),
            c=FAST,
        ).up()
        machine.stop("x")
        machine.exits("x", CANCELLED)
        machine.exits("a")

        assert machine.states() == {"x": "stopped", "a": "ready", "b": "waiting", "c": "ready"}

    def test_a_start_that_takes_too_long_in_a_plan_has_failed(self) -> None:
        slow = policy(ready_by=ReadyBy.ITSELF, deadline=5, backoff=Backoff(initial=0, max=0))
        machine = Obedient(otp(ALL, profile=FLEET), a=FAST, b=slow).up()
        machine.slow |= {"b"}
        machine.exits("a")
        machine.exits("b", CANCELLED)
        machine.slow.clear()
        machine.pass_time(5)
        machine.slow |= {"b"}

        assert "start_error b" in machine.did()

    def test_asking_a_dead_child_to_restart_while_the_group_is_busy(self) -> None:
        machine = Obedient(otp(REST, profile=FLEET), a=FAST, b=FAST, c=FAST).up()
        machine.slow |= {"c"}
        machine.exits("b")
        machine.exits("a")
        machine.tell(RestartAsked("a"))
        machine.exits("c", CANCELLED)

        assert machine.states()["a"] == "ready"

    def test_stopping_a_dead_child_while_the_group_is_busy(self) -> None:
        machine = Obedient(otp(REST, profile=FLEET), a=FAST, b=FAST, c=FAST).up()
        machine.slow |= {"c"}
        machine.exits("b")
        machine.exits("a")
        machine.stop("a")
        machine.exits("c", CANCELLED)

        assert machine.states()["a"] == "stopped"


class TestLimits:
    """What happens at the limit."""

    def test_pause_waits_for_a_window_and_counts_anew(self) -> None:
        machine = Obedient(otp(ONE, 1, profile=FLEET, at_limit=AtLimit.PAUSE), a=FAST, b=FAST).up()
        machine.exits("a")
        machine.exits("a")
        assert machine.states() == {"a": "backoff", "b": "ready"}
        machine.pass_time(30)
        machine.exits("b")
        assert machine.states() == {"a": "backoff", "b": "backoff"}

        machine.pass_time(31)

        assert machine.states() == {"a": "ready", "b": "ready"}

    def test_a_child_has_a_limit_of_its_own(self) -> None:
        machine = Obedient(otp(ONE, 100, profile=FLEET, at_limit=AtLimit.HOLD), b=FAST)
        limited = policy(backoff=Backoff(initial=0, max=0))
        object.__setattr__(limited, "intensity", Intensity(1, 60))
        machine.add("a", limited)
        machine.up()
        machine.exits("a")
        machine.exits("b")
        machine.exits("b")
        machine.exits("a")

        assert machine.states() == {"b": "ready", "a": "held"}

    def test_pause_forgets_the_count_of_the_child_too(self) -> None:
        machine = Obedient(otp(ONE, 100, profile=FLEET, at_limit=AtLimit.PAUSE))
        limited = policy(backoff=Backoff(initial=0, max=0))
        object.__setattr__(limited, "intensity", Intensity(1, 5))
        machine.add("a", limited)
        machine.up()
        machine.exits("a")
        machine.exits("a")
        machine.pass_time(5)

        assert machine.states() == {"a": "ready"}

    def test_a_fleet_that_escalates_ends_by_dependency(self) -> None:
        machine = Obedient(otp(ONE, 0, profile=FLEET), a=FAST, b=policy(needs={"a": Condition.READY}), c=FAST).up()
        machine.exits("c")

        assert machine.did() == ["child_terminated c#1", "shutdown c#1", "ending: restart limit", "-b", "-a"]


class TestAsks:
    """In profile otp they wait for their turn."""

    def test_each_does_what_it_says(self) -> None:
        machine = four(ONE)
        machine.tell(RestartAsked("a"))
        machine.tell(StopAsked("b"))
        machine.tell(StartAsked("b"))
        machine.tell(RemoveAsked("c"))
        machine.tell(StartAsked("d"))

        assert [each for each in machine.did() if "progress" not in each] == ["-a", "+a", "-b", "+b", "-c"]
        assert machine.states() == {"a": "ready", "b": "ready", "d": "ready"}

    def test_they_wait_for_what_is_under_way(self) -> None:
        machine = four(ONE)
        machine.slow.add("a")
        machine.exits("a")
        for fact in (StopAsked("b"), RemoveAsked("c"), StopAsked("c"), StopAsked("nobody")):
            machine.tell(fact)
        assert machine.states()["b"] == "ready"

        machine.started("a")

        assert machine.states() == {"a": "ready", "b": "stopped", "d": "ready"}

    def test_who_is_removed_meanwhile_is_asked_nothing(self) -> None:
        machine = four(ONE)
        machine.slow.add("a")
        machine.exits("a")
        machine.tell(RemoveAsked("b"))
        machine.tell(StopAsked("b"))
        machine.call(Verb.TERMINATE, "d")
        machine.call(Verb.DELETE, "d")
        machine.exits("d")
        machine.started("a")

        assert machine.states() == {"a": "ready", "c": "ready"}

    def test_a_start_that_fails_when_asked_for_is_not_tried_again(self) -> None:
        machine = Obedient(otp(), starts={"a": [None, FAILED]}, a=FAST).up()
        machine.tell(RestartAsked("a"))

        assert machine.states() == {"a": "failed"}


class TestCorners:
    """Rare, and right all the same."""

    def test_what_can_not_be_killed_in_a_group_stop_is_held_and_not_started_again(self) -> None:
        machine = four(ALL, stops={"c": UNKILLABLE})
        machine.exits("a")

        assert machine.states() == {"a": "ready", "b": "ready", "c": "held", "d": "ready"}

    def test_a_temporary_child_that_is_found_dead_is_forgotten(self) -> None:
        machine = Obedient(otp(ALL), a=FAST, t=policy(TEMPORARY), c=FAST).up()
        machine.slow.add("c")
        machine.exits("a")
        machine.exits("t")
        machine.exits("c", CANCELLED)
        machine.slow.clear()
        machine.started("c")

        assert machine.states() == {"a": "ready", "c": "ready"}
        assert "shutdown_error t#1" in machine.did()

    def test_a_held_sibling_does_not_wait_with_the_group(self) -> None:
        machine = Obedient(otp(ALL, profile=FLEET), a=SLOW_BACK, b=FAST, t=policy(TEMPORARY)).up()
        machine.tell(HoldAsked("b"))
        machine.exits("a")
        machine.exits("a")

        assert machine.states() == {"a": "backoff", "b": "held", "t": "stopped"}

    def test_a_removed_child_leaves_the_rest_of_a_first_start_alone(self) -> None:
        machine = Obedient(otp(), slow={"a"}, a=FAST, b=FAST)
        machine.tell(TreeStartAsked())
        machine.tell(RemoveAsked("b"))
        machine.started("a")

        assert machine.states() == {"a": "ready"}
        assert not machine.machine.busy
        assert [answer for answer in Answer if answer.good] == [Answer.OK, Answer.UNDEFINED, Answer.IGNORED]
