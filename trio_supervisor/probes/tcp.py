"""Asks by opening a TCP connection, which is closed at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.errors import ProbeError, SpecError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.network import at, connect, literal, owned_port, resolve, why
from trio_supervisor.spec import Tcp, expand, split_address
from trio_supervisor.words import took


@asynccontextmanager
async def open_tcp(check: Tcp, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when a connection can be made.

    Raises:
        ProbeError: it needs the child's port, and the child has none.
    """
    if "{port}" in check.tcp and target.port is None:
        raise ProbeError(f"tcp {check.tcp!r} needs a port, and the child has none")
    try:
        host, port = split_address(expand(check.tcp, target.child, target.port))
    except SpecError as error:
        raise ProbeError(str(error)) from error
    known = literal(host, port)

    async def ask() -> Answer:
        begun = trio.current_time()
        try:
            (await connect(known or await resolve(host, port))).close()
        except OSError as error:
            return Answer(False, why(error, at(host, port)))
        return Answer(True, f"connected in {took(trio.current_time() - begun)}")

    yield OpenProbe(ask, owned_port(host, port, target))
