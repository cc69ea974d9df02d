"""The fields of a request: of its body, or of its query; read strictly, by what is known of them."""

import json
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from trio_supervisor.control.wire.forms import Form
from trio_supervisor.errors import RequestError

T = TypeVar("T")
Known = Mapping[str, Form]
"""The fields that there are, each with its JSON Schema."""


def loads(data: bytes) -> object:
    """The JSON of a body. Raises RequestError."""
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body must be JSON: {error}") from None
    return value


class Fields:
    """The fields of a command's body."""

    def __init__(self, data: object, known: Known) -> None:
        """Raises RequestError: it is no object, or has a field that is not known."""
        if not isinstance(data, dict):
            raise RequestError(f"the body must be a JSON object, not {shown(data)}")
        self._fields: Mapping[str, object] = data
        for name in data:
            if name not in known:
                words = ", ".join(known) or "none"
                raise RequestError(f"there is no field {shown(name)} here; there are: {words}")

    def has(self, name: str) -> bool:
        """Whether it is given."""
        return name in self._fields

    def text(self, name: str, default: str | None = None, longest: int | None = 1000) -> str:
        """Some text. Raises RequestError."""
        value = self._get(name, str, "a string", default)
        if longest is not None and len(value) > longest:
            raise RequestError(f"{name} must have at most {longest} characters, not {len(value)}")
        return value

    def maybe_text(self, name: str) -> str | None:
        """Some text, if it is given. Raises RequestError."""
        return self.text(name) if self.has(name) else None

    def data(self, name: str) -> bytes:
        """Some text of any length, as UTF-8. Raises RequestError."""
        try:
            return self._get(name, str, "a string", None).encode()
        except UnicodeEncodeError as error:
            raise RequestError(f"{name} must be text that UTF-8 can hold: {error.reason}") from None

    def mapping(self, name: str) -> str:
        """A mapping, as the text that is read: YAML as it is, an object as JSON. Raises RequestError."""
        value = self._fields.get(name)
        if isinstance(value, dict):
            return json.dumps(value, indent=2, ensure_ascii=False)
        return self._get(name, str, "an object, or some YAML", None)

    def truth(self, name: str, *, default: bool) -> bool:
        """Raises RequestError."""
        return self._get(name, bool, "true or false", default)

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number >= 0. Raises RequestError."""
        value = default if default is not None and name not in self._fields else self._fields.get(name)
        # To JSON Schema, 1.0 is a whole number too.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise RequestError(f"{name} must be a whole number >= 0, not {shown(value)}")
        return value

    def maybe_number(self, name: str) -> int | None:
        """A whole number >= 0, if there is one. Raises RequestError."""
        return self.number(name) if self.has(name) else None

    def at(self, name: str) -> float | None:
        """A time with its zone, if there is one, in seconds since the epoch. Raises RequestError."""
        if not self.has(name):
            return None
        text = self.text(name)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise RequestError(f"{name} must be a time with its zone, as 2026-11-26T20:15:00Z, not {shown(text)}")
        return found.timestamp()

    def wait(self) -> bool | float:
        """Whether to wait, or how many seconds. Raises RequestError."""
        value = self._fields.get("wait", True)
        # `not >=`: NaN is no time either.
        if not isinstance(value, bool | int | float) or not value >= 0:
            raise RequestError(f"wait must be true, false or seconds >= 0, not {shown(value)}")
        return value

    def seconds(self, name: str, default: float, longest: int) -> float:
        """A time of at most `longest`. Raises RequestError."""
        value = self._fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= longest:
            raise RequestError(f"{name} must be seconds from 0 to {longest}, not {shown(value)}")
        return float(value)

    def signal(self, name: str) -> int:
        """A signal by its name or number. Raises RequestError."""
        value = self._fields.get(name)
        try:
            return signal_of(value if isinstance(value, str) else str(self.number(name)))
        except ValueError:
            raise RequestError(f"{name} must be a signal (HUP, SIGHUP, 1), not {shown(value)}") from None

    def choice(self, name: str, words: Sequence[str]) -> str:
        """One of some words, the first if none is given. Raises RequestError."""
        value = self.text(name, words[0])
        if value not in words:
            raise RequestError(f"{name} must be one of {', '.join(words)}, not {shown(value)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """What is given again and again."""
        return tuple(str(each) for each in self._get(name, list, "a list", []))

    def _get(self, name: str, kind: type[T], words: str, default: T | None) -> T:
        if name not in self._fields and default is not None:
            return default
        value = self._fields.get(name)
        if not isinstance(value, kind):
            raise RequestError(f"{name} must be {words}, not {shown(value)}")
        return value


def signal_of(text: str) -> int:
    """A signal by its name or number. Raises ValueError."""
    if text.isascii() and text.isdecimal():
        return signal.Signals(int(text))
    try:
        return signal.Signals["SIG" + text.upper().removeprefix("SIG")]
    except KeyError:
        raise ValueError(f"there is no signal {text!r}") from None


def query(pairs: Sequence[tuple[str, str]], known: Known) -> Fields:
    """The fields of a query, by the types that their schemas have. Raises RequestError."""
    fields: dict[str, object] = {}
    for name, text in pairs:
        kind = known.get(name, {}).get("type")
        if kind == "array":
            have = fields.setdefault(name, [])
            assert isinstance(have, list)
            have.append(text)
        elif name in fields:
            raise RequestError(f"{name} is given twice")
        else:
            fields[name] = _value(name, text, kind)
    return Fields(fields, known)


def pairs(fields: Fields, name: str) -> dict[str, str]:
    """The values of a field that is written `name=value`, again and again. Raises RequestError."""
    found: dict[str, str] = {}
    for text in fields.texts(name):
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise RequestError(f"{name} must be name=value, not {shown(text)}")
        found[key] = value
    return found


def _value(name: str, text: str, kind: object) -> object:
    if kind == "integer":
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise RequestError(f"{name} must be a whole number >= 0, not {shown(text)}")
        return int(text)
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            raise RequestError(f"{name} must be a number, not {shown(text)}") from None
    if kind == "boolean":
        truths = {"true": True, "1": True, "": True, "false": False, "0": False}
        if text not in truths:
            raise RequestError(f"{name} must be true or false, not {shown(text)}")
        return truths[text]
    return text


def shown(value: object) -> str:
    """A value as it stands in a refusal."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
