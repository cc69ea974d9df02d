"""Which agents run: those that are not disabled, or those that are named with what they need."""

from collections.abc import Iterable, Sequence

import attrs
from attrs import define, field

from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.mistakes import did_you_mean, shown
from trio_supervisor.core.policy import Condition
from trio_supervisor.errors import UnknownAgentError
from trio_supervisor.spec import ChildSpec, SupervisorSpec


def mark_named(root: Group, only: Sequence[str]) -> None:
    """Let those run that are named, and the supervisors that they are in; the rest of these stays as it is."""
    found = _by_name(root) if only else {}
    for name in only:
        draft: Draft | None = found.get(name)
        while draft is not None:
            draft.named = True
            draft = draft.group.around


def check_names(root: Group, only: Sequence[str]) -> None:
    """Raise UnknownAgentError for all names that stand for nothing."""
    found = _by_name(root) if only else {}
    known = [draft.path for draft in root.walk()] if only else []
    unknown = [f"there is no agent {shown(name)}{did_you_mean(name, known)}" for name in only if name not in found]
    if unknown:
        raise UnknownAgentError("\n".join(unknown))


def _by_name(root: Group) -> dict[str, Draft]:
    """Every agent by its path, replicas by that of each, too."""
    return {group.path_of(name): draft for group in root.groups() for name, draft in group.by_id.items()}


def select(root: Group, only: Sequence[str]) -> dict[str, None]:
    """The paths of all that runs: agents, and the supervisors that they are in."""
    wanted = _Wanted()
    if not only:
        wanted.all_of(root)
    found = _by_name(root) if only else {}
    for name in only:
        wanted.paths_of(found[name].group, [name.rpartition("/")[2]])
    return wanted.collect()


def disabled(root: Group) -> tuple[str, ...]:
    """The paths of all that does not run because of `enabled: false`; nothing that is in such a supervisor."""
    found: list[str] = []
    for draft in root.drafts.values():
        if not draft.runs:
            found.append(draft.path)
        elif draft.inner is not None:
            found += disabled(draft.inner)
    return tuple(found)


Outside = tuple[dict[str, Condition], tuple[str, ...]]
"""What an agent depends on and is bound to that is not written beside it."""


def take_outside(root: Group) -> Outside:
    """Take that away from the only agent of a supervisor."""
    depends_on: dict[str, Condition] = {}
    binds_to: tuple[str, ...] = ()
    for draft in root.drafts.values():
        if (spec := draft.spec) is not None:
            depends_on |= {name: each for name, each in spec.depends_on.items() if root.find(name) is None}
            binds_to += tuple(name for name in spec.binds_to if root.find(name) is None)
            own = {name: each for name, each in spec.depends_on.items() if name not in depends_on}
            bound = tuple(name for name in spec.binds_to if name not in binds_to)
            draft.spec = attrs.evolve(spec, depends_on=own, binds_to=bound)
    return depends_on, binds_to


def give_outside(child: ChildSpec, outside: Outside) -> ChildSpec:
    """Give that back, as it is written."""
    depends_on, binds_to = outside
    return attrs.evolve(child, depends_on={**child.depends_on, **depends_on}, binds_to=(*child.binds_to, *binds_to))


@define
class _Wanted:
    """Collects what is wanted and what that needs, without recursion."""

    _left: list[tuple[Group, str, bool]] = field(factory=list)
    """Supervisor, id in it, and whether it is wanted with all that is in it."""
    _seen: dict[tuple[str, bool], None] = field(factory=dict)

    def all_of(self, group: Group) -> None:
        """Want everything in a supervisor that is not disabled."""
        self.paths_of(group, [draft.id for draft in group.drafts.values() if draft.runs])

    def paths_of(self, group: Group, names: Iterable[str]) -> None:
        """Want agents of a supervisor."""
        self._left += ((group, id, True) for name in names for id in group.ids_of(name))

    def collect(self) -> dict[str, None]:
        """All paths."""
        while self._left:
            group, id, whole = self._left.pop()
            if (group.path_of(id), whole) in self._seen:
                continue
            self._seen[group.path_of(id), whole] = None
            draft = group.by_id[id]
            if draft.spec is not None:
                self.paths_of(group, (*draft.spec.depends_on, *draft.spec.binds_to))
            if group.around is not None:
                self._left.append((group.around.group, group.around.id, False))
            if whole and draft.inner is not None:
                self.all_of(draft.inner)
        return dict.fromkeys(path for path, _ in self._seen)


def build_supervisor(group: Group, running: dict[str, None]) -> SupervisorSpec:
    """The spec of a supervisor with those of its agents that run. There must be no mistakes."""
    assert group.spec is not None
    children = []
    for draft in group.drafts.values():
        ids = [id for id in draft.ids if group.path_of(id) in running]
        spec = draft.spec
        if not ids or spec is None:
            continue
        if spec.depends_on or spec.binds_to:
            spec = _by_ids(spec, group)
        if draft.inner is not None:
            spec = attrs.evolve(spec, run=build_supervisor(draft.inner, running))
        children += [spec if id == spec.id else attrs.evolve(spec, id=id) for id in ids]
    return attrs.evolve(group.spec, children=tuple(children))


def _by_ids(spec: ChildSpec, group: Group) -> ChildSpec:
    """A spec whose siblings are named by their ids: of one with replicas all are meant."""
    exact = {group.own(name): condition for name, condition in spec.depends_on.items()}
    depends_on = {id: condition for name, condition in exact.items() for id in group.ids_of(name)}
    return attrs.evolve(
        spec,
        depends_on={id: exact.get(id, condition) for id, condition in depends_on.items()},
        binds_to=tuple(dict.fromkeys(id for name in spec.binds_to for id in group.ids_of(name))),
    )
