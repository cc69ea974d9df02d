"""How soon a child that is only watched is asked again: by the period of its probe, or, when it is lost, by pauses that
grow as those between restarts do. None of these tries is a restart.
"""

from collections.abc import Callable

import trio

from trio_supervisor.core.backoff import delay
from trio_supervisor.core.policy import Backoff

SHORTEST = 0.1
"""Seconds between two tries, also where the backoff says none; but the first comes at once."""


class Pace:
    """Of one probe of one life."""

    def __init__(self, backoff: Backoff, draw: Callable[[], float]) -> None:
        self._backoff = backoff
        self._draw = draw
        self._lost = False
        self._tries = 0
        """Since it was lost."""
        self._turn = trio.Event()

    def set(self, *, lost: bool) -> None:
        """From now on it counts as lost, or as there."""
        self._lost = lost
        self._tries = 0
        self._turn.set()
        self._turn = trio.Event()

    def succeeded(self) -> None:
        """Who is lost has answered: more answers are asked for soon."""
        self._tries = min(self._tries, 1)

    async def wait(self, begun: float, usual: float) -> float:
        """Wait until the next question is due; returns when it was. `begun`: of the question before; `usual`: when it
        would be due of a child that is there.
        """
        while True:
            due = usual
            if self._lost:
                self._tries += 1
                pause = delay(self._backoff, self._tries, self._draw())
                due = begun + (max(pause, SHORTEST) if self._tries > 1 else pause)
            turn = self._turn
            with trio.move_on_at(due) as waiting:
                await turn.wait()
            if waiting.cancelled_caught:
                return due
