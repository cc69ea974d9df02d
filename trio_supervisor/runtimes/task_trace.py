"""The text of an exception that has ended a task, as `traceback` makes it.

A child that crashes in a loop raises at the same place each time: the text of each place in the code is made once.
"""

import sys
import traceback
from collections.abc import Iterator
from itertools import groupby
from types import CodeType, TracebackType

MOST_PLACES = 4096
"""So many are kept."""
_SUGGESTING = AttributeError | ImportError | NameError | SyntaxError
"""Their words depend on more than the exception."""
_COLLAPSED = 3
"""So often `traceback` shows the same line in a row."""

_places: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""By the identity of the code, which is kept that no other one gets it, and the instruction in it."""


def text_of(error: BaseException) -> str:
    """What Python would print of it."""
    if _is_plain(error) and (places := _text_of_places(error.__traceback__)) is not None:
        last = traceback.format_exception_only(error)
        return "".join(("Traceback (most recent call last):\n" if places else "", places, *last))
    return "".join(traceback.format_exception(error))


def _is_plain(error: BaseException) -> bool:
    """Whether it has nothing to tell but where it was raised, and itself."""
    alone = error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    return alone and not isinstance(error, BaseExceptionGroup | _SUGGESTING) and not hasattr(sys, "tracebacklimit")


def _text_of_places(trace: TracebackType | None) -> str | None:
    """None: to be made in the long way, as one line comes many times in a row."""
    places = list(_each(trace))
    if len(places) > _COLLAPSED:
        rows = groupby(places, lambda each: (each.tb_frame.f_code, each.tb_lineno))
        if any(len(list(row)) > _COLLAPSED for _, row in rows):
            return None
    return "".join(map(_text_of_place, places))


def _text_of_place(trace: TracebackType) -> str:
    code = trace.tb_frame.f_code
    key = id(code), trace.tb_lasti
    found = _places.get(key)
    if found is None:
        if len(_places) >= MOST_PLACES:
            _places.clear()
        found = _places[key] = code, "".join(traceback.format_tb(trace, limit=1))
    return found[1]


def _each(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next
