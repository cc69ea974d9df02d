"""The state directory: where it is, and that it is there and ours."""

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from errno import ENOENT, ENOTDIR
from pathlib import Path

from trio_supervisor.errors import ConfigError

VARIABLE = "TRIO_SUPERVISOR_STATE_DIR"
LONGEST_SOCKET = 100
"""Bytes of a path; the kernel takes 107 (unix(7)), and some programs less."""
JOURNAL = "journal.sqlite"
"""The journal's name in it."""


def find(file: str, given: str | None, environ: Mapping[str, str]) -> Path:
    """The state directory of a configuration file, which may not be there yet; absolute.

    `file` is the file's real path; `given` is what was asked for, before the environment.

    Raises:
        OSError: nobody says where, and there is no home directory.
    """
    if wanted := given or environ.get(VARIABLE):
        return Path(wanted).absolute()
    name = hashlib.sha256(os.fsencode(file)).hexdigest()[:16]
    return _base(environ) / "trio-supervisor" / name


def control_socket(directory: Path, environ: Mapping[str, str]) -> Path | None:
    """Where a supervisor with that state directory listens; None: there is no place with a short enough name."""
    beside = directory / "control.sock"
    if len(os.fsencode(beside)) <= LONGEST_SOCKET:
        return beside
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(runtime):
        return None
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    elsewhere = Path(runtime, "trio-supervisor", f"{name}.sock")
    return elsewhere if len(os.fsencode(elsewhere)) <= LONGEST_SOCKET else None


def make(directory: Path) -> None:
    """Make it for us alone, with the directories above it; one that is there stays as it is.

    Raises:
        ConfigError: it belongs to somebody else.
        OSError: it can't be made, or is no directory.
    """
    _make(directory)
    status = directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(directory))
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"{directory}: the state directory must belong to uid {os.geteuid()}, not to uid {status.st_uid}; "
            f"another one is given by --state-dir or ${VARIABLE}"
        )


def _base(environ: Mapping[str, str]) -> Path:
    given = Path(environ.get("XDG_STATE_HOME", ""))
    # A relative one is invalid, says the XDG Base Directory Specification, and to be ignored.
    base = given if given.is_absolute() else Path(environ.get("HOME") or os.path.expanduser("~"), ".local", "state")
    if not base.is_absolute():
        raise FileNotFoundError(ENOENT, "there is no home directory", str(base))
    return base


def _make(directory: Path) -> None:
    if not directory.parent.exists():
        _make(directory.parent)
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
