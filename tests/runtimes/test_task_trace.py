"""The text of an exception is the one that Python would print, whether it is made in the short or in the long way."""

import sys
import traceback
from collections.abc import Callable

import pytest

from trio_supervisor.runtimes import task_trace
from trio_supervisor.runtimes.task_trace import text_of


def plain() -> None:
    raise ValueError("no\ntwo lines")


def noted() -> None:
    error = KeyError("x")
    error.add_note("look there")
    raise error


def deep(count: int = 3) -> None:
    if count:
        deep(count - 1)
    plain()


def very_deep() -> None:
    deep(40)


def two_ways_in_one_line(count: int = 12) -> int:
    return (
        1 // 0 if not count else two_ways_in_one_line(count - 1) + 1 if count % 2 else two_ways_in_one_line(count - 1)
    )


def caused() -> None:
    try:
        plain()
    except ValueError as error:
        raise RuntimeError("therefore") from error


def in_handling() -> None:
    try:
        plain()
    except ValueError:
        raise RuntimeError("meanwhile")  # noqa: B904 -- what is tested


def of_none() -> None:
    try:
        plain()
    except ValueError:
        raise RuntimeError("alone") from None


def grouped() -> None:
    raise ExceptionGroup("both", [ValueError(1), KeyError(2)])


def misspelt() -> None:
    sys.stdoud  # type: ignore[attr-defined]  # noqa: B018


def syntax() -> None:
    compile("a b", "there.py", "exec")


def left() -> None:
    raise SystemExit(3)


def raised_by(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except (Exception, SystemExit) as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "function",
    [
        plain, noted, deep, very_deep, two_ways_in_one_line,
        caused, in_handling, of_none, grouped, misspelt, syntax, left,
    ],
)  # fmt: skip
def test_it_is_what_python_prints(function: Callable[[], object]) -> None:
    for _ in range(2):
        error = raised_by(function)
        assert text_of(error) == "".join(traceback.format_exception(error))


def test_one_that_was_never_raised_has_no_trace() -> None:
    assert text_of(ValueError("x")) == "ValueError: x\n"


def test_a_limit_of_the_program_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "tracebacklimit", 1, raising=False)
    error = raised_by(deep)
    assert text_of(error) == "".join(traceback.format_exception(error))
    assert text_of(error).count("File") == 1


def test_not_more_places_than_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_trace, "MOST_PLACES", 3)
    monkeypatch.setattr(task_trace, "_places", {})
    for function in (plain, deep, of_none, left):
        error = raised_by(function)
        assert text_of(error) == "".join(traceback.format_exception(error))
    assert len(task_trace._places) <= 3
