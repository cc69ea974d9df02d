"""Every state of every small supervisor, every fact in each; `explorer` says what is checked after each step."""

import math
from collections.abc import Mapping
from functools import cache

import pytest

from tests.core.driver import CRASH, policy, tree
from tests.core.explorer import Explorer, Node
from trio_supervisor.core.budget import AtBudget, Budget, Rate
from trio_supervisor.core.facts import Exited, Reconfigured, RemoveAsked, ShutdownAsked, StopAsked
from trio_supervisor.core.limits import Idle, Lifetime, Progress, Then
from trio_supervisor.core.policy import Backoff, ChildPolicy, Condition, ReadyBy, Restart, Thresholds, TreePolicy
from trio_supervisor.core.state import TRANSITIONS, State
from trio_supervisor.record import changed

pytestmark = pytest.mark.slow

Supervisor = tuple[TreePolicy, dict[str, ChildPolicy]]

_WITHOUT_DELAY = Backoff(initial=0, reset_after=math.inf)
_ONE_SECOND = Backoff(initial=1, factor=1, max=1, jitter=0, reset_after=math.inf)
_GROWING = Backoff(initial=1, factor=2, max=2, jitter=0, reset_after=1)

_NEVER_FORGETS = tree(restarts=2, within=math.inf, parallel=1, stop_deadline=math.inf)
_FORGETS = tree(restarts=2, within=1, parallel=1, stop_deadline=1)


def one_child() -> dict[str, Supervisor]:
    """Every kind of child, alone, under a limit that never forgets."""
    return {
        f"{restart.value}, ready by {ready_by.value}, {'health' if health else 'no health'}": (
            _NEVER_FORGETS,
            {"a": policy(restart, backoff=_ONE_SECOND, ready_by=ready_by, deadline=deadline, health=health)},
        )
        for restart in Restart
        for ready_by, deadline in {ReadyBy.START: math.inf, ReadyBy.PROBE: 1, ReadyBy.ITSELF: 1}.items()
        for health in (None, Thresholds(failures=2))
    }


def one_child_in_time() -> dict[str, Supervisor]:
    """Growing delays, healthy time and a window that slides."""
    return {
        f"in time, ready by {ready_by.value}": (
            _FORGETS,
            {"a": policy(backoff=_GROWING, ready_by=ready_by, deadline=1, health=health)},
        )
        for ready_by, health in {ReadyBy.START: Thresholds(failures=2), ReadyBy.PROBE: None}.items()
    }


def one_child_with_a_startup_probe() -> dict[str, Supervisor]:
    """What comes after it, and how often it may fail."""
    return {
        f"startup, failures {failures:g}, ready by {ready_by.value}": (
            _NEVER_FORGETS,
            {
                "a": policy(
                    backoff=_WITHOUT_DELAY,
                    ready_by=ready_by,
                    deadline=1,
                    startup=Thresholds(failures=failures, successes=2),
                    health=Thresholds(failures=2, successes=2) if ready_by is not ReadyBy.START else None,
                )
            },
        )
        for failures, ready_by in ((math.inf, ReadyBy.START), (2, ReadyBy.PROBE), (math.inf, ReadyBy.ITSELF))
    }


def two_children() -> dict[str, Supervisor]:
    """Each condition, one place: `b` needs `a`."""
    return {
        f"b needs a {condition.value}": (
            tree(restarts, within=math.inf, parallel=1, stop_deadline=math.inf),
            {
                "a": policy(Restart.TRANSIENT, backoff=_WITHOUT_DELAY, ready_by=ready_by),
                "b": policy(Restart.PERMANENT, backoff=_WITHOUT_DELAY, needs={"a": condition}),
            },
        )
        for condition, ready_by, restarts in (
            (Condition.STARTED, ReadyBy.ITSELF, 0),
            (Condition.READY, ReadyBy.PROBE, 0),
            (Condition.FINISHED, ReadyBy.START, 1),
        )
    }


def one_child_with_limits() -> dict[str, Supervisor]:
    """Each limit of a life, alone and all at once, with a drain; a budget, and holds that end by themselves."""
    life = {
        "lifetime": {"lifetime": Lifetime(2, variance=0)},
        "idle": {"idle": Idle(1)},
        "progress, held": {"progress": Progress(1, then=Then.HOLD)},
        "a silent meter": {"silent_meter": 2.0},
        "two at once": {"lifetime": Lifetime(1, variance=0), "progress": Progress(1)},
    }
    ways = {
        f"limited by {name}": changed(policy(backoff=_WITHOUT_DELAY), drain=1.0, **limits)  # type: ignore[arg-type]
        for name, limits in life.items()
    }
    for then in AtBudget:
        budget = Budget(usd=Rate(1, 1), then=then)
        ways[f"a budget with {then.value}"] = changed(policy(Restart.TRANSIENT, backoff=_ONE_SECOND), budget=budget)
    ways["drains"] = changed(policy(backoff=_ONE_SECOND, ready_by=ReadyBy.PROBE, deadline=1), drain=1.0)
    ways["drains, temporary"] = changed(policy(Restart.TEMPORARY), drain=1.0)
    return {name: (_NEVER_FORGETS, {"a": child}) for name, child in ways.items()}


def one_remote_child() -> dict[str, Supervisor]:
    """What its probes say ends nothing, and it may come back."""
    return {
        f"remote, {restart.value}, ready by {ready_by.value}, {'health' if health else 'no health'}": (
            _NEVER_FORGETS,
            {"a": policy(restart, backoff=_ONE_SECOND, ready_by=ready_by, deadline=1, health=health, remote=True)},
        )
        for restart in Restart
        for ready_by, health in (
            (ReadyBy.HEALTH, Thresholds(failures=2)),
            (ReadyBy.PROBE, None),
            (ReadyBy.PROBE, Thresholds(failures=2)),
        )
    }


