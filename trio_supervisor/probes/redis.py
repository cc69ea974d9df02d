"""Asks a server of Redis' protocol (RESP) by PING, on a connection of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.core.facts import Role
from trio_supervisor.errors import ProbeError, SpecError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.network import Place, at, connect, literal, owned_port, resolve, why
from trio_supervisor.spec import Redis, expand, split_address
from trio_supervisor.words import one_line, took

_LONGEST = 4096
"""Bytes of an answer; a right one is a short line."""
_SERVES = ("+PONG", "-NOAUTH")
"""It serves; with NOAUTH those who have the password."""


@asynccontextmanager
async def open_redis(check: Redis, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when PING is answered: as a health probe by whatever the server says (it loads, or
    runs a script), else only by one that serves.

    Raises:
        ProbeError: it needs the child's port, and the child has none.
    """
    if "{port}" in check.redis and target.port is None:
        raise ProbeError(f"redis {check.redis!r} needs a port, and the child has none")
    try:
        host, port = split_address(expand(check.redis, target.child, target.port), "redis")
    except SpecError as error:
        raise ProbeError(str(error)) from error
    known = literal(host, port)

    async def ask() -> Answer:
        begun = trio.current_time()
        try:
            said = await _ping(known or await resolve(host, port))
        except OSError as error:
            return Answer(False, why(error, at(host, port)))
        seen = one_line(said.decode(errors="replace"), 80)
        if not said.startswith((b"+", b"-")):
            what = f"answers PING with {seen!r}" if said else "closed the connection without an answer"
            return Answer(False, f"{at(host, port)} {what}")
        if target.role is not Role.HEALTH and not seen.startswith(_SERVES):
            return Answer(False, f"PING: {seen}")
        return Answer(True, f"{seen} in {took(trio.current_time() - begun)}")

    yield OpenProbe(ask, owned_port(host, port, target))


async def _ping(places: list[Place]) -> bytes:
    """The first line of the answer."""
    with await connect(places) as sock:
        await sock.send(b"*1\r\n$4\r\nPING\r\n")
        said = b""
        while b"\n" not in said and len(said) < _LONGEST:
            data = await sock.recv(_LONGEST)
            if not data:
                break
            said += data
        return said.partition(b"\n")[0]
