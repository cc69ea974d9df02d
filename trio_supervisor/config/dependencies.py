"""What agents wait for and are bound to: whether it is there, and can ever come, and no two wait for each other."""

from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.mistakes import Mistake, MistakeError, Mistakes, shown
from trio_supervisor.config.nodes import Mapping as MappingNode
from trio_supervisor.config.nodes import Node, Scalar, Sequence
from trio_supervisor.config.source import Place
from trio_supervisor.core.policy import AutoShutdown, Condition, Profile, Restart

MAX_DEPENDENCIES = 1_000_000
"""Of all agents together; replicas make many out of one."""


@frozen
class _Edge:
    """What an agent waits for, as it is written."""

    name: str
    place: Place
    condition: Condition | None
    """None where that is written wrongly."""
    bond: bool = False
    """Written under `binds_to`."""

    @property
    def verb(self) -> str:
        return "be bound to" if self.bond else "depend on"


def check_dependencies(root: Group, mistakes: Mistakes, *, complete: bool) -> None:
    """Note what is wrong with the dependencies and bonds of all agents.

    Unless the agents are `complete`, one that is not among them may be in a file that could not be read.
    """
    known = {draft.path: draft for draft in root.walk()}
    left = MAX_DEPENDENCIES
    for group in root.groups():
        positions = {name: number for number, name in enumerate(group.drafts)}
        for draft in group.drafts.values():
            edges = _edges(draft)
            left = _check_number(draft, edges, left, mistakes)
            for edge in edges:
                if edge.name in group.by_id or group is not root or complete:
                    _check_edge(draft, edge, known, positions, mistakes)
        for first, second, cycle in _Cycles(group).find():
            place = next(edge.place for edge in _edges(first) if group.find(edge.name) is second)
            mistakes.add(Mistake(place, f"agents wait for each other: {' -> '.join(cycle)}"))


def _edges(draft: Draft) -> list[_Edge]:
    found = [_Edge(name, place, condition) for name, place, condition in _dependencies(draft.node.get("depends_on"))]
    bonds = draft.node.get("binds_to")
    names = [(_text(item), item.place) for item in bonds.items] if isinstance(bonds, Sequence) else []
    return found + [_Edge(name, place, Condition.STARTED, bond=True) for name, place in names if name is not None]


def _dependencies(node: Node | None) -> Iterator[tuple[str, Place, Condition | None]]:
    if isinstance(node, Sequence):
        for item in node.items:
            if (name := _text(item)) is not None:
                yield name, item.place, Condition.READY
    elif isinstance(node, MappingNode):
        for name, (key, value) in node.entries.items():
            yield name, key.place, _CONDITIONS.get(_text(value))


_CONDITIONS: dict[str | None, Condition] = {condition.value: condition for condition in Condition}


def _text(node: Node) -> str | None:
    try:
        return node.text if isinstance(node, Scalar) else None
    except MistakeError:
        return None


def _check_number(draft: Draft, edges: list[_Edge], left: int, mistakes: Mistakes) -> int:
    """How many dependencies may still come after those of this agent."""
    number = sum(len(draft.group.ids_of(edge.name)) for edge in edges if draft.group.find(edge.name))
    left -= number * len(draft.ids)
    if left < 0 <= left + number * len(draft.ids):
        place = edges[0].place
        message = f"more than {MAX_DEPENDENCIES:,} dependencies in all, counted for each replica"
        mistakes.add(Mistake(place, message, agent=draft.if_elsewhere(place)))
    return left


# One of them ---------------------------------------------------------------------------------------------------------


def _check_edge(
    draft: Draft, edge: _Edge, known: Mapping[str, Draft], positions: Mapping[str, int], mistakes: Mistakes
) -> None:
    group = draft.group
    other = group.find(edge.name)
    near: tuple[str, ...] = ()
    message: str | None
    if other is None:
        elsewhere = _elsewhere(draft, edge.name, known)
        message, near = _not_beside(draft, edge, elsewhere), () if elsewhere else tuple(group.by_id)
    else:
        message = _hopeless(draft, edge, other) or _not_in_otp(draft, edge, other, positions)
    if message:
        agent = draft.if_elsewhere(edge.place)
        mistakes.add(Mistake(edge.place, message, written=edge.name, known=near, agent=agent))


