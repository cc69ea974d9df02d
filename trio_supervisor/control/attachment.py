"""A client that is attached to an agent: its side of the WebSocket, blocking. See `server.attached`."""

import socket
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from trio_supervisor.control.places import Place
from trio_supervisor.control.wire import forms, records
from trio_supervisor.control.wire.attaching import STDERR, WINDOW
from trio_supervisor.control.wire.problems import error_of
from trio_supervisor.control.wire.reader import Reader, loads
from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import NoSupervisorError
from trio_supervisor.record import record

PATIENCE = 30.0
"""So many seconds the supervisor has to take the connection, and what is sent."""
GOING_AWAY = 1001
_CHUNK = 65536


@record
class Said:
    """What the agent has said."""

    data: bytes
    error: bool
    """Not on its standard output."""


@record
class Begun:
    """One is attached."""

    generation: int
    pid: int | None
    terminal: bool
    writes: bool
    writer: str
    """Who writes; empty: nobody."""


@record
class Told:
    """`refused`: something was not done, why. `lost`: who writes now. `dropped`: how much was lost."""

    kind: str
    words: str


@record
class Ended:
    """The life of the agent is over."""

    exit: Exit | None


@record
class Closed:
    """Nothing more comes: `words` say why, if it was said."""

    words: str


News = Said | Begun | Told | Ended | Closed


class Attachment:
    """To one agent. A context manager, which leaves it."""

    def __init__(self, place: Place, agent: str, *, write: bool, force: bool = False, replay: bool = True) -> None:
        """Raises what `Control.attach` raises, and NoSupervisorError."""
        self._place = place
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._under_way = 0
        self._mark = b""
        self._text = ""
        query = {"write": write, "force": force, "replay": replay}
        target = f"/v1/agents/{quote(agent, safe='/', errors='surrogateescape')}/attach?"
        target += urlencode({name: "true" if value else "false" for name, value in query.items()})
        self._socket = self._connect()
        try:
            self._shake_hands(target)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "Attachment":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """To wait for news with."""
        return self._socket.fileno()

    @property
    def room(self) -> int:
        """So many bytes may be sent now."""
        return WINDOW - self._under_way

    # Sending

    def type(self, data: bytes) -> None:
        """Send some input, at most `room`."""
        if data:
            self._under_way += len(data)
            self._send(BytesMessage(data))

    def end_input(self) -> None:
        """End the agent's input, behind what was sent."""
        self._tell(type="eof")

    def resize(self, columns: int, rows: int) -> None:
        """Say how big the terminal is."""
        self._tell(type="resize", columns=columns, rows=rows)

    def leave(self) -> None:
        """Say goodbye."""
        self._send(CloseConnection(code=1000))

    def _tell(self, **form: object) -> None:
        self._send(TextMessage(forms.dumps(form).decode()))

    def _send(self, event: Event) -> None:
        try:
            self._socket.sendall(self._connection.send(event))
        except LocalProtocolError:
            return  # It is closed already, which the news tell.
        except OSError as error:
            raise self._gone(error) from None

    # Receiving

    def news(self, *, first: bool = False) -> Iterator[News]:
        """What has come since; to be called when there is something to be read, and `first` once before that."""
        if first:
            # It came with the answer of the handshake.
            yield from self._news()
            return
        more = True
        while more:
            data = self._receive()
            if not data:
                yield Closed("")
                return
            self._take_in(data)
            yield from self._news()
            # What was decrypted already is seen by nobody who waits for the socket.
            pending = getattr(self._socket, "pending", None)
            more = pending is not None and pending() > 0

    def _take_in(self, data: bytes) -> None:
        try:
            self._connection.receive_data(data)
        except RemoteProtocolError as error:
            raise self._gone(error) from None

    def _news(self) -> Iterator[News]:
        for event in self._events():
            if isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, BytesMessage):
                yield self._said(event)
            elif isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    yield from self._told(text)
            elif isinstance(event, CloseConnection):
                yield Closed(event.reason or "")

    def _events(self) -> Iterator[Event]:
        try:
            yield from self._connection.events()
        except RemoteProtocolError as error:
            raise self._gone(error) from None

    def _said(self, event: BytesMessage) -> Said:
        # A message may come in pieces, of which only the first has the mark.
        data = bytes(event.data)
        if not self._mark:
            self._mark, data = data[:1], data[1:]
        said = Said(data, error=self._mark == STDERR)
        if event.message_finished:
            self._mark = b""
        return said

    def _told(self, text: str) -> Iterator[News]:
        form = Reader(loads(text.encode()))
        kind = form.get("type", str)
        match kind:
            case "attached":
                yield Begun(
                    form.get("generation", int),
                    form.maybe("pid", int),
                    form.get("terminal", bool),
                    form.get("writes", bool),
                    form.get("writer", str),
                )
            case "taken":
                self._under_way -= form.get("bytes", int)
            case "ended":
                found = form.maybe("exit", dict)
                yield Ended(None if found is None else records.exit_of(found))
            case "lost":
                yield Told(kind, form.get("writer", str))
            case "refused":
                yield Told(kind, form.get("message", str))
            case "dropped":
                yield Told(kind, str(form.get("pieces", int)))
            case _:
                return  # Of a newer version.

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_CHUNK)
        except ConnectionResetError:
            return b""
        except OSError as error:
            raise self._gone(error) from None

    # The begin

    def _connect(self) -> socket.socket:
        connection = self._place.connection(PATIENCE)
        try:
            connection.connect()
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoSupervisorError(f"{self._place}: no supervisor listens there") from None
        except OSError as error:
            raise self._gone(error) from None
        found: socket.socket = connection.sock
        return found

    def _shake_hands(self, target: str) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._place.headers.items()]
        self._send(Request(host=self._place.host, target=target, extra_headers=headers))
        body = bytearray()
        while True:
            data = self._receive()
            if not data:
                raise NoSupervisorError(f"{self._place}: it closes the connection without an answer")
            self._take_in(data)
            for event in self._events():
                if isinstance(event, AcceptConnection):
                    return
                self._check_refusal(event, body)

    def _check_refusal(self, event: Event, body: bytearray) -> None:
        if isinstance(event, RejectConnection) and not event.has_body:
            raise NoSupervisorError(f"{self._place}: HTTP {event.status_code}, expected a WebSocket")
        if isinstance(event, RejectData):
            body += event.data
            if event.body_finished:
                raise error_of(loads(bytes(body)))

    def _gone(self, error: Exception) -> NoSupervisorError:
        return NoSupervisorError(f"{self._place}: {str(error) or type(error).__name__}")
