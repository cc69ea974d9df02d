"""The engines that speak the Docker Engine API: Docker, and Podman's service.

The version is the one that the engine names (`Api-Version` of /_ping), at most `NEWEST`: no single one serves all.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container.engine import (
    Attach,
    EngineError,
    Fetch,
    Missed,
    Phase,
    Plan,
    Request,
    Run,
    Seen,
    Watch,
)
from trio_supervisor.runtimes.container.frames import Frames
from trio_supervisor.runtimes.container.http import Connection, EngineHttp, Query, Reply
from trio_supervisor.runtimes.container.words import engine_words
from trio_supervisor.words import one_line

NEWEST = (1, 51)
OLDEST = (1, 40)
SHORT = 15.0
"""So long (seconds) an answer may take that is only looked up."""
LONG = 120.0
"""So long the making, starting, ending and removing of a container may take."""

_PHASES = {"created": Phase.MADE, "configured": Phase.MADE, "initialized": Phase.MADE}
_OVER = ("exited", "stopped", "dead", "removing")


class DockerEngine:
    """A `ContainerEngine`."""

    def __init__(self, address: str) -> None:
        """`address`: as `engine_address` finds it."""
        self._http = EngineHttp(address)
        self._version = ""
        self._tells_memory = False

    async def create(self, plan: Plan) -> str:
        """See `ContainerEngine`."""
        reply = await self._call("POST", "/containers/create", LONG, {"name": plan.name}, plan.form)
        return str(_mapping(_good(reply, 201).json()).get("Id"))

    async def start(self, name: str) -> None:
        """See `ContainerEngine`."""
        _good(await self._call("POST", f"/containers/{name}/start", LONG), 204, 304)

    async def look(self, name: str) -> Seen | None:
        """See `ContainerEngine`."""
        reply = await self._call("GET", f"/containers/{name}/json", SHORT)
        return None if reply.status == 404 else _seen(_mapping(_good(reply, 200).json()), self._tells_memory)

    async def signal(self, name: str, number: int) -> None:
        """See `ContainerEngine`."""
        reply = await self._call("POST", f"/containers/{name}/kill", LONG, {"signal": number})
        # 404: it is gone; 409, of older engines 500: it does not run.
        if reply.status in (404, 409):
            return
        if reply.status == 500:
            seen = await self.look(name)
            if seen is None or seen.phase is not Phase.RUNNING:
                return
        _good(reply, 204)

    async def remove(self, name: str, *, force: bool = False) -> None:
        """See `ContainerEngine`."""
        query = {"v": "true", **({"force": "true"} if force else {})}
        reply = await self._call("DELETE", f"/containers/{name}", LONG, query)
        # 409 is also what is said while somebody else removes it.
        if reply.status == 409 and await self.look(name) is None:
            return
        _good(reply, 200, 204, 404)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator["DockerTalk"]:
        """See `ContainerEngine`."""
        version = await self._prefix()
        exec_id = await self._exec(request) if isinstance(request, Run) else ""
        headers: dict[str, str] = {}
        async with AsyncExitStack() as stack:
            match request:
                case Attach():
                    query: Query = {"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(request.stdin)}
                    path, body, hijack = f"/containers/{request.name}/attach", None, True
                case Run():
                    path, query, hijack = f"/exec/{exec_id}/start", {}, True
                    body = {"Detach": False, "Tty": False}
                case Missed():
                    query = {"stdout": 1, "stderr": 1, "follow": int(request.follow)}
                    path, body, hijack = f"/containers/{request.name}/logs", None, False
                case Fetch():
                    name, tag = split_image(request.image)
                    query = {"fromImage": name, **({"tag": tag} if tag else {})}
                    path, body, hijack = "/images/create", None, False
                    headers = {"X-Registry-Auth": request.credentials} if request.credentials else {}
                case Watch():
                    query = {"filters": json.dumps({"type": ["container"], "label": [request.label]})}
                    path, body, hijack = "/events", None, False
            method = "GET" if isinstance(request, Missed | Watch) else "POST"
            stream = self._http.stream(method, version + path, query, body, headers, hijack=hijack)
            yield DockerTalk(self, request, await stack.enter_async_context(stream), exec_id)

    async def exec_code(self, exec_id: str) -> int | None:
        """The exit code of a command; None: it has not ended."""
        reply = await self._call("GET", f"/exec/{exec_id}/json", SHORT)
        found = _mapping(_good(reply, 200).json())
        code = found.get("ExitCode")
        return None if found.get("Running") or not isinstance(code, int) else code

    async def resize(self, name: str, columns: int, rows: int) -> None:
        """Set the size of a container's terminal."""
        _good(await self._call("POST", f"/containers/{name}/resize", SHORT, {"w": columns, "h": rows}), 200, 201)

    async def _exec(self, request: Run) -> str:
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(request.command), "Env": list(request.env)}
        reply = await self._call("POST", f"/containers/{request.name}/exec", LONG, body=body)
        return str(_mapping(_good(reply, 201).json()).get("Id"))

    async def _call(
        self, method: str, path: str, timeout: float, query: Query | None = None, body: object = None
    ) -> Reply:
        return await self._http.call(method, await self._prefix() + path, timeout, query, body)

    async def _prefix(self) -> str:
        """`/v1.41`, as agreed with the engine; asked for again as long as it does not answer."""
        if not self._version:
            reply = _good(await self._http.call("GET", "/_ping", SHORT), 200)
            offered = _number(reply.headers.get("api-version", ""))
            if offered is None or offered < OLDEST:
                what = "names no version of its API" if offered is None else f"offers version {_text(offered)}"
                raise EngineError(f"{self._http.address} {what}; at least {_text(OLDEST)} is needed", reply.status)
            # Podman 4 says false of those too that it did end.
            self._tells_memory = "libpod-api-version" not in reply.headers
            self._version = f"/v{_text(min(offered, NEWEST))}"
        return self._version


