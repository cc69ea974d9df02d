"""How a life ended, in words and as a judgement."""

import pytest

from trio_supervisor.core.exits import Exit, How


@pytest.mark.parametrize(
    ("exit", "words", "clean"),
    [
        (Exit(How.EXITED, code=0), "exit code 0", True),
        (Exit(How.EXITED, code=3), "exit code 3", False),
        (Exit(How.SIGNALED, signal=9), "signal SIGKILL", False),
        (Exit(How.SIGNALED, signal=15), "signal SIGTERM", False),
        (Exit(How.SIGNALED, signal=12345), "signal 12345", False),
        (Exit(How.RETURNED), "returned", True),
        (Exit(How.RAISED, detail="ValueError: no"), "raised ValueError: no", False),
        (Exit(How.CANCELLED), "cancelled", False),
        (Exit(How.KILLED), "killed", False),
        (Exit(How.KILLED, detail="9 processes, 8 are allowed"), "killed: 9 processes, 8 are allowed", False),
        (Exit(How.OUT_OF_MEMORY, detail="memory limit 2 GiB"), "out of memory: memory limit 2 GiB", False),
        (Exit(How.SPAWN_FAILED, detail="no such file: ./agent"), "cannot be started: no such file: ./agent", False),
        (Exit(How.UNKILLABLE, detail="process 12"), "cannot be killed: process 12", False),
    ],
)
def test_every_way_to_end_has_its_words_and_its_judgement(exit: Exit, words: str, clean: bool) -> None:
    assert str(exit) == words
    assert exit.clean is clean


def test_every_way_to_end_can_be_put_in_words() -> None:
    assert all(str(Exit(how)) for how in How)


def test_two_equal_ends_are_equal_whatever_exception_object_they_carry() -> None:
    assert Exit(How.RAISED, detail="x", exception=ValueError("x")) == Exit(
        How.RAISED, detail="x", exception=ValueError("x")
    )
