"""Somebody who is attached to an agent, over a WebSocket.

Binary messages are what is said and typed: towards the client their first byte is the stream (1 standard output or
terminal, 2 standard error or log), towards the agent they are as they are. Text messages are JSON objects with a
`type`. From the client: `resize`, `eof`. To the client: `attached`, `taken` (so many bytes of its input have reached
the agent: it may have `WINDOW` under way), `refused`, `lost` (somebody else writes now), `dropped`, `ended`.
"""

import math
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

from trio_supervisor.control.replay import replayed
from trio_supervisor.control.server.streams import GOING_AWAY, NORMAL
from trio_supervisor.control.wire import forms
from trio_supervisor.control.wire.attaching import STDERR, STDOUT, WINDOW
from trio_supervisor.control.wire.messages import message_of
from trio_supervisor.errors import RequestError, SessionError, WriterBusyError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.sessions.said import Said
from trio_supervisor.sessions.session import Session

WRONG = 1008
_PART = 64 * 1024


class Attached:
    """One of them, until the life of the agent is over, the client goes, or the server closes."""

    def __init__(self, websocket: WebSocket, session: Session, closing: trio.Event) -> None:
        self._websocket = websocket
        self._session = session
        self._closing = closing
        self._typed = bytearray()
        self._ends_input = False
        self._something_typed = trio.lowlevel.ParkingLot()
        self._being_shown = False
        self._shown = trio.lowlevel.ParkingLot()
        self._code, self._reason = NORMAL, ""

    async def run(self, *, replay: bool) -> None:
        """Talk. Accepted already."""
        async with trio.open_nursery() as nursery:
            tasks: list[Callable[[], Awaitable[None]]] = [self._receive, self._watch_closing, self._write]
            if self._session.writes:
                tasks.append(self._watch_right)
            await self._begin(replay=replay)
            for task in tasks:
                nursery.start_soon(self._until_over, task, nursery.cancel_scope)
            await self._show()
            nursery.cancel_scope.cancel()
        with suppress(RuntimeError, WebSocketDisconnect):  # The client is gone.
            await self._websocket.close(self._code, self._reason)

    async def _until_over(self, task: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
        try:
            await task()
        except WebSocketDisconnect:
            scope.cancel()

    async def _tell(self, **form: object) -> None:
        await self._websocket.send_text(forms.dumps(form).decode())

    # What it says

    async def _begin(self, *, replay: bool) -> None:
        session = self._session
        await self._tell(
            type="attached",
            agent=session.child,
            generation=session.generation,
            pid=session.pid,
            terminal=session.terminal,
            writes=session.writes,
            writer=session.writer,
        )
        session.keep_unread()
        past = session.read(most=sys.maxsize)
        for stream, data in replayed(past.entries, terminal=session.terminal, words=replay):
            await self._send(stream, data)

    async def _show(self) -> None:
        generation = self._session.generation
        try:
            async for said in self._session:
                await self._pass_on(said)
            await self._tell(type="ended", exit=forms.exit_form(self._session.exit_of(generation)))
        except SessionError as error:
            self._reason = str(error)[:100]
        except WebSocketDisconnect:
            return

    async def _pass_on(self, said: Said) -> None:
        if said.dropped:
            await self._tell(type="dropped", pieces=said.dropped)
        for entry in said.entries:
            if entry.data and entry.stream is not Stream.SUPERVISOR:
                await self._send(entry.stream, entry.data)

    async def _send(self, stream: Stream, data: bytes) -> None:
        mark = STDOUT if stream is Stream.STDOUT else STDERR
        for start in range(0, len(data), _PART):
            self._being_shown = True
            await self._websocket.send_bytes(mark + data[start : start + _PART])
            self._being_shown = False
            self._shown.unpark_all()

    # What is typed

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            mistake = ""
            try:
                await self._take_in(message.get("bytes"), message.get("text"))
            except RequestError as error:
                mistake = str(error)[:100]
            if mistake:
                await self._websocket.close(WRONG, mistake)
                raise WebSocketDisconnect

    async def _take_in(self, data: bytes | None, text: str | None) -> None:
        if data:
            self._take(data)
        elif text is not None:
            await self._obey(text)

    def _take(self, data: bytes) -> None:
        if len(self._typed) + len(data) > WINDOW:
            raise RequestError(f"more than {WINDOW} bytes are under way; wait for 'taken'")
        self._typed += data
        self._something_typed.unpark_all()

    async def _obey(self, text: str) -> None:
        message = message_of(text)
        match message.type:
            case "resize":
                if mistake := self._resize(message.columns, message.rows):
                    await self._tell(type="refused", message=mistake)
            case "eof":
                self._ends_input = True
                self._something_typed.unpark_all()

    def _resize(self, columns: int, rows: int) -> str:
        """What is wrong with it, if anything is."""
        try:
            self._session.resize(columns, rows)
        except WriterBusyError:
            return ""  # Who watches has no say in it.
        except (SessionError, ValueError) as error:
            return str(error)
        return ""

    async def _write(self) -> None:
        while True:
            while not self._typed and not self._ends_input:
                await self._something_typed.park()
            await self._wait_shown()
            data = bytes(self._typed)
            try:
                if data:
                    await self._session.write(data, timeout=math.inf)
                else:
                    self._ends_input = False
                    await self._session.close_stdin(timeout=math.inf)
            except (SessionError, OSError) as error:
                await self._tell(type="refused", message=str(error))
            del self._typed[: len(data)]
            if data:
                await self._tell(type="taken", bytes=len(data))

    async def _wait_shown(self) -> None:
        """Take no more in than the client lets out, so that what an agent makes of its input can wait for the client.

        At a terminal nothing waits: the keys that stop a flood must get through.
        """
        if self._being_shown and not self._session.terminal:
            await self._shown.park()

    async def _watch_right(self) -> None:
        await self._session.wait_lost()
        await self._tell(type="lost", writer=self._session.writer)

    async def _watch_closing(self) -> None:
        await self._closing.wait()
        await self._websocket.close(GOING_AWAY, "the supervisor ends")
        raise WebSocketDisconnect
