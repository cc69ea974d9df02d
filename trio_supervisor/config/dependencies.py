"""What agents wait for: whether it is there, whether it can ever come, whether they wait for each other."""

from collections.abc import Iterable, Iterator, Set

from attrs import define, field

from trio_supervisor.config.agents import Draft
from trio_supervisor.config.mistakes import Mistake, MistakeError, Mistakes, shown
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence
from trio_supervisor.config.source import Place
from trio_supervisor.core.policy import Condition, Restart


def check_dependencies(drafts: dict[str, Draft], running: Set[str], mistakes: Mistakes, *, complete: bool) -> None:
    """Note what is wrong with the dependencies of all agents.

    `running` are those that are not disabled. Unless the agents are `complete`, one that is not among them may be in a
    file that could not be read.
    """
    for draft in drafts.values():
        for name, condition in dependencies(draft).items():
            if name not in drafts and not complete:
                continue
            message = _message(draft, name, condition, drafts, running)
            if message:
                known = () if name in drafts else tuple(drafts)
                place = _place(draft, name)
                mistakes.add(Mistake(place, message, written=name, known=known, agent=draft.if_elsewhere(place)))
    for cycle in _Cycles(drafts).find():
        place = _place(drafts[cycle[0]], cycle[1])
        mistakes.add(Mistake(place, f"agents wait for each other: {' -> '.join(cycle)}"))


def dependencies(draft: Draft) -> dict[str, Condition | None]:
    """What an agent depends on, and how; None where that is written wrongly."""
    node = draft.node.get("depends_on")
    if isinstance(node, Sequence):
        return {name: Condition.READY for item in node.items if (name := _text(item)) is not None}
    if isinstance(node, Mapping):
        return {name: _CONDITIONS.get(_text(value)) for name, (_, value) in node.entries.items()}
    return {}


_CONDITIONS: dict[str | None, Condition] = {condition.value: condition for condition in Condition}


def _text(node: Node) -> str | None:
    try:
        return node.text if isinstance(node, Scalar) else None
    except MistakeError:
        return None


def needed(drafts: dict[str, Draft], names: Iterable[str]) -> set[str]:
    """These agents and all that they depend on."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in drafts and name not in found:
            found.add(name)
            left += dependencies(drafts[name])
    return found


def _message(
    draft: Draft, name: str, condition: Condition | None, drafts: dict[str, Draft], running: Set[str]
) -> str | None:
    if name == draft.id:
        return f"agent {shown(name)} depends on itself"
    if name not in drafts:
        return f"there is no agent {shown(name)} to depend on"
    if name not in running and draft.id in running:
        return f"depends on {shown(name)}, which is disabled, so that {shown(draft.id)} could never start"
    if drafts[name].unreadable:
        return None
    if condition is Condition.FINISHED and _restart(drafts[name]) is Restart.PERMANENT:
        return f"waits for {shown(name)} to finish, which never does: its restart is permanent"
    return None


def _restart(draft: Draft) -> object:
    return draft.fields.values.get("restart", None if draft.has("restart") else Restart.PERMANENT)


def _place(draft: Draft, dependency: str) -> Place:
    """Where the dependency is written."""
    value = draft.node.entries["depends_on"][1]
    if isinstance(value, Sequence):
        return next((item.place for item in value.items if _text(item) == dependency), value.place)
    return value.entries[dependency][0].place if isinstance(value, Mapping) else value.place


@define
class _Cycles:
    """Finds cycles by a walk in depth, without recursion: a chain may be as long as there are agents."""

    drafts: dict[str, Draft]
    _done: set[str] = field(factory=set)
    _told: set[str] = field(factory=set)
    _path: list[str] = field(factory=list)
    _at: dict[str, int] = field(factory=dict)

    def find(self) -> Iterator[list[str]]:
        """Each cycle as a path that ends where it begins; of cycles that overlap perhaps only one."""
        walk = [iter(self.drafts)]
        while walk:
            name = next(walk[-1], None)
            if name is None:
                walk.pop()
                self._leave()
            elif name in self._at:
                yield from self._cycle(name)
            elif name not in self._done:
                self._at[name] = len(self._path)
                self._path.append(name)
                walk.append(iter([other for other in dependencies(self.drafts[name]) if other in self.drafts]))

    def _leave(self) -> None:
        if self._path:
            name = self._path.pop()
            del self._at[name]
            self._done.add(name)

    def _cycle(self, name: str) -> Iterator[list[str]]:
        cycle = self._path[self._at[name] :]
        # Of one that depends on itself is said elsewhere.
        if len(cycle) > 1 and not {name, cycle[-1]} <= self._told:
            self._told.update(cycle)
            yield [*cycle, name]
