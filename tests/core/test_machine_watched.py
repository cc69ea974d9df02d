"""A child that lives elsewhere: what its probes say ends no life, and what was lost comes back as the same life."""

import math

from tests.core.driver import NO_JITTER, Driver, changes, commands, stops, tree
from tests.core.driver import policy as child
from trio_supervisor.core.commands import PassStartup, Repace, WatchHealth
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import ProbeAnswered, Role, TreeStartAsked
from trio_supervisor.core.notices import Judged, Judgement, TreeStarted
from trio_supervisor.core.policy import ChildPolicy, Condition, Profile, ReadyBy, Restart, Thresholds, TreePolicy
from trio_supervisor.core.state import State

THREE = Thresholds(failures=3, successes=2)


def watched(
    *, ready_by: ReadyBy = ReadyBy.HEALTH, health: Thresholds | None = THREE, deadline: float = 60.0, **more: object
) -> ChildPolicy:
    return ChildPolicy(
        Restart.PERMANENT,
        NO_JITTER,
        ready_by,
        deadline,
        THREE,
        health,
        remote=True,
        **more,  # type: ignore[arg-type]
    )


def up(policy: ChildPolicy) -> Driver:
    """One that is started and ready."""
    driver = Driver(tree(), a=policy)
    driver.start("a")
    driver.started("a")
    for _ in range(2):
        if policy.ready_by is ReadyBy.PROBE:
            driver.readiness("a", True)
        else:
            driver.health("a", True)
    assert driver.state("a") is State.READY
    return driver


def test_without_a_readiness_probe_it_is_ready_when_its_health_probe_says_so() -> None:
    driver = Driver(tree(), a=watched())
    driver.start("a")

    assert WatchHealth("a", 1) in commands(driver.started("a")), "asked from the start on"
    driver.health("a", False)
    driver.health("a", True)
    assert driver.state("a") is State.RUNNING, "so many in a row"

    driver.health("a", True)
    assert driver.state("a") is State.READY


def test_one_miss_takes_nobody_out() -> None:
    driver = up(watched())

    for _ in range(5):
        driver.health("a", False)
        driver.health("a", False)
        assert driver.state("a") is State.READY
        driver.health("a", True)
        driver.health("a", True)

    assert stops(driver.out) == []
    assert driver["a"].restarts == 0


def test_so_many_misses_make_it_unhealthy_and_it_is_not_stopped() -> None:
    driver = up(watched())
    driver.pass_time(10)
    for _ in range(2):
        driver.health("a", False)
        driver.pass_time(30)

    outputs = driver.health("a", False)

    assert driver.state("a") is State.UNHEALTHY
    assert commands(outputs) == [Repace("a", 1, Role.HEALTH, lost=True)]
    assert driver["a"].reason.startswith("unhealthy: 3 failed probes in a row")
    assert driver["a"].failing_since == driver.now - 60, "the first of them, not the verdict"
    assert driver.notice("a").failing_since == driver.now - 60


def test_since_when_it_fails_is_told_at_every_edge_until_it_is_well() -> None:
    driver = up(watched(ready_by=ReadyBy.PROBE))
    assert driver.notice("a").failing_since is None
    begun = driver.now
    for _ in range(3):
        driver.readiness("a", False)
    assert (driver.notice("a").new, driver.notice("a").failing_since) == (State.RUNNING, begun)
    driver.pass_time(10)
    for _ in range(3):
        driver.health("a", False)
        driver.pass_time(30)
    assert (driver.notice("a").new, driver.notice("a").failing_since) == (State.UNHEALTHY, begun)
    for _ in range(2):
        driver.readiness("a", True)
        driver.health("a", True)

    assert (driver.notice("a").new, driver.notice("a").failing_since) == (State.READY, None)


def test_it_comes_back_after_so_many_successes_and_that_is_no_restart() -> None:
    driver = up(watched())
    for _ in range(3):
        driver.health("a", False)

    driver.health("a", True)
    assert driver.state("a") is State.UNHEALTHY
    driver.health("a", False)
    driver.health("a", True)
    assert driver.state("a") is State.UNHEALTHY, "they must be in a row"
    outputs = driver.health("a", True)

    assert driver.state("a") is State.READY
    assert commands(outputs) == [Repace("a", 1, Role.HEALTH, lost=False)]
    assert [each.judgement for each in outputs if isinstance(each, Judged)] == [Judgement.RECOVERED]
    assert (driver["a"].restarts, driver["a"].generation, driver["a"].failing_since) == (0, 1, None)


def test_it_may_be_lost_and_found_for_ever() -> None:
    driver = Driver(tree(restarts=0), a=watched())
    driver.start("a")
    driver.started("a")

    for _ in range(50):
        for ok in (True, True, False, False, False):
            driver.health("a", ok)

    assert (driver.state("a"), driver["a"].restarts, driver["a"].generation) == (State.UNHEALTHY, 0, 1)


def test_with_only_a_readiness_probe_that_one_makes_it_unhealthy() -> None:
    driver = up(watched(ready_by=ReadyBy.PROBE, health=None))

    for _ in range(3):
        outputs = driver.readiness("a", False)

    assert driver.state("a") is State.UNHEALTHY
    assert commands(outputs) == [Repace("a", 1, Role.READINESS, lost=True)]
    driver.readiness("a", True)
    driver.readiness("a", True)
    assert driver.state("a") is State.READY


