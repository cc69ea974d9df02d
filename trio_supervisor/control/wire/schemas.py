"""The JSON Schemas of what is told, each beside its name in the OpenAPI document."""

from collections.abc import Mapping, Sequence

from trio_supervisor.control.api import Action, Desired, Phase, State, Verb
from trio_supervisor.control.wire import insight_schemas
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.core.exits import How
from trio_supervisor.journal.entries import Kind

TIME: Form = {"type": "string", "format": "date-time"}
NUMBER: Form = {"type": "integer"}
WORDS: Form = {"type": "string"}
_SOME_WORDS: Form = {"type": "array", "items": WORDS}
_TRUTH: Form = {"type": "boolean"}


def ref(name: str) -> Form:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: Mapping[str, Form], required: Sequence[str] = ()) -> Form:
    """An object that has these properties and no others."""
    form: dict[str, object] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**form, "required": list(required)} if required else form


def _all(properties: Mapping[str, Form], optional: Sequence[str] = ()) -> Form:
    return object_of(properties, [name for name in properties if name not in optional])


def _or_null(schema: Form) -> Form:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(name: str) -> Form:
    return {"type": "array", "items": ref(name)}


_STATE: Form = {"enum": [each.value for each in State]}
_PLACE: Mapping[str, Form] = {"pid": _or_null(NUMBER), "port": _or_null(NUMBER)}

_EXIT = _all(
    {
        "how": {"enum": [each.value for each in How]},
        "code": _or_null(NUMBER),
        "signal": _or_null(NUMBER),
        "detail": WORDS,
        "text": WORDS,
    }
)
_AGENT = _all(
    {
        "agent": WORDS,
        "state": _STATE,
        "desired": {"enum": [each.value for each in Desired]},
        "since": TIME,
        "reason": WORDS,
        "next_at": _or_null(TIME),
        "restarts": NUMBER,
        "generation": NUMBER,
        **_PLACE,
        "last_exit": _or_null(ref("Exit")),
        "status": WORDS,
        "failing_since": _or_null(TIME),
        "usage": ref("Usage"),
    },
    ["usage"],
)
_EVENT = _all(
    {
        "seq": NUMBER,
        "at": TIME,
        "agent": WORDS,
        "old": _STATE,
        "new": _STATE,
        "reason": WORDS,
        "generation": NUMBER,
        "restarts": NUMBER,
        "next_at": _or_null(TIME),
        "lasted": {"type": "number"},
        **_PLACE,
        "exit": _or_null(ref("Exit")),
        "grounds": _list("Ground"),
    }
)
_LINE = _all(
    {
        "ts": TIME,
        "level": _or_null(WORDS),
        "agent": WORDS,
        "stream": WORDS,
        "text": WORDS,
        "seq": NUMBER,
        "generation": NUMBER,
        "partial": _TRUTH,
        "dropped": NUMBER,
    },
    ["partial", "dropped"],
)
_OPERATION = _all(
    {
        "id": NUMBER,
        "verb": {"enum": [each.value for each in Verb]},
        "agent": WORDS,
        "phase": {"enum": [each.value for each in Phase]},
        "generation": NUMBER,
        "awaits": WORDS,
        "error": WORDS,
        "heard": _or_null(ref("Heard")),
        "changes": _list("Change"),
    },
    ["changes"],
)
_CHANGE = _all(
    {
        "agent": WORDS,
        "action": {"enum": [each.value for each in Action]},
        "because": _SOME_WORDS,
        "fields": _SOME_WORDS,
        "note": WORDS,
    }
)
_HEARD = _all(
    {"text": WORDS, "before": WORDS, "groups": {"type": "array", "items": _or_null(WORDS)}, "dropped": NUMBER}
)
_ENTRY_OF_EACH_KIND: Mapping[str, Form] = {
    "seq": NUMBER,
    "ts": TIME,
    "run": NUMBER,
    "kind": {"enum": [each.value for each in Kind]},
    "agent": _or_null(WORDS),
    "reason": WORDS,
}
_ENTRY_OF_SOME: Mapping[str, Form] = {
    "generation": _or_null(NUMBER),
    "old": _or_null(WORDS),
    "state": _or_null(WORDS),
    "next_at": _or_null(TIME),
    "restarts": _or_null(NUMBER),
    **_PLACE,
    "how": _or_null(WORDS),
    "code": _or_null(NUMBER),
    "signal": _or_null(NUMBER),
    "verb": _or_null(WORDS),
    "who": _or_null(WORDS),
    "origin": _or_null(WORDS),
}
_ENTRY = _all({**_ENTRY_OF_EACH_KIND, **_ENTRY_OF_SOME}, list(_ENTRY_OF_SOME))
_ERROR = _all(
    {
        "kind": WORDS,
        "message": WORDS,
        "agent": WORDS,
        "exit": _or_null(ref("Exit")),
        "answer": WORDS,
    },
    ["agent", "exit", "answer"],
)


_SENT_EVENT = _all(
    {
        "id": WORDS,
        "event": {"enum": ["change", "gap"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"anyOf": [ref("Event"), ref("Gap")]},
        },
    }
)


def schemas() -> Mapping[str, Form]:
    """All of them."""
    return {
        "Exit": _EXIT,
        "Agent": _AGENT,
        **insight_schemas.schemas(_all, _or_null, WORDS, NUMBER, TIME, _STATE),
        "Agents": _all({"agents": _list("Agent")}),
        "Event": _EVENT,
        "SentEvent": _SENT_EVENT,
        "Gap": _all({"seq": NUMBER, "agents": _list("Agent")}),
        "Line": _LINE,
        "Heard": _HEARD,
        "Operation": _OPERATION,
        "Change": _CHANGE,
        "Plan": _all({"changes": _list("Change"), "warnings": _SOME_WORDS, "refusals": _SOME_WORDS}),
        "Entry": _ENTRY,
        "Journal": _all({"entries": _list("Entry")}),
        "Problem": _all({"error": _ERROR}),
    }
