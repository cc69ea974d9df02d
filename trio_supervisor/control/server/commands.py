"""Commands: from a request to the `Control`, and back with the operation that has come of it."""

from collections.abc import Awaitable
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response

from trio_supervisor.control.api import Control, Operation, Verb
from trio_supervisor.control.server.answers import refused, told
from trio_supervisor.control.server.asked import body_of, query_of, while_connected
from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.fields import Fields
from trio_supervisor.control.wire.problems import request_problem
from trio_supervisor.errors import RequestError


class _Reason(TypedDict, total=False):
    reason: str


class Commands:
    """Gives commands to a tree, and answers with operations."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def command(self, request: Request) -> Response:
        agent, word = request.path_params["agent"], request.url.path.rpartition("/")[2]
        verb = next((each for each in requests.COMMANDS if each.value == word), None)
        if verb is None:
            words = ", ".join(each.value for each in requests.COMMANDS)
            return refused(request_problem(404, f"there is no command {word[:80]!r}; there are: {words}"))
        fields = await body_of(request, requests.COMMANDS[verb])
        return await self._waited(request, self._order(verb, agent, fields))

    async def register(self, request: Request) -> Response:
        fields = await body_of(request, requests.REGISTER)
        agent, start = fields.text("agent"), fields.truth("start", default=True)
        order = self._control.register(agent, fields.mapping("spec"), start=start, wait=fields.wait())
        return await self._waited(request, order)

    async def apply(self, request: Request) -> Response:
        fields = await body_of(request, requests.APPLY)
        return await self._waited(request, self._control.apply(file=fields.maybe_text("file"), wait=fields.wait()))

    async def shutdown(self, request: Request) -> Response:
        fields = await body_of(request, requests.SHUTDOWN)
        reason, now, wait = fields.text("reason", "asked to stop"), fields.truth("now", default=False), fields.wait()
        return await self._waited(request, self._control.shutdown(reason=reason, now=now, wait=wait))

    async def operation(self, request: Request) -> Response:
        text = request.path_params["id"]
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise RequestError(f"the number of an operation must be a whole number, not {text[:80]!r}")
        fields = query_of(request, requests.OPERATION)
        if not fields.has("wait"):
            return told(self._control.operation(int(text)))
        return await self._waited(request, self._control.outcome(int(text), wait=fields.wait()))

    async def _waited(self, request: Request, order: Awaitable[Operation]) -> Response:
        """Wait for a command as long as somebody waits for the answer; the command goes on without."""
        operation = await while_connected(request, order)
        return Response(status_code=499) if operation is None else told(operation)

    def _order(self, verb: Verb, agent: str, fields: Fields) -> Awaitable[Operation]:
        control = self._control
        reason: _Reason = {"reason": fields.text("reason")} if fields.has("reason") else {}
        match verb:
            case Verb.START:
                return control.start(agent, wait=fields.wait(), **reason)
            case Verb.STOP:
                return control.stop(agent, wait=fields.wait())
            case Verb.RESTART:
                generation = fields.maybe_number("generation")
                return control.restart(agent, generation=generation, wait=fields.wait(), **reason)
            case Verb.HOLD:
                return control.hold(agent, wait=fields.wait(), **reason)
            case Verb.RESUME:
                return control.resume(agent, wait=fields.wait(), **reason)
            case Verb.RESET:
                return control.reset(agent)
            case Verb.REMOVE:
                purge, force = (fields.truth(name, default=False) for name in ("purge", "force"))
                return control.remove(agent, purge=purge, force=force, wait=fields.wait(), **reason)
            case Verb.SIGNAL:
                group = fields.choice("to", ("group", "leader")) == "group"
                return control.signal(agent, fields.signal("signal"), group=group)
            case Verb.SEND:
                data, wait = fields.data("text"), fields.wait()
                if not fields.has("expect"):
                    return control.send(agent, data, wait=wait)
                timeout = fields.seconds("timeout", 30.0, requests.LONGEST_EXPECTED)
                return control.send(agent, data, expect=fields.text("expect"), timeout=timeout, wait=wait)
            case Verb.SCALE:
                return control.scale(agent, fields.number("replicas"), wait=fields.wait())
            case Verb.ADD | Verb.APPLY | Verb.SHUTDOWN:
                raise AssertionError(f"{verb} is no command for an agent")
