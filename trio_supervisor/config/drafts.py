"""Agents as they are written, some of it perhaps wrong, in the tree of their supervisors."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from trio_supervisor.config import nodes
from trio_supervisor.config.fields import Fields
from trio_supervisor.config.nodes import Scalar, is_absent
from trio_supervisor.config.source import Place
from trio_supervisor.core.policy import Profile, Restart
from trio_supervisor.spec import ChildSpec, SupervisorSpec


@define(eq=False)
class Draft:
    """An agent as it is written; some of it may be wrong."""

    id: str
    key: Scalar
    written: nodes.Mapping
    node: nodes.Mapping
    """What is written with the defaults that go with it."""
    fields: Fields
    group: Group = field(repr=False)
    """Where it is."""
    ids: tuple[str, ...] = ()
    """Its own id, or those of its replicas; none when that can't be told."""
    inner: Group | None = None
    """Its agents, when it is a supervisor."""
    spec: ChildSpec | None = None
    """None when there are mistakes in it. Without what needs the other agents: dependencies, children."""
    unreadable: bool = False
    """It is no mapping, so that nothing is known of it."""
    named: bool = False
    """It, or something in it, is to run although it is disabled."""

    @property
    def path(self) -> str:
        """Its name in the whole tree."""
        return self.group.path_of(self.id)

    @property
    def paths(self) -> tuple[str, ...]:
        """The names in the whole tree of all that it becomes."""
        return tuple(self.group.path_of(one) for one in self.ids)

    @property
    def runs(self) -> bool:
        """Whether it is to run when its supervisor does."""
        return self.named or self.fields.values.get("enabled", True) is True

    @property
    def restart(self) -> Restart | None:
        """None where that is written wrongly."""
        found = self.fields.values.get("restart", None if self.has("restart") else Restart.PERMANENT)
        return found if isinstance(found, Restart) else None

    def has(self, name: str) -> bool:
        """Whether a key is written with a value, right or wrong."""
        return not is_absent(self.node.get(name))

    def place_of(self, name: str) -> Place:
        """The value of a key that is there."""
        return self.node.entries[name][1].place

    def if_elsewhere(self, place: Place) -> str | None:
        """The name of the agent where a place does not lie in it, but in `defaults` or at an anchor."""
        own = self.written
        return None if place.source is own.source and own.start <= place.start <= own.end else self.path


@define(eq=False)
class Group:
    """The agents of one supervisor."""

    path: str
    """Its name in the whole tree; empty for the root."""
    node: nodes.Mapping | None
    """The keys of the supervisor, where they are written."""
    profile: Profile
    """As it is written, or else as the supervisor round it has it."""
    spec: SupervisorSpec | None
    """Without children; None when there are mistakes in it."""
    around: Draft | None = field(default=None, repr=False)
    """What it is to the supervisor that it is in; None for the root."""
    drafts: dict[str, Draft] = field(factory=dict)
    """In the order of the files."""
    by_id: dict[str, Draft] = field(factory=dict, repr=False)
    """Replicas by the ids of each, too."""

    def path_of(self, id: str) -> str:
        """The name in the whole tree of something in it."""
        return f"{self.path}/{id}" if self.path else id

    def own(self, name: str) -> str:
        """A name without the path to this supervisor, if it begins with that."""
        return name.removeprefix(f"{self.path}/") if self.path else name

    def find(self, name: str) -> Draft | None:
        """The agent of this supervisor that has this id or path."""
        return self.by_id.get(self.own(name))

    def ids_of(self, name: str) -> tuple[str, ...]:
        """What a name stands for: replicas have a name that means all of them, too."""
        own = self.own(name)
        draft = self.by_id[own]
        return (own,) if own in draft.ids else draft.ids

    def walk(self, *, running: bool = False) -> Iterator[Draft]:
        """All agents and supervisors in it at any depth, or only those that run."""
        for draft in self.drafts.values():
            if running and not draft.runs:
                continue
            yield draft
            if draft.inner is not None:
                yield from draft.inner.walk(running=running)

    def groups(self) -> Iterator[Group]:
        """It, and the supervisors in it at any depth."""
        yield self
        for draft in self.walk():
            if draft.inner is not None:
                yield draft.inner
