"""Talking to one child: signals, and text for its standard input."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from trio_supervisor.control.callers import caller
from trio_supervisor.core.child import Child
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, WriterBusyError
from trio_supervisor.runtimes.base import Input, Interactive

if TYPE_CHECKING:
    from trio_supervisor.writing import Writer

_COMMAND = "a command of "
"""How the name of a holder begins who is a command."""


async def signal(engine: Supervisor, child: Child, *, number: int, group: bool) -> None:
    try:
        await interactive(engine, child, "a signal").signal(number, group=group)
    except PermissionError:
        raise ConflictError(f"{engine.path_of(child.id)}: it runs as another user, who alone may signal it") from None


async def send(
    engine: Supervisor, child: Child, *, data: bytes, then: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Write to its input, as the only one who does meanwhile, and until `then` is done.

    Raises:
        ConflictError: it has no life, or no input, or somebody talks with it; who.
    """
    path, stdin = engine.path_of(child.id), interactive(engine, child, "text").input
    if stdin is None:
        raise ConflictError(f"{path}: its standard input is the null device; write stdin: pipe, or pty")
    lease = engine.lease(child.id)
    while lease.holder.startswith(_COMMAND):
        # Commands come one after the other; who has a session may keep it for hours.
        await lease.wait_free()
    try:
        writer = lease.take(f"{_COMMAND}{caller()}")
    except WriterBusyError as error:
        raise ConflictError(str(error)) from None
    with writer:
        try:
            await _write(writer, stdin, data)
        except (OSError, WriterBusyError) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ConflictError(f"{path}: {words.removeprefix(f'{path}: ')}") from None
        if then is not None:
            await then()


async def _write(writer: "Writer", stdin: Input, data: bytes) -> None:
    rest = memoryview(data)
    try:
        with writer.begin():
            while rest:
                rest = rest[await stdin.take(rest) :]
    finally:
        writer.end()
    if rest:
        raise OSError(f"somebody else has taken over, after {len(data) - len(rest)} bytes of it")


def interactive(engine: Supervisor, child: Child, what: str) -> Interactive:
    """Its present life. Raises ConflictError: it has none, or none that can be talked to."""
    life = engine.life(child.id)
    path = engine.path_of(child.id)
    if life is None or not child.up:
        raise ConflictError(f"{path} is {child.state.value}: {what} needs a life of it; start it first")
    if not isinstance(life.life, Interactive):
        raise ConflictError(f"{path} is no process, so {what} can't reach it")
    return life.life
