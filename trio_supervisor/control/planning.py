"""What it takes to bring a tree to what is written now: a table for people, and what is to be done, by supervisor."""

from collections.abc import Collection, Iterable, Iterator

from attrs import define, field

from trio_supervisor.control.api import Action, AgentChange, Desired
from trio_supervisor.control.sources import Written
from trio_supervisor.core.child import Child
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.record import changed
from trio_supervisor.spec import ChildSpec, ContainerPolicy, ContainerSpec, SupervisorSpec
from trio_supervisor.spec.difference import Difference, child_difference, tree_difference

NOT_IN_FILE = "added at run time, not in the file"
DISABLED = "disabled in the file"
SCALED = "added by scale"


@define(eq=False)
class Level:
    """What is to be done in one supervisor that runs."""

    engine: Supervisor
    spec: SupervisorSpec
    at_once: list[ChildSpec] = field(factory=list)
    later: list[ChildSpec] = field(factory=list)
    replaced: list[str] = field(factory=list)
    """Those whose next life is to begin now."""
    added: list[ChildSpec] = field(factory=list)
    removed: list[str] = field(factory=list)

    @property
    def change(self) -> Change:
        """What changes without anybody being started or stopped."""
        return Change(self.spec, tuple(self.at_once), tuple(self.later))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.at_once or self.later or self.added or self.removed) and self.spec == self.engine.spec


@define(eq=False)
class Planned:
    """The whole of it."""

    written: Written
    changes: list[AgentChange] = field(factory=list)
    levels: list[Level] = field(factory=list)
    """The outer ones first."""
    refusals: list[str] = field(factory=list)
    """Why nothing of it can be done."""


def plan(top: Supervisor, written: Written, by_hand: Collection[str] = ()) -> Planned:
    """Compare a tree with what is written; nothing moves. `by_hand`: the paths of those that somebody has added."""
    planned = Planned(written)
    difference = tree_difference(top.spec, written.spec)
    if difference.restart:
        names = ", ".join(difference.restart)
        planned.refusals.append(f"supervisor: {names} can't change while it runs: {_AGAIN}")
    if difference:
        note = f"{', '.join(difference.next_run)}: from the next run on" if difference.next_run else ""
        fields = difference.in_place + difference.next_run
        planned.changes.append(AgentChange("", Action.CHANGE, fields=fields, note=note))
    if "containers" in difference.next_run:
        planned.refusals += _allowed_later(top.spec.containers, written.spec)
    _Planner(planned, by_hand, _other_accounts(top.spec, written.spec)).level(top, written.spec)
    return planned


_AGAIN = "shut it down, and run the file again"


def _allowed_later(policy: ContainerPolicy, spec: SupervisorSpec, way: str = "") -> Iterator[str]:
    """What containers want that only the next run allows them."""
    for child in spec.children:
        match child.run:
            case SupervisorSpec():
                yield from _allowed_later(policy, child.run, f"{way}{child.id}/")
            case ContainerSpec():
                later = f"in this run; what the file has for 'containers' counts for the next one: {_AGAIN}"
                yield from (f"{way}{child.id}: {fault} {later}" for _, fault in policy.faults(child.run))


def _other_accounts(old: SupervisorSpec, new: SupervisorSpec) -> set[str]:
    names = old.accounts.keys() | new.accounts.keys()
    return {name for name in names if old.accounts.get(name) != new.accounts.get(name)}


