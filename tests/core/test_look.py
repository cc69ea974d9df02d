"""How a child stands with its rules, and what comes next, in every state."""

import math

import pytest

from tests.core.driver import CLEAN, TERMED, UNKILLABLE, Driver, policy, tree
from trio_supervisor.core.budget import Budget, Rate
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import HeldByRule, HoldAsked, ResetAsked
from trio_supervisor.core.limits import Idle, Lifetime, Progress, span
from trio_supervisor.core.look import Look
from trio_supervisor.core.outlook import outlook
from trio_supervisor.core.policy import (
    AtLimit,
    Backoff,
    Condition,
    ExitCodes,
    Intensity,
    Profile,
    ReadyBy,
    Restart,
    Strategy,
    Thresholds,
    TreePolicy,
)
from trio_supervisor.core.standing import Need
from trio_supervisor.core.state import State
from trio_supervisor.record import changed


def look(driver: Driver, child: str = "a") -> Look:
    return driver.machine.look_at(child, driver.now)


def following(driver: Driver, child: str = "a") -> str:
    return look(driver, child).outlook


def stands(driver: Driver, child: str = "a") -> dict[str, str]:
    return {ground.rule.value: ground.text for ground in look(driver, child).standing}


class TestOutlook:
    """What comes next."""

    def test_who_waits_for_a_dependency(self) -> None:
        driver = Driver(a=policy(needs={"b": Condition.READY}), b=policy(ready_by=ReadyBy.PROBE))
        driver.start()
        assert following(driver) == "it starts after waiting for 'b' to be ready"

    def test_who_waits_for_a_place_or_its_turn(self) -> None:
        driver = Driver(tree(parallel=1), a=policy(ready_by=ReadyBy.PROBE), b=policy())
        driver.start()
        assert following(driver, "b") == "it starts when fewer than 1 others start"
        assert stands(driver, "b")["max_parallel_starts"] == "1 of 1 starts are under way"
        driver = Driver(a=policy())
        driver["a"].enter(State.WAITING, driver.now, "")
        assert following(driver) == "it starts in its turn"

    @pytest.mark.parametrize(
        ("ready_by", "words"),
        [
            (ReadyBy.START, "it is ready as soon as it is started"),
            (ReadyBy.PROBE, "it is ready when its readiness probe succeeds"),
            (ReadyBy.ITSELF, "it is ready when it says so"),
        ],
    )
    def test_a_start_by_how_it_becomes_ready(self, ready_by: ReadyBy, words: str) -> None:
        driver = Driver(a=policy(ready_by=ready_by), b=policy(ready_by=ready_by, deadline=10))
        driver.start()
        driver.pass_time(2)
        assert following(driver) == words
        assert following(driver, "b") == f"{words}; if not within 8.0 s, it counts as a failed start and is stopped"
        assert stands(driver, "b")["deadline"] == "must be ready in 8.0 s, 10 s after its start"

    def test_a_start_with_a_startup_probe(self) -> None:
        driver = Driver(a=policy(startup=Thresholds(1, 1), ready_by=ReadyBy.PROBE))
        driver.start()
        driver.started("a")
        assert following(driver) == "it is ready when its readiness probe succeeds, after its startup probe has"
        driver.startup("a", True)
        assert following(driver) == "it is ready when its readiness probe succeeds"

    def test_one_that_is_watched(self) -> None:
        watched = policy(ready_by=ReadyBy.HEALTH, health=Thresholds(2, 1), remote=True, deadline=9)
        driver = Driver(a=watched)
        driver.start()
        driver.started("a")
        assert (
            following(driver)
            == "it is ready when its health probe succeeds; if not within 9.0 s, it is called unhealthy"
        )
        driver.health("a", True)
        driver.health("a", False)
        assert following(driver) == (
            "it runs on; after 1 more failed answer of its health probe it is called unhealthy"
        )
        driver.health("a", False)
        driver.health("a", False)
        assert following(driver) == "it is asked on, and is ready again when it answers"
        assert stands(driver)["health"].startswith("3 failed in a row (2 are enough), the first 0.0 s ago")

    def test_who_is_ready(self) -> None:
        probed = policy(ready_by=ReadyBy.PROBE, readiness=Thresholds(3, 1), health=Thresholds(2, 1))
        driver = Driver(a=probed, b=changed(policy(), lifetime=Lifetime(7200, 0), idle=Idle(60), progress=Progress(90)))
        driver.bring_up()
        assert following(driver) == "it runs on"
        driver.readiness("a", False)
        driver.health("a", False)
        assert following(driver) == (
            "it runs on; after 1 more failed answer of its health probe it is unhealthy, and restarted; "
            "after 2 more failed answers of its readiness probe it is not ready any more"
        )
        driver.readiness("a", False)
        driver.readiness("a", False)
        assert following(driver) == (
            "it is ready again when its readiness probe succeeds; "
            "after 1 more failed answer of its health probe it is unhealthy, and restarted"
        )
        driver.busy("b", False)
        driver.pass_time(5)
        assert following(driver, "b") == (
            "it runs on; it is restarted in 2 h by its lifetime limit; "
            "it is restarted in 55 s by its idle limit, if nothing comes until then"
        )
        assert stands(driver, "b")["progress"].endswith("; that does not count now")

    def test_who_is_to_be_stopped(self) -> None:
        driver = Driver(
            a=policy(),
            b=policy(),
            c=policy(),
            d=policy(),
            e=policy(health=Thresholds(1, 1)),
            f=changed(policy(), drain=30.0),
        )
        driver.bring_up()
        driver.stop("a")
        driver.tell(HoldAsked("b"))
        driver.remove("c")
        driver.restart("d")
        driver.health("e", False)
        driver.busy("f")
        driver.restart("f")
        driver.pass_time(10)
        again = "then it is started again, as soon as what it needs is there"
        assert [following(driver, child) for child in "abcde"] == [
            f"it is being stopped; {then}"
            for then in (
                "then it stays down",
                "then it is held",
                "then it is removed",
                again,
                "then its restart rules decide, as after a crash",
            )
        ]
        assert following(driver, "f") == f"it is stopped when it is not busy any more, in 20 s at the latest; {again}"
        assert stands(driver, "b")["hold"] == "is to be held: held by hand"
        driver.machine._tree.timers.clear("f")
        assert "any more, soon;" in following(driver, "f")

    def test_who_is_to_be_restarted(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()
        driver.crash_and_return("a")
        driver.exits("a")
        assert following(driver) == "restart 2 in 0.5 s"

    def test_a_group_that_is_to_be_restarted(self) -> None:
        group = TreePolicy(Intensity(9, 60), strategy=Strategy.ONE_FOR_ALL)
        driver = Driver(group, a=policy(), b=policy())
        driver.bring_up()
        for _ in range(2):
            driver.exits("a")
            driver.exits("b", TERMED)
            driver.pass_time(0.1)
            if driver.state("a") is not State.BACKOFF:
                driver.make_ready("a")
                driver.make_ready("b")
        assert following(driver) == "restart 2 in 0.4 s, with 'b'"
        assert following(driver, "b") == "it is restarted with its group, or in its turn"
        assert stands(driver)["strategy"] == "one_for_all: siblings are restarted together"

    def test_who_rests(self) -> None:
        driver = Driver(
            a=policy(),
            b=policy(Restart.TEMPORARY),
            c=policy(Restart.TRANSIENT),
            d=policy(needs={"b": Condition.READY}),
        )
        driver.start("b")
        driver.exits("b")
        driver.start("a", "c", "d")
        driver.stop("a")
        driver.exits("a", TERMED)
        driver.started("c")
        driver.exits("c", CLEAN)
        down = "it stays down until somebody starts it"
        assert [following(driver, child) for child in "abc"] == [down] * 3
        assert following(driver, "d") == "it starts by itself as soon as that changes: dependency 'b' is failed"
        driver.remove("a")
        assert "a" not in driver.machine.children

    def test_who_rests_in_a_group_may_be_taken_along(self) -> None:
        driver = Driver(TreePolicy(strategy=Strategy.REST_FOR_ONE), a=policy(), b=policy(Restart.TRANSIENT))
        driver.bring_up()
        driver.exits("b", CLEAN)
        assert following(driver, "b") == "it stays down until somebody starts it, or its group is restarted"

    def test_who_is_held(self) -> None:
        driver = Driver(a=policy(), b=policy())
        driver.bring_up()
        driver.exits("a", UNKILLABLE)
        driver.tell(HeldByRule("b", "quota", driver.now + 3600))
        driver.exits("b", TERMED)
        assert following(driver) == "it stays down until somebody resumes it"
        assert following(driver, "b") == "it is resumed by itself in 1 h, or when somebody resumes it"

    def test_when_everything_ends(self) -> None:
        driver = Driver(a=policy())
        driver.bring_up()
        driver.shut_down()
        assert following(driver) == "everything is to end: time to go; it is being stopped; then it stays down"

    def test_an_end_that_waits_for_its_turn(self) -> None:
        driver = Driver(TreePolicy(strategy=Strategy.ONE_FOR_ALL), a=policy(), b=policy(), c=policy())
        driver.bring_up()
        driver.exits("a")
        driver.exits("b")
        assert following(driver, "b") == "its life is over; what follows is decided in its turn"

    def test_who_is_gone(self) -> None:
        driver = Driver(a=policy())
        child = driver["a"]
        driver.remove("a")
        assert outlook(driver.machine._tree, child, driver.now) == "nothing: it is gone"


class TestStanding:
    """Each rule with its numbers as they are."""

    def test_what_every_child_has(self) -> None:
        driver = Driver(tree(restarts=5), a=policy())
        driver.bring_up()
        assert stands(driver) == {
            "restart": "permanent: restarted however it ends",
            "intensity": "0 of 5 restarts within 1 min used; over that it is held",
            "backoff": "no failures in a row; after another one it is restarted without delay",
        }

    def test_after_failures(self) -> None:
        driver = Driver(tree(restarts=5), a=changed(policy(backoff=Backoff()), same_exits=5, startup_crashes=5))
        driver.bring_up()
        driver.exits("a", Exit(How.EXITED, code=1, last_lines=("no",)))
        driver.make_ready("a")
        driver.pass_time(10)
        assert stands(driver)["intensity"].endswith("; over that it is held; one less counts in 50 s")
        assert stands(driver)["backoff"] == (
            "1 failure in a row; after another one it is restarted after 0.5 s +-20%; the row ends after 1 min of "
            "readiness, 10 s of which are over"
        )
        assert stands(driver)["same_exits"].startswith("1 of 5 ends in a row")
        assert stands(driver)["startup_crashes"].startswith("1 of 5 startup crashes in a row, the first 10 s ago")
        driver.exits("a")
        assert stands(driver)["backoff"].endswith("the row ends after 1 min of readiness")
        driver.tell(ResetAsked("a"))
        assert "one less counts" not in stands(driver)["intensity"]

    def test_rows_that_never_end_and_no_delays(self) -> None:
        endless = Backoff(jitter=0, reset_after=math.inf)
        driver = Driver(a=policy(backoff=endless), b=policy(backoff=Backoff(0, 1, 0, 0)))
        driver.bring_up()
        driver.exits("a")
        assert stands(driver)["backoff"] == "1 failure in a row; after another one it is restarted after 0.5 s"
        assert stands(driver, "b")["backoff"] == "none: a restart is immediate"

    @pytest.mark.parametrize(
        ("at_limit", "words"),
        [
            (AtLimit.PAUSE, "over that nothing is restarted for that long"),
            (AtLimit.ESCALATE, "over that its supervisor stops everything and gives up"),
        ],
    )
    def test_a_limit_of_all_and_one_of_its_own(self, at_limit: AtLimit, words: str) -> None:
        driver = Driver(TreePolicy(at_limit=at_limit), a=changed(policy(), intensity=Intensity(2, 9)))
        found = look(driver)
        assert [(ground.text, dict(ground.numbers)["shared"]) for ground in found.limits] == [
            ("0 of 5 restarts within 1 min used (of all children together)", True),
            ("0 of 2 restarts within 9 s used", False),
        ]
        assert stands(driver)["intensity"] == f"0 of 2 restarts within 9 s used; {words}"
        assert driver.machine.look_at_limit(driver.now) == found.limits[0]

    def test_a_pause(self) -> None:
        driver = Driver(TreePolicy(Intensity(0, 30), at_limit=AtLimit.PAUSE), a=policy())
        driver.bring_up()
        driver.exits("a")
        assert stands(driver)["at_limit"] == "pause: no restart for another 30 s"

    def test_exit_codes_that_mean_something(self) -> None:
        driver = Driver(a=changed(policy(), exit_codes=ExitCodes((0, 3), (75,), (78,))))
        assert stands(driver)["exit_codes"] == "0, 3: success; 75: restart; 78: hold"
        driver = Driver(a=changed(policy(), exit_codes=ExitCodes((), (), (78,))))
        assert stands(driver)["exit_codes"] == "78: hold"

    def test_dependencies(self) -> None:
        needs = {"b": Condition.READY, "c": Condition.STARTED, "nobody": Condition.FINISHED}
        bound = changed(policy(needs=needs), binds_to=("c",))
        driver = Driver(a=bound, b=policy(), c=policy())
        driver.start("a")
        driver.bring_up("c")
        found = look(driver)
        assert found.needs == (
            Need("b", "ready", "stopped", False),
            Need("c", "started", "ready", True),
            Need("nobody", "finished", "removed", False),
        )
        assert [ground.text for ground in found.standing[:3]] == [
            "needs 'b' to be ready: it is stopped, which keeps it from starting",
            "needs 'c' to be started: it is ready",
            "needs 'nobody' to be finished: there is no such child, which keeps it from starting",
        ]
        assert found.standing[1].rule.value == "binds_to"

    def test_a_dependency_that_is_lost_takes_nobody_down(self) -> None:
        driver = Driver(a=policy(needs={"b": Condition.READY}), b=policy(Restart.TEMPORARY))
        driver.bring_up("b", "a")
        driver.exits("b")
        assert stands(driver)["depends_on"] == (
            "needs 'b' to be ready: it is failed, which would keep it from starting"
        )
        driver.exits("a")
        assert stands(driver)["depends_on"].endswith("which keeps it from starting")

    def test_probes_and_limits_only_of_a_life_that_is_up(self) -> None:
        driver = Driver(a=changed(policy(health=Thresholds(3, 1)), lifetime=Lifetime(100, 0), idle=Idle(60)))
        driver.bring_up()
        driver.pass_time(10)
        assert {"health": "good", "lifetime": "10 s of 100 s old"}.items() <= stands(driver).items()
        assert stands(driver)["idle"] == "10 s of 1 min since it was last seen active"
        driver.pass_time(50)
        driver.looked("a")
        driver.pass_time(12)
        driver.looked("a")
        assert driver.state("a") is State.STOPPING
        assert stands(driver)["idle"].endswith("; that limit has acted")
        driver.exits("a", TERMED)
        driver.stop("a")
        assert "lifetime" not in stands(driver)

    def test_a_limit_that_has_acted_is_not_announced_again(self) -> None:
        driver = Driver(a=changed(policy(), lifetime=Lifetime(100, 0)))
        driver.bring_up()
        clocks = driver["a"].clocks
        assert clocks is not None
        for clock in clocks:
            clock.done = True
        assert following(driver) == "it runs on"

    def test_answers_towards_ready(self) -> None:
        driver = Driver(a=policy(ready_by=ReadyBy.PROBE, readiness=Thresholds(1, 3)))
        driver.start()
        driver.started("a")
        driver.readiness("a", True, "")
        assert stands(driver)["readiness"] == "1 of 3 good answers in a row"

    def test_a_budget(self) -> None:
        driver = Driver(a=changed(policy(), budget=Budget(usd=Rate(5, 3600))))
        assert stands(driver)["budget"] == "0.00 of 5 USD per h used"

    def test_to_look_changes_nothing(self) -> None:
        driver = Driver(otp_profile(), a=policy())
        driver.bring_up()
        before = driver.machine.next_deadline(), driver["a"].state, len(driver.out)
        look(driver)
        assert (driver.machine.next_deadline(), driver["a"].state, len(driver.out)) == before


def otp_profile() -> TreePolicy:
    return TreePolicy(Intensity(1000, 60), profile=Profile.OTP)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400 * 2 + 3600 * 3, "2 days 3 h"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words
