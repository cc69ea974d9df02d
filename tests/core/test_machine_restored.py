"""What an earlier run has left: who stays down, and the restarts that still count."""

from tests.core.driver import CRASH, Driver, changes, policy, starts, tree
from trio_supervisor.core.budget import AtBudget, Budget, Meter, Rate
from trio_supervisor.core.facts import CostReported, Restored, ResumeAsked, SpendingRestored, TreeStartAsked
from trio_supervisor.core.notices import TreeStarted
from trio_supervisor.core.policy import AtLimit, Condition, Profile
from trio_supervisor.core.spending import Ledger
from trio_supervisor.core.state import Desired, State
from trio_supervisor.record import changed


def test_who_was_held_stays_held_and_who_was_stopped_stopped_until_somebody_starts_them() -> None:
    driver = Driver(a=policy(), b=policy(), c=policy())
    held = driver.tell(Restored("a", held="restart limit: 5 restarts within 60 s"))
    driver.tell(Restored("b", stopped="stopped by hand"))

    begun = driver.tell(TreeStartAsked())

    assert [(each.child, each.new, each.reason) for each in changes(held)] == [
        ("a", State.HELD, "restart limit: 5 restarts within 60 s")
    ]
    assert starts(begun) == ["c"]
    assert (driver["b"].state, driver["b"].reason) == (State.STOPPED, "stopped by hand")
    assert any(isinstance(each, TreeStarted) for each in driver.started("c"))
    assert starts(driver.start("a", "b")) == ["a", "b"]


def test_who_was_held_by_its_limit_stays_so_and_nobody_wants_it_down() -> None:
    driver = Driver(a=policy())
    driver.tell(Restored("a", held="restart limit: 5 restarts within 60 s", by_rule=True, by_limit=True))
    assert starts(driver.tell(TreeStartAsked())) == []

    it = driver["a"]
    assert (it.state, it.desired, it.hold) == (State.HELD, Desired.UP, "")
    assert it.reason == "restart limit: 5 restarts within 60 s"
    assert starts(driver.tell(ResumeAsked("a"))) == ["a"]


def test_where_all_stay_down_the_first_start_is_over_at_once_and_nothing_is_left_to_run() -> None:
    for made in (tree(), changed(tree(), profile=Profile.OTP)):
        driver = Driver(made, a=policy())
        driver.tell(Restored("a", stopped="stopped by hand"))

        assert [type(each) for each in driver.tell(TreeStartAsked())] == [TreeStarted]
        assert driver.machine.at_rest


def test_a_dependent_of_one_that_stays_held_starts_when_that_comes_back() -> None:
    driver = Driver(a=policy(), b=policy(needs={"a": Condition.STARTED}))
    driver.tell(Restored("a", held="held by hand"))

    assert starts(driver.tell(TreeStartAsked())) == []
    assert driver["b"].blocked
    assert starts(driver.start("a")) == ["a"]
    assert starts(driver.started("a")) == ["b"]


def test_restarts_of_the_run_before_count_towards_the_limit_as_long_as_they_are_in_its_span() -> None:
    driver = Driver(tree(restarts=2, within=10), a=policy())
    driver.now = 100.0
    driver.tell(Restored("a", restarts=7, times=(50.0, 95.0, 99.0)))
    driver.tell(TreeStartAsked())
    driver.started("a")

    assert driver["a"].restarts == 7
    driver.exits("a", CRASH)
    assert driver["a"].state is State.HELD


def test_those_before_that_span_do_not_count() -> None:
    driver = Driver(tree(restarts=2, within=10), a=policy())
    driver.now = 100.0
    driver.tell(Restored("a", restarts=7, times=(50.0, 60.0, 99.0)))
    driver.tell(TreeStartAsked())
    driver.started("a")

    driver.exits("a", CRASH)
    assert driver["a"].restarts == 8
    assert driver["a"].state is not State.HELD


def test_where_all_children_share_a_limit_their_old_restarts_share_it_too() -> None:
    driver = Driver(changed(tree(2, 10), at_limit=AtLimit.PAUSE), a=policy(), b=policy())
    driver.now = 100.0
    driver.tell(Restored("a", restarts=1, times=(99.0,)))
    driver.tell(Restored("b", restarts=1, times=(98.0,)))
    driver.tell(TreeStartAsked())
    driver.started("a")

    driver.exits("a", CRASH)
    assert driver["a"].state is State.BACKOFF
    assert driver["a"].reason.startswith("restart limit")