def test_with_both_it_is_not_ready_or_unhealthy_and_ready_when_both_are_good() -> None:
    driver = up(watched(ready_by=ReadyBy.PROBE))
    for _ in range(3):
        driver.readiness("a", False)
    assert driver.state("a") is State.RUNNING

    for _ in range(3):
        driver.health("a", False)
    assert driver.state("a") is State.UNHEALTHY

    for _ in range(2):
        driver.health("a", True)
    assert (driver.state("a"), driver["a"].reason[:10]) == (State.RUNNING, "not ready:")

    for _ in range(3):
        driver.health("a", False)
    for _ in range(2):
        driver.readiness("a", True)
    assert driver.state("a") is State.UNHEALTHY, "ready does not make it well"
    for _ in range(2):
        driver.health("a", True)
    assert driver.state("a") is State.READY


def test_a_decisive_answer_is_as_good_as_all_of_them() -> None:
    driver = up(watched())

    driver.tell(ProbeAnswered("a", 1, Role.HEALTH, ok=False, detail="gone for good", decisive=True))

    assert (driver.state("a"), driver["a"].reason) == (State.UNHEALTHY, "unhealthy: gone for good")


def test_a_decisive_failure_before_it_was_ready_is_no_failed_start() -> None:
    driver = Driver(tree(), a=watched(ready_by=ReadyBy.PROBE))
    driver.start("a")
    driver.started("a")

    driver.tell(ProbeAnswered("a", 1, Role.READINESS, ok=False, detail="no", decisive=True))

    assert (driver.state("a"), stops(driver.out)) == (State.RUNNING, [])


def test_who_is_not_there_at_its_deadline_is_unhealthy_and_may_come_later() -> None:
    driver = Driver(tree(), a=watched(), b=ChildPolicy(depends_on={"a": Condition.READY}))
    outputs = driver.tell(TreeStartAsked())
    outputs += driver.started("a")
    driver.health("a", False)

    outputs = driver.pass_time(60)

    assert (driver.state("a"), driver.state("b")) == (State.UNHEALTHY, State.WAITING)
    assert driver["a"].reason.startswith("unhealthy: not ready 60 s after its start; the last answer: ")
    driver.health("a", True)
    driver.health("a", True)
    assert (driver.state("a"), driver.state("b")) == (State.READY, State.STARTING)
    assert driver["a"].restarts == 0


def test_it_gives_its_place_among_the_starts_back() -> None:
    driver = Driver(tree(parallel=1), a=watched(), b=ChildPolicy())
    driver.tell(TreeStartAsked())
    assert driver.state("b") is State.WAITING

    driver.started("a")
    assert driver.state("b") is State.STARTING, "to wait for it costs nothing here"
    driver.started("b")
    outputs = driver.pass_time(60)

    assert TreeStarted() in outputs, "who is unhealthy holds up no first start"


def test_in_profile_otp_it_must_be_there_within_its_deadline() -> None:
    driver = Driver(TreePolicy(profile=Profile.OTP), a=watched(deadline=5))
    driver.tell(TreeStartAsked())
    driver.started("a")

    assert stops(driver.pass_time(5)) == ["a"]


def test_a_start_that_hangs_before_it_is_watched_has_failed() -> None:
    driver = Driver(tree(), a=watched(deadline=5))
    driver.start("a")

    assert stops(driver.pass_time(5)) == ["a"], "a secret that never comes"


def test_it_can_be_stopped_held_and_resumed_while_it_is_lost() -> None:
    driver = up(watched())
    for _ in range(3):
        driver.health("a", False)

    driver.stop("a")
    assert driver.state("a") is State.STOPPING
    driver.exits("a", Exit(How.CANCELLED, detail="watched no more"))

    assert (driver.state("a"), driver["a"].reason) == (State.STOPPED, "stopped by hand (watched no more)")
    assert driver["a"].last_failure is None


def test_one_that_is_lost_and_needed_and_ends_by_itself_in_a_shutdown_is_stopped() -> None:
    driver = Driver(tree(), a=watched(), b=child(needs={"a": Condition.STARTED}))
    driver.start("a", "b")
    driver.started("a")
    driver.started("b")
    for ok in (True, True, False, False, False):
        driver.health("a", ok)
    assert driver.state("a") is State.UNHEALTHY

    assert stops(driver.shut_down()) == ["b"]
    driver.exits("a", Exit(How.CANCELLED))

    assert driver.state("a") is State.STOPPED


def test_after_a_startup_probe_its_health_is_asked_and_makes_it_ready() -> None:
    driver = Driver(tree(), a=watched(startup=Thresholds(failures=math.inf)))
    driver.start("a")
    driver.started("a")

    outputs = driver.startup("a", True)
    assert commands(outputs) == [PassStartup("a", 1), WatchHealth("a", 1)]
    driver.health("a", True)
    driver.health("a", True)

    assert driver.state("a") is State.READY
    assert [each.new for each in changes(driver.out)][-1] is State.READY
