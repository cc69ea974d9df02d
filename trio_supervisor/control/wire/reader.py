"""Reads JSON that a supervisor has written, value by value."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from trio_supervisor.control.wire.forms import Form
from trio_supervisor.errors import NoSupervisorError

T = TypeVar("T")


def loads(data: bytes) -> object:
    """JSON that a supervisor has written."""
    try:
        value: object = json.loads(data)
    except ValueError:
        raise stranger(data) from None
    return value


class Reader:
    """Reads a form. Raises NoSupervisorError for one that is none of ours: then it is no supervisor that answers."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise stranger(data)
        self._form: Form = data

    def get(self, name: str, kind: type[T]) -> T:
        """A value of that kind."""
        value = self._form.get(name)
        if not isinstance(value, kind):
            raise stranger(self._form)
        return value

    def maybe(self, name: str, kind: type[T]) -> T | None:
        """A value of that kind, or none."""
        return None if self._form.get(name) is None else self.get(name, kind)

    def number(self, name: str) -> float:
        """A number, whole or not."""
        value = self._form.get(name)
        if not isinstance(value, int | float):
            raise stranger(self._form)
        return value

    def maybe_number(self, name: str) -> float | None:
        """A number, or none."""
        return None if self._form.get(name) is None else self.number(name)

    def at(self, name: str) -> float:
        """A time, in seconds since the epoch."""
        try:
            return datetime.fromisoformat(self.get(name, str)).timestamp()
        except ValueError:
            raise stranger(self._form) from None

    def maybe_at(self, name: str) -> float | None:
        """A time, or none."""
        return None if self._form.get(name) is None else self.at(name)

    def each(self, name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """A list."""
        return tuple(read(each) for each in self.get(name, list))

    def word(self, name: str, kind: Callable[[str], T]) -> T:
        """A word of an enumeration."""
        try:
            return kind(self.get(name, str))
        except ValueError:
            raise stranger(self._form) from None


def stranger(said: object) -> NoSupervisorError:
    """Why it is no supervisor that has answered so."""
    return NoSupervisorError(f"it is no supervisor that answers, or one of another version: {str(said)[:200]}")
