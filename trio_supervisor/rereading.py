"""Reads the file of a run again, and what is added to it, in a process of its own: what it takes to read YAML never
enters the supervisor.
"""

import subprocess
from collections.abc import Mapping, Sequence

import trio

from trio_supervisor.config import apart
from trio_supervisor.config.loaded import Loaded
from trio_supervisor.control.sources import Written
from trio_supervisor.errors import ConfigError

PATIENCE = 60.0
"""So many seconds it may take. Some tenths of one are usual."""


async def reread(path: str, only: Sequence[str] = ()) -> Written:
    """What a file says now. Raises ConfigError with all of its mistakes, UnknownAgentError."""
    loaded = await _read(apart.request(path, only), path)
    assert isinstance(loaded, Loaded)
    return _written(loaded)


async def read_agents(directory: str, texts: Mapping[str, str]) -> Mapping[str, Written | ConfigError]:
    """What agents are to be, in YAML or JSON, by their paths; see `load_agent`."""
    found = await _read(apart.agents_request(texts, directory), ", ".join(texts))
    assert isinstance(found, dict)
    return {agent: ConfigError(each) if isinstance(each, str) else _written(each) for agent, each in found.items()}


def _written(loaded: Loaded) -> Written:
    return Written(loaded.spec, loaded.warnings, loaded.disabled, loaded.files)


async def _read(asked: bytes, what: str) -> object:
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
