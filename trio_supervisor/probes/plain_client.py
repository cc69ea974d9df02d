"""HTTP without TLS for the probes: h11 on a socket of our own.

A third of what the same question costs by httpx, nothing to leak when it is cancelled (there is no pool), and an import
of milliseconds. See docs/decisions/0010-plain-http-by-h11.md.
"""

import h11
import trio

from trio_supervisor.probes.http_messages import IDEMPOTENT, NoReplyError, Question, Reply, decoded
from trio_supervisor.probes.network import Place, connect, literal, resolve, why
from trio_supervisor.words import one_line

CHUNK = 65536
_LONGEST_HEAD = 128 * 1024
"""In bytes: of status line and headers."""


class PlainClient:
    """Asks one target, one question at a time, over a connection that may be kept alive until `close()`."""

    def __init__(self) -> None:
        self._socket: trio.socket.SocketType | None = None
        self._connection: h11.Connection | None = None
        self._places: list[Place] = []
        """Where the target is, if that does not have to be looked up."""
        self._sent = False
        """Whether the present request was sent to its end."""

    def close(self) -> None:
        """Close the connection at once; the next question opens a new one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._connection = None

    async def ask(self, asked: Question, limit_bytes: int) -> Reply:
        """Send a question and read at most `limit_bytes` of the body. Follows no redirects; has no timeout: cancel it.

        Raises:
            NoReplyError: nothing came that is a reply in HTTP.
            ProbeError: this program lacks something to ask with.
        """
        kept = self._socket is not None
        done = False
        try:
            try:
                reply = await self._ask(asked, limit_bytes)
            except (OSError, _ClosedError):
                if not kept or asked.method not in IDEMPOTENT:
                    raise
                # The server has closed it meanwhile, as it may.
                self.close()
                reply = await self._ask(asked, limit_bytes)
            done = True
        except OSError as error:
            raise NoReplyError(why(error, asked.where), sent=self._sent) from error
        except _ClosedError as error:
            message = f"{asked.where} closed the connection without an answer"
            raise NoReplyError(message, sent=self._sent) from error
        except h11.RemoteProtocolError as error:
            text = one_line(str(error))
            raise NoReplyError(f"not the HTTP that {asked.where} should speak: {text}", sent=self._sent) from error
        finally:
            if not (done and self._may_be_kept(reply)):
                self.close()
        body, all_decoded = decoded(reply.body, reply.headers.get("content-encoding", ""), limit_bytes)
        return Reply(reply.status, reply.headers, body, reply.whole and all_decoded)

    def _may_be_kept(self, reply: Reply) -> bool:
        connection = self._connection
        if connection is None or not reply.whole or connection.states != _BOTH_DONE:
            return False
        connection.start_next_cycle()
        # What is there already answers a question that nobody has put.
        return not connection.trailing_data[0]

    async def _ask(self, asked: Question, limit_bytes: int) -> Reply:
        self._sent = False
        if self._socket is None or self._connection is None:
            self._places = self._places or literal(asked.host, asked.port)
            self._socket = await connect(self._places or await resolve(asked.host, asked.port))
            self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        sock, connection = self._socket, self._connection
        request = h11.Request(method=asked.method, target=asked.path, headers=list(asked.headers.items()))
        out = connection.send(request) or b""
        if asked.body:
            out += connection.send(h11.Data(data=asked.body)) or b""
        connection.send(h11.EndOfMessage())
        await _send_all(sock, out)
        self._sent = True
        return await _receive(sock, connection, limit_bytes)


class _ClosedError(Exception):
    """The target closed the connection before it answered."""


_BOTH_DONE = {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}


async def _send_all(sock: trio.socket.SocketType, data: bytes) -> None:
    while data:
        data = data[await sock.send(data) :]


async def _receive(sock: trio.socket.SocketType, connection: h11.Connection, limit_bytes: int) -> Reply:
    """The response, its body not decoded."""
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await sock.recv(CHUNK)
            if not data and head is None:
                raise _ClosedError
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _reply(head, bytes(body), whole=True)
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError(f"unexpected {type(event).__name__}")
        if head is not None and len(body) > limit_bytes:
            return _reply(head, bytes(body[:limit_bytes]), whole=False)


def _reply(head: h11.Response, body: bytes, *, whole: bool) -> Reply:
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return Reply(head.status_code, headers, body, whole)
