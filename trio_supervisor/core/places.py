"""Who may start now: a queue of children that are free to start, and a limited number of places for starts under
way.
"""

from collections import OrderedDict


class Places:
    """At most `count` starts at a time; first come, first served. Each operation costs the same whatever the length."""

    def __init__(self, count: int) -> None:
        self._count = count
        # A queue from which anybody may step back. Not a plain dict: the first entry is found past all that were
        # taken before.
        self._queue: OrderedDict[str, None] = OrderedDict()
        self._holders: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether there is no place at the moment."""
        return len(self._holders) >= self._count

    def resize(self, count: int) -> None:
        """Allow so many from now on; nobody loses a place."""
        self._count = count

    def line_up(self, child: str) -> None:
        """Join the end of the queue, unless the child is in it."""
        self._queue.setdefault(child)

    def step_back(self, child: str) -> None:
        """Leave the queue, if the child is in it."""
        self._queue.pop(child, None)

    def take(self) -> str | None:
        """Give a place to the first of the queue; None when there is no place or nobody waits."""
        if not self._queue or self.full:
            return None
        child, _ = self._queue.popitem(last=False)
        self._holders.add(child)
        return child

    def give_back(self, child: str) -> None:
        """Free the place of the child, if it holds one."""
        self._holders.discard(child)
