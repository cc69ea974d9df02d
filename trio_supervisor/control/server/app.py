"""The application: which path does what. Everything it answers comes from a `Control`."""

from collections.abc import Awaitable, Callable

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from trio_supervisor.control.api import Control
from trio_supervisor.control.callers import caller
from trio_supervisor.control.server.answers import json_answer, refused
from trio_supervisor.control.server.commands import Commands
from trio_supervisor.control.server.feeds import Feeds
from trio_supervisor.control.server.pace import Pace, Paces
from trio_supervisor.control.server.views import Views
from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.openapi import document
from trio_supervisor.control.wire.problems import problem_of, request_problem
from trio_supervisor.errors import SupervisorError

Answer = Callable[[Request], Awaitable[Response]]
Talk = Callable[[WebSocket], Awaitable[None]]


def make_app(control: Control, closing: trio.Event) -> Starlette:
    """The application. Streams end when `closing` is set."""
    turns = _Turns()
    guarded, opened = turns.guarded, turns.opened
    views, commands, feeds = Views(control), Commands(control), Feeds(control, closing)
    get, post = ["GET"], ["POST"]
    command = guarded(commands.command)

    async def agents_or_one_more(request: Request) -> Response:
        """One route: the first whose path it is says which methods there are."""
        return await (commands.register(request) if request.method == "POST" else views.agents(request))

    return Starlette(
        routes=[
            Route("/v1/agents", guarded(agents_or_one_more), methods=[*get, *post]),
            # The more special ones first: the first whose path it is says which methods there are.
            *[Route(f"/v1/agents/{{agent:path}}/{verb.value}", command, methods=post) for verb in requests.COMMANDS],
            Route("/v1/agents/{agent:path}/probe", guarded(views.probe), methods=post),
            Route("/v1/agents/{agent:path}/attach", guarded(feeds.upgrade), methods=get),
            Route("/v1/agents/{agent:path}/logs", guarded(feeds.logs), methods=get),
            Route("/v1/agents/{agent:path}", guarded(views.agent), methods=get),
            Route("/v1/agents/{agent:path}/{verb}", command, methods=post),
            Route("/v1/explain/{agent:path}", guarded(views.explain), methods=get),
            Route("/v1/tree", guarded(views.tree), methods=get),
            Route("/v1/endpoints", guarded(feeds.endpoints), methods=get),
            Route("/metrics", guarded(views.metrics), methods=get),
            Route("/v1/events", guarded(feeds.events), methods=get),
            Route("/v1/logs", guarded(feeds.logs), methods=get),
            Route("/v1/journal", guarded(views.journal), methods=get),
            Route("/v1/operations/{id}", guarded(commands.operation), methods=get),
            Route("/v1/shutdown", guarded(commands.shutdown), methods=post),
            WebSocketRoute("/v1/agents/{agent:path}/attach", opened(feeds.attach)),
            WebSocketRoute("/v1/agents/{agent:path}/logs", opened(feeds.follow)),
            WebSocketRoute("/v1/logs", opened(feeds.follow)),
            Route("/v1/plan", guarded(views.plan), methods=post),
            Route("/v1/apply", guarded(commands.apply), methods=post),
            Route("/openapi.json", guarded(_openapi), methods=get),
        ],
        exception_handlers={HTTPException: _no_such_path},
    )


class _Turns:
    """Lets everybody have their turn, one like the other."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._paces = Paces()

    def guarded(self, answer: Answer) -> Answer:
        """In its turn, and with errors as answers."""

        async def guarded(request: Request) -> Response:
            try:
                await self._wait()
                return await answer(request)
            except SupervisorError as error:
                return refused(problem_of(error))

        return guarded

    def opened(self, talk: Talk) -> Talk:
        """The same for a WebSocket, which is refused with an answer of HTTP as long as it is not accepted."""

        async def opened(websocket: WebSocket) -> None:
            try:
                await self._wait()
                await talk(websocket)
            except SupervisorError as error:
                await websocket.send_denial_response(refused(problem_of(error)))

        return opened

    async def _wait(self) -> None:
        await self._paces.turn(caller().client)
        await self._pace.turn()


async def _openapi(_request: Request) -> Response:  # noqa: ASYNC124 -- a sync one gets a thread
    return json_answer(document())


async def _no_such_path(request: Request, error: Exception) -> Response:  # noqa: ASYNC124 -- a sync one gets a thread
    assert isinstance(error, HTTPException)
    what = "is no method of this path" if error.status_code == 405 else "there is no such path; see /openapi.json"
    response = refused(request_problem(error.status_code, f"{request.method} {request.url.path[:200]}: {what}"))
    response.headers.update(error.headers or {})
    return response
