"""The spawner of the present Trio run, and the environment that its processes inherit."""

import os
from collections.abc import Mapping

import trio

from trio_supervisor.runtimes.process.local import LocalSpawner
from trio_supervisor.runtimes.process.spawner import Spawner

_current: "trio.lowlevel.RunVar[Spawner]" = trio.lowlevel.RunVar("trio_supervisor.spawner")
_environ: "trio.lowlevel.RunVar[Mapping[str, str]]" = trio.lowlevel.RunVar("trio_supervisor.environ")


def current_spawner() -> Spawner:
    """The guardian where one was asked for, else this process itself."""
    try:
        return _current.get()
    except LookupError:
        spawner = LocalSpawner()
        _current.set(spawner)
        return spawner


def set_spawner(spawner: Spawner) -> None:
    """Make it the one of this Trio run."""
    _current.set(spawner)


def current_environ() -> Mapping[str, str]:
    """What is inherited: the environment of this process, or what it was when that was settled."""
    try:
        return _environ.get()
    except LookupError:
        return os.environ


def settle_environ() -> None:
    """Inherit what is there now, whatever changes later: to look at all of it anew takes 0.1 ms for each child."""
    _environ.set(dict(os.environ))
