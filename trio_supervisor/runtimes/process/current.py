"""The spawner of the present Trio run."""

import trio

from trio_supervisor.runtimes.process.local import LocalSpawner
from trio_supervisor.runtimes.process.spawner import Spawner

_current: "trio.lowlevel.RunVar[Spawner]" = trio.lowlevel.RunVar("trio_supervisor.spawner")


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