class DockerTalk:
    """A `Talk`."""

    def __init__(self, engine: DockerEngine, request: Request, connection: Connection, exec_id: str) -> None:
        self._engine = engine
        self._request = request
        self._connection = connection
        self._exec_id = exec_id
        raw = isinstance(request, Attach | Missed) and request.terminal
        self._frames = None if raw else Frames()
        self._ready: list[tuple[Stream, bytes]] = []
        self._line = b""

    async def heard(self) -> tuple[Stream, bytes] | None:
        """See `Talk`."""
        while not self._ready:
            data = await self._connection.receive()
            if not data:
                return None
            if isinstance(self._request, Watch | Fetch):
                *lines, self._line = (self._line + data).split(b"\n")
                self._ready = [(Stream.SUPERVISOR, text) for line in lines if (text := self._told(line))]
            elif self._frames is None:
                self._ready = [(Stream.STDOUT, data)]
            else:
                try:
                    self._ready = list(self._frames.feed(data))
                except ValueError as error:
                    raise EngineError(str(error)) from error
        return self._ready.pop(0)

    def socket(self) -> int | None:
        """See `Talk`."""
        return self._connection.input()

    async def code(self) -> int | None:
        """See `Talk`."""
        return await self._engine.exec_code(self._exec_id)

    async def resize(self, columns: int, rows: int) -> None:
        """See `Talk`."""
        assert isinstance(self._request, Attach)
        await self._engine.resize(self._request.name, columns, rows)

    def _told(self, line: bytes) -> bytes:
        """What a line is about: a JSON object each, of Docker and of Podman alike. Raises EngineError for an error."""
        try:
            found = _mapping(json.loads(line))
        except ValueError:
            return b""
        if isinstance(self._request, Watch):
            return str(_mapping(_mapping(found.get("Actor")).get("Attributes")).get("name", "")).encode()
        if (error := found.get("error")) is not None:
            raise EngineError(engine_words(str(error)), 500)
        return one_line(str(found.get("status") or found.get("stream") or "")).encode()


def split_image(image: str) -> tuple[str, str]:
    """Name and tag as a pull takes them: of what names none the tag is latest; a digest is part of the name."""
    if "@" in image:
        return image, ""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def _good(reply: Reply, *statuses: int) -> Reply:
    if reply.status not in statuses:
        raise EngineError(reply.words, reply.status)
    return reply


def _seen(found: Mapping[str, object], tells_memory: bool) -> Seen:
    state, config = _mapping(found.get("State")), _mapping(found.get("Config"))
    health = _mapping(state.get("Health"))
    log = health.get("Log")
    last = _mapping(log[-1]) if isinstance(log, list) and log else {}
    status = str(state.get("Status", ""))
    pid, code = state.get("Pid"), state.get("ExitCode")
    return Seen(
        id=str(found.get("Id")),
        phase=Phase.OVER if status in _OVER else _PHASES.get(status, Phase.RUNNING),
        labels={str(name): str(value) for name, value in _mapping(config.get("Labels")).items()},
        pid=pid if isinstance(pid, int) and pid > 0 else None,
        code=code if isinstance(code, int) else 0,
        out_of_memory=state.get("OOMKilled") is True,
        tells_memory=tells_memory,
        error=engine_words(str(state.get("Error") or "")),
        stop_signal=str(config.get("StopSignal") or ""),
        health=str(health.get("Status") or "").replace("none", ""),
        health_detail=one_line(str(last.get("Output") or "")),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(version: str) -> tuple[int, int] | None:
    major, _, minor = version.partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
