"""OTP's calls: what each is answered in each state (rules 41 to 47 and 58), in both profiles."""

import pytest

from tests.core.driver import CLEAN, CRASH, policy, stops
from tests.core.obedient import CANCELLED, FAILED, IGNORED, Obedient, otp
from trio_supervisor.core.answers import Answer, Counts, Verb
from trio_supervisor.core.commands import AdmitChild, Reply
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import Called
from trio_supervisor.core.policy import (
    AutoShutdown,
    Backoff,
    ChildPolicy,
    Condition,
    Profile,
    ReadyBy,
    Restart,
    Strategy,
    TreePolicy,
)

SIMPLE = Strategy.SIMPLE_ONE_FOR_ONE
START, TERMINATE, RESTART, DELETE = Verb.START, Verb.TERMINATE, Verb.RESTART, Verb.DELETE
FAST = policy(backoff=Backoff(initial=0, max=0, jitter=0))
DELAYED = policy(backoff=Backoff(initial=10, max=10, jitter=0))


def answer(machine: Obedient, verb: Verb, child: str, its_policy: ChildPolicy | None = None) -> Answer | None:
    reply = machine.call(verb, child, its_policy)
    return reply.answer if reply else None


def prepared(profile: Profile) -> Obedient:
    """`up` runs, `down` was stopped, `restarting` is between two lives."""
    machine = Obedient(otp(profile=profile), up=FAST, down=FAST, restarting=DELAYED).up()
    machine.call(TERMINATE, "down")
    for _ in range(2):
        machine.exits("restarting")
    assert machine.states()["restarting"] == "backoff"
    machine.did()
    return machine


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    ("verb", "answers"),
    [
        (START, [Answer.OK, Answer.ALREADY_PRESENT, Answer.ALREADY_STARTED, Answer.ALREADY_PRESENT]),
        (TERMINATE, [Answer.NOT_FOUND, Answer.OK, Answer.OK, Answer.OK]),
        (RESTART, [Answer.NOT_FOUND, Answer.OK, Answer.RUNNING, Answer.RESTARTING]),
        (DELETE, [Answer.NOT_FOUND, Answer.OK, Answer.RUNNING, Answer.RESTARTING]),
        (Verb.SPEC, [Answer.NOT_FOUND, Answer.OK, Answer.OK, Answer.OK]),
    ],
)
def test_the_table_of_answers(profile: Profile, verb: Verb, answers: list[Answer]) -> None:
    found = [answer(prepared(profile), verb, name, FAST) for name in ("absent", "down", "up", "restarting")]

    assert found == answers


@pytest.mark.parametrize("profile", Profile)
class TestLooking:
    """Lists and numbers."""

    def test_which_lists_in_start_order(self, profile: Profile) -> None:
        reply = prepared(profile).call(Verb.WHICH)

        assert reply is not None
        found = [(row.child, row.condition.value) for row in reply.rows]
        assert found == [("up", "running"), ("down", "undefined"), ("restarting", "restarting")]

    def test_count(self, profile: Profile) -> None:
        reply = prepared(profile).call(Verb.COUNT)

        assert reply is not None
        assert reply.counts == Counts(specs=3, active=1, supervisors=0, workers=3)


