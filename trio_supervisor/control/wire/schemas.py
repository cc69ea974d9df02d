"""The JSON Schemas of what is told, each beside its name in the OpenAPI document."""

from collections.abc import Mapping

from trio_supervisor.control.api import Action, Desired, Phase, Verb
from trio_supervisor.control.wire import insight_schemas
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.control.wire.parts import NUMBER, STATE, TIME, TRUTH, WORDS, list_of, or_null, ref, whole
from trio_supervisor.core.exits import How
from trio_supervisor.journal.entries import Kind

_SOME_WORDS: Form = {"type": "array", "items": WORDS}
_PLACE: Mapping[str, Form] = {"pid": or_null(NUMBER), "port": or_null(NUMBER)}

_EXIT = whole(
    {
        "how": {"enum": [each.value for each in How]},
        "code": or_null(NUMBER),
        "signal": or_null(NUMBER),
        "detail": WORDS,
        "text": WORDS,
    }
)
_AGENT = whole(
    {
        "agent": WORDS,
        "state": STATE,
        "desired": {"enum": [each.value for each in Desired]},
        "since": TIME,
        "reason": WORDS,
        "next_at": or_null(TIME),
        "restarts": NUMBER,
        "generation": NUMBER,
        **_PLACE,
        "last_exit": or_null(ref("Exit")),
        "status": WORDS,
        "failing_since": or_null(TIME),
        "usage": ref("Usage"),
    },
    ["usage"],
)
_EVENT = whole(
    {
        "seq": NUMBER,
        "at": TIME,
        "agent": WORDS,
        "old": STATE,
        "new": STATE,
        "reason": WORDS,
        "generation": NUMBER,
        "restarts": NUMBER,
        "next_at": or_null(TIME),
        "lasted": {"type": "number"},
        **_PLACE,
        "exit": or_null(ref("Exit")),
        "grounds": list_of("Ground"),
    }
)
_LINE = whole(
    {
        "ts": TIME,
        "level": or_null(WORDS),
        "agent": WORDS,
        "stream": WORDS,
        "text": WORDS,
        "seq": NUMBER,
        "generation": NUMBER,
        "partial": TRUTH,
        "dropped": NUMBER,
    },
    ["partial", "dropped"],
)
_OPERATION = whole(
    {
        "id": NUMBER,
        "verb": {"enum": [each.value for each in Verb]},
        "agent": WORDS,
        "phase": {"enum": [each.value for each in Phase]},
        "generation": NUMBER,
        "awaits": WORDS,
        "error": WORDS,
        "heard": or_null(ref("Heard")),
        "warnings": _SOME_WORDS,
        "changes": list_of("Change"),
    },
    ["changes"],
)
_CHANGE = whole(
    {
        "agent": WORDS,
        "action": {"enum": [each.value for each in Action]},
        "because": _SOME_WORDS,
        "fields": _SOME_WORDS,
        "note": WORDS,
    }
)
_HEARD = whole(
    {"text": WORDS, "before": WORDS, "groups": {"type": "array", "items": or_null(WORDS)}, "dropped": NUMBER}
)
_ENTRY_OF_EACH_KIND: Mapping[str, Form] = {
    "seq": NUMBER,
    "ts": TIME,
    "run": NUMBER,
    "kind": {"enum": [each.value for each in Kind]},
    "agent": or_null(WORDS),
    "reason": WORDS,
}
_ENTRY_OF_SOME: Mapping[str, Form] = {
    "generation": or_null(NUMBER),
    "old": or_null(WORDS),
    "state": or_null(WORDS),
    "next_at": or_null(TIME),
    "restarts": or_null(NUMBER),
    **_PLACE,
    "how": or_null(WORDS),
    "code": or_null(NUMBER),
    "signal": or_null(NUMBER),
    "verb": or_null(WORDS),
    "who": or_null(WORDS),
    "origin": or_null(WORDS),
}
_ENTRY = whole({**_ENTRY_OF_EACH_KIND, **_ENTRY_OF_SOME}, list(_ENTRY_OF_SOME))
_ERROR = whole(
    {
        "kind": WORDS,
        "message": WORDS,
        "agent": WORDS,
        "exit": or_null(ref("Exit")),
        "answer": WORDS,
        "users": _SOME_WORDS,
    },
    ["agent", "exit", "answer", "users"],
)


_SENT_EVENT = whole(
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
        **insight_schemas.schemas(),
        "Agents": whole({"agents": list_of("Agent"), "warnings": _SOME_WORDS}),
        "Event": _EVENT,
        "SentEvent": _SENT_EVENT,
        "Gap": whole({"seq": NUMBER, "agents": list_of("Agent")}),
        "Line": _LINE,
        "Heard": _HEARD,
        "Operation": _OPERATION,
        "Change": _CHANGE,
        "Plan": whole({"changes": list_of("Change"), "warnings": _SOME_WORDS, "refusals": _SOME_WORDS}),
        "Entry": _ENTRY,
        "Journal": whole({"entries": list_of("Entry")}),
        "Problem": whole({"error": _ERROR}),
    }
