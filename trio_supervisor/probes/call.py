"""Asks an async function of this program."""

import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module

import trio

from trio_supervisor.errors import ProbeError
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
    wanted = {name: value for name, value in given.items() if _takes(function, name)}

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


def _takes(function: Callable[..., Awaitable[object]], name: str) -> bool:
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _resolve(check: Call) -> Callable[..., Awaitable[object]]:
    target = _imported(check) if isinstance(check.call, str) else check.call
    is_async = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(getattr(target, "__call__", None))  # noqa: B004
    if not callable(target) or not is_async:
        raise ProbeError(f"call {check.call!r} is no async function: one that blocks would stop everybody else")
    return target


def _imported(check: Call) -> object:
    assert isinstance(check.call, str)
    module_name, _, name = check.call.partition(":")
    if not module_name or not name:
        raise ProbeError(f"call {check.call!r} must be written package.module:function")
    if check.path is not None and check.path not in sys.path:
        sys.path.insert(0, check.path)
    try:
        target: object = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ProbeError(
            f"call {check.call!r}: importing {module_name!r} raised {type(error).__name__}: {error}"
        ) from error
    for part in name.split("."):
        target = getattr(target, part, None)
    if target is None:
        raise ProbeError(f"call {check.call!r}: {module_name} has no {name!r}")
    return target