SUPERVISORS = (
    one_child()
    | one_child_in_time()
    | one_child_with_a_startup_probe()
    | one_remote_child()
    | two_children()
    | one_child_with_limits()
)


@cache
def explored(name: str) -> Explorer:
    explorer = Explorer(*SUPERVISORS[name])
    explorer.search()
    return explorer


@pytest.mark.parametrize("name", SUPERVISORS)
def test_no_fact_in_any_state_breaks_an_invariant(name: str) -> None:
    explorer = explored(name)

    assert len(explorer.found) > 40
    assert explorer.steps > 10 * len(explorer.found)


@pytest.mark.parametrize("name", SUPERVISORS)
def test_from_every_state_there_is_a_way_down(name: str) -> None:
    explorer = explored(name)

    for node in explorer.found.values():
        stop_and_remove_all(node.branch())
        shut_down(node.branch())


ALONE = [name for name in SUPERVISORS if name not in two_children()]
"""Cheap to search: what is written of two at once has tests of its own."""


@pytest.mark.parametrize("name", ALONE)
def test_to_write_the_same_again_changes_nothing_in_any_state(name: str) -> None:
    explorer = explored(name)

    for key, node in explorer.found.items():
        twin = node.branch()
        same = Reconfigured(explorer.policies, tree=twin.machine.policy, order=tuple(twin.machine.children))
        assert twin.machine.handle(same, twin.now) == []
        assert twin.key() == key


@pytest.mark.parametrize("name", ALONE)
def test_whatever_is_written_in_whatever_state_ends(name: str) -> None:
    explorer = explored(name)

    for node in explorer.found.values():
        for other in others_than(explorer.policies):
            twin = node.branch()
            for fact in (Reconfigured(other), Reconfigured(later=other)):
                twin.machine.handle(fact, twin.now)
            shut_down_machine(twin)


def others_than(policies: Mapping[str, ChildPolicy]) -> list[dict[str, ChildPolicy]]:
    """The same children with all that may change in place, and with nothing of it."""
    much = {"health": Thresholds(2, 1), "startup": Thresholds(1, 1), "idle": Idle(1), "progress": Progress(1)}
    none = dict.fromkeys(("startup", "idle", "progress", "lifetime", "budget"))
    found = []
    for fields in (much, none):
        more = {name: changed(each, **fields) for name, each in policies.items()}
        for name, each in more.items():
            if each.ready_by in (ReadyBy.START, ReadyBy.PROBE) and not each.remote:
                way = ReadyBy.PROBE if each.ready_by is ReadyBy.START else ReadyBy.START
                more[name] = changed(each, ready_by=way, start_deadline=2.0, depends_on={})
        found.append(more)
    return found


def shut_down_machine(node: Node) -> None:
    """Without looking at each step: the world knows them as they were."""
    machine, now = node.machine, node.now
    machine.handle(ShutdownAsked("the end"), now)
    for _ in range(2 * len(machine.children)):
        for child in list(machine.children.values()):
            if child.state is State.STOPPING:
                machine.handle(Exited(child.id, child.generation, CRASH), now)
    assert machine.at_rest


def stop_and_remove_all(node: Node) -> None:
    """Each child stopped by hand ends stopped, unless it was being removed; then each can be removed at once."""
    for name in list(node.machine.children):
        node.step(StopAsked(name))
    end_those_told_to(node)
    assert not node.world.lives
    assert set(node.world.states.values()) <= {State.STOPPED}

    for name in list(node.machine.children):
        node.step(RemoveAsked(name))
    assert not node.machine.children


def shut_down(node: Node) -> None:
    """It is enough that those who are told to end do so; time need not pass."""
    node.step(ShutdownAsked("the end"))
    while node.world.lives:
        assert end_those_told_to(node)
    assert node.machine.at_rest


def explorer_children(node: Node) -> list[str]:
    return list(node.machine.children)


def end_those_told_to(node: Node) -> bool:
    """End the lives that were told to stop; whether there was any."""
    told = [(name, life.generation) for name, life in node.world.lives.items() if life.told_to_stop]
    for name, generation in told:
        node.step(Exited(name, generation, CRASH))
    return bool(told)


GROUPS_AND_HOLDS = {
    # A group that restarts together waits together, whatever its members were in; and it may fail together.
    *((old, State.BACKOFF) for old in (State.STOPPED, State.FINISHED, State.FAILED)),
    (State.BACKOFF, State.FAILED),
    # Whoever asks for a hold gets it in every state; a rule holds who is to be up.
    *((old, State.HELD) for old in (State.WAITING, State.STOPPED, State.FINISHED, State.FAILED)),
    # Who drains or is lost, and is needed, may end by itself in a shutdown.
    (State.DRAINING, State.STOPPED),
    (State.UNHEALTHY, State.STOPPED),
}
"""Transitions that need a group strategy, a hold by hand, or a rule for one of several, which nobody here has."""


def test_every_transition_of_the_table_is_reached_and_no_other() -> None:
    # Those with a limit of a life go no other ways, and a worker of its own would have to search them once more.
    names = [name for name in SUPERVISORS if not name.startswith("limited by")]
    reached = set().union(*(explored(name).edges for name in names))

    assert not reached & GROUPS_AND_HOLDS
    assert reached | GROUPS_AND_HOLDS == {(old, new) for old, news in TRANSITIONS.items() for new in news}


def test_only_removed_has_no_way_out() -> None:
    assert [state for state in State if not TRANSITIONS[state]] == [State.REMOVED]
