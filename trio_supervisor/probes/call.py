"""Asks an async function of this program."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from trio_supervisor.errors import ProbeError
from trio_supervisor.functions import imported, is_async, takes
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.spec import Call
from trio_supervisor.words import one_line, took


@asynccontextmanager
async def open_call(check: Call, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds unless the function raises or returns False.

    Raises:
        ProbeError: there is no such async function.
    """
    function = _resolve(check)
    given: dict[str, object] = {"id": target.child, "port": target.port}
    wanted = {name: value for name, value in given.items() if takes(function, name)}

    async def ask() -> Answer:
        begun = trio.current_time()
        await trio.lowlevel.checkpoint()
        try:
            result = await function(**wanted)
        except Exception as error:  # whatever it raises is its answer
            return Answer(False, one_line(f"{type(error).__name__}: {error}".rstrip(": ")))
        if result is False:
            return Answer(False, "it returned False")
        return Answer(True, f"returned in {took(trio.current_time() - begun)}")

    yield OpenProbe(ask)


def _resolve(check: Call) -> Callable[..., Awaitable[object]]:
    target = _imported(check) if isinstance(check.call, str) else check.call
    if not callable(target) or not is_async(target):
        raise ProbeError(f"call {check.call!r} is no async function: one that blocks would stop everybody else")
    return target


def _imported(check: Call) -> object:
    assert isinstance(check.call, str)
    try:
        target = imported(check.call, check.path)
    except ValueError as error:
        raise ProbeError(f"call {check.call!r}: {error}") from error
    if target is None:
        module, _, name = check.call.partition(":")
        raise ProbeError(f"call {check.call!r}: {module} has no {name!r}")
    return target
