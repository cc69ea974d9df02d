"""The last decisions about each child of a tree, with what they went by."""

from trio_supervisor.control.api import Event, State

MOST_DECISIONS = 12
"""So many are kept of each child."""


class Decisions:
    """The last decisions about each child, with what they went by."""

    def __init__(self) -> None:
        self._of: dict[str, list[Event]] = {}

    def note(self, event: Event) -> None:
        """Take in a change of state; what is a mere step to the next one is none."""
        change = event.change
        if change.new is State.REMOVED:
            self.forget(change.child)
            return
        kept = self._of.setdefault(change.child, [])
        if not _is_step(event, kept[-1] if kept else None):
            kept.append(event)
            if len(kept) > MOST_DECISIONS:
                del kept[0]

    def forget(self, agent: str) -> None:
        """It is gone, with all in it."""
        self._of.pop(agent, None)
        inner = f"{agent}/"
        for path in [path for path in self._of if path.startswith(inner)]:
            del self._of[path]

    def of(self, agent: str) -> tuple[Event, ...]:
        """Of a child, the latest last."""
        return tuple(self._of.get(agent, ()))


def _is_step(event: Event, before: Event | None) -> bool:
    """Whether it follows from the decision before, and tells nothing new."""
    change = event.change
    if change.old is State.UNHEALTHY and change.new is State.STOPPING:
        return before is not None and before.change.reason == change.reason
    if change.grounds or change.exit is not None:
        return False
    match change.new:
        case State.STARTING:
            return True
        case State.RUNNING:
            return change.old is State.STARTING
        case State.WAITING:
            return change.reason in ("", "" if before is None else before.change.reason)
        case _:
            return False
