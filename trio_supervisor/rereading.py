"""Reads the file of a run again, in a process of its own: what it takes to read it never enters the supervisor."""

import subprocess
from collections.abc import Sequence

import trio

from trio_supervisor.config import apart
from trio_supervisor.config.loaded import Loaded
from trio_supervisor.control.planning import Written
from trio_supervisor.errors import ConfigError

PATIENCE = 60.0
"""So many seconds it may take. A tenth of one is usual."""


async def reread(path: str, only: Sequence[str] = ()) -> Written:
    """What a file says now. Raises ConfigError with all of its mistakes, UnknownAgentError."""
    loaded = await _read(apart.request(path, only), path)
    return Written(loaded.spec, loaded.warnings, loaded.disabled)


async def _read(asked: bytes, what: str) -> Loaded:
    command = apart.command()
    if command is None:
        return await trio.to_thread.run_sync(apart.read_here, asked)
    with trio.move_on_after(PATIENCE):
        # Apart from our terminal: a Ctrl-C is for the supervisor.
        done = await trio.run_process(
            command, stdin=asked, capture_stdout=True, stderr=subprocess.DEVNULL, check=False, start_new_session=True
        )
        try:
            return apart.unpacked(done.stdout)
        except EOFError:
            # Whatever it met, it is met here too.
            return await trio.to_thread.run_sync(apart.read_here, asked)
    raise ConfigError(f"{what}: can't be read within {PATIENCE:g} s")
