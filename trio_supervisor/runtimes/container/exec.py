"""A short command in a container, beside what runs there: an exec probe, a step of a stop. Times are seconds.

Engines can't end a command that they run: it is found by a mark in its environment, where it can be seen from here.
"""

from collections.abc import Awaitable, Callable
from itertools import count

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.errors import ProbeError
from trio_supervisor.runtimes.container.engine import ContainerEngine, EngineError, Run, Talk
from trio_supervisor.system import lineage
from trio_supervisor.system.kill import signal_exactly
from trio_supervisor.system.procfs import processes

KEPT = 4096
"""Bytes of output that are kept, the last ones."""
CLEANUP = 2.0
_CODE_PATIENCE, _PAUSE = 1.0, 0.02

_numbers = count(1)


async def run_in(
    engine: ContainerEngine, name: str, command: tuple[str, ...], within: float, *, local: bool
) -> Completed:
    """Run a command in a container for at most `within`; what is left of it then is killed, if it is `local`.

    Raises:
        ProbeError: it can't be run; or its engine is what does not answer, and nothing is known of the command.
    """
    marker = lineage.token(lineage.new_instance(), "exec", 1, next(_numbers))
    said = bytearray()
    code: int | None = None
    until = trio.current_time() + within
    late = 0.0
    talk: Talk | None = None
    try:
        with trio.move_on_at(until):
            async with engine.open(Run(name, command, (f"{lineage.VARIABLE}={marker}",))) as talk:
                while (heard := await talk.heard()) is not None:
                    said += heard[1]
                    del said[:-KEPT]
            code = await _code(talk.code)
        late = max(0.0, trio.current_time() - until)
        if code is None:
            await _check_answers(talk, within)
    except EngineError as error:
        raise ProbeError(f"{command[0]!r} can't be run in the container: {error}") from error
    finally:
        if code is None and local:
            with trio.move_on_after(CLEANUP, shield=True):
                await trio.to_thread.run_sync(_kill, marker, abandon_on_cancel=True)
    return Completed(code, bytes(said), late)


async def _check_answers(talk: Talk | None, within: float) -> None:
    """A command whose end was not heard is slow only where its engine is not. Raises EngineError."""
    if talk is None:
        raise EngineError(f"its engine did not begin it within {within:g} s")
    with trio.move_on_after(_CODE_PATIENCE) as patience:
        await talk.code()
    if patience.cancelled_caught:
        raise EngineError("its engine does not answer any more")


async def _code(look: Callable[[], Awaitable[int | None]]) -> int | None:
    """The exit code, which an engine may know a moment after the end of the output."""
    with trio.move_on_after(_CODE_PATIENCE):
        while (code := await look()) is None:  # noqa: ASYNC110 -- an engine tells nobody
            await trio.sleep(_PAUSE)
        return code
    return None


def _kill(marker: str) -> None:
    while found := lineage.carriers(processes(), marker):
        for one in found:
            signal_exactly(one)
