"""Which changes of a child's state are told, and how often one that flaps is."""

import math

import pytest

from trio_supervisor.core.edges import LONGEST_SETTLE, RELAPSE, Edges
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.hook_kind import HookKind
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.state import State

CRASH = Exit(How.EXITED, code=1)
SETTLE = 30.0


class Told:
    """A child whose changes are noted, and what was told of it, each with its time."""

    def __init__(self, settle: float = SETTLE) -> None:
        self.edges = Edges(settle)
        self.now = 0.0
        self.generation = 0
        self.restarts = 0
        self.state = State.WAITING
        self.told: list[tuple[float, HookKind]] = []

    def enter(
        self,
        new: State,
        exit: Exit | None = None,
        *,
        bad: bool = True,
        by_hand: bool = False,
        next_at: float | None = None,
        since: float | None = None,
    ) -> list[HookKind]:
        self.generation += new is State.STARTING
        change = StateChanged("a", self.generation, self.state, new, "", next_at, self.restarts, exit)
        self.state = new
        kinds = self.edges.note(change, self.now, bad=bad, by_hand=by_hand, failing_since=since)
        self._keep(kinds)
        return kinds

    def _keep(self, kinds: list[HookKind]) -> None:
        self.told += [(self.now, kind) for kind in kinds]
        if HookKind.RECOVERED in kinds:
            self.edges.recovered()

    def live(self, seconds: float) -> None:
        """Start, be ready at once, and stay so for some time."""
        self.enter(State.STARTING)
        self.enter(State.READY)
        until = self.now + seconds
        if self.edges.due <= until:
            self.now = self.edges.due
            self._keep(self.edges.time_passed(self.now))
        self.now = until

    def crash(self) -> list[HookKind]:
        self.restarts += 1
        return self.enter(State.BACKOFF, CRASH)

    def count(self, kind: HookKind) -> int:
        return sum(each is kind for _, each in self.told)


def test_a_life_is_ready_once_however_often_its_probe_says_so() -> None:
    it = Told()
    it.live(1)
    it.enter(State.RUNNING)
    it.enter(State.READY)

    assert it.told == [(0, HookKind.READY)]


def test_an_outage_is_told_once_and_is_over_when_it_was_ready_for_some_time() -> None:
    it = Told()
    it.live(100)
    it.crash()
    it.now += 1
    it.live(5)
    it.crash()
    it.now += 2
    it.live(100)

    assert [each for each in it.told if each[1] in (HookKind.FAILED, HookKind.RECOVERED)] == [
        (100, HookKind.FAILED),
        (108 + SETTLE, HookKind.RECOVERED),
    ]
    assert it.count(HookKind.RESTARTED) == 2


def test_it_is_not_over_before_its_time() -> None:
    it = Told()
    it.live(100)
    it.crash()
    it.live(1)

    assert it.edges.due == 100 + SETTLE
    assert it.edges.time_passed(it.edges.due - 1) == []


def test_without_time_to_settle_it_is_over_at_once() -> None:
    it = Told(settle=0)
    it.live(1)
    it.crash()
    it.live(1)

    assert it.told[1:] == [
        (1, HookKind.FAILED),
        (1, HookKind.RESTARTED),
        (1, HookKind.READY),
        (1, HookKind.RECOVERED),
    ]


@pytest.mark.parametrize("life", [10.0, 31.0, 40.0, 90.0, 600.0, 3000.0])
def test_one_that_flaps_all_day_is_told_of_a_few_times(life: float) -> None:
    it = Told()
    while it.now < 86400:
        it.live(life)
        it.crash()

    assert it.count(HookKind.FAILED) <= 9
    assert it.count(HookKind.RECOVERED) < it.count(HookKind.FAILED)


def test_it_has_to_be_ready_for_an_hour_at_the_most() -> None:
    it = Told()
    for _ in range(20):
        it.live(LONGEST_SETTLE + 1)
        it.crash()

    # the wait grows with each; none of these lives is shorter than it
    assert it.count(HookKind.RECOVERED) == 19


def test_after_a_long_good_time_the_next_outage_is_over_as_soon_as_the_first() -> None:
    it = Told()
    it.live(100)
    it.crash()
    it.live(SETTLE + 1)
    it.crash()
    it.live(2 * SETTLE + 1)
    assert it.count(HookKind.RECOVERED) == 2
    it.now += 2 * RELAPSE
    it.crash()
    it.live(SETTLE)

    assert it.count(HookKind.RECOVERED) == 3


