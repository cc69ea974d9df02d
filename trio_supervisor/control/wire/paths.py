"""What each path does, as the OpenAPI document has it: a row for each method.

The rows are made from the tables that requests are read by.
"""

from collections.abc import Mapping
from types import MappingProxyType

from trio_supervisor.control.api import Verb
from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.fields import Known
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.control.wire.parts import WORDS, object_of, ref
from trio_supervisor.control.wire.problems import STATUSES
from trio_supervisor.record import record

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

_NO_QUERY: Known = MappingProxyType({})


@record
class _Method:
    """What one method of one path does."""

    method: str
    path: str
    title: str
    answers: Form
    refusals: tuple[int, ...] = ()
    """The statuses, beside those that every path has, and every body."""
    query: Known = _NO_QUERY
    body: Form | None = None


def _answer(words: str, *kinds: str, schema: Form) -> Form:
    return {"description": words, "content": {kind: {"schema": schema} for kind in kinds}}


def _json(words: str, schema: Form) -> Form:
    return _answer(words, "application/json", schema=schema)


def _now(schema: str) -> Form:
    return {"200": _json("As it is now", ref(schema))}


_LINES = {
    "200": _answer("One JSON object per line", "application/x-ndjson", schema={"type": "array", "items": ref("Line")})
}
_EVENTS = {"200": _answer("Server-sent events", "text/event-stream", schema=ref("SentEvent"))}
_FIGURES = {
    "200": _answer(
        "Text, by the Accept header in its own format or in that of OpenMetrics",
        "text/plain",
        "application/openmetrics-text",
        schema=WORDS,
    )
}
_ENDPOINTS_NOW = {
    "200": {
        "description": "As it is now",
        "content": {"application/json": {"schema": ref("Endpoints")}, "text/event-stream": {"schema": WORDS}},
    }
}
_ATTACHED = {"101": {"description": "Binary messages are what is said and typed, text messages are JSON"}}
_DONE = {
    "200": _json("It is over", ref("Operation")),
    "202": _json("It is under way; `awaits` names what is waited for", ref("Operation")),
}


def _get(path: str, title: str, answers: Form, *refusals: int, query: Known = _NO_QUERY) -> _Method:
    return _Method("get", path, title, answers, refusals, query=query)


def _post(path: str, title: str, answers: Form, *refusals: int, body: Form) -> _Method:
    return _Method("post", path, title, answers, refusals, body=body)


_ONE = "/v1/agents/{agent}"
_METHODS = (
    _get("/v1/agents", "All agents as they are", _now("Agents"), 400, query=requests.AGENTS),
    _post(
        "/v1/agents",
        "Add an agent, and start it",
        _DONE,
        *(400, 404, 409),
        body=object_of(requests.REGISTER, ["agent", "spec"]),
    ),
    _get(_ONE, "One agent as it is", _now("Agent"), 404),
    _get(f"{_ONE}/logs", "What it has said", _LINES, 400, 404, query=requests.LOGS),
    _get("/v1/explain/{agent}", "Why it is as it is, and what comes next", _now("Explanation"), 404),
    _post(
        f"{_ONE}/probe",
        "Ask its probes now; nothing follows from the answers",
        {"200": _json("What they have answered", ref("Answers"))},
        *(400, 404, 409),
        body=object_of(requests.PROBE),
    ),
    _get("/v1/tree", "The tree with its rules, the top first", _now("Nodes")),
    _get(
        "/v1/endpoints",
        "Which agents are ready, and where; with `follow` events `endpoint` (schema EndpointChange)",
        _ENDPOINTS_NOW,
        400,
        query=requests.ENDPOINTS,
    ),
    _get("/metrics", "All figures, for Prometheus", _FIGURES),
    _get(
        f"{_ONE}/attach",
        "Talk with it, or watch, over a WebSocket",
        _ATTACHED,
        *(400, 404, 409, 426),
        query=requests.ATTACH,
    ),
    *(
        _post(
            f"{_ONE}/{verb.value}",
            _TITLES[verb],
            _DONE,
            *(400, 404, 409),
            body=object_of(fields, requests.REQUIRED.get(verb, ())),
        )
        for verb, fields in requests.COMMANDS.items()
    ),
    _get("/v1/logs", "What all have said, or some", _LINES, 400, 404, query=requests.MERGED_LOGS),
    _get(
        "/v1/events",
        "Changes of state as they happen: events `change` (schema Event), and `gap` (Gap) where some are lost",
        _EVENTS,
        400,
        query=requests.EVENTS,
    ),
    _get(
        "/v1/journal",
        "What has happened, over all runs, at most a thousand entries",
        _now("Journal"),
        *(400, 404),
        query=requests.JOURNAL,
    ),
    _get(
        "/v1/operations/{id}",
        "What has become of a command; with `wait`, its error is the answer's",
        _DONE,
        *(400, 404, 409),
        query=requests.OPERATION,
    ),
    _post("/v1/shutdown", "Stop everything", _DONE, 400, body=object_of(requests.SHUTDOWN)),
    _post(
        "/v1/plan", "Read the file, and say what apply would do", _now("Plan"), 400, 409, body=object_of(requests.PLAN)
    ),
    _post("/v1/apply", "Read the file, and bring the tree to it", _DONE, 400, 409, body=object_of(requests.APPLY)),
    _get("/openapi.json", "This document", {"200": _json("It", {})}),
)
_PARTS: Mapping[str, Form] = {
    "agent": {**WORDS, "description": "a path, as team/planner"},
    "id": requests.OPERATION_ID,
}
"""What may stand in braces in a path."""
_ANY_PATH, _ANY_BODY = (401, 403, 429), (413,)
"""The statuses that every path has, and every one that takes a body."""


def paths() -> Form:
    """All paths."""
    found: dict[str, dict[str, Form]] = {}
    for one in _METHODS:
        found.setdefault(one.path, {})[one.method] = _operation(one)
    return found


def _operation(one: _Method) -> Form:
    body = one.body
    refusals = (*one.refusals, *(() if body is None else _ANY_BODY), *_ANY_PATH)
    parameters = [_parameter(name, "path", schema) for name, schema in _PARTS.items() if f"{{{name}}}" in one.path]
    parameters += [_parameter(name, "query", schema) for name, schema in one.query.items()]
    form: dict[str, object] = {
        "summary": one.title,
        "parameters": parameters,
        "responses": {**one.answers, **{str(each): _json(STATUSES[each], ref("Problem")) for each in refusals}},
    }
    if body is not None:
        form["requestBody"] = {"required": "required" in body, "content": {"application/json": {"schema": body}}}
    return form


def _parameter(name: str, place: str, schema: Form) -> Form:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
