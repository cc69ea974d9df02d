"""The values that can't be right are refused where they are made."""

import math
from collections.abc import Callable

import pytest

from trio_supervisor.core.policy import Backoff, ChildPolicy, Intensity, ReadyBy, Thresholds, TreePolicy

_NAN = float("nan")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Intensity(restarts=-1), "intensity: restarts must be >= 0, not -1"),
        (lambda: Intensity(within=0), "intensity: within must be > 0 seconds, not 0"),
        (lambda: Intensity(within=-1.0), "intensity: within must be > 0 seconds, not -1.0"),
        (lambda: Intensity(within=_NAN), "intensity: within must be > 0 seconds, not nan"),
        (lambda: Backoff(initial=-0.1), "backoff: initial must be >= 0 seconds, not -0.1"),
        (lambda: Backoff(initial=math.inf), "backoff: initial must be >= 0 seconds, not inf"),
        (lambda: Backoff(factor=0.9), "backoff: factor must be >= 1, not 0.9"),
        (lambda: Backoff(factor=math.inf), "backoff: factor must be >= 1, not inf"),
        (lambda: Backoff(max=-1.0), "backoff: max must be >= 0 seconds, not -1.0"),
        (lambda: Backoff(max=math.inf), "backoff: max must be >= 0 seconds, not inf"),
        (lambda: Backoff(max=_NAN), "backoff: max must be >= 0 seconds, not nan"),
        (lambda: Backoff(jitter=-0.1), "backoff: jitter must be between 0 and 1, not -0.1"),
        (lambda: Backoff(jitter=1.1), "backoff: jitter must be between 0 and 1, not 1.1"),
        (lambda: Backoff(reset_after=-1.0), "backoff: reset_after must be >= 0 seconds, not -1.0"),
        (lambda: Thresholds(failures=0), "failures must be >= 1, not 0"),
        (lambda: Thresholds(successes=0), "successes must be >= 1, not 0"),
        (lambda: ChildPolicy(start_deadline=0.0), "start_deadline must be > 0 seconds, not 0.0"),
        (lambda: ChildPolicy(start_deadline=_NAN), "start_deadline must be > 0 seconds, not nan"),
        (lambda: TreePolicy(max_parallel_starts=0), "max_parallel_starts must be >= 1, not 0"),
        (lambda: TreePolicy(stop_deadline=-1.0), "stop_deadline must be >= 0 seconds, not -1.0"),
        (lambda: TreePolicy(stop_deadline=_NAN), "stop_deadline must be >= 0 seconds, not nan"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_with_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match="must be") as error:
        make()

    assert str(error.value) == message


def test_the_edges_of_what_is_allowed_are_allowed() -> None:
    Intensity(restarts=0, within=math.inf)
    Backoff(initial=0, factor=1, max=0, jitter=0, reset_after=0)
    Backoff(jitter=1, reset_after=math.inf)
    Thresholds(failures=1, successes=1)
    ChildPolicy(start_deadline=math.inf)
    TreePolicy(max_parallel_starts=1, stop_deadline=0)
    TreePolicy(stop_deadline=math.inf)


def test_the_defaults_are_those_of_the_profile_fleet() -> None:
    tree, child = TreePolicy(), ChildPolicy()

    assert (tree.intensity.restarts, tree.intensity.within) == (5, 60.0)
    assert (tree.max_parallel_starts, tree.stop_deadline) == (20, 30.0)
    assert child.backoff == Backoff(initial=0.5, factor=2.0, max=30.0, jitter=0.2, reset_after=60.0)
    assert Thresholds() == Thresholds(failures=3, successes=1)
    assert (child.restart.value, child.start_deadline, child.health) == ("permanent", math.inf, None)
    assert dict(child.depends_on) == {}


def test_only_who_is_remote_and_has_a_health_probe_is_ready_by_it() -> None:
    ChildPolicy(ready_by=ReadyBy.HEALTH, remote=True, health=Thresholds())
    for more in ({"remote": True}, {"health": Thresholds()}):
        with pytest.raises(ValueError, match="ready by its health probe"):
            ChildPolicy(ready_by=ReadyBy.HEALTH, **more)
