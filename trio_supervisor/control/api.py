"""What anybody may see of a running tree and do to it."""

from collections.abc import Callable
from typing import Protocol

from trio_supervisor.core.messages import Exit, How, Judged, Judgement, StateChanged, StatusTold
from trio_supervisor.core.state import Desired, State
from trio_supervisor.record import record

__all__ = [
    "Control",
    "Desired",
    "Event",
    "Exit",
    "How",
    "Judged",
    "Judgement",
    "Remark",
    "Snapshot",
    "State",
    "StateChanged",
    "StatusTold",
]


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
class Remark:
    """What is told of a child while its state stays as it is: how its probes answer, what it says it is doing."""

    at: float
    """Seconds since the epoch."""
    agent: str
    notice: Judged | StatusTold
    lasted: float
    """Of a judgement: seconds since the first failed answer that it is about."""


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
    status: str = ""
    """What it says it is doing (sd_notify(3), STATUS)."""
    failing_since: float | None = None
    """When the first failed answer to a probe came that is not made up for yet: since when an agent is down that is
    `unhealthy`. Not when the state began: that is `since`.
    """


class Control(Protocol):
    """The tree, for front ends."""

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, in the order of the file."""

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event from now on, in order; it must not raise or block."""

    def listen_to_remarks(self, listener: Callable[[Remark], None]) -> None:
        """The same for every remark."""

    def stop(self, reason: str) -> None:
        """Begin the orderly stop of everything."""

    def hurry(self, reason: str) -> None:
        """Stop everything without any grace."""

    async def wait(self) -> None:
        """Wait until nothing is left to run."""
