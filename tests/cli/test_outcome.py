"""Exit codes, from what has become of the agents."""

import pytest

from trio_supervisor.cli import outcome
from trio_supervisor.control.api import Desired, Exit, How, Snapshot, State


def snapshot(state: State, last_exit: Exit | None = None) -> Snapshot:
    return Snapshot("a", state, Desired.UP, 0.0, "", None, 0, 1, None, None, last_exit)


@pytest.mark.parametrize(
    ("state", "asked", "code"),
    [
        (State.FINISHED, False, 0),
        (State.STOPPED, True, 0),
        (State.FAILED, False, 1),
        (State.HELD, False, 1),
        (State.FAILED, True, 0),
        (State.HELD, True, 0),
    ],
)
def test_a_tree_ends_with_0_unless_it_gave_up_by_itself(state: State, asked: bool, code: int) -> None:
    assert outcome.of_tree([snapshot(State.FINISHED), snapshot(state)], asked=asked) == code


@pytest.mark.parametrize("asked", [True, False])
def test_what_could_not_be_killed_is_told_whoever_asked(asked: bool) -> None:
    left = snapshot(State.STOPPED, Exit(How.UNKILLABLE, detail="pid 1"))

    assert outcome.of_tree([left], asked=asked) == 5


@pytest.mark.parametrize(
    ("exit", "code"),
    [
        (Exit(How.EXITED, code=0), 0),
        (Exit(How.EXITED, code=7), 7),
        (Exit(How.SIGNALED, signal=9), 137),
        (Exit(How.KILLED), 137),
        (Exit(How.OUT_OF_MEMORY, signal=9, detail="memory limit 2 GiB"), 137),
        (Exit(How.RETURNED), 0),
        (Exit(How.SHUT_DOWN, value="done"), 0),
        (Exit(How.IGNORED), 0),
        (Exit(How.RAISED, detail="x"), 1),
        (Exit(How.CANCELLED), 1),
        (Exit(How.GAVE_UP), 1),
        (Exit(How.SPAWN_FAILED), 1),
        (Exit(How.UNKILLABLE), 5),
        (None, 1),
    ],
)
def test_the_exit_code_of_one_agent_is_what_a_shell_would_give(exit: Exit | None, code: int) -> None:
    assert outcome.of_exit(exit) == code
