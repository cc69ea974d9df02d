"""Values that several specs share: validators of numbers, placeholders."""

import re
from collections.abc import Callable

from trio_supervisor.errors import SpecError


def positive(name: str) -> Callable[[object, object, float], None]:
    """A validator: the value must be > 0."""

    def validate(_: object, __: object, value: float) -> None:
        if not value > 0:
            raise SpecError(f"{name} must be > 0, not {value}")

    return validate


def not_negative(name: str) -> Callable[[object, object, float], None]:
    """A validator: the value must be >= 0."""

    def validate(_: object, __: object, value: float) -> None:
        if not value >= 0:
            raise SpecError(f"{name} must be >= 0, not {value}")

    return validate


def check_pattern(pattern: str, name: str) -> None:
    """Raise SpecError unless `pattern` is a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise SpecError(f"{name}: {pattern!r} is not a regular expression: {error}") from error


def expand(text: str, child: str, port: int | None) -> str:
    """Replace exactly `{port}` and `{id}`; all other braces stay."""
    text = text.replace("{id}", child)
    return text if port is None else text.replace("{port}", str(port))
