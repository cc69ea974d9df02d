"""No test may leave a process behind, whatever its environment was made of."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

import pytest

from tests.state import leavings
from tests.state.leavings import Family, Left


class Leave(Protocol):
    """`leavings.leave` in the environment of a child of that instance, if given."""

    def __call__(self, family: Family, instance: str = "") -> dict[str, Left]: ...


@pytest.fixture
def leave() -> Iterator[Leave]:
    """Leaves families behind, and kills them after the test."""
    known: list[Left] = []

    def start(family: Family, instance: str = "") -> dict[str, Left]:
        left = leavings.leave(family, leavings.environment(instance))
        known.extend(left.values())
        return left

    yield start
    for one in known:
        with suppress(ProcessLookupError):
            if one.now is not None:
                os.kill(one.pid, signal.SIGKILL)
