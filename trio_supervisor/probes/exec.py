"""Asks by running a command in the directory and environment of the child."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.spec import Exec, expand
from trio_supervisor.words import one_line, took


@asynccontextmanager
async def open_exec(
    check: Exec,
    target: Target,
    timeout: float,
) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the command exits with 0 within `timeout` seconds.

    Raises:
        ProbeError: the child has no directory and environment to run a command in, or `{port}` is used and it has none.
            Asking raises it when the command can't be run at all.
    """
    run = target.run
    if run is None:
        raise ProbeError("exec: in a child of this kind no command can be run")
    if target.port is None and any("{port}" in part for part in check.exec):
        raise ProbeError(f"exec {check.exec[0]!r} needs a port, and the child has none")
    command = tuple(expand(part, target.child, target.port) for part in check.exec)

    async def ask() -> Answer:
        begun = trio.current_time()
        completed = await run(command, timeout)
        if completed.code == 0:
            return Answer(True, f"exit code 0 in {took(trio.current_time() - begun)}")
        return Answer(False, _failure(completed, timeout), late=completed.late)

    yield OpenProbe(ask, heavy=True)


def _failure(completed: Completed, limit: float) -> str:
    if completed.code is None:
        how = f"killed, it did not end within {limit:g} s"
    elif completed.code < 0:
        how = f"ended by {_signal_name(-completed.code)}"
    else:
        how = f"exit code {completed.code}"
    lines = completed.output.decode(errors="replace").rstrip().splitlines()
    return f"{how}: {one_line(lines[-1])}" if lines else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
