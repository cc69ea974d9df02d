"""Reads a configuration in a process of its own, while this one imports what a run needs.

What it takes to read a file (YAML, the checks of every key) never enters the supervisor: it would take nearly as much
time again as all other imports, and memory for the whole run.
"""

import copyreg
import gc
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn, cast

from trio_supervisor.errors import ConfigError, SupervisorError

if TYPE_CHECKING:
    from trio_supervisor.config.loaded import Loaded

Reading = Callable[[], "Loaded"]
"""Waits for the end of a reading, and returns or raises what `load` would."""


def begin(path: str | os.PathLike[str], only: Sequence[str] = ()) -> Reading:
    """Begin to read a file, as `load` does with the environment of this process."""

    def read() -> "Loaded":
        return _file(path, only)

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
        # When the other process is gone, nobody reads what is told, and this one must end.
        os.close(told)
        _tell(read, tells)
    os.close(tells)
    return lambda: _result(pid, told, read)


# Again, while everything runs. By then there are threads, so nothing can be forked: it is a program of its own.

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from trio_supervisor.config.apart import answer; answer()"


def command() -> list[str] | None:
    """The program that reads what `request` asks for on its standard input; None where there is no interpreter."""
    if not sys.executable:
        return None
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, "-c", _PROGRAM, os.path.dirname(package)]


def request(path: str, only: Sequence[str] = ()) -> bytes:
    """Have a file read, as `load` does."""
    return pickle.dumps((_file, (path, tuple(only))))


def agents_request(texts: Mapping[str, str], directory: str) -> bytes:
    """Have agents read, as `load_agent` does, by their paths; the answer has for each what came of it, or its mistakes
    in words.
    """
    return pickle.dumps((_agents, (dict(texts), directory)))


def answer() -> None:
    """Read what is asked for, and tell it on standard output; that program's whole life."""
    asked = sys.stdin.buffer.read()
    copyreg.dispatch_table[MappingProxyType] = _reduced
    sys.stdout.buffer.write(_packed(lambda: read_here(asked)))


def read_here(asked: bytes) -> object:
    """Read what a request asks for in this process."""
    read, arguments = pickle.loads(asked)
    found: object = read(*arguments)
    return found


def _file(path: str | os.PathLike[str], only: Sequence[str]) -> "Loaded":
    from trio_supervisor.config.load import load  # noqa: PLC0415 -- costs what this module is there to save

    return load(path, environ=os.environ, only=only)


def _agents(texts: Mapping[str, str], directory: str) -> "dict[str, Loaded | str]":
    from trio_supervisor.config.load import load_agent  # noqa: PLC0415 -- the same

    found: dict[str, Loaded | str] = {}
    for agent, text in texts.items():
        try:
            found[agent] = load_agent(text, agent, directory=directory, environ=os.environ)
        except ConfigError as error:
            found[agent] = str(error)
    return found


def unpacked(told: bytes) -> object:
    """What was told. Raises what `load` raises, and EOFError: nothing was."""
    if not told:
        raise EOFError
    found = pickle.loads(told)
    if isinstance(found, tuple):
        kind, words = found
        raise kind(words)
    return found


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


def _packed(read: Callable[[], object]) -> bytes:
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
    return cast("Loaded", unpacked(packed))


def _reduced(mapping: "MappingProxyType[str, str]") -> tuple[Callable[[dict[str, str]], object], tuple[dict[str, str]]]:
    return _read_only, (dict(mapping),)


def _read_only(mapping: dict[str, str]) -> "MappingProxyType[str, str]":
    return MappingProxyType(mapping)
