"""What anybody may see of a running tree and do to it."""

from collections.abc import Callable
from typing import Protocol

from trio_supervisor.core.messages import Exit, How, StateChanged
from trio_supervisor.core.state import Desired, State
from trio_supervisor.record import record

__all__ = ["Control", "Desired", "Event", "Exit", "How", "Snapshot", "State", "StateChanged"]


@record
class Event:
    """A change of state, as it is told to people and programs. Wall times are seconds since the epoch."""

    at: float
    change: StateChanged
    next_in: float | None
    """Seconds from `at` to the moment when the supervisor acts by itself next."""
    lasted: float
    """Seconds that the state before lasted."""
    pid: int | None
    port: int | None


@record
class Snapshot:
    """A child as it is. Wall times are seconds since the epoch."""

    agent: str
    state: State
    desired: Desired
    since: float
    reason: str
    next_at: float | None
    restarts: int
    generation: int
    pid: int | None
    port: int | None
    last_exit: Exit | None
    """How the last life ended."""


class Control(Protocol):
    """The tree, for front ends."""

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, in the order of the file."""

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event from now on, in order; it must not raise or block."""

    def stop(self, reason: str) -> None:
        """Begin the orderly stop of everything."""

    def hurry(self, reason: str) -> None:
        """Stop everything without any grace."""

    async def wait(self) -> None:
        """Wait until nothing is left to run."""
