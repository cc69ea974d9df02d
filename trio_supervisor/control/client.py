"""A client of a supervisor in another process: the commands of `Control`, blocking, with nothing but the standard
library.

A shell that asks for the status waits for imports more than for the answer: Trio and httpx would take ten times as long
as all the rest.
"""

import http.client
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from trio_supervisor.control.api import Event, Gap, LogLine, Operation, Plan, Snapshot, Verb, Wait, patience
from trio_supervisor.control.places import Place, SocketPlace
from trio_supervisor.control.wire import forms, records, sse
from trio_supervisor.control.wire.problems import error_of, fault_of
from trio_supervisor.control.wire.reader import Reader, loads
from trio_supervisor.errors import NoSupervisorError, RequestError, SupervisorError

if TYPE_CHECKING:
    from trio_supervisor.control.api import Explanation
    from trio_supervisor.control.insights import Endpoint, EndpointChange, Node, Probed
    from trio_supervisor.core.role import Role
    from trio_supervisor.journal.entries import Stored

    Insight = Explanation | Node | Probed | Endpoint | EndpointChange

PATIENCE = 30.0
"""So many seconds an answer may take that waits for nothing."""
_SAFE = "/"


def as_json(one: "Snapshot | Event | Gap | LogLine | Operation | Plan | Insight") -> str:
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
        case _:
            from trio_supervisor.control.wire.insights import form_of  # noqa: PLC0415 -- few commands need it

            form = form_of(one)
    return forms.dumps(form).decode()


def error_form(error: SupervisorError) -> Mapping[str, object]:
    """An error as the API tells it."""
    return fault_of(error)


