"""Whence a running tree learns what it is to be."""

import os
from collections.abc import Awaitable, Callable, Mapping

from trio_supervisor.errors import ConfigError, RequestError
from trio_supervisor.record import record
from trio_supervisor.spec import SupervisorSpec


@record
class Written:
    """What a tree is to be."""

    spec: SupervisorSpec
    warnings: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    """The paths of those that are written and left out."""
    files: tuple[str, ...] = ()
    """Where it is written."""


def _say_nothing(_text: str) -> None:
    """Nobody listens."""


@record
class Sources:
    """Whence it is known what a tree is to be. ConfigError has all mistakes."""

    file: Callable[[], Awaitable[Written]]
    """Reads it."""
    agents: Callable[[Mapping[str, str]], Awaitable[Mapping[str, Written | ConfigError]]] | None = None
    """Takes what is said of agents, by their paths."""
    complain: Callable[[str], None] = _say_nothing
    """Takes what a person should know of what can't be restored."""
    path: str = ""
    """Of the file; empty: it is none."""
    restore: bool = True
    """Whether those come back that were added in earlier runs."""


def check_meant(meant: str | None, file: str) -> None:
    """Raises RequestError: somebody means another file than the one that a tree is written in."""
    if meant is not None and os.path.realpath(meant) != os.path.realpath(file):
        raise RequestError(f"file: this supervisor runs {file}, not {meant}, and reads no other")