def test_unhealthy_counts_from_the_first_failed_answer() -> None:
    it = Told()
    it.live(10)
    assert it.enter(State.UNHEALTHY, since=4.0) == [HookKind.FAILED]
    assert it.edges.down_since == 4.0
    it.enter(State.STOPPING)
    assert it.crash() == []

    other = Told()
    other.live(10)
    other.enter(State.UNHEALTHY)
    assert other.edges.down_since == 10


def test_who_is_down_for_good_is_given_up_once_and_failed_too() -> None:
    it = Told()
    it.live(1)
    assert it.enter(State.HELD, CRASH) == [HookKind.FAILED, HookKind.GAVE_UP]
    assert it.enter(State.HELD) == []
    it.enter(State.WAITING)
    it.live(1)
    assert it.enter(State.FAILED, CRASH) == [HookKind.GAVE_UP], "the outage is the same"


def test_a_hold_by_hand_or_with_an_end_is_nobodys_alarm() -> None:
    it = Told()
    it.live(1)

    assert it.enter(State.HELD, by_hand=True) == []
    it.enter(State.WAITING)
    it.live(1)
    assert it.enter(State.HELD, next_at=99.0) == []
    it.enter(State.WAITING)
    it.live(1)
    assert it.enter(State.HELD) == [HookKind.FAILED, HookKind.GAVE_UP], "a budget that is used up, say"


def test_who_fails_because_of_another_one_has_not_failed() -> None:
    it = Told()

    assert it.enter(State.FAILED) == []


def test_a_good_end_and_a_planned_restart_are_no_failure() -> None:
    it = Told()
    it.live(1)
    it.restarts += 1
    assert it.enter(State.WAITING, Exit(How.EXITED, code=0), bad=False) == []
    it.live(1)
    assert it.enter(State.WAITING, Exit(How.SIGNALED, signal=15)) == [], "nobody has counted a restart"
    it.live(1)
    it.restarts += 1
    assert it.enter(State.WAITING, CRASH) == [HookKind.FAILED]

    assert it.count(HookKind.RESTARTED) == 1


@pytest.mark.parametrize("rest", [State.STOPPED, State.FINISHED])
def test_who_comes_to_rest_without_failure_is_stopped_and_forgiven(rest: State) -> None:
    it = Told()
    it.live(100)
    it.crash()

    assert it.enter(rest) == [HookKind.STOPPED]
    assert it.edges.down_since is None
    assert it.edges.due == math.inf
    assert it.enter(State.REMOVED) == []


def test_who_has_never_lived_is_not_stopped() -> None:
    it = Told()
    assert it.enter(State.STOPPED) == []


def test_who_is_removed_was_stopped_unless_it_was_down() -> None:
    it = Told()
    it.live(1)
    it.enter(State.STOPPING)
    assert it.enter(State.REMOVED) == [HookKind.STOPPED]

    other = Told()
    other.live(1)
    other.enter(State.HELD, CRASH)
    assert other.enter(State.REMOVED) == []


def test_restarts_of_an_earlier_run_are_no_news() -> None:
    it = Told()
    it.restarts = 7
    it.live(1)
    assert it.told == [(0, HookKind.READY)]
    it.crash()
    it.live(1)
    assert it.count(HookKind.RESTARTED) == 1


def test_another_time_to_settle_holds_for_the_present_outage_too() -> None:
    it = Told()
    it.live(100)
    it.crash()
    it.live(10)
    assert it.edges.due == 100 + SETTLE

    it.edges.resettle(5)

    assert it.edges.due == 105
    assert it.edges.time_passed(it.now) == [HookKind.RECOVERED]


def test_who_flaps_goes_on_to_settle_longer_than_is_written_now() -> None:
    it = Told()
    it.live(100)
    for _ in range(2):
        it.crash()
        it.live(100)
    due = it.crash() and it.edges.due
    assert due == math.inf
    it.live(1)
    longer = it.edges.due - (it.now - 1)
    assert longer > SETTLE

    it.edges.resettle(SETTLE / 2)
    assert it.edges.due == it.now - 1 + longer
    it.edges.resettle(longer + 7)
    assert it.edges.due == it.now - 1 + longer + 7