class TestStart:
    """start_child."""

    def test_what_the_child_announces_goes_to_the_caller(self) -> None:
        machine = Obedient(otp()).up()
        reply = machine.call(START, "a", policy(ready_by=ReadyBy.ITSELF))

        assert reply is not None
        assert reply.value == "info"
        assert machine.did() == ["admit a", "+a", "progress a#1 by hand", "reply ok"]

    def test_of_a_failed_start_nothing_is_kept_and_nothing_reported(self) -> None:
        machine = Obedient(otp(), starts={"a": [FAILED]}).up()
        reply = machine.call(START, "a", FAST)

        assert reply is not None
        assert (reply.answer, reply.exit) == (Answer.START_FAILED, FAILED)
        assert machine.did() == ["admit a", "!a", "reply start failed"]
        assert machine.states() == {}

    def test_a_fleet_goes_on_trying_and_answers_when_it_is_up_or_given_up(self) -> None:
        machine = Obedient(otp(profile=Profile.FLEET), starts={"a": [FAILED, FAILED], "b": [FAILED]}).up()
        assert answer(machine, START, "a", DELAYED) is None
        assert answer(machine, START, "b", policy(Restart.TEMPORARY)) is Answer.START_FAILED
        machine.did()

        machine.pass_time(10)

        assert "reply ok" in machine.did()

    def test_an_ignored_start_is_kept_unless_temporary(self) -> None:
        for profile in Profile:
            machine = Obedient(otp(profile=profile), starts={"a": [IGNORED], "t": [IGNORED]}).up()
            assert answer(machine, START, "a", FAST) is Answer.UNDEFINED
            machine.call(START, "t", policy(Restart.TEMPORARY))
            assert machine.states() == {"a": "stopped"}

    def test_a_significant_child_must_make_sense(self) -> None:
        never, any_mode = Obedient(otp()), Obedient(otp(auto=AutoShutdown.ANY_SIGNIFICANT))
        transient = ChildPolicy(Restart.TRANSIENT, significant=True)

        assert answer(never, START, "a", transient) is Answer.BAD_SIGNIFICANT_NEVER
        assert answer(any_mode, START, "a", ChildPolicy(significant=True)) is Answer.BAD_SIGNIFICANT_PERMANENT
        assert answer(any_mode, START, "a", transient) is Answer.OK

    def test_a_child_that_would_wait_for_itself_is_refused(self) -> None:
        machine = Obedient(otp(profile=Profile.FLEET), b=policy(needs={"a": Condition.READY}))

        assert answer(machine, START, "a", policy(needs={"b": Condition.READY})) is Answer.CIRCULAR
        assert list(machine.states()) == ["b"]

    def test_a_start_that_is_removed_under_way_is_answered(self) -> None:
        machine = Obedient(otp(profile=Profile.FLEET), slow={"a"}).up()
        machine.call(START, "a", FAST)
        machine.remove("a")
        machine.exits("a", CANCELLED)

        assert machine.did() == ["admit a", "reply not_found"]

    def test_after_the_end_only_looking_is_answered(self) -> None:
        machine = Obedient(otp(), slow={"a"}, a=FAST).up()
        machine.shut_down()

        assert answer(machine, START, "b", FAST) is Answer.SHUTTING_DOWN
        assert answer(machine, Verb.WHICH, "") is Answer.OK

    def test_callers_of_a_fleet_are_answered_when_everything_ends(self) -> None:
        machine = Obedient(otp(profile=Profile.FLEET), slow={"a"}).up()
        machine.call(START, "a", FAST)
        machine.shut_down()

        assert machine.did() == ["admit a", "ending: asked", "reply shutting down"]


class TestTerminate:
    """terminate_child."""

    def test_a_fleet_answers_when_the_child_is_down(self) -> None:
        machine = Obedient(otp(profile=Profile.FLEET), slow={"a"}, a=FAST).up()
        machine.started("a")
        assert answer(machine, TERMINATE, "a") is None
        machine.did()

        machine.exits("a", CANCELLED)

        assert machine.did() == ["reply ok"]

    def test_a_temporary_child_is_forgotten(self) -> None:
        machine = Obedient(otp(), a=policy(Restart.TEMPORARY)).up()
        machine.call(TERMINATE, "a")

        assert machine.states() == {}

    def test_who_was_removed_before_the_stop_was_decided_is_no_obstacle(self) -> None:
        machine = Obedient(otp(), a=FAST, b=FAST).up()
        machine.slow.add("a")
        machine.exits("a")
        machine.call(TERMINATE, "b")
        machine.tell(Called(99, DELETE, "b"))
        machine.exits("b", CRASH)
        machine.started("a")

        assert machine.states() == {"a": "ready"}
        assert "shutdown_error b#1" in machine.log


def instances(template: str | None = "tpl", **options: object) -> Obedient:
    machine = Obedient(otp(SIMPLE, template=template, **options)).up()  # type: ignore[arg-type]
    for _ in range(3):
        machine.call(START, machine.machine.next_name("tpl"), FAST)
    machine.did()
    return machine


