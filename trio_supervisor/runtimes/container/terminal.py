"""The size of a container's terminal, which an engine sets once the container runs."""

from contextlib import suppress

import trio

from trio_supervisor.runtimes.container.engine import EngineError, Talk
from trio_supervisor.spec import Window


class TerminalSize:
    """The size that one terminal is to have: each change is told after the one before, and the last one holds."""

    def __init__(self, window: Window) -> None:
        """`window`: what it has at first."""
        self._wanted = (window.columns, window.rows)
        self._runs = False
        self._busy = False

    def begin(self, talk: Talk) -> None:
        """The container runs: set its size."""
        self._runs = True
        self._have_set(talk)

    def change(self, talk: Talk, columns: int, rows: int) -> None:
        """Have it another size."""
        self._wanted = (columns, rows)
        self._have_set(talk)

    def _have_set(self, talk: Talk) -> None:
        if self._runs and not self._busy:
            self._busy = True
            trio.lowlevel.spawn_system_task(self._set, talk)

    async def _set(self, talk: Talk) -> None:
        done: tuple[int, int] | None = None
        while done != self._wanted:
            done = self._wanted
            # It may be over; and nobody can be told.
            with suppress(EngineError):
                await talk.resize(*done)
        self._busy = False
