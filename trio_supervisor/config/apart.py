"""Reads a configuration in a process of its own, while this one imports what a run needs.

What it takes to read a file (YAML, the checks of every key) never enters the supervisor: it would take nearly as much
time again as all other imports, and memory for the whole run.
"""

import copyreg
import gc
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from trio_supervisor.errors import SupervisorError

if TYPE_CHECKING:
    from trio_supervisor.config.loaded import Loaded

Reading = Callable[[], "Loaded"]
"""Waits for the end of a reading, and returns or raises what `load` would."""


def begin(path: str | os.PathLike[str], only: Sequence[str] = ()) -> Reading:
    """Begin to read a file, as `load` does with the environment of this process."""

    def read() -> "Loaded":
        from trio_supervisor.config.load import load  # noqa: PLC0415 -- costs what this module is there to save

        return load(path, environ=os.environ, only=only)

    if not _can_fork():
        return read
    told, tells = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(told)
        os.close(tells)
        return read
    if pid == 0:
        _tell(read, tells)
    os.close(tells)
    return lambda: _result(pid, told, read)


def _can_fork() -> bool:
    """Whether a fork is safe: not where there are other threads, or frameworks that mind."""
    threading = sys.modules.get("threading")
    return sys.platform == "linux" and (threading is None or threading.active_count() == 1)


def _tell(read: Reading, tells: int) -> NoReturn:
    try:
        gc.disable()
        copyreg.dispatch_table[MappingProxyType] = _reduced
        with open(tells, "wb") as file:
            file.write(_packed(read))
    finally:
        # Whatever happened: the other process reads the file itself when it is told nothing, and meets the same.
        os._exit(0)


def _packed(read: Reading) -> bytes:
    try:
        return pickle.dumps(read(), pickle.HIGHEST_PROTOCOL)
    except SupervisorError as error:
        return pickle.dumps((type(error), str(error)))


def _result(pid: int, told: int, read: Reading) -> "Loaded":
    with open(told, "rb") as file:
        packed = file.read()
    os.waitpid(pid, 0)
    if not packed:
        return read()
    found = pickle.loads(packed)
    if isinstance(found, tuple):
        kind, words = found
        raise kind(words)
    loaded: Loaded = found
    return loaded


def _reduced(mapping: "MappingProxyType[str, str]") -> tuple[Callable[[dict[str, str]], object], tuple[dict[str, str]]]:
    return _read_only, (dict(mapping),)


def _read_only(mapping: dict[str, str]) -> "MappingProxyType[str, str]":
    return MappingProxyType(mapping)
