"""Directories that agents have for themselves: made for them alone, without following a link, and kept when they go.

Those with `workspace: true` are in the state directory of the present Trio run, named by the path of the agent with
dots: an id can't hold one, so that no two agents share a directory, and no name leads elsewhere.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from trio_supervisor.errors import StartError

_NAME = "workspaces"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_current: "trio.lowlevel.RunVar[Path | None]" = trio.lowlevel.RunVar("trio_supervisor.workspaces", None)


def keep_in(state_directory: Path | None) -> None:
    """Have those of this Trio run in that directory."""
    _current.set(state_directory)


def current() -> Path | None:
    """The state directory of this Trio run."""
    return _current.get()


def make(agent: str, written: bool | str, state_directory: Path | None, uid: int, gid: int) -> str:
    """Make the workspace of an agent, if it is not there; returns its path. `written`: as in its spec; `uid`, `gid`:
    whose it is. Blocks.

    Raises:
        StartError: it can't be made, or what is there is no directory of that owner.
    """
    if isinstance(written, str):
        where, name = os.path.split(os.path.abspath(written))
        with _told(written):
            parent = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with _closing(parent):
                os.close(_enter(parent, name or ".", uid, gid))
        return os.path.join(where, name)
    if state_directory is None:
        raise StartError("workspace: there is no state directory to make it in: write a path")
    path = state_directory / _NAME / _name(agent)
    with _told(os.fspath(path)), _opened(state_directory) as parent:
        os.close(_enter(parent, path.name, uid, gid))
    return os.fspath(path)


def remove(agent: str, state_directory: Path | None) -> tuple[str, ...]:
    """Remove the workspaces of an agent, and of all in it, that are in the state directory; returns their paths.
    Blocks.

    Raises:
        OSError: one can't be removed, or not all of it.
    """
    if state_directory is None or not (state_directory / _NAME).is_dir():
        return ()
    import shutil  # noqa: PLC0415 -- most runs remove nothing, and it brings all compressions

    name = _name(agent)
    with _opened(state_directory) as parent:
        found = [each for each in os.listdir(parent) if each == name or each.startswith(f"{name}.")]
        for each in found:
            # It opens each directory by its own descriptor, and follows no link.
            shutil.rmtree(each, dir_fd=parent)
    return tuple(os.fspath(state_directory / _NAME / each) for each in found)


def _name(agent: str) -> str:
    return agent.replace("/", ".")


@contextmanager
def _opened(state_directory: Path) -> Iterator[int]:
    top = os.open(state_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with _closing(top):
        parent = _enter(top, _NAME, os.geteuid(), os.getegid())
        with _closing(parent):
            yield parent


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartError(f"workspace {path}: {error.strerror}") from error


def _enter(parent: int, name: str, uid: int, gid: int) -> int:
    """Open a directory in another one, made for one user alone if it is not there. Raises OSError."""
    made = True
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        made = False
    try:
        descriptor = os.open(name, _OPEN, dir_fd=parent)
    except NotADirectoryError as error:
        raise NotADirectoryError(error.errno, "it is a link, or no directory: nothing is followed there") from error
    try:
        status = os.fstat(descriptor)
        if made:
            os.fchmod(descriptor, 0o700)
            if (status.st_uid, status.st_gid) != (uid, gid):
                os.fchown(descriptor, uid, gid)
        elif not stat.S_ISDIR(status.st_mode) or status.st_uid != uid:
            raise PermissionError(1, f"it belongs to uid {status.st_uid}, not to uid {uid}")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
