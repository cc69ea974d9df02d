"""The OpenAPI document says what is served: every answer fits it, and every field that it names is taken."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import trio

from tests.control.trees import PATIENCE, forever, in_thread, open_control, serving, some
from trio_supervisor import Exec, Health, process, task
from trio_supervisor.control import past, scaling
from trio_supervisor.control.api import Verb
from trio_supervisor.control.places import _SocketConnection
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.openapi import document
from trio_supervisor.control.wire.requests import COMMANDS
from trio_supervisor.embedding.specs import supervisor_spec
from trio_supervisor.errors import ConfigError
from trio_supervisor.output import selection

DOCUMENT: Any = document()


def _ask(path: Path, method: str, place: str, body: object = None) -> tuple[int, str, bytes]:
    connection = _SocketConnection(str(path), PATIENCE)
    try:
        connection.request(method, place, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, response.headers["content-type"], response.read()
    finally:
        connection.close()


def _check(schema: Mapping[str, object], value: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


async def _check_answer(path: Path, method: str, place: str, template: str, body: object = None) -> int:
    status, kind, data = await in_thread(_ask, path, method, place, body)
    answer = DOCUMENT["paths"][template][method.lower()]["responses"][str(status)]
    schema = answer["content"][kind.partition(";")[0]]["schema"]
    if kind.startswith("application/x-ndjson"):
        assert data
        _check(schema, [json.loads(line) for line in data.splitlines()])
    elif kind.startswith("application/json"):
        _check(schema, json.loads(data))
    else:
        for line in data.splitlines():
            if line.startswith(b"data: "):
                _check({"$ref": "#/components/schemas/Event"}, json.loads(line[6:]))
    return int(status)


async def test_every_answer_is_as_the_document_says() -> None:
    said = process("p", ["sh", "-c", "echo hello; exit 3"], restart="temporary")
    probed = process("probed", ["sleep", "60"], port="auto", health=Health(Exec(("true",))))
    async with open_control(*some(), said, probed) as control, serving(control) as path:
        with trio.fail_after(PATIENCE):
            while control.agent("p").last_exit is None:
                await trio.sleep(0.01)
        agent = "/v1/agents/{agent}"
        assert await _check_answer(path, "GET", "/v1/agents", "/v1/agents") == 200
        assert await _check_answer(path, "GET", "/v1/agents/p", agent) == 200
        assert await _check_answer(path, "GET", "/v1/agents/x", agent) == 404
        assert await _check_answer(path, "GET", "/v1/agents?usage=1", "/v1/agents") == 200
        assert await _check_answer(path, "GET", "/v1/agents?usage=x", "/v1/agents") == 400
        for name in ("a", "team", "p"):
            assert await _check_answer(path, "GET", f"/v1/explain/{name}", "/v1/explain/{agent}") == 200
        assert await _check_answer(path, "GET", "/v1/explain/x", "/v1/explain/{agent}") == 404
        assert await _check_answer(path, "GET", "/v1/tree", "/v1/tree") == 200
        assert await _check_answer(path, "GET", "/v1/endpoints", "/v1/endpoints") == 200
        assert await _check_answer(path, "GET", "/v1/endpoints?follow=x", "/v1/endpoints") == 400
        assert await _check_answer(path, "GET", "/metrics", "/metrics") == 200
        assert await _check_answer(path, "POST", "/v1/agents/a/probe", f"{agent}/probe", {}) == 409
        assert await _check_answer(path, "POST", "/v1/agents/a/probe", f"{agent}/probe", {"probe": "x"}) == 400
        assert (
            await _check_answer(path, "POST", "/v1/agents/probed/probe", f"{agent}/probe", {"probe": "health"}) == 200
        )
        assert await _check_answer(path, "GET", "/v1/agents/p/logs", f"{agent}/logs") == 200
        assert await _check_answer(path, "GET", "/v1/agents/p/logs?tail=x", f"{agent}/logs") == 400
        assert await _check_answer(path, "GET", "/v1/logs?grep=h", "/v1/logs") == 200
        assert await _check_answer(path, "GET", "/v1/events?after=0&follow=0", "/v1/events") == 200
        for verb, body in {
            Verb.RESTART: {"reason": "x", "wait": 5, "generation": 1},
            Verb.HOLD: {"reason": "x"},
            Verb.RESUME: {},
            Verb.STOP: {"wait": False},
            Verb.START: {},
            Verb.RESET: {},
        }.items():
            jsonschema.validate(
                body,
                DOCUMENT["paths"][f"{agent}/{verb.value}"]["post"]["requestBody"]["content"]["application/json"][
                    "schema"
                ],
            )
            assert await _check_answer(path, "POST", f"/v1/agents/a/{verb.value}", f"{agent}/{verb.value}", body) in (
                200,
                202,
            )
        assert await _check_answer(path, "POST", "/v1/agents/a/send", f"{agent}/send", {"text": "x"}) == 409
        assert await _check_answer(path, "POST", "/v1/agents/a/send", f"{agent}/send", {"text": 1}) == 400
        assert await _check_answer(path, "GET", "/v1/operations/1", "/v1/operations/{id}") == 200
        assert await _check_answer(path, "GET", "/v1/operations/999", "/v1/operations/{id}") == 404
        assert await _check_answer(path, "GET", "/openapi.json", "/openapi.json") == 200
        assert await _check_answer(path, "POST", "/v1/shutdown", "/v1/shutdown", {"now": True}) == 200


async def test_the_answers_of_plan_apply_and_add_are_as_the_document_says() -> None:
    async def file() -> Written:
        await trio.lowlevel.checkpoint()
        return Written(supervisor_spec(some()[1:]), ("hardly meant",))

    async def agents(texts: Mapping[str, str]) -> dict[str, Written | ConfigError]:
        await trio.lowlevel.checkpoint()
        return {agent: Written(supervisor_spec([task(agent, forever)])) for agent in texts}

    async with open_control(*some()) as control, serving(control) as path:
        assert await _check_answer(path, "POST", "/v1/plan", "/v1/plan") == 409
        control.read_by(Sources(file, agents, path="/x/supervisor.yaml"))
        assert await _check_answer(path, "POST", "/v1/plan", "/v1/plan") == 200
        assert await _check_answer(path, "POST", "/v1/plan", "/v1/plan", {"x": 1}) == 400
        assert await _check_answer(path, "POST", "/v1/plan", "/v1/plan", {"file": "/y"}) == 400
        assert await _check_answer(path, "POST", "/v1/plan", "/v1/plan", {"file": "/x/supervisor.yaml"}) == 200
        assert await _check_answer(path, "POST", "/v1/apply", "/v1/apply", {"wait": 5}) == 200
        body = {"agent": "new", "spec": {"command": ["x"]}}
        assert await _check_answer(path, "POST", "/v1/agents", "/v1/agents", body) == 200
        assert await _check_answer(path, "POST", "/v1/agents", "/v1/agents", {**body, "spec": 1}) == 400
        assert await _check_answer(path, "GET", "/v1/operations/1?wait=5", "/v1/operations/{id}") == 200
        assert [one.agent for one in control.snapshot()] == ["b", "team", "team/planner", "new"]


def test_what_is_written_twice_is_the_same() -> None:
    assert list(selection.LEVELS) == requests.LEVELS
    assert scaling.MOST_REPLICAS == requests.MOST_REPLICAS
    assert past.MOST == requests.MOST_ENTRIES


async def test_every_field_of_the_document_is_taken_and_no_other() -> None:
    async with open_control(*some()) as control, serving(control) as path:
        for verb, known in COMMANDS.items():
            status, _, data = await in_thread(_ask, path, "POST", f"/v1/agents/a/{verb.value}", {"nonsense": 1})
            assert status == 400
            assert json.loads(data)["error"]["message"].endswith(f"there are: {', '.join(known) or 'none'}")
            schema = DOCUMENT["paths"][f"/v1/agents/{{agent}}/{verb.value}"]["post"]["requestBody"]["content"]
            assert list(schema["application/json"]["schema"]["properties"]) == list(known)
        assert control.agent("a").generation == 1
