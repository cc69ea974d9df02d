"""The OpenAPI document: made from the tables that requests are read by, so that it can't differ from what is served."""

from collections.abc import Mapping, Sequence

from trio_supervisor.control.api import Action, Desired, Phase, State, Verb
from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.control.wire.problems import STATUSES
from trio_supervisor.core.exits import How

_TIME: Form = {"type": "string", "format": "date-time"}
_NUMBER: Form = {"type": "integer"}
_WORDS: Form = {"type": "string"}
_SOME_WORDS: Form = {"type": "array", "items": _WORDS}
_TITLES: Mapping[Verb, str] = {
    Verb.START: "Have it up",
    Verb.STOP: "Have it down until somebody starts it, or its group is restarted",
    Verb.RESTART: "Begin a new life",
    Verb.HOLD: "Keep it down until it is resumed or started, whatever becomes of its siblings",
    Verb.RESUME: "End a hold",
    Verb.RESET: "Forget how often it has failed",
    Verb.REMOVE: "Stop it and forget it",
    Verb.SIGNAL: "Send a signal that is no request to end",
    Verb.SEND: "Write to its standard input",
    Verb.SCALE: "Have so many replicas of it, or instances of its template",
}


def document() -> Form:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "trio-supervisor", "version": "1"},
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _paths() -> Form:
    lines = {"200": _answer("One JSON object per line", "application/x-ndjson", _ref("Line"))}
    return {
        "/v1/agents": {
            "get": _operation("All agents as they are", _ok("Agents"), []),
            "post": _operation(
                "Add an agent, and start it",
                _done(),
                [],
                *(400, 404, 409, 413),
                body=_object(requests.REGISTER, ["agent", "spec"]),
            ),
        },
        "/v1/agents/{agent}": {"get": _operation("One agent as it is", _ok("Agent"), [_agent()], 404)},
        "/v1/agents/{agent}/logs": {
            "get": _operation("What it has said", lines, [_agent(), *_query(requests.LOGS)], 400, 404)
        },
        **{f"/v1/agents/{{agent}}/{verb.value}": {"post": _command(verb)} for verb in requests.COMMANDS},
        "/v1/logs": {"get": _operation("What all have said, or some", lines, _query(requests.MERGED_LOGS), 400, 404)},
        "/v1/events": {
            "get": _operation(
                "Changes of state as they happen: events `change` (schema Event), and `gap` (Gap) where some are lost",
                {"200": _answer("Server-sent events", "text/event-stream", _WORDS)},
                _query(requests.EVENTS),
                400,
            )
        },
        "/v1/operations/{id}": {
            "get": _operation(
                "What has become of a command; with `wait`, its error is the answer's",
                _done(),
                [_parameter("id", "path", _NUMBER), *_query(requests.OPERATION)],
                400,
                404,
                409,
            )
        },
        "/v1/shutdown": {"post": _operation("Stop everything", _done(), [], 400, 413, body=_object(requests.SHUTDOWN))},
        "/v1/plan": {
            "post": _operation(
                "Read the file, and say what apply would do", _ok("Plan"), [], 400, 409, 413, body=_object({})
            )
        },
        "/v1/apply": {
            "post": _operation(
                "Read the file, and bring the tree to it", _done(), [], 400, 409, 413, body=_object(requests.APPLY)
            )
        },
        "/openapi.json": {"get": _operation("This document", {"200": _answer("It", "application/json", {})}, [])},
    }


def _command(verb: Verb) -> Form:
    body = _object(requests.COMMANDS[verb], requests.REQUIRED.get(verb, ()))
    return _operation(_TITLES[verb], _done(), [_agent()], 400, 404, 409, 413, body=body)


def _operation(title: str, answers: Form, parameters: Sequence[Form], *refusals: int, body: Form | None = None) -> Form:
    responses = dict(answers)
    for status in (*refusals, 429):
        responses[str(status)] = _answer(STATUSES[status], "application/json", _ref("Problem"))
    form: dict[str, object] = {"summary": title, "parameters": list(parameters), "responses": responses}
    if body is not None:
        form["requestBody"] = {"required": "required" in body, "content": {"application/json": {"schema": body}}}
    return form


