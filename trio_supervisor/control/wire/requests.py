"""What may be asked: the fields of each command and of each query, with their JSON Schemas."""

import signal
from collections.abc import Mapping, Sequence

from trio_supervisor.control.api import Verb
from trio_supervisor.control.insights import Role
from trio_supervisor.control.wire.fields import Known
from trio_supervisor.control.wire.forms import Form

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