class TestInstances:
    """simple_one_for_one and DynamicSupervisor."""

    def test_names_are_never_given_twice(self) -> None:
        machine = instances()
        assert list(machine.states()) == ["tpl-1", "tpl-2", "tpl-3"]
        machine.call(TERMINATE, "tpl-3")
        assert machine.machine.next_name("tpl") == "tpl-4"

    def test_without_a_template_the_id_is_kept_if_it_is_free(self) -> None:
        machine = instances(None)

        assert list(machine.states()) == ["tpl", "tpl-1", "tpl-2"]
        machine.call(START, "tpl-3", FAST)
        assert machine.machine.next_name("tpl") == "tpl-4"

    def test_calls_to_instances_of_a_template(self) -> None:
        machine = instances()

        assert answer(machine, TERMINATE, "tpl-1") is Answer.OK
        assert answer(machine, TERMINATE, "tpl-1") is Answer.OK
        assert answer(machine, TERMINATE, "tpl") is Answer.SIMPLE_ONE_FOR_ONE
        assert answer(machine, RESTART, "tpl-2") is Answer.SIMPLE_ONE_FOR_ONE
        assert answer(machine, DELETE, "tpl-2") is Answer.SIMPLE_ONE_FOR_ONE
        assert answer(machine, Verb.SPEC, "tpl-2") is Answer.OK

    def test_counts(self) -> None:
        for template, specs in (("tpl", 1), (None, 3)):
            reply = instances(template).call(Verb.COUNT)
            assert reply is not None
            assert reply.counts == Counts(specs, 3, 0, 3)

    def test_no_more_than_allowed(self) -> None:
        machine = instances(None, max_children=3)

        assert answer(machine, START, "more", FAST) is Answer.MAX_CHILDREN

    @pytest.mark.parametrize("profile", Profile)
    def test_who_is_not_restarted_is_gone(self, profile: Profile) -> None:
        machine = Obedient(otp(SIMPLE, template="tpl", profile=profile)).up()
        machine.call(START, "tpl-1", policy(Restart.TRANSIENT))
        machine.call(START, "tpl-2", policy(Restart.TRANSIENT))
        machine.exits("tpl-1", CLEAN)
        machine.call(TERMINATE, "tpl-2")

        assert machine.states() == {}

    def test_an_ignored_start_leaves_nothing(self) -> None:
        for template, expected in (("tpl", Answer.UNDEFINED), (None, Answer.IGNORED)):
            machine = Obedient(otp(SIMPLE, template=template), starts={"a": [IGNORED]}).up()
            assert answer(machine, START, "a", FAST) is expected
            assert machine.states() == {}

    def test_all_are_stopped_at_once_and_told_of_by_reason(self) -> None:
        machine = instances()
        machine.slow |= {"tpl-1", "tpl-2", "tpl-3"}
        machine.exits("tpl-1")
        assert machine["tpl-1"].state.value == "starting"
        assert stops(machine.shut_down()) == ["tpl-3", "tpl-2", "tpl-1"]
        for name in ("tpl-3", "tpl-1", "tpl-2"):
            machine.exits(name, Exit(How.KILLED) if name != "tpl-3" else CANCELLED)

        assert machine.did() == ["child_terminated tpl-1#1", "ending: asked", "shutdown_error tpl x2"]

    def test_who_is_being_stopped_already_is_not_told_again(self) -> None:
        machine = instances()
        machine.slow |= {"tpl-1", "tpl-2", "tpl-3"}
        machine.call(TERMINATE, "tpl-1")

        assert stops(machine.shut_down()) == ["tpl-3", "tpl-2"]

    def test_without_a_template_each_is_told_of(self) -> None:
        machine = instances(None)
        machine.stops_by = {"tpl": Exit(How.RAISED, detail="x"), "tpl-1": Exit(How.SHUT_DOWN, value=1)}
        machine.shut_down()

        assert machine.did() == ["ending: asked", "-tpl-2", "-tpl-1", "-tpl", "shutdown_error tpl#1"]

    def test_two_kinds_of_errors_are_two_reports_and_the_dead_count(self) -> None:
        machine = instances()
        machine.slow |= {"tpl-1"}
        machine.exits("tpl-1")
        machine.exits("tpl-2", CRASH)
        machine.stops_by = {"tpl-3": Exit(How.KILLED)}
        machine.shut_down()
        machine.exits("tpl-1", CANCELLED)

        assert machine.did()[-2:] == ["shutdown_error tpl", "shutdown_error tpl"]

    def test_auto_shutdown_is_refused(self) -> None:
        with pytest.raises(ValueError, match="auto_shutdown must be never"):
            TreePolicy(strategy=SIMPLE, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)

    def test_max_children_is_a_number(self) -> None:
        with pytest.raises(ValueError, match="max_children"):
            TreePolicy(max_children=-1)


class TestBonds:
    """binds_to: down together, up together."""

    def bound(self) -> Obedient:
        def bind(to: str) -> ChildPolicy:
            back = Backoff(initial=0, max=0)
            return ChildPolicy(backoff=back, depends_on={to: Condition.STARTED}, binds_to=(to,))

        return Obedient(otp(profile=Profile.FLEET), db=FAST, a=bind("db"), b=bind("a"), other=FAST).up()

    def test_a_crash_takes_the_bound_down_and_all_come_back_in_order(self) -> None:
        machine = self.bound()
        machine.slow |= {"a"}
        machine.exits("db")
        assert machine.states() == {"db": "waiting", "a": "stopping", "b": "waiting", "other": "ready"}
        machine.slow.clear()
        machine.exits("a", CANCELLED)

        assert machine.states() == {"db": "ready", "a": "ready", "b": "ready", "other": "ready"}

    def test_a_stop_takes_the_bound_down_and_a_start_brings_them_back(self) -> None:
        machine = self.bound()
        machine.stop("db")
        assert set(machine.states().values()) == {"stopped", "waiting", "ready"}

        machine.start("db")

        assert set(machine.states().values()) == {"ready"}

    def test_removing_one_ends_its_bond(self) -> None:
        machine = self.bound()
        machine.remove("b")
        machine.did()
        machine.exits("a")

        assert machine.did() == ["child_terminated a#1", "+a"]


@pytest.mark.parametrize("profile", Profile)
def test_who_is_only_added_is_not_started(profile: Profile) -> None:
    machine = Obedient(otp(profile=profile)).up()

    out = machine.tell(Called(1, START, "a", FAST, idle=True))

    assert out == [AdmitChild(1, "a"), Reply(1, Answer.OK)]
    assert machine.states() == {"a": "stopped"}
