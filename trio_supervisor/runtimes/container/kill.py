"""The kill of one life: whether it is wanted, and how long it may take. Times are seconds."""

import math

import trio

from trio_supervisor.errors import StartError

UNKILLABLE_AFTER = 9.0
"""So long after a kill a container is called unkillable: before the engine of the tree does so for us."""
SHORTEST_CALL = 1.0
"""So long a kill may take in any case."""


class Kill:
    """Wanted once, and then until the life is over."""

    def __init__(self) -> None:
        self.sent = False
        """Somebody has had SIGKILL sent to it, as a step of its stop or as any other signal."""
        self._since: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is to be killed."""
        return self._since is not None

    def want(self) -> None:
        """Have it killed; harmless when repeated."""
        if self._since is None:
            self._since = trio.current_time()

    @property
    def left(self) -> float:
        """How long until it is called unkillable; infinite as long as no kill is wanted."""
        return math.inf if self._since is None else self._since + UNKILLABLE_AFTER - trio.current_time()

    @property
    def patience(self) -> float:
        """How long its engine may take over one request; infinite as long as no kill is wanted."""
        return max(SHORTEST_CALL, self.left)

    def check_unwanted(self) -> None:
        """Raises StartError: it is to be killed, and need not be started."""
        if self.wanted:
            raise StartError("killed before it was started")
