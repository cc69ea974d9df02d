"""What is asked: the fields of each command and of each query, read strictly."""

import json
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from trio_supervisor.control.api import Verb
from trio_supervisor.control.insights import Role
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.errors import RequestError
from trio_supervisor.record import record

T = TypeVar("T")
Known = Mapping[str, Form]
"""The fields that there are, each with its JSON Schema."""

MOST_BODY = 1 << 20
"""Bytes of a request's body."""

MOST_REPLICAS = 1000
"""As `scaling.MOST_REPLICAS` has it."""
LONGEST_EXPECTED = 3600
"""Seconds."""

_SIGNALS = {each.name: int(each) for each in signal.Signals}
_SIGNALS |= {name.removeprefix("SIG"): number for name, number in _SIGNALS.items()}
LEVELS = [
    *("trace", "debug", "info", "information", "notice", "warn", "warning", "error", "err", "critical", "crit"),
    *("alert", "emergency", "emerg", "fatal", "panic"),
]
"""As `output.selection.LEVELS` has them, which no client has to import."""
TEXT: Form = {"type": "string", "maxLength": 1000}
WAIT: Form = {
    "anyOf": [{"type": "boolean"}, {"type": "number", "minimum": 0}],
    "default": True,
    "description": "whether to wait for the effect, or how many seconds at the most",
}
_REASON: Form = {**TEXT, "description": "why, for people"}
_PLAIN = {"wait": WAIT}
_WITH_REASON = {"reason": _REASON, "wait": WAIT}

COMMANDS: Mapping[Verb, Known] = {
    Verb.START: _WITH_REASON,
    Verb.STOP: _PLAIN,
    Verb.RESTART: {
        **_WITH_REASON,
        "generation": {
            "type": "integer",
            "minimum": 0,
            "description": "only if that life is still the present one: safe to repeat",
        },
    },
    Verb.HOLD: {"reason": {**_REASON, "minLength": 1}, "wait": WAIT},
    Verb.RESUME: _WITH_REASON,
    Verb.RESET: {},
    Verb.REMOVE: {
        "purge": {
            "type": "boolean",
            "default": False,
            "description": "with its workspace, if that is in the state directory",
        },
        "force": {"type": "boolean", "default": False, "description": "also if others depend on it"},
        **_WITH_REASON,
    },
    Verb.SIGNAL: {
        "signal": {"enum": [*_SIGNALS, *_SIGNALS.values()], "description": "by its name or number"},
        "to": {"enum": ["group", "leader"], "default": "group"},
    },
    Verb.SEND: {
        "text": {"type": "string", "description": "for its standard input"},
        "expect": {**TEXT, "format": "regex", "description": "a regular expression: wait until it says what matches"},
        "timeout": {
            "type": "number",
            "minimum": 0,
            "maximum": LONGEST_EXPECTED,
            "default": 30,
            "description": "so many seconds at the most, for what is expected",
        },
        "wait": WAIT,
    },
    Verb.SCALE: {"replicas": {"type": "integer", "minimum": 0, "maximum": MOST_REPLICAS}, "wait": WAIT},
}
"""By verb of an agent: the fields of the body, each with its JSON Schema."""
REQUIRED: Mapping[Verb, Sequence[str]] = {
    Verb.SIGNAL: ["signal"],
    Verb.SEND: ["text"],
    Verb.SCALE: ["replicas"],
}
PROBE: Known = {
    "probe": {"enum": [each.value for each in Role], "description": "only this one; without, all that it has"},
}
AGENTS: Known = {
    "usage": {
        "type": "boolean",
        "default": False,
        "description": "with what each uses, which takes a look at all processes",
    },
}
ENDPOINTS: Known = {
    "follow": {"type": "boolean", "default": False, "description": "as events: first what is there, then what changes"},
}
OPERATION_ID: Form = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
SHUTDOWN: Known = {
    "reason": _REASON,
    "now": {"type": "boolean", "default": False, "description": "without any grace"},
    "wait": WAIT,
}
_ID = "[A-Za-z0-9][A-Za-z0-9-]{0,63}"
REGISTER: Known = {
    "agent": {
        "type": "string",
        "maxLength": 1000,
        "pattern": f"^({_ID}/)*{_ID}$",
        "description": "the path that it is to have, as team/planner",
    },
    "spec": {
        "type": ["object", "string"],
        "description": "what stands under its name in a file: as an object, or as YAML",
    },
    "start": {"type": "boolean", "default": True, "description": "or only add it"},
    "wait": WAIT,
}
OPERATION: Known = {
    "wait": {"type": "number", "minimum": 0, "description": "so many seconds, at the most, for the end of it"}
}
PLAN: Known = {"file": {**TEXT, "description": "the absolute path of the file that is meant: another one is refused"}}
APPLY: Known = {**PLAN, "wait": WAIT}
EVENTS: Known = {
    "after": {"type": "integer", "minimum": 0, "description": "the number of the last event seen; 0: all that is kept"},
    "follow": {"type": "boolean", "default": True, "description": "go on with what happens from then on"},
}
LOGS: Known = {
    "since": {"type": "integer", "minimum": 0, "description": "a cursor: `seq` + 1 of the last line seen"},
    "since_time": {"type": "string", "format": "date-time", "description": "only what is not older"},
    "tail": {"type": "integer", "minimum": 0, "description": "only the last so many lines of each agent"},
    "follow": {"type": "boolean", "default": False, "description": "go on with what is said from then on"},
    "level": {"enum": LEVELS, "description": "at least this bad"},
    "field": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[^=]+="},
        "description": "name=value, of lines that are JSON objects",
    },
    "grep": {"type": "string", "format": "regex", "description": "a regular expression that must be found in the line"},
    "stream": {"enum": ["stdout", "stderr", "log", "supervisor"]},
}
ATTACH: Known = {
    "write": {"type": "boolean", "default": True, "description": "whether to write too, which one does at a time"},
    "force": {"type": "boolean", "default": False, "description": "take the right to write away from who has it"},
    "replay": {"type": "boolean", "default": True, "description": "begin with the last that it has said"},
}
_MESSAGES: Mapping[str, Known] = {
    "resize": {"type": {}, "columns": {"type": "integer"}, "rows": {"type": "integer"}},
    "eof": {"type": {}},
}
MOST_ENTRIES = 1000
JOURNAL: Known = {
    "after": {"type": "integer", "minimum": 0, "description": "the number of the last entry seen"},
    "since": {"type": "string", "format": "date-time", "description": "only what is not older"},
    "agent": {"type": "string", "description": "only what is about this one, or in it"},
    "tail": {"type": "integer", "minimum": 0, "maximum": MOST_ENTRIES, "description": "the last so many instead"},
}
MERGED_LOGS: Known = {
    "agent": {"type": "array", "items": {"type": "string"}, "description": "of these; without, of all"},
    **{name: schema for name, schema in LOGS.items() if name != "since"},
}


