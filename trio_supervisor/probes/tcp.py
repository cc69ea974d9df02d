"""Asks by opening a TCP connection, which is closed at once."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.errors import ProbeError, SpecError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.probes.network import Place, at, literal, owned_port, resolve, why
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
            await touch(known or await resolve(host, port))
        except OSError as error:
            return Answer(False, why(error, at(host, port)))
        return Answer(True, f"connected in {took(trio.current_time() - begun)}")

    yield OpenProbe(ask, owned_port(host, port, target))


async def touch(places: list[Place]) -> None:
    """Connect to the first place that can be connected to; raises the OSError of the last."""
    failure: OSError | None = None
    for family, address in places:
        try:
            with trio.socket.socket(family, trio.socket.SOCK_STREAM) as sock:
                await sock.connect(address)
                if sock.getsockname()[:2] == address[:2]:
                    # Nobody listens: the kernel picked that port for our end too, and joined the socket with itself.
                    raise ConnectionRefusedError(errno.ECONNREFUSED, "connected with itself")
                return
        except OSError as error:
            failure = error
    raise failure or OSError(errno.EADDRNOTAVAIL, "no address")