def _not_beside(draft: Draft, edge: _Edge, other: Draft | None) -> str:
    """Why a name stands for no agent of the same supervisor, but perhaps for another one."""
    if other is None:
        return f"there is no agent {shown(edge.name)} to {edge.verb}"
    own, its = draft.path.split("/"), other.path.split("/")
    level = next((n for n, (one, two) in enumerate(zip(own, its, strict=False)) if one != two), len(its))
    if level == len(its):
        return f"{shown(other.path)} is the supervisor that {shown(draft.path)} is in"
    one, two = "/".join(own[: level + 1]), its[level]
    if level == len(own) - 1:
        return (
            f"{shown(other.path)} is in the supervisor {shown(two)}: only that one as a whole is there to {edge.verb}"
        )
    return f"{shown(other.path)} is not in the same supervisor: let {shown(one)} {edge.verb} {shown(two)}"


def _elsewhere(draft: Draft, name: str, known: Mapping[str, Draft]) -> Draft | None:
    """The agent of another supervisor that is meant: by its path from here, or from further out."""
    group: Group | None = draft.group
    while group is not None:
        if found := known.get(group.path_of(name)):
            return found
        group = group.around.group if group.around else None
    return None


def _hopeless(draft: Draft, edge: _Edge, other: Draft) -> str | None:
    """Why an agent can't wait for another one."""
    if other is draft:
        return f"agent {shown(draft.id)} {'is bound to' if edge.bond else 'depends on'} itself"
    if draft.runs and not other.runs:
        what = "is bound to" if edge.bond else "depends on"
        return f"{what} {shown(edge.name)}, which is disabled, so that {shown(draft.id)} could never start"
    if edge.condition is not Condition.FINISHED or other.unreadable:
        return None
    if other.restart is Restart.PERMANENT:
        return f"waits for {shown(edge.name)} to finish, which never does: its restart is permanent"
    inner = other.inner.spec if other.inner else None
    if inner is not None and inner.auto_shutdown is AutoShutdown.NEVER:
        return f"waits for {shown(edge.name)} to finish, which never does: its auto_shutdown is never"
    return None


def _not_in_otp(draft: Draft, edge: _Edge, other: Draft, positions: Mapping[str, int]) -> str | None:
    """What OTP's supervisors can't do: they start one child after the other, and know no other order."""
    if draft.group.spec is None or draft.group.profile is not Profile.OTP:
        return None
    if edge.bond:
        return "'binds_to' does not go with profile otp: there the strategy says what is restarted together"
    if edge.condition is Condition.FINISHED:
        return f"waits for {shown(edge.name)} to finish: in profile otp agents wait for a start, never for an end"
    if positions[other.id] > positions[draft.id]:
        return f"depends on {shown(edge.name)}, which comes later: in profile otp agents start in the order of the file"
    return None


# All of them together ------------------------------------------------------------------------------------------------


@define
class _Cycles:
    """Finds cycles by a walk in depth, without recursion: a chain may be as long as there are agents."""

    group: Group
    _done: set[Draft] = field(factory=set)
    _told: set[Draft] = field(factory=set)
    _path: list[Draft] = field(factory=list)
    _at: dict[Draft, int] = field(factory=dict)

    def find(self) -> Iterator[tuple[Draft, Draft, list[str]]]:
        """Each cycle: its first two agents, and its ids as a path that ends where it begins.

        Of cycles that overlap there is perhaps only one.
        """
        walk = [iter(self.group.drafts.values())]
        while walk:
            draft = next(walk[-1], None)
            if draft is None:
                walk.pop()
                self._leave()
            elif draft in self._at:
                yield from self._cycle(draft)
            elif draft not in self._done:
                self._at[draft] = len(self._path)
                self._path.append(draft)
                needed = [self.group.find(edge.name) for edge in _edges(draft)]
                walk.append(iter([other for other in needed if other is not None]))

    def _leave(self) -> None:
        if self._path:
            draft = self._path.pop()
            del self._at[draft]
            self._done.add(draft)

    def _cycle(self, draft: Draft) -> Iterator[tuple[Draft, Draft, list[str]]]:
        cycle = self._path[self._at[draft] :]
        # Of one that depends on itself is said elsewhere.
        if len(cycle) > 1 and not {draft, cycle[-1]} <= self._told:
            self._told.update(cycle)
            yield draft, cycle[1], [one.id for one in (*cycle, draft)]