class Client:
    """Commands a supervisor in another process; see `Control`, whose errors it raises, and NoSupervisorError.

    A connection for each request: it may be used by several threads.
    """

    def __init__(self, place: str | os.PathLike[str] | Place) -> None:
        """`place`: the path of the socket, or another place."""
        self.place = place if isinstance(place, Place) else SocketPlace(os.fspath(place))

    # Looking

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now."""
        return records.agents_of(self._get("/v1/agents"))

    def agent(self, agent: str) -> Snapshot:
        """One child as it is now. Raises UnknownAgentError."""
        return records.snapshot_of(self._get(_place(agent)))

    def measured(self) -> tuple[Snapshot, ...]:
        """The same with what each uses."""
        return self.overview(usage=True)[0]

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the supervisor itself just now."""
        return self.overview()[1]

    def overview(self, *, usage: bool = False) -> tuple[tuple[Snapshot, ...], tuple[str, ...]]:
        """Both at once; `usage`: measured."""
        found = self._get("/v1/agents?usage=true" if usage else "/v1/agents")
        return records.agents_of(found), records.warnings_of(found)

    def explain(self, agent: str) -> "Explanation":
        """Why it is as it is, and what comes next. Raises UnknownAgentError."""
        from trio_supervisor.control.wire.insights import explanation_of  # noqa: PLC0415 -- few commands need it

        return explanation_of(self._get(_place(agent, "/v1/explain")))

    def tree(self) -> "tuple[Node, ...]":
        """The tree with its rules."""
        from trio_supervisor.control.wire.insights import nodes_of  # noqa: PLC0415 -- few commands need it

        return nodes_of(self._get("/v1/tree"))

    def endpoints(self) -> "tuple[Endpoint, ...]":
        """Which agents are ready, and where."""
        from trio_supervisor.control.wire.insights import endpoints_of  # noqa: PLC0415 -- few commands need it

        return endpoints_of(self._get("/v1/endpoints"))

    @contextmanager
    def endpoint_changes(self) -> "Iterator[Iterator[EndpointChange]]":
        """What is there, then what comes and goes, until the supervisor ends."""
        from trio_supervisor.control.wire.insights import change_of  # noqa: PLC0415 -- few commands need it

        with self._stream("/v1/endpoints", [("follow", "true")]) as response:
            yield (change_of(loads(message.data)) for message in sse.decode(self._lines(response)))

    def probe(self, agent: str, role: "Role | None" = None) -> "tuple[Probed, ...]":
        """Ask its probes now, all or one. Raises UnknownAgentError, ConflictError."""
        from trio_supervisor.control.wire.insights import all_probed_of  # noqa: PLC0415 -- few commands need it

        body = forms.dumps({} if role is None else {"probe": role.value})
        # The time that an answer may take is the probe's own.
        with self._asked("POST", f"{_place(agent)}/probe", None, body) as response, self._answering(None):
            data = response.read()
        return all_probed_of(loads(data))

    def metrics(self, *, openmetrics: bool = False) -> bytes:
        """All figures as Prometheus reads them."""
        accept = "application/openmetrics-text" if openmetrics else "text/plain"
        with self._asked("GET", "/metrics", PATIENCE, accept=accept) as response, self._answering(PATIENCE):
            return response.read()

    def operation(self, number: int) -> Operation:
        """What has become of a command. Raises UnknownOperationError."""
        return records.operation_of(self._get(f"/v1/operations/{number}"))

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
        since_time: float | None = None,
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
        options["since_time"] = forms.timestamp(since_time)
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
            yield (records.line_of(loads(line)) for line in self._lines(response))

    def journal(
        self, after: int = 0, *, since: float = 0.0, agent: str = "", tail: int | None = None
    ) -> "list[Stored]":
        """What the journal holds after a number, at most a thousand entries; `tail`: the last so many instead."""
        query = [("after", str(after))] if tail is None else [("tail", str(tail))]
        query += [("agent", agent)] if agent else []
        query += [("since", forms.timestamp(since) or "")] if since else []
        found = self._get(f"/v1/journal?{urlencode(query, errors='surrogateescape')}")
        return list(Reader(found).each("entries", records.stored_of))

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

    def remove(
        self, agent: str, *, reason: str | None = None, purge: bool = False, force: bool = False, wait: Wait = True
    ) -> Operation:
        """Stop it and forget it; `purge`: with its workspace, `force`: also if others depend on it. Raises NeededError:
        others do.
        """
        return self._order(agent, Verb.REMOVE, wait, reason=reason, purge=purge or None, force=force or None)

    def register(
        self, agent: str, text: str | Mapping[str, object], *, start: bool = True, wait: Wait = True
    ) -> Operation:
        """Add an agent by what would stand under its name in a file, and start it. Raises ConfigError."""
        return self._post("/v1/agents", wait, {"agent": agent, "spec": text, "start": start})

    def signal(self, agent: str, number: int, *, group: bool = True) -> Operation:
        """Send a signal that is no request to end."""
        return self._order(agent, Verb.SIGNAL, None, signal=int(number), to="group" if group else "leader")

    def send(
        self, agent: str, data: bytes, *, expect: str | None = None, timeout: float = PATIENCE, wait: Wait = True
    ) -> Operation:
        """Write to its standard input, and wait for an answer where one is expected; see `Control.send`. Raises
        RequestError: it is no UTF-8.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise RequestError(f"only text can be sent, in UTF-8: {error}") from None
        if expect is None:
            return self._order(agent, Verb.SEND, wait, text=text)
        return self._order(agent, Verb.SEND, wait, text=text, expect=expect, timeout=timeout)

    def scale(self, agent: str, replicas: int, *, wait: Wait = True) -> Operation:
        """Have so many replicas of it."""
        return self._order(agent, Verb.SCALE, wait, replicas=replicas)

    def shutdown(self, *, reason: str | None = None, now: bool = False, wait: Wait = True) -> Operation:
        """Stop everything."""
        return self._post("/v1/shutdown", wait, {"now": now, "reason": reason})

    def plan(self, *, file: str | None = None) -> Plan:
        """Read the file, and say what `apply` would do. Raises ConfigError with all mistakes, RequestError: it runs
        another file.
        """
        body = forms.dumps({} if file is None else {"file": file})
        with self._asked("POST", "/v1/plan", PATIENCE, body) as response, self._answering(PATIENCE):
            data = response.read()
        return records.plan_of(loads(data))

    def apply(self, *, file: str | None = None, wait: Wait = True) -> Operation:
        """Read the file, and bring the tree to it. Raises as `plan`."""
        return self._post("/v1/apply", wait, {} if file is None else {"file": file})

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
        return records.operation_of(loads(data))

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
        return records.operation_of(loads(data))

    def _get(self, place: str) -> object:
        with self._asked("GET", place, PATIENCE) as response, self._answering(PATIENCE):
            data = response.read()
        return loads(data)

    @contextmanager
    def _stream(self, place: str, query: list[tuple[str, str]]) -> Iterator[http.client.HTTPResponse]:
        whole = f"{place}?{urlencode(query, errors='surrogateescape')}" if query else place
        with self._asked("GET", whole, None) as response:
            yield response

    @contextmanager
    def _asked(
        self, method: str, place: str, timeout: float | None, body: bytes | None = None, accept: str = "*/*"
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self.place.connection(timeout)
        headers = {"Accept": accept, **self.place.headers, **({"Content-Type": "application/json"} if body else {})}
        try:
            with self._answering(timeout):
                connection.request(method, place, body, headers)
                response = connection.getresponse()
                if response.status >= 400:
                    raise error_of(loads(response.read()))
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
            raise NoSupervisorError(f"{self.place}: the supervisor does not answer within {timeout:g} s") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoSupervisorError(f"{self.place}: no supervisor listens there") from None
        except (OSError, http.client.HTTPException) as error:
            raise NoSupervisorError(f"{self.place}: {str(error) or type(error).__name__}") from None


def _place(agent: str, under: str = "/v1/agents") -> str:
    return f"{under}/{quote(agent, safe=_SAFE, errors='surrogateescape')}"


def _event_of(message: sse.Message) -> Event | Gap:
    data = loads(message.data)
    return records.gap_of(data) if message.kind == "gap" else records.event_of(data)
