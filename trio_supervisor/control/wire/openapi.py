"""The OpenAPI document: made from the tables that requests are read by, so that it can't differ from what is served."""

from collections.abc import Mapping, Sequence

from trio_supervisor.control.api import Verb
from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.control.wire.parts import WORDS, object_of, ref
from trio_supervisor.control.wire.problems import STATUSES
from trio_supervisor.control.wire.schemas import schemas

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
        # On the socket the mode of the file decides, over TCP a token.
        "security": [{}, {"token": []}],
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> Form:
    lines = {
        "200": _answer("One JSON object per line", "application/x-ndjson", {"type": "array", "items": ref("Line")})
    }
    return {
        "/v1/agents": {
            "get": _operation("All agents as they are", _ok("Agents"), _query(requests.AGENTS), 400),
            "post": _operation(
                "Add an agent, and start it",
                _done(),
                [],
                *(400, 404, 409, 413),
                body=object_of(requests.REGISTER, ["agent", "spec"]),
            ),
        },
        "/v1/agents/{agent}": {"get": _operation("One agent as it is", _ok("Agent"), [_agent()], 404)},
        "/v1/agents/{agent}/logs": {
            "get": _operation("What it has said", lines, [_agent(), *_query(requests.LOGS)], 400, 404)
        },
        "/v1/explain/{agent}": {
            "get": _operation("Why it is as it is, and what comes next", _ok("Explanation"), [_agent()], 404)
        },
        "/v1/agents/{agent}/probe": {
            "post": _operation(
                "Ask its probes now; nothing follows from the answers",
                {"200": _answer("What they have answered", "application/json", ref("Answers"))},
                [_agent()],
                400,
                404,
                409,
                413,
                body=object_of(requests.PROBE),
            )
        },
        "/v1/tree": {"get": _operation("The tree with its rules, the top first", _ok("Nodes"), [])},
        "/v1/endpoints": {
            "get": _operation(
                "Which agents are ready, and where; with `follow` events `endpoint` (schema EndpointChange)",
                {
                    "200": {
                        "description": "As it is now",
                        "content": {
                            "application/json": {"schema": ref("Endpoints")},
                            "text/event-stream": {"schema": WORDS},
                        },
                    }
                },
                _query(requests.ENDPOINTS),
                400,
            )
        },
        "/metrics": {
            "get": _operation(
                "All figures, for Prometheus",
                {
                    "200": {
                        "description": "Text, by the Accept header in its own format or in that of OpenMetrics",
                        "content": {
                            "text/plain": {"schema": WORDS},
                            "application/openmetrics-text": {"schema": WORDS},
                        },
                    }
                },
                [],
            )
        },
        "/v1/agents/{agent}/attach": {
            "get": _operation(
                "Talk with it, or watch, over a WebSocket",
                {"101": {"description": "Binary messages are what is said and typed, text messages are JSON"}},
                [_agent(), *_query(requests.ATTACH)],
                400,
                404,
                409,
                426,
            )
        },
        **{f"/v1/agents/{{agent}}/{verb.value}": {"post": _command(verb)} for verb in requests.COMMANDS},
        "/v1/logs": {"get": _operation("What all have said, or some", lines, _query(requests.MERGED_LOGS), 400, 404)},
        "/v1/events": {
            "get": _operation(
                "Changes of state as they happen: events `change` (schema Event), and `gap` (Gap) where some are lost",
                {"200": _answer("Server-sent events", "text/event-stream", ref("SentEvent"))},
                _query(requests.EVENTS),
                400,
            )
        },
        "/v1/journal": {
            "get": _operation(
                "What has happened, over all runs, at most a thousand entries",
                _ok("Journal"),
                _query(requests.JOURNAL),
                400,
                404,
            )
        },
        "/v1/operations/{id}": {
            "get": _operation(
                "What has become of a command; with `wait`, its error is the answer's",
                _done(),
                [_operation_id(), *_query(requests.OPERATION)],
                400,
                404,
                409,
            )
        },
        "/v1/shutdown": {
            "post": _operation("Stop everything", _done(), [], 400, 413, body=object_of(requests.SHUTDOWN))
        },
        "/v1/plan": {
            "post": _operation(
                "Read the file, and say what apply would do",
                _ok("Plan"),
                [],
                400,
                409,
                413,
                body=object_of(requests.PLAN),
            )
        },
        "/v1/apply": {
            "post": _operation(
                "Read the file, and bring the tree to it", _done(), [], 400, 409, 413, body=object_of(requests.APPLY)
            )
        },
        "/openapi.json": {"get": _operation("This document", {"200": _answer("It", "application/json", {})}, [])},
    }


def _command(verb: Verb) -> Form:
    body = object_of(requests.COMMANDS[verb], requests.REQUIRED.get(verb, ()))
    return _operation(_TITLES[verb], _done(), [_agent()], 400, 404, 409, 413, body=body)


def _operation(title: str, answers: Form, parameters: Sequence[Form], *refusals: int, body: Form | None = None) -> Form:
    responses = dict(answers)
    for status in (*refusals, 401, 403, 429):
        responses[str(status)] = _answer(STATUSES[status], "application/json", ref("Problem"))
    form: dict[str, object] = {"summary": title, "parameters": list(parameters), "responses": responses}
    if body is not None:
        form["requestBody"] = {"required": "required" in body, "content": {"application/json": {"schema": body}}}
    return form


def _answer(words: str, kind: str, schema: Form) -> Form:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _ok(schema: str) -> Form:
    return {"200": _answer("As it is now", "application/json", ref(schema))}


def _done() -> Form:
    return {
        "200": _answer("It is over", "application/json", ref("Operation")),
        "202": _answer("It is under way; `awaits` names what is waited for", "application/json", ref("Operation")),
    }


def _agent() -> Form:
    return _parameter("agent", "path", {**WORDS, "description": "a path, as team/planner"})


def _operation_id() -> Form:
    return _parameter("id", "path", requests.OPERATION_ID)


def _query(known: requests.Known) -> list[Form]:
    return [_parameter(name, "query", schema) for name, schema in known.items()]


def _parameter(name: str, place: str, schema: Form) -> Form:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