class Fields:
    """The fields of a command's body."""

    def __init__(self, data: object, known: Known) -> None:
        """Raises RequestError: it is no object, or has a field that is not known."""
        if not isinstance(data, dict):
            raise RequestError(f"the body must be a JSON object, not {_shown(data)}")
        self._fields: Mapping[str, object] = data
        for name in data:
            if name not in known:
                words = ", ".join(known) or "none"
                raise RequestError(f"there is no field {_shown(name)} here; there are: {words}")

    def has(self, name: str) -> bool:
        """Whether it is given."""
        return name in self._fields

    def text(self, name: str, default: str | None = None, longest: int | None = 1000) -> str:
        """Some text. Raises RequestError."""
        value = self._get(name, str, "a string", default)
        if longest is not None and len(value) > longest:
            raise RequestError(f"{name} must have at most {longest} characters, not {len(value)}")
        return value

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
            raise RequestError(f"{name} must be a whole number >= 0, not {_shown(value)}")
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
            raise RequestError(f"{name} must be a time with its zone, as 2026-11-26T20:15:00Z, not {_shown(text)}")
        return found.timestamp()

    def wait(self) -> bool | float:
        """Whether to wait, or how many seconds. Raises RequestError."""
        value = self._fields.get("wait", True)
        # `not >=`: NaN is no time either.
        if not isinstance(value, bool | int | float) or not value >= 0:
            raise RequestError(f"wait must be true, false or seconds >= 0, not {_shown(value)}")
        return value

    def seconds(self, name: str, default: float) -> float:
        """A time. Raises RequestError."""
        value = self._fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_EXPECTED:
            raise RequestError(f"{name} must be seconds from 0 to {LONGEST_EXPECTED}, not {_shown(value)}")
        return float(value)

    def signal(self, name: str) -> int:
        """A signal by its name or number. Raises RequestError."""
        value = self._fields.get(name)
        try:
            return signal_of(value if isinstance(value, str) else str(self.number(name)))
        except ValueError:
            raise RequestError(f"{name} must be a signal (HUP, SIGHUP, 1), not {_shown(value)}") from None

    def choice(self, name: str, words: Sequence[str]) -> str:
        """One of some words, the first if none is given. Raises RequestError."""
        value = self.text(name, words[0])
        if value not in words:
            raise RequestError(f"{name} must be one of {', '.join(words)}, not {_shown(value)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """What is given again and again."""
        return tuple(str(each) for each in self._get(name, list, "a list", []))

    def _get(self, name: str, kind: type[T], words: str, default: T | None) -> T:
        if name not in self._fields and default is not None:
            return default
        value = self._fields.get(name)
        if not isinstance(value, kind):
            raise RequestError(f"{name} must be {words}, not {_shown(value)}")
        return value


def loads(data: bytes) -> object:
    """The JSON of a body. Raises RequestError."""
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body must be JSON: {error}") from None
    return value


@record
class Message:
    """What somebody who is attached asks for."""

    type: str
    columns: int = 0
    rows: int = 0


def message_of(text: str) -> Message:
    """A text message of who is attached. Raises RequestError."""
    data = loads(text.encode("utf-8", "surrogatepass"))
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _MESSAGES:
        raise RequestError(f"the type of a message must be one of {', '.join(_MESSAGES)}, not {_shown(kind)}")
    fields = Fields(data, _MESSAGES[kind])
    if kind == "resize":
        return Message(kind, fields.number("columns"), fields.number("rows"))
    return Message(kind)


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
            raise RequestError(f"{name} must be name=value, not {_shown(text)}")
        found[key] = value
    return found


def _value(name: str, text: str, kind: object) -> object:
    if kind == "integer":
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise RequestError(f"{name} must be a whole number >= 0, not {_shown(text)}")
        return int(text)
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            raise RequestError(f"{name} must be a number, not {_shown(text)}") from None
    if kind == "boolean":
        truths = {"true": True, "1": True, "": True, "false": False, "0": False}
        if text not in truths:
            raise RequestError(f"{name} must be true or false, not {_shown(text)}")
        return truths[text]
    return text


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
