"""A client of the control socket: the commands of `Control`, blocking, with nothing but the standard library.

A shell that asks for the status waits for imports more than for the answer: Trio and httpx would take ten times as long
as all the rest.
"""

import http.client
import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, urlencode

from trio_supervisor.control.api import Event, Gap, LogLine, Operation, Plan, Snapshot, Verb, Wait, patience
from trio_supervisor.control.wire import forms, sse
from trio_supervisor.control.wire.problems import error_of
from trio_supervisor.errors import NoSupervisorError, RequestError

PATIENCE = 30.0
"""So many seconds an answer may take that waits for nothing."""
_SAFE = "/"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """To the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


def as_json(one: Snapshot | Event | Gap | LogLine | Operation | Plan) -> str:
    """As the API tells it, in one line."""
    match one:
        case Snapshot():
            form = forms.snapshot_form(one)
        case Event():
            form = forms.event_form(one)
        case Gap():
            form = {"gap": True, **forms.gap_form(one)}
        case LogLine():
            form = forms.line_form(one)
        case Operation():
            form = forms.operation_form(one)
        case Plan():
            form = forms.plan_form(one)
    return forms.dumps(form).decode()


class Client:
    """Commands a supervisor in another process; see `Control`, whose errors it raises, and NoSupervisorError.

    A connection for each request: it may be used by several threads.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """`path`: of the socket."""
        self._path = os.fspath(path)

    # Looking

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now."""
        return forms.agents_of(self._get("/v1/agents"))

    def agent(self, agent: str) -> Snapshot:
        """One child as it is now. Raises UnknownAgentError."""
        return forms.snapshot_of(self._get(_place(agent)))

    def operation(self, number: int) -> Operation:
        """What has become of a command. Raises UnknownOperationError."""
        return forms.operation_of(self._get(f"/v1/operations/{number}"))

    @contextmanager
    def events(self, after: int | None = None, *, follow: bool = True) -> Iterator[Iterator[Event | Gap]]:
        """Events as they happen, until the supervisor ends; from within the block on nothing is missed."""
        query = [] if after is None else [("after", str(after))]
        if not follow:
            query.append(("follow", "false"))
        with self._stream("/v1/events", query) as response:
            # The first line comes at once: now it listens.
            next(self._lines(response), b"")
            yield (_event_of(message) for message in sse.decode(self._lines(response)))

    @contextmanager
    def logs(
        self,
        agents: Iterable[str] = (),
        *,
        since: int = 0,
        tail: int | None = None,
        follow: bool = False,
        level: str | None = None,
        fields: Mapping[str, str] | None = None,
        grep: str | None = None,
        stream: str | None = None,
    ) -> Iterator[Iterator[LogLine]]:
        """What children have said, line by line; see `Control.logs`."""
        agents = tuple(agents)
        query = [("field", f"{name}={value}") for name, value in (fields or {}).items()]
        options = {"tail": tail, "follow": "true" if follow else None, "level": level, "grep": grep, "stream": stream}
        query += [(name, str(value)) for name, value in options.items() if value is not None]
        if since:
            if len(agents) != 1:
                raise RequestError("since: a cursor is that of one agent; name it, and no other")
            place = f"{_place(agents[0])}/logs"
            query.append(("since", str(since)))
        else:
            place = "/v1/logs"
            query += [("agent", agent) for agent in agents]
        with self._stream(place, query) as response:
            yield (forms.line_of(forms.loads(line)) for line in self._lines(response))

    # Commands

    def start(self, agent: str, *, reason: str | None = None, wait: Wait = True) -> Operation:
        """Have it up. Raises ChildStartError."""
        return self._order(agent, Verb.START, wait, reason=reason)

    def stop(self, agent: str, *, wait: Wait = True) -> Operation:
        """Have it down."""
        return self._order(agent, Verb.STOP, wait)

    def restart(
        self, agent: str, *, reason: str | None = None, generation: int | None = None, wait: Wait = True
    ) -> Operation:
        """Begin a new life. Raises ChildStartError."""
        return self._order(agent, Verb.RESTART, wait, reason=reason, generation=generation)

    def hold(self, agent: str, *, reason: str | None = None, wait: Wait = True) -> Operation:
        """Keep it down."""
        return self._order(agent, Verb.HOLD, wait, reason=reason)

    def resume(self, agent: str, *, reason: str | None = None, wait: Wait = True) -> Operation:
        """End a hold. Raises ChildStartError."""
        return self._order(agent, Verb.RESUME, wait, reason=reason)

    def reset(self, agent: str) -> Operation:
        """Forget how often it has failed."""
        return self._order(agent, Verb.RESET, None)

    def remove(self, agent: str, *, reason: str | None = None, purge: bool = False, wait: Wait = True) -> Operation:
        """Stop it and forget it; `purge`: with its workspace."""
        return self._order(agent, Verb.REMOVE, wait, reason=reason, purge=purge or None)

    def register(
        self, agent: str, text: str | Mapping[str, object], *, start: bool = True, wait: Wait = True
    ) -> Operation:
        """Add an agent by what would stand under its name in a file, and start it. Raises ConfigError."""
        return self._post("/v1/agents", wait, {"agent": agent, "spec": text, "start": start})

    def signal(self, agent: str, number: int, *, group: bool = True) -> Operation:
        """Send a signal that is no request to end."""
        return self._order(agent, Verb.SIGNAL, None, signal=int(number), to="group" if group else "leader")

    def send(self, agent: str, data: bytes, *, wait: Wait = True) -> Operation:
        """Write to its standard input. Raises RequestError: it is no UTF-8."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise RequestError(f"only text can be sent, in UTF-8: {error}") from None
        return self._order(agent, Verb.SEND, wait, text=text)

    def scale(self, agent: str, replicas: int, *, wait: Wait = True) -> Operation:
        """Have so many replicas of it."""
        return self._order(agent, Verb.SCALE, wait, replicas=replicas)

    def shutdown(self, *, reason: str | None = None, now: bool = False, wait: Wait = True) -> Operation:
        """Stop everything."""
        return self._post("/v1/shutdown", wait, {"now": now, "reason": reason})

    def plan(self) -> Plan:
        """Read the file, and say what `apply` would do. Raises ConfigError with all mistakes."""
        with self._asked("POST", "/v1/plan", PATIENCE, b"{}") as response, self._answering(PATIENCE):
            data = response.read()
        return forms.plan_of(forms.loads(data))

    def apply(self, *, wait: Wait = True) -> Operation:
        """Read the file, and bring the tree to it. Raises ConfigError with all mistakes."""
        return self._post("/v1/apply", wait, {})

    def outcome(self, number: int, *, wait: Wait = True) -> Operation:
        """What has become of a command at the end of it, whose error is raised."""
        try:
            seconds = patience(wait)
        except ValueError as error:
            raise RequestError(str(error)) from None
        timeout = None if seconds == math.inf else seconds + PATIENCE
        place = f"/v1/operations/{number}?wait={seconds}"
        with self._asked("GET", place, timeout) as response, self._answering(timeout):
            data = response.read()
        return forms.operation_of(forms.loads(data))

    # Asking

    def _order(self, agent: str, verb: Verb, wait: Wait | None, **fields: object) -> Operation:
        return self._post(f"{_place(agent)}/{verb.value}", wait, fields)

    def _post(self, place: str, wait: Wait | None, fields: Mapping[str, object]) -> Operation:
        body = {name: value for name, value in fields.items() if value is not None}
        try:
            seconds = 0.0 if wait is None else patience(wait)
        except ValueError as error:
            raise RequestError(str(error)) from None
        if wait is not None:
            body["wait"] = True if seconds == math.inf else wait
        timeout = None if seconds == math.inf else seconds + PATIENCE
        with self._asked("POST", place, timeout, forms.dumps(body)) as response, self._answering(timeout):
            data = response.read()
        return forms.operation_of(forms.loads(data))

    def _get(self, place: str) -> object:
        with self._asked("GET", place, PATIENCE) as response, self._answering(PATIENCE):
            data = response.read()
        return forms.loads(data)

    @contextmanager
    def _stream(self, place: str, query: list[tuple[str, str]]) -> Iterator[http.client.HTTPResponse]:
        whole = f"{place}?{urlencode(query, errors='surrogateescape')}" if query else place
        with self._asked("GET", whole, None) as response:
            yield response

    @contextmanager
    def _asked(
        self, method: str, place: str, timeout: float | None, body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _Connection(self._path, timeout)
        try:
            with self._answering(timeout):
                connection.request(method, place, body, {"Content-Type": "application/json"} if body else {})
                response = connection.getresponse()
                if response.status >= 400:
                    raise error_of(forms.loads(response.read()))
            yield response
        finally:
            connection.close()

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            with self._answering(None):
                line = response.readline()
            if not line:
                return
            yield line

    @contextmanager
    def _answering(self, timeout: float | None) -> Iterator[None]:
        """What goes wrong with the connection in the block, as NoSupervisorError."""
        try:
            yield
        except TimeoutError:
            raise NoSupervisorError(f"{self._path}: the supervisor does not answer within {timeout:g} s") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoSupervisorError(f"{self._path}: no supervisor listens there") from None
        except (OSError, http.client.HTTPException) as error:
            raise NoSupervisorError(f"{self._path}: {str(error) or type(error).__name__}") from None


def _place(agent: str) -> str:
    return f"/v1/agents/{quote(agent, safe=_SAFE, errors='surrogateescape')}"


def _event_of(message: sse.Message) -> Event | Gap:
    data = forms.loads(message.data)
    return forms.gap_of(data) if message.kind == "gap" else forms.event_of(data)
