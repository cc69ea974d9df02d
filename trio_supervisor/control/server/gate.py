"""The gate before the application, where somebody comes in over TCP: name, origin, pace and token are looked at.

What a browser can be made to do by a strange page is what `Host` and `Origin` are looked at for: a name that a stranger
lets point at this machine (DNS rebinding), and requests of pages from elsewhere, WebSockets among them, for which
browsers ask nobody.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import trio
from starlette.types import ASGIApp, Receive, Scope, Send

from trio_supervisor.control.callers import Caller, called_by, caller
from trio_supervisor.control.server.entry import Entry, Tell
from trio_supervisor.control.server.pace import Pace, Paces
from trio_supervisor.control.wire import forms
from trio_supervisor.control.wire.problems import Problem, access_problem, problem_of
from trio_supervisor.errors import TooManyRequestsError

GUESS_RATE = 1.0
"""So many wrong tokens in a second are answered to one address in the long run; others are refused at once."""
GUESS_BURST = 5.0
TOLD_AFTER = 5
"""So many wrong tokens are told, once, ..."""
QUIET = 600.0
"""... and told again only when there was none for so many seconds."""

_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_TOKEN = "a token is needed: Authorization: Bearer TOKEN"
_WRONG = "the token is wrong"
_OBSERVES = "this token lets only observe; to command takes the one to operate"


class Guesses:
    """Wrong tokens: they are slowed down, and told once."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._paces = Paces(GUESS_RATE, GUESS_BURST)
        self._all = Pace(20 * GUESS_RATE, 20 * GUESS_BURST)
        self._count = 0
        self._last = 0.0

    async def wrong(self, address: str) -> None:
        """One more; returns when it may be answered. Raises TooManyRequestsError."""
        now = trio.current_time()
        if now - self._last > QUIET:
            self._count = 0
        self._last = now
        self._count += 1
        if self._count == TOLD_AFTER:
            words = f"refused: {TOLD_AFTER} wrong tokens; more of them are slowed down, and not told"
            await self._tell(address, words)
        await self._all.turn()
        await self._paces.turn(address)


class Gate:
    """An ASGI application around another one."""

    def __init__(self, inner: ASGIApp, entry: Entry) -> None:
        self._inner = inner
        self._tokens = entry.tokens
        self._hosts = frozenset(host.lower() for host in entry.hosts) | {"localhost"}
        self._paces = Paces()
        self._guesses = Guesses(entry.tell)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who may come in, under the name of the token."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        stranger = caller()
        try:
            await self._paces.turn(stranger.client)
            problem = self._misplaced(headers)
            if problem is None:
                found = await self._known(stranger, headers, scope.get("method", "GET"))
                if isinstance(found, Caller):
                    with called_by(found):
                        await self._inner(scope, receive, send)
                    return
                problem = found
        except TooManyRequestsError as error:
            problem = problem_of(error)
        await refuse(scope, send, problem)

    def _misplaced(self, headers: Mapping[bytes, str]) -> Problem | None:
        host = headers.get(b"host", "")
        if not self._is_ours(host):
            text = f"there is no server {host[:100]!r} here; run --allow-host NAME makes it known under that name"
            return access_problem(421, text)
        origin = headers.get(b"origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return access_problem(403, f"a page of {origin[:100]!r} may not ask here")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            # No name, so nobody can have it point elsewhere.
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower() in self._hosts
        return True

    async def _known(self, stranger: Caller, headers: Mapping[bytes, str], method: str) -> Caller | Problem:
        scheme, _, shown = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            return access_problem(401, _NO_TOKEN)
        role = self._tokens.role_of(shown.strip())
        if role is None:
            # Who has the right one is never kept waiting by who has not.
            await self._guesses.wrong(stranger.client)
            return access_problem(401, _WRONG)
        if role == "observe" and method not in _LOOKING:
            return access_problem(403, _OBSERVES)
        return Caller(f"token {role}", stranger.origin, operates=role == "operate")


async def refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer a request, or the one for a WebSocket, with what is wrong."""
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    body = forms.dumps(problem.form)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": f"{prefix}.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})
