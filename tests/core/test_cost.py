"""What a fact costs must not depend on how many siblings there are. Counted in function calls, not in seconds."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

import pytest

from tests.core.driver import CRASH, TERMED, Driver, policy, tree
from tests.core.obedient import Obedient, otp
from trio_supervisor.core.answers import Verb
from trio_supervisor.core.facts import TimePassed
from trio_supervisor.core.policy import Backoff, Condition, ReadyBy, Restart, Thresholds

FEW, MANY = 10, 20_000

_SUBJECT = policy(ready_by=ReadyBy.PROBE, deadline=50, health=Thresholds(failures=1), needs={"dep": Condition.READY})


@contextmanager
def calls() -> Iterator[list[int]]:
    """Counts the calls of Python and C functions, and the steps of generators, that the block makes."""
    total = count()

    def step(frame: FrameType, event: str, arg: object) -> None:
        if event in ("call", "c_call"):
            next(total)

    result = [0]
    before = sys.getprofile()
    gc.disable()  # a collection calls back at any time
    sys.setprofile(step)
    try:
        yield result
    finally:
        sys.setprofile(before)
        gc.enable()
        result[0] = next(total)


def with_siblings(number: int, state: str) -> Driver:
    """A subject with its dependency among siblings that are all in one state."""
    driver = Driver(tree(restarts=10**6, parallel=10**6), dep=policy(), subject=_SUBJECT)
    sibling = {
        "ready": policy(),
        "backoff": policy(backoff=Backoff(initial=1e6, max=1e6, jitter=0)),
        "waiting": policy(needs={"nothing-yet": Condition.READY}),
        "starting": policy(deadline=1e6),
        "failed": policy(Restart.TEMPORARY),
    }[state]
    driver.add("nothing-yet", policy())
    for index in range(number):
        name = f"sibling-{index}"
        driver.add(name, sibling)
        driver.start(name)
        for _ in range({"backoff": 2, "failed": 1}.get(state, 0)):
            driver.exits(name)
        if state == "ready":
            driver.started(name)
    assert driver.state("sibling-0").value == state
    return driver


def life_of_the_subject(driver: Driver) -> list[tuple[str, int]]:
    """Everything that can happen to one child, and what each fact costs."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("start, wait for the dependency", lambda: driver.start("subject")),
        ("the dependency starts", lambda: driver.start("dep")),
        ("the dependency is ready", lambda: driver.started("dep")),
        ("started", lambda: driver.started("subject")),
        ("ready", lambda: driver.readiness("subject", True)),
        ("the same answer", lambda: driver.readiness("subject", True)),
        ("not ready", lambda: driver.readiness("subject", False)),
        ("ready again", lambda: driver.readiness("subject", True)),
        ("unhealthy", lambda: driver.health("subject", False)),
        ("gone and restarted", lambda: driver.exits("subject", TERMED)),
        ("crash and backoff", lambda: driver.exits("subject", CRASH)),
        ("the delay is over", lambda: driver.pass_time(0.5)),
        ("nothing is due", lambda: driver.tell(TimePassed())),
        ("the start took too long", lambda: driver.pass_time(50)),
        ("stop", lambda: driver.stop("subject")),
        ("stopped", lambda: driver.exits("subject")),
        ("restart", lambda: driver.restart("subject")),
        ("remove", lambda: driver.remove("subject")),
        ("removed", lambda: driver.exits("subject")),
        ("add", lambda: driver.add("subject", _SUBJECT)),
        ("ask for the next deadline", driver.machine.next_deadline),
        ("ask whether it is at rest", lambda: driver.machine.at_rest),
    ]
    costs = []
    for name, step in steps:
        with calls() as made:
            step()
        costs.append((name, made[0]))
    return costs


@pytest.mark.parametrize("state", ["ready", "backoff", "waiting", "starting", "failed"])
def test_a_fact_about_one_child_costs_the_same_among_ten_and_among_twenty_thousand(state: str) -> None:
    few = life_of_the_subject(with_siblings(FEW, state))
    many = life_of_the_subject(with_siblings(MANY, state))

    assert many == few


def star(number: int) -> Driver:
    """Many children which all need the same one, and everything is being stopped."""
    driver = Driver(tree(parallel=10**6), dep=policy())
    driver.bring_up("dep")
    for index in range(number):
        driver.add(f"leaf-{index}", policy(needs={"dep": Condition.READY}))
        driver.start(f"leaf-{index}")
    driver.shut_down()
    return driver


@pytest.mark.parametrize("backwards", [False, True])
def test_in_a_shutdown_the_end_of_one_of_many_dependents_costs_the_same_however_many_there_are(backwards: bool) -> None:
    def costs(number: int) -> set[int]:
        driver = star(number)
        found = set()
        leaves = sorted(range(number), reverse=backwards)
        for index in leaves[:-1]:
            with calls() as made:
                driver.exits(f"leaf-{index}")
            found.add(made[0])
        return found

    assert costs(300) == costs(3)


def test_in_profile_otp_a_crash_and_a_call_cost_the_same_among_ten_and_among_twenty_thousand() -> None:
    def costs(number: int) -> list[int]:
        siblings: dict[str, Any] = {f"child-{index}": policy() for index in range(number)}
        machine = Obedient(otp(restarts=10**6), **siblings).up()
        found = []
        for step in (
            lambda: machine.exits("child-5"),
            lambda: machine.call(Verb.TERMINATE, "child-5"),
            lambda: machine.call(Verb.RESTART, "child-5"),
        ):
            with calls() as made:
                step()
            found.append(made[0])
        return found

    assert costs(MANY) == costs(FEW)
