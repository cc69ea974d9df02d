"""What goes on: events, lines and endpoints as they come, and those who are attached."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import trio
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from trio_supervisor.control.api import Control, Event, Gap, LogLine
from trio_supervisor.control.callers import caller
from trio_supervisor.control.insights import EndpointChange
from trio_supervisor.control.server.answers import json_answer, refused
from trio_supervisor.control.server.asked import query_of
from trio_supervisor.control.server.streams import Stream, send_lines
from trio_supervisor.control.wire import forms, insights, requests, sse
from trio_supervisor.control.wire.fields import Fields, pairs
from trio_supervisor.control.wire.problems import request_problem
from trio_supervisor.errors import AccessError, RequestError
from trio_supervisor.output.selection import Selection
from trio_supervisor.runtimes.base import Stream as Source

T = TypeVar("T")
NEWLINES = "application/x-ndjson"
KEPT_ENCODED = 500


class Feeds:
    """Tells of a tree, until the client goes, or `closing` is set."""

    def __init__(self, control: Control, closing: trio.Event) -> None:
        self._control = control
        self._closing = closing
        self._encoded: dict[int, bytes] = {}
        """Events by number, the latest last: what one follower gets, all others get too."""

    async def events(self, request: Request) -> Response:
        fields = query_of(request, requests.EVENTS)
        after = fields.maybe_number("after")
        last = request.headers.get("last-event-id", "")
        if after is None and last.isascii() and last.isdecimal():
            after = int(last)
        source = _opened(self._control.event_pages(after, follow=fields.truth("follow", default=True)))
        return Stream(source, self._encode_events, sse.MEDIA_TYPE, self._closing, first=sse.comment("listening"))

    async def logs(self, request: Request) -> Response:
        return Stream(self._lines(request, follow=False), _encode_line, NEWLINES, self._closing)

    async def follow(self, websocket: WebSocket) -> None:
        source = self._lines(websocket, follow=True)
        async with source as lines:
            await websocket.accept()
            await send_lines(websocket, lines, self._closing, _encode_line)

    async def endpoints(self, request: Request) -> Response:
        fields = query_of(request, requests.ENDPOINTS)
        if not fields.truth("follow", default=False):
            return json_answer(insights.endpoints_form(self._control.endpoints()))
        source = self._control.endpoint_changes()
        return Stream(source, _encode_change, sse.MEDIA_TYPE, self._closing, first=sse.comment("listening"))

    async def attach(self, websocket: WebSocket) -> None:
        fields = query_of(websocket, requests.ATTACH)
        write = fields.truth("write", default=True)
        force, replay = fields.truth("force", default=False), fields.truth("replay", default=True)
        if write and not caller().operates:
            raise AccessError("this token lets only observe; write=false watches")
        from trio_supervisor.control.server.attached import Attached  # noqa: PLC0415 -- few are ever attached to

        with await self._control.attach(websocket.path_params["agent"], write=write, force=force) as session:
            await websocket.accept()
            await Attached(websocket, session, self._closing).run(replay=replay)

    async def upgrade(self, _request: Request) -> Response:
        response = refused(request_problem(426, "to attach takes a WebSocket (RFC 6455)"))
        response.headers["upgrade"] = "websocket"
        return response

    def _lines(self, asked: HTTPConnection, *, follow: bool) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        agent = asked.path_params.get("agent")
        known = requests.LOGS if agent is not None else requests.MERGED_LOGS
        fields = query_of(asked, known)
        return self._control.logs(
            fields.texts("agent") if agent is None else (agent,),
            since=fields.number("since", 0) if agent is not None else 0,
            since_time=fields.at("since_time"),
            tail=fields.maybe_number("tail"),
            follow=fields.truth("follow", default=follow),
            selection=_selection(fields),
        )

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


def _encode_change(change: EndpointChange) -> bytes:
    data = forms.dumps(insights.change_form(change))
    return b"event: endpoint\ndata: %s\n\n" % data


def _encode_line(line: LogLine) -> bytes:
    return forms.dumps(forms.line_form(line)) + b"\n"


def _selection(fields: Fields) -> Selection | None:
    level, grep = fields.maybe_text("level"), fields.maybe_text("grep")
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