def test_a_row_of_failures_goes_on_unless_it_is_as_old_as_the_healthy_time_that_would_end_it() -> None:
    def state_after_a_crash(last: float) -> State:
        driver = Driver(tree(restarts=100), a=policy())
        driver.now = 1000.0
        driver.tell(Restored("a", restarts=4, attempts=4, times=(last,)))
        driver.tell(TreeStartAsked())
        driver.started("a")
        driver.exits("a", CRASH)
        return driver["a"].state

    assert state_after_a_crash(950.0) is State.BACKOFF
    assert state_after_a_crash(930.0) is not State.BACKOFF


def test_in_profile_otp_restarts_begin_anew_with_each_run() -> None:
    driver = Driver(changed(tree(1, 10), profile=Profile.OTP), a=policy())
    driver.now = 100.0
    driver.tell(Restored("a", restarts=3, attempts=3, times=(99.0,)))

    assert driver["a"].restarts == 0
    assert driver["a"].attempts == 0


def test_who_was_asked_to_start_before_the_first_start_begins_one_life() -> None:
    driver = Driver(a=policy())

    assert starts(driver.start("a")) == ["a"]
    assert starts(driver.tell(TreeStartAsked())) == []
    assert driver["a"].generation == 1


def test_who_is_held_until_a_time_comes_back_by_itself() -> None:
    driver = Driver(a=policy(), b=policy())
    driver.tell(Restored("a", held="quota used up", until=driver.now + 60))

    assert starts(driver.tell(TreeStartAsked())) == ["b"]
    assert driver.notice("a").next_at == driver.now + 60
    assert starts(driver.pass_time(60)) == ["a"]


def budgeted(then: AtBudget = AtBudget.PAUSE) -> Driver:
    return Driver(a=changed(policy(), budget=Budget(usd=Rate(5, 3600), then=then)), b=policy())


def test_whose_budget_is_used_up_does_not_begin() -> None:
    driver = budgeted()
    driver.tell(SpendingRestored("a", {"usd": [(3000.0, 4.0), (100.0, 1.0)]}))

    assert starts(driver.tell(TreeStartAsked())) == ["b"]
    assert driver["a"].reason.startswith("budget: 5.00 of 5 USD per h used; it goes on when")
    assert starts(driver.pass_time(601)) == ["a"]


def test_until_somebody_resumes_it_who_approves_of_as_much_again() -> None:
    driver = budgeted(AtBudget.HOLD)
    driver.tell(SpendingRestored("a", {"usd": [(100.0, 6.0)]}))
    driver.tell(TreeStartAsked())
    assert driver["a"].state is State.HELD

    assert starts(driver.tell(ResumeAsked("a"))) == ["a"]
    driver.started("a")
    driver.tell(CostReported("a", 4.9))
    assert driver["a"].state is State.READY


def test_who_is_named_begins_with_as_much_again() -> None:
    driver = budgeted(AtBudget.HOLD)
    driver.tell(SpendingRestored("a", {"usd": [(100.0, 6.0)]}, approved=True))

    assert starts(driver.tell(TreeStartAsked())) == ["a", "b"]


def test_who_stays_down_anyway_stays_as_it_is() -> None:
    driver = budgeted()
    driver.tell(Restored("a", stopped="stopped by hand"))
    driver.tell(SpendingRestored("a", {"usd": [(100.0, 6.0)]}))
    driver.tell(TreeStartAsked())

    assert driver["a"].state is State.STOPPED


def test_a_ledger_tells_when_nothing_is_left_and_how_often_it_has_changed() -> None:
    ledger = Ledger(Budget(usd=Rate(5, 10), restarts=Rate(2, 10)))
    ledger.add(Meter.USD, 4.5, 0)
    ledger.add(Meter.USD, 0, 0)
    ledger.add(Meter.RESTARTS, 2, 0)
    assert ledger.reached(0) is None
    assert ledger.changes == 2

    ledger.add(Meter.USD, 0.5, 1)
    verdict = ledger.reached(1)
    assert str(verdict) == "budget: 5.00 of 5 USD per 10 s"
    ledger.approve(1)
    assert (ledger.reached(1), ledger.changes) == (None, 5)
