"""Whether a JSON value holds what is expected of it, and where it does not."""

import json
from collections.abc import Mapping

from trio_supervisor.words import one_line


def difference(expected: object, actual: object, path: str = "") -> str | None:
    """The first place where `actual` is not as expected, in words; None if it is.

    Of an object the expected keys must be there with the expected values, whatever else it holds. Anything else must be
    equal, and `1` does not equal `true`.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            place = f"{path}.{key}" if path else str(key)
            if key not in actual:
                return f"{place} is missing, expected {_shown(value)}"
            if found := difference(value, actual[key], place):
                return found
        return None
    if _equal(expected, actual):
        return None
    return f"{path or 'the body'} is {_shown(actual)}, expected {_shown(expected)}"


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _shown(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False, default=repr, skipkeys=True), 60)
