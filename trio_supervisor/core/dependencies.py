"""Who waits for whom: the graph of `depends_on`, and what a dependency's state means for its dependents."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum

from trio_supervisor.core.policy import ChildPolicy, Condition
from trio_supervisor.core.state import State


class Answer(Enum):
    """Whether a dependency lets its dependent start."""

    YES = "yes"
    NOT_YET = "not yet"
    NEVER = "never"
    """Not unless somebody starts the dependency again."""


_NOT_YET = frozenset({State.WAITING, State.STARTING, State.BACKOFF, State.DRAINING, State.STOPPING, State.STOPPED})
_NEVER = frozenset({State.FAILED, State.HELD, State.REMOVED})


def answer(condition: Condition, state: State) -> Answer:
    """What a dependency in `state` says to a dependent that waits for `condition`."""
    if state in _NEVER:
        return Answer.NEVER
    if state in _NOT_YET:
        return Answer.NOT_YET
    match condition:
        case Condition.STARTED:
            return Answer.YES
        case Condition.READY:
            if state is State.FINISHED:
                return Answer.NEVER
            return Answer.YES if state is State.READY else Answer.NOT_YET
        case Condition.FINISHED:
            return Answer.YES if state is State.FINISHED else Answer.NOT_YET


class Graph:
    """The edges of `depends_on` in both directions. A dependency need not be there (yet)."""

    def __init__(self) -> None:
        self._needs: dict[str, dict[str, Condition]] = {}
        self._needed_by: dict[str, dict[str, None]] = {}
        # How many of those that depend on a child directly are alive: kept as a number, so that the end of one of them
        # costs the same however many there are.
        self._users: Counter[str] = Counter()
        self._bound_by: dict[str, dict[str, None]] = {}

    def add(self, child: str, policy: ChildPolicy) -> None:
        """Take in a child with what it depends on.

        Raises:
            ValueError: it would wait for itself.
        """
        if circle := self._circle(child, policy.depends_on):
            raise ValueError(f"child {child!r} would wait for itself: {' -> '.join(circle)}")
        self._needs[child] = dict(policy.depends_on)
        for name in policy.depends_on:
            self._needed_by.setdefault(name, {})[child] = None
        for name in policy.binds_to:
            self._bound_by.setdefault(name, {})[child] = None

    def remove(self, child: str) -> None:
        """Forget what a child depends on; those that depend on it keep their edge."""
        for name in self._needs.pop(child, {}):
            self._needed_by[name].pop(child)
            if not self._needed_by[name]:
                del self._needed_by[name]
            if name in self._bound_by:
                self._bound_by[name].pop(child, None)

    def change(self, policies: Mapping[str, ChildPolicy], alive: Callable[[str], bool]) -> None:
        """Let children depend on something else, all at once: what holds of them one by one may be no order.

        Raises:
            ValueError: one would wait for itself.
        """
        for child in policies:
            if alive(child):
                self.note_life(child, alive=False)
            self.remove(child)
        for child, policy in policies.items():
            self.add(child, policy)
            if alive(child):
                self.note_life(child, alive=True)

    def _circle(self, child: str, needs: Iterable[str]) -> list[str]:
        """The way from a child with these needs back to itself; empty if there is none."""
        came_from = dict.fromkeys(needs, child)
        if child not in self._needed_by and child not in came_from:
            return []
        unseen = list(came_from)
        while unseen and child not in came_from:
            name = unseen.pop()
            for further in self._needs.get(name, ()):
                if further not in came_from:
                    came_from[further] = name
                    unseen.append(further)
        if child not in came_from:
            return []
        way = [child, came_from[child]]
        while way[-1] != child:
            way.append(came_from[way[-1]])
        return way[::-1]

    def needs(self, child: str) -> Iterable[tuple[str, Condition]]:
        """What a child depends on."""
        return self._needs.get(child, {}).items()

    def needed_by(self, child: str) -> tuple[str, ...]:
        """Who depends on a child directly, in the order in which they were added."""
        return tuple(self._needed_by.get(child, ()))

    def bound_by(self, child: str) -> tuple[str, ...]:
        """Who is bound to a child directly."""
        return tuple(self._bound_by.get(child, ()))

    def note_life(self, child: str, *, alive: bool) -> None:
        """Take note that a child has come to life, or that its life is over."""
        for name in self._needs[child]:
            self._users[name] += 1 if alive else -1

    def in_use(self, child: str) -> bool:
        """Whether somebody who depends on a child directly is alive."""
        return self._users[child] > 0

    def ask(self, child: str, state_of: Callable[[str], State]) -> tuple[Answer, str]:
        """Whether a child may start, and the first thing that is in the way, for people."""
        verdict, reason = Answer.YES, ""
        for name, condition in self.needs(child):
            state = state_of(name)
            match answer(condition, state):
                case Answer.YES:
                    continue
                case Answer.NEVER:
                    return Answer.NEVER, f"dependency {name!r} is {state.value}"
                case Answer.NOT_YET:
                    if verdict is Answer.YES:
                        verdict, reason = Answer.NOT_YET, f"waiting for {name!r} to be {condition.value}"
        return verdict, reason
