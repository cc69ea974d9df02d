"""Budgets: exact windows, warnings, verdicts, plain values to keep."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.core.budget import AtBudget, Budget, Meter, Rate
from trio_supervisor.core.expenses import at_budget
from trio_supervisor.core.spending import MOST_ENTRIES, Ledger, Level, Spending


def test_amounts_count_as_long_as_the_window_and_the_edge_is_inside() -> None:
    spending = Spending(Rate(5, 60))
    spending.add(2, 100)
    spending.add(1, 130)

    assert [spending.used(now) for now in (130, 160, 160.1, 190, 190.1)] == [3, 3, 1, 1, 0]


def test_ten_cents_fifty_times_are_five_dollars() -> None:
    spending = Spending(Rate(5, 3600))
    for number in range(50):
        spending.add(0.1, number)

    assert spending.used(50) == 5


def test_there_is_room_when_enough_has_left_the_window() -> None:
    spending = Spending(Rate(5, 60))
    spending.add(3, 100)
    spending.add(3, 110)
    assert spending.room_at(0) == pytest.approx(160, abs=0.01)
    assert spending.room_at(5) == pytest.approx(170, abs=0.01)
    assert spending.used(spending.room_at(0)) == 3
    assert Spending(Rate(1, 60)).room_at(5) == 0


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 20)), max_size=60), st.floats(0.5, 100))
def test_it_is_what_one_would_add_up_by_hand(steps: list[tuple[float, float]], within: float) -> None:
    spending, now, all_of_them = Spending(Rate(5, within)), 0.0, []
    for amount, pause in steps:
        now += pause
        spending.add(amount, now)
        all_of_them.append((now, amount))
        expected = math.fsum(amount for when, amount in all_of_them if now - when <= within)
        assert spending.used(now) == pytest.approx(expected, abs=1e-6)


# Whole seconds: at the very edge of the window all else depends on how a difference is rounded.
@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 20)), max_size=30), st.integers(0, 1000))
def test_what_is_exported_goes_on_elsewhere(steps: list[tuple[float, int]], there: int) -> None:
    spending, now = Spending(Rate(5, 60)), 0.0
    for amount, pause in steps:
        now += pause
        spending.add(amount, now)
    twin = Spending(Rate(5, 60))
    twin.restore(spending.export(now), there)

    for later in (0, 13, 59, 60, 61):
        assert twin.used(there + later) == pytest.approx(spending.used(now + later), abs=1e-6)


def test_what_was_counted_before_the_restore_stays() -> None:
    spending = Spending(Rate(5, 60))
    spending.add(1, 100)
    spending.restore([(10, 2.0), (70, 9.0)], 100)
    assert spending.used(100) == 3
    assert spending.used(151) == 1


def test_a_flood_of_reports_costs_no_memory_and_counts_no_shorter() -> None:
    spending = Spending(Rate(5, 1e6))
    for number in range(3 * MOST_ENTRIES + 1):
        spending.add(0.001, float(number))

    assert spending.used(3 * MOST_ENTRIES) == pytest.approx((3 * MOST_ENTRIES + 1) / 1000)
    assert len(spending.export(3 * MOST_ENTRIES)) <= MOST_ENTRIES
    # The first amount is 0.0 seconds old no more: it counts until a later one's time is over.
    assert spending.used(1e6 + 0.5) == pytest.approx((3 * MOST_ENTRIES + 1) / 1000)


def test_nothing_added_is_nothing_kept() -> None:
    spending = Spending(Rate(5, 60))
    spending.add(0, 1)
    assert spending.export(1) == []


class TestLedger:
    """Both meters of a budget."""

    def test_it_warns_at_80_percent_once_until_it_is_less_again(self) -> None:
        ledger = Ledger(Budget(usd=Rate(10, 60)))
        steps = ((0, 7.9), (1, 0.1), (2, 0.1), (62, 0.0), (63, 8.0))
        levels = [verdict.level for now, usd in steps if (verdict := ledger.add(Meter.USD, usd, now))]

        assert levels == [Level.FINE, Level.NEARLY, Level.FINE, Level.FINE, Level.NEARLY]

    def test_money_is_at_its_end_when_it_is_spent_restarts_when_there_is_one_too_many(self) -> None:
        ledger = Ledger(Budget(usd=Rate(10, 60), restarts=Rate(2, 60)))
        verdict = ledger.add(Meter.USD, 10, 0)
        assert verdict is not None
        assert verdict.level is Level.REACHED
        assert str(verdict) == "budget: 10.00 of 10 USD per min"
        assert verdict.until == pytest.approx(60, abs=0.01)

        assert ledger.refuses_restart(0) is None
        levels = [verdict.level for _ in range(3) if (verdict := ledger.add(Meter.RESTARTS, 1, 0))]
        assert levels == [Level.FINE, Level.NEARLY, Level.REACHED]
        refused = ledger.refuses_restart(0)
        assert str(refused) == "budget: 3 of 2 restarts per min"
        assert ledger.refuses_restart(61) is None

    def test_what_has_no_limit_is_not_counted(self) -> None:
        ledger = Ledger(Budget(usd=Rate(10, 60)))
        assert ledger.add(Meter.RESTARTS, 1, 0) is None
        assert ledger.refuses_restart(0) is None

    def test_approval_is_for_what_is_used_up(self) -> None:
        ledger = Ledger(Budget(usd=Rate(10, 60), restarts=Rate(2, 60)))
        ledger.add(Meter.USD, 11, 0)
        ledger.add(Meter.RESTARTS, 1, 0)
        ledger.approve(1)

        assert ledger.export(1) == {"usd": [], "restarts": [(1, 1)]}

    def test_what_is_kept_is_restored_as_far_as_there_is_a_limit(self) -> None:
        ledger = Ledger(Budget(usd=Rate(10, 60)))
        ledger.restore({"usd": [(5, 9.0)], "restarts": [(5, 1)]}, 100)
        assert ledger.export(100) == {"usd": [(5, 9.0)]}

    @pytest.mark.parametrize(
        ("then", "words", "until"),
        [
            (AtBudget.HOLD, "budget: 5.00 of 5 USD per h used; held until somebody resumes it", math.inf),
            (AtBudget.PAUSE, "budget: 5.00 of 5 USD per h used; it goes on when there is room again", 3700.001),
        ],
    )
    def test_what_it_says_at_the_limit(self, then: AtBudget, words: str, until: float) -> None:
        verdict = Ledger(Budget(usd=Rate(5, 3600))).add(Meter.USD, 5, 100)
        assert verdict is not None
        assert at_budget(verdict, then) == (words, pytest.approx(until))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rate(0, 60),
        lambda: Rate(math.inf, 60),
        lambda: Rate(1, 0),
        lambda: Budget(usd=Rate(1, 1), pattern="no group"),
        lambda: Budget(usd=Rate(1, 1), silent_after=0),
        lambda: Budget(restarts=Rate(1.5, 1)),
    ],
)
def test_values_that_can_not_be_right(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|needs a group"):
        make()


def test_a_rate_in_words() -> None:
    assert [str(Rate(*values)) for values in ((5, 3600), (20, 86400), (0.5, 1800))] == [
        "5 per h",
        "20 per day",
        "0.5 per 30 min",
    ]
