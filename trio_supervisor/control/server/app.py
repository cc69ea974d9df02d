"""The application: which path does what. Everything it answers comes from a `Control`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TypedDict, TypeVar

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from trio_supervisor.control.api import Control, Event, Gap, LogLine, Operation, Phase, Verb
from trio_supervisor.control.callers import caller
from trio_supervisor.control.exposition import OPENMETRICS, PLAIN
from trio_supervisor.control.insights import EndpointChange, Role
from trio_supervisor.control.server.pace import Pace, Paces
from trio_supervisor.control.server.streams import Stream, send_lines
from trio_supervisor.control.wire import forms, insights, requests, sse
from trio_supervisor.control.wire.fields import Fields, Known, loads, pairs, query
from trio_supervisor.control.wire.openapi import document
from trio_supervisor.control.wire.problems import Problem, TooLargeError, problem_of, request_problem
from trio_supervisor.errors import AccessError, RequestError, SupervisorError
from trio_supervisor.output.selection import Selection
from trio_supervisor.runtimes.base import Stream as Source

T = TypeVar("T")

Answer = Callable[[Request], Awaitable[Response]]
Talk = Callable[[WebSocket], Awaitable[None]]
NEWLINES = "application/x-ndjson"
KEPT_ENCODED = 500


def make_app(control: Control, closing: trio.Event) -> Starlette:
    """The application. Streams end when `closing` is set."""
    service = _Service(control, closing)
    get, post = ["GET"], ["POST"]
    command = service.guarded(service.command)
    return Starlette(
        routes=[
            Route("/v1/agents", service.guarded(service.agents_or_one_more), methods=[*get, *post]),
            # The more special ones first: the first whose path it is says which methods there are.
            *[Route(f"/v1/agents/{{agent:path}}/{verb.value}", command, methods=post) for verb in requests.COMMANDS],
            Route("/v1/agents/{agent:path}/probe", service.guarded(service.probe), methods=post),
            Route("/v1/agents/{agent:path}/attach", service.guarded(service.upgrade), methods=get),
            Route("/v1/agents/{agent:path}/logs", service.guarded(service.logs), methods=get),
            Route("/v1/agents/{agent:path}", service.guarded(service.agent), methods=get),
            Route("/v1/agents/{agent:path}/{verb}", command, methods=post),
            Route("/v1/explain/{agent:path}", service.guarded(service.explain), methods=get),
            Route("/v1/tree", service.guarded(service.tree), methods=get),
            Route("/v1/endpoints", service.guarded(service.endpoints), methods=get),
            Route("/metrics", service.guarded(service.metrics), methods=get),
            Route("/v1/events", service.guarded(service.events), methods=get),
            Route("/v1/logs", service.guarded(service.logs), methods=get),
            Route("/v1/journal", service.guarded(service.journal), methods=get),
            Route("/v1/operations/{id}", service.guarded(service.operation), methods=get),
            Route("/v1/shutdown", service.guarded(service.shutdown), methods=post),
            WebSocketRoute("/v1/agents/{agent:path}/attach", service.opened(service.attach)),
            WebSocketRoute("/v1/agents/{agent:path}/logs", service.opened(service.follow)),
            WebSocketRoute("/v1/logs", service.opened(service.follow)),
            Route("/v1/plan", service.guarded(service.plan), methods=post),
            Route("/v1/apply", service.guarded(service.apply), methods=post),
            Route("/openapi.json", service.guarded(service.openapi), methods=get),
        ],
        exception_handlers={HTTPException: _no_such_path},
    )


class _Reason(TypedDict, total=False):
    reason: str


class _Service:
    def __init__(self, control: Control, closing: trio.Event) -> None:
        self._control = control
        self._closing = closing
        self._pace = Pace()
        self._paces = Paces()
        self._encoded: dict[int, bytes] = {}
        """Events by number, the latest last: what one follower gets, all others get too."""

    def guarded(self, answer: Answer) -> Answer:
        """In its turn, and with errors as answers."""

        async def guarded(request: Request) -> Response:
            try:
                await self._paces.turn(caller().client)
                await self._pace.turn()
                return await answer(request)
            except SupervisorError as error:
                return _refused(problem_of(error))

        return guarded

    def opened(self, talk: Talk) -> Talk:
        """The same for a WebSocket, which is refused with an answer of HTTP as long as it is not accepted."""

        async def opened(websocket: WebSocket) -> None:
            try:
                await self._paces.turn(caller().client)
                await self._pace.turn()
                await talk(websocket)
            except SupervisorError as error:
                await websocket.send_denial_response(_refused(problem_of(error)))

        return opened

    async def attach(self, websocket: WebSocket) -> None:
        fields = query(websocket.query_params.multi_items(), requests.ATTACH)
        write = fields.truth("write", default=True)
        force, replay = fields.truth("force", default=False), fields.truth("replay", default=True)
        if write and not caller().operates:
            raise AccessError("this token lets only observe; write=false watches")
        from trio_supervisor.control.server.attached import Attached  # noqa: PLC0415 -- few are ever attached to

        with await self._control.attach(websocket.path_params["agent"], write=write, force=force) as session:
            await websocket.accept()
            await Attached(websocket, session, self._closing).run(replay=replay)

    async def upgrade(self, _request: Request) -> Response:
        response = _refused(request_problem(426, "to attach takes a WebSocket (RFC 6455)"))
        response.headers["upgrade"] = "websocket"
        return response

    async def follow(self, websocket: WebSocket) -> None:
        source = self._lines(websocket, follow=True)
        async with source as lines:
            await websocket.accept()
            await send_lines(websocket, lines, self._closing, _encode_line)

    async def agents(self, request: Request) -> Response:
        fields = query(request.query_params.multi_items(), requests.AGENTS)
        with_usage = fields.truth("usage", default=False)
        found = await self._control.measured() if with_usage else self._control.snapshot()
        return _json(forms.overview_form(found, self._control.warnings()))

    async def agent(self, request: Request) -> Response:
        return _json(forms.snapshot_form(self._control.agent(request.path_params["agent"])))

    async def explain(self, request: Request) -> Response:
        return _json(insights.explanation_form(self._control.explain(request.path_params["agent"])))

    async def probe(self, request: Request) -> Response:
        fields = await _body(request, requests.PROBE)
        words = [each.value for each in Role]
        role = Role(fields.choice("probe", words)) if fields.has("probe") else None
        found = await _while_connected(request, self._control.probe(request.path_params["agent"], role))
        return Response(status_code=499) if found is None else _json(insights.all_probed_form(found))

    async def tree(self, _request: Request) -> Response:
        return _json(insights.nodes_form(self._control.tree()))

    async def endpoints(self, request: Request) -> Response:
        fields = query(request.query_params.multi_items(), requests.ENDPOINTS)
        if not fields.truth("follow", default=False):
            return _json(insights.endpoints_form(self._control.endpoints()))
        source = self._control.endpoint_changes()
        return Stream(source, _encode_change, sse.MEDIA_TYPE, self._closing, first=sse.comment("listening"))

    async def metrics(self, request: Request) -> Response:
        # Whoever asks for OpenMetrics at all prefers it (Prometheus does).
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        text = await self._control.metrics(openmetrics=openmetrics)
        return Response(text, headers={"content-type": OPENMETRICS if openmetrics else PLAIN})

    async def events(self, request: Request) -> Response:
        fields = query(request.query_params.multi_items(), requests.EVENTS)
        after = fields.maybe_number("after")
        last = request.headers.get("last-event-id", "")
        if after is None and last.isascii() and last.isdecimal():
            after = int(last)
        source = _opened(self._control.event_pages(after, follow=fields.truth("follow", default=True)))
        return Stream(source, self._encode_events, sse.MEDIA_TYPE, self._closing, first=sse.comment("listening"))

    def _encode_events(self, events: tuple[Event, ...] | Gap) -> bytes:
        if isinstance(events, Gap):
            return sse.encode("gap", events.seq, forms.dumps(forms.gap_form(events)))
        return b"".join(map(self._encode_event, events))

    def _encode_event(self, event: Event) -> bytes:
        data = self._encoded.get(event.seq)
        if data is None:
            data = self._encoded[event.seq] = sse.encode("change", event.seq, forms.dumps(forms.event_form(event)))
            if len(self._encoded) > KEPT_ENCODED:
                del self._encoded[next(iter(self._encoded))]
        return data

    async def logs(self, request: Request) -> Response:
        return Stream(self._lines(request, follow=False), _encode_line, NEWLINES, self._closing)

    def _lines(self, asked: HTTPConnection, *, follow: bool) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        agent = asked.path_params.get("agent")
        known = requests.LOGS if agent is not None else requests.MERGED_LOGS
        fields = query(asked.query_params.multi_items(), known)
        return self._control.logs(
            fields.texts("agent") if agent is None else (agent,),
            since=fields.number("since", 0) if agent is not None else 0,
            since_time=fields.at("since_time"),
            tail=fields.maybe_number("tail"),
            follow=fields.truth("follow", default=follow),
            selection=_selection(fields),
        )

    async def journal(self, request: Request) -> Response:
        fields = query(request.query_params.multi_items(), requests.JOURNAL)
        agent = fields.text("agent", "", longest=None)
        tail = fields.maybe_number("tail")
        if tail is not None and tail > requests.MOST_ENTRIES:
            raise RequestError(f"tail must be at most {requests.MOST_ENTRIES}, not {tail}")
        since = fields.at("since") or 0.0
        found = await self._control.journal(fields.number("after", 0), since=since, agent=agent, tail=tail)
        return _json(forms.journal_form(found))

    async def operation(self, request: Request) -> Response:
        text = request.path_params["id"]
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise RequestError(f"the number of an operation must be a whole number, not {text[:80]!r}")
        fields = query(request.query_params.multi_items(), requests.OPERATION)
        if not fields.has("wait"):
            return _told(self._control.operation(int(text)))
        return await self._waited(request, self._control.outcome(int(text), wait=fields.wait()))

    async def shutdown(self, request: Request) -> Response:
        fields = await _body(request, requests.SHUTDOWN)
        reason, now, wait = fields.text("reason", "asked to stop"), fields.truth("now", default=False), fields.wait()
        return await self._waited(request, self._control.shutdown(reason=reason, now=now, wait=wait))

    async def agents_or_one_more(self, request: Request) -> Response:
        """One route: the first whose path it is says which methods there are."""
        return await (self.register(request) if request.method == "POST" else self.agents(request))

    async def register(self, request: Request) -> Response:
        fields = await _body(request, requests.REGISTER)
        agent, start = fields.text("agent"), fields.truth("start", default=True)
        order = self._control.register(agent, fields.mapping("spec"), start=start, wait=fields.wait())
        return await self._waited(request, order)

    async def plan(self, request: Request) -> Response:
        fields = await _body(request, requests.PLAN)
        return _json(forms.plan_form(await self._control.plan(file=_file(fields))))

    async def apply(self, request: Request) -> Response:
        fields = await _body(request, requests.APPLY)
        return await self._waited(request, self._control.apply(file=_file(fields), wait=fields.wait()))

    async def command(self, request: Request) -> Response:
        agent, word = request.path_params["agent"], request.url.path.rpartition("/")[2]
        verb = next((each for each in requests.COMMANDS if each.value == word), None)
        if verb is None:
            words = ", ".join(each.value for each in requests.COMMANDS)
            return _refused(request_problem(404, f"there is no command {word[:80]!r}; there are: {words}"))
        fields = await _body(request, requests.COMMANDS[verb])
        return await self._waited(request, self._order(verb, agent, fields))

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

    async def _waited(self, request: Request, order: Awaitable[Operation]) -> Response:
        """Wait for a command as long as somebody waits for the answer; the command goes on without."""
        operation = await _while_connected(request, order)
        return Response(status_code=499) if operation is None else _told(operation)

    async def openapi(self, _request: Request) -> Response:
        return _json(document())


async def _no_such_path(request: Request, error: Exception) -> Response:  # noqa: ASYNC124 -- a sync one gets a thread
    assert isinstance(error, HTTPException)
    what = "is no method of this path" if error.status_code == 405 else "there is no such path; see /openapi.json"
    response = _refused(request_problem(error.status_code, f"{request.method} {request.url.path[:200]}: {what}"))
    response.headers.update(error.headers or {})
    return response


async def _while_connected(request: Request, asked: Awaitable[T]) -> T | None:
    """Wait as long as somebody waits for the answer; None when nobody does any more."""
    answers: list[T | SupervisorError] = []
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            answers.append(await asked)
        except SupervisorError as error:
            answers.append(error)
        nursery.cancel_scope.cancel()
    answer = answers[0] if answers else None
    if isinstance(answer, SupervisorError):
        raise answer
    return answer


def _encode_change(change: EndpointChange) -> bytes:
    data = forms.dumps(insights.change_form(change))
    return b"event: endpoint\ndata: %s\n\n" % data


def _file(fields: Fields) -> str | None:
    return fields.text("file") if fields.has("file") else None


async def _body(request: Request, known: Known) -> Fields:
    data = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > requests.MOST_BODY:
                raise TooLargeError(f"the body must have at most {requests.MOST_BODY} bytes")
    if not data:
        return Fields({}, known)
    return Fields(loads(bytes(data)), known)


def _selection(fields: Fields) -> Selection | None:
    level = fields.text("level") if fields.has("level") else None
    grep = fields.text("grep") if fields.has("grep") else None
    stream = fields.choice("stream", [each.value for each in Source]) if fields.has("stream") else None
    wanted = pairs(fields, "field")
    if level is None and grep is None and stream is None and not wanted:
        return None
    try:
        return Selection(level, wanted, grep, None if stream is None else Source(stream))
    except ValueError as error:
        raise RequestError(str(error)) from None


@asynccontextmanager
async def _opened(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    yield source


def _encode_line(line: LogLine) -> bytes:
    return forms.dumps(forms.line_form(line)) + b"\n"


def _told(operation: Operation) -> Response:
    return _json(forms.operation_form(operation), 202 if operation.phase is Phase.PENDING else 200)


def _json(form: forms.Form, status: int = 200) -> Response:
    return Response(forms.dumps(form), status, media_type="application/json")


def _refused(problem: Problem) -> Response:
    response = _json(problem.form, problem.status)
    if problem.status == 429:
        response.headers["retry-after"] = "1"
    return response