@define
class _Planner:
    planned: Planned
    by_hand: Collection[str]
    other_accounts: Collection[str]
    """Those that are specified otherwise than before."""

    def level(self, engine: Supervisor, spec: SupervisorSpec) -> None:
        """A supervisor that runs."""
        level = Level(engine, spec)
        self.planned.levels.append(level)
        level.added.extend(new for new in spec.children if _is_new(engine, new.id))
        for new in spec.children:
            child, present = engine.children.get(new.id), engine.wanted(new.id)
            if new in level.added or child is None or present is None:
                self._tell_all(engine.path_of(new.id), new, Action.ADD)
            else:
                self._compare(level, child, present, new)
        self._others(level, {child.id for child in spec.children})

    def _compare(self, level: Level, child: Child, present: ChildSpec, new: ChildSpec) -> None:
        path, difference = level.engine.path_of(new.id), _difference(present, new)
        if not {spec.id for spec in level.added}.isdisjoint(new.binds_to):
            # Those that are bound to each other begin together.
            others = tuple(name for name in difference.in_place if name != "binds_to")
            difference = changed(difference, restart=(*difference.restart, "binds_to"), in_place=others)
        if difference.restart:
            self._replace(level, child, new, difference)
            return
        if present != new or new.account in self.other_accounts:
            # Who is to have another life soon must not go by two specs before.
            (level.later if level.engine.is_to_be_replaced(new.id) else level.at_once).append(new)
        action = Action.CHANGE if difference.in_place else Action.KEEP
        self._tell(AgentChange(path, action, fields=difference.in_place))
        if isinstance(new.run, SupervisorSpec) and isinstance(present.run, SupervisorSpec):
            inner = level.engine.inner(new.id)
            if child.state.alive and inner is not None and inner.ending is None and not inner.over:
                self.level(inner, new.run)
            else:
                self._at_rest(path, present.run, new.run)

    def _replace(self, level: Level, child: Child, new: ChildSpec, difference: Difference) -> None:
        level.later.append(new)
        path, fields = level.engine.path_of(new.id), difference.restart + difference.in_place
        action, note = Action.CHANGE, f"is {child.state.value}, and stays so: from its next start on"
        if _is_to_be_up(child):
            level.replaced.append(new.id)
            self._tell(AgentChange(path, Action.RESTART, difference.restart, fields))
            action, note = Action.RESTART, "with its supervisor"
        else:
            self._tell(AgentChange(path, action, fields=fields, note=note))
        if isinstance(new.run, SupervisorSpec):
            self._tell_children(path, new.run, action, note)

    def _at_rest(self, path: str, present: SupervisorSpec, new: SupervisorSpec) -> None:
        """A supervisor that does not run: its next life begins from its spec."""
        before = {child.id: child for child in present.children}
        for child in new.children:
            if child.id not in before:
                self._tell_all(f"{path}/{child.id}", child, Action.ADD, _AT_REST)
            else:
                difference = _difference(before[child.id], child)
                fields = difference.restart + difference.in_place
                action = Action.CHANGE if fields else Action.KEEP
                self._tell(AgentChange(f"{path}/{child.id}", action, fields=fields, note=_AT_REST))
        for id in before.keys() - {child.id for child in new.children}:
            self._tell_all(f"{path}/{id}", before[id], Action.REMOVE, _AT_REST)

    # Those that are not written

    def _others(self, level: Level, written: Collection[str]) -> None:
        engine = level.engine
        before = {child.id for child in engine.spec.children}
        kept = []
        for id, child in engine.children.items():
            spec = engine.wanted(id)
            if id in written or spec is None or child.desired is Desired.GONE:
                continue
            path = engine.path_of(id)
            scaled = path not in self.by_hand and _is_replica(id, written)
            if id in before or scaled:
                level.removed.append(id)
                note = SCALED if id not in before else DISABLED if path in self.planned.written.disabled else ""
                self._tell_all(path, spec, Action.REMOVE, note)
            else:
                kept.append(spec)
                self._tell_all(path, spec, Action.KEEP, "" if engine.spec.template else NOT_IN_FILE)
        self._check_kept(level, kept, written)

    def _check_kept(self, level: Level, kept: Iterable[ChildSpec], written: Collection[str]) -> None:
        kept = list(kept)
        there = {*written, *(spec.id for spec in kept)}
        folded = {id.lower(): id for id in written}
        for spec in kept:
            path = level.engine.path_of(spec.id)
            for name in {*spec.depends_on, *spec.binds_to} - there:
                self.planned.refusals.append(
                    f"{path}, which was added at run time, depends on {name}, which is not written any more: remove "
                    f"{path} first, or leave {name} in the file"
                )
            if spec.id.lower() in folded:
                other = folded[spec.id.lower()]
                self.planned.refusals.append(f"{path}, which was added at run time, and {other} differ only in case")

    # Telling

    def _tell(self, change: AgentChange) -> None:
        self.planned.changes.append(change)

    def _tell_all(self, path: str, spec: ChildSpec, action: Action, note: str = "") -> None:
        """The same happens to a child and all that is in it."""
        self._tell(AgentChange(path, action, note=note))
        if isinstance(spec.run, SupervisorSpec):
            self._tell_children(path, spec.run, action, note)

    def _tell_children(self, path: str, spec: SupervisorSpec, action: Action, note: str) -> None:
        for child in spec.children:
            self._tell_all(f"{path}/{child.id}", child, action, note)


_AT_REST = "its supervisor does not run: from its next start on"


def _is_new(engine: Supervisor, id: str) -> bool:
    child = engine.children.get(id)
    return child is None or child.desired is Desired.GONE or engine.wanted(id) is None


def _difference(old: ChildSpec, new: ChildSpec) -> Difference:
    """Of two specs of one child, also as a supervisor, without what is in it."""
    own = child_difference(old, new)
    if not (isinstance(old.run, SupervisorSpec) and isinstance(new.run, SupervisorSpec)):
        return own
    tree = tree_difference(old.run, new.run)
    prefixed = [tuple(f"supervisor.{name}" for name in names) for names in (tree.restart, tree.in_place)]
    return Difference(own.restart + prefixed[0], own.in_place + prefixed[1])


def _is_to_be_up(child: Child) -> bool:
    """Not who is kept down by a person, or by a rule that will end it by itself."""
    return child.desired is Desired.UP and not child.hold


def _is_replica(id: str, written: Iterable[str]) -> bool:
    """Whether others of the same agent are written that has so many replicas."""
    base, _, number = id.rpartition("-")
    return bool(base) and number.isdecimal() and any(base_of(other) == base for other in written)


def base_of(id: str) -> str:
    """Of what agent this may be a replica; empty: of none."""
    base, _, number = id.rpartition("-")
    return base if number.isdecimal() else ""


def in_order(specs: Iterable[ChildSpec]) -> Iterator[ChildSpec]:
    """Those that others depend on first, else as they are; the dependencies make no circle."""
    left = {spec.id: spec for spec in specs}
    for spec in tuple(left.values()):
        way = [spec]
        while way:
            needed = next((left[name] for name in way[-1].depends_on if name in left and left[name] not in way), None)
            if needed is not None:
                way.append(needed)
            elif left.pop(way[-1].id, None) is not None:
                yield way.pop()
            else:
                way.pop()