def _answer(words: str, kind: str, schema: Form) -> Form:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _ok(schema: str) -> Form:
    return {"200": _answer("As it is now", "application/json", _ref(schema))}


def _done() -> Form:
    return {
        "200": _answer("It is over", "application/json", _ref("Operation")),
        "202": _answer("It is under way; `awaits` names what is waited for", "application/json", _ref("Operation")),
    }


def _agent() -> Form:
    return _parameter("agent", "path", {**_WORDS, "description": "a path, as team/planner"})


def _query(known: requests.Known) -> list[Form]:
    return [_parameter(name, "query", schema) for name, schema in known.items()]


def _parameter(name: str, place: str, schema: Form) -> Form:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _ref(name: str) -> Form:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Form], required: Sequence[str] = ()) -> Form:
    form: dict[str, object] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**form, "required": list(required)} if required else form


def _all(properties: Mapping[str, Form], optional: Sequence[str] = ()) -> Form:
    return _object(properties, [name for name in properties if name not in optional])


def _or_null(schema: Form) -> Form:
    return {"anyOf": [schema, {"type": "null"}]}


def _schemas() -> Mapping[str, Form]:
    state: Form = {"enum": [each.value for each in State]}
    exit_ = _all(
        {
            "how": {"enum": [each.value for each in How]},
            "code": _or_null(_NUMBER),
            "signal": _or_null(_NUMBER),
            "detail": _WORDS,
            "text": _WORDS,
        }
    )
    return {
        "Exit": exit_,
        "Agent": _all(
            {
                "agent": _WORDS,
                "state": state,
                "desired": {"enum": [each.value for each in Desired]},
                "since": _TIME,
                "reason": _WORDS,
                "next_at": _or_null(_TIME),
                "restarts": _NUMBER,
                "generation": _NUMBER,
                "pid": _or_null(_NUMBER),
                "port": _or_null(_NUMBER),
                "last_exit": _or_null(_ref("Exit")),
                "status": _WORDS,
            }
        ),
        "Agents": _all({"agents": _list("Agent")}),
        "Event": _all(
            {
                "seq": _NUMBER,
                "at": _TIME,
                "agent": _WORDS,
                "old": state,
                "new": state,
                "reason": _WORDS,
                "generation": _NUMBER,
                "restarts": _NUMBER,
                "next_at": _or_null(_TIME),
                "lasted": {"type": "number"},
                "pid": _or_null(_NUMBER),
                "port": _or_null(_NUMBER),
                "exit": _or_null(_ref("Exit")),
            }
        ),
        "Gap": _all({"seq": _NUMBER, "agents": _list("Agent")}),
        "Line": _all(
            {
                "ts": _TIME,
                "level": _or_null(_WORDS),
                "agent": _WORDS,
                "stream": _WORDS,
                "text": _WORDS,
                "seq": _NUMBER,
                "generation": _NUMBER,
                "partial": {"type": "boolean"},
                "dropped": _NUMBER,
            },
            ["partial", "dropped"],
        ),
        "Operation": _all(
            {
                "id": _NUMBER,
                "verb": {"enum": [each.value for each in Verb]},
                "agent": _WORDS,
                "phase": {"enum": [each.value for each in Phase]},
                "generation": _NUMBER,
                "awaits": _WORDS,
                "error": _WORDS,
                "changes": _list("Change"),
            },
            ["changes"],
        ),
        "Change": _all(
            {
                "agent": _WORDS,
                "action": {"enum": [each.value for each in Action]},
                "because": _SOME_WORDS,
                "fields": _SOME_WORDS,
                "note": _WORDS,
            }
        ),
        "Plan": _all({"changes": _list("Change"), "warnings": _SOME_WORDS, "refusals": _SOME_WORDS}),
        "Problem": _all(
            {
                "error": _all(
                    {
                        "kind": _WORDS,
                        "message": _WORDS,
                        "agent": _WORDS,
                        "exit": _or_null(_ref("Exit")),
                        "answer": _WORDS,
                    },
                    ["agent", "exit", "answer"],
                )
            }
        ),
    }


def _list(name: str) -> Form:
    return {"type": "array", "items": _ref(name)}
