"""The agents of all files, in the tree of their supervisors: each with its defaults, checked on its own."""

from functools import partial

import attrs
from attrs import define, field

from trio_supervisor.config import nodes
from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.fields import Fields, build
from trio_supervisor.config.include import File, Files
from trio_supervisor.config.keys import AGENT, SUBTREE
from trio_supervisor.config.merge import check_cost, merge_agent
from trio_supervisor.config.mistakes import Mistake, shown
from trio_supervisor.config.nodes import Node, Scalar, is_absent
from trio_supervisor.config.presets import with_preset
from trio_supervisor.config.runs import container_of, process_of, remote_of, task_of
from trio_supervisor.config.shapes import not_expected
from trio_supervisor.config.structure import reader
from trio_supervisor.core.policy import Profile
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import (
    ChildSpec,
    ContainerSpec,
    ProcessSpec,
    RemoteSpec,
    Stdin,
    SupervisorSpec,
    TaskSpec,
    check_id,
)

Run = ProcessSpec | TaskSpec | RemoteSpec | ContainerSpec | SupervisorSpec

MAX_REPLICAS = 10_000
"""Replicas of all agents together."""


def read_agents(files: Files) -> Group:
    """The agents of the root supervisor, in the order of the files; mistakes are noted."""
    return _Agents(files).read()


@define
class _Agents:
    files: Files
    _replicas: int = 0
    _first_keys: dict[tuple[Group, str], Scalar] = field(factory=dict)

    def read(self) -> Group:
        """The whole tree."""
        root = Group("", None, Profile.FLEET, SupervisorSpec())
        if self.files.read:
            root = _group("", self.files.read[0].fields, root)
        for file in self.files.read:
            agents = file.section("agents")
            if agents and self.files.mistakes.passed(partial(check_cost, file.defaults, _count(agents))):
                self._add(root, agents, file)
        self._name(root)
        return root

    def _add(self, group: Group, agents: nodes.Mapping, file: File) -> None:
        for name, (key, value) in agents.entries.items():
            first = self._first_keys.setdefault((group, name.lower()), key)
            if first is key:
                group.drafts[name] = self._draft(key, value, file, group)
            else:
                self.files.mistakes.add(_twice(key, first))

    def _draft(self, key: Scalar, value: Node, file: File, group: Group) -> Draft:
        empty = nodes.Mapping(key.source, key.start)
        written = empty if is_absent(value) else value
        if not isinstance(written, nodes.Mapping):
            with self.files.mistakes.collected():
                raise not_expected(value, "a mapping of an agent's keys")
            return Draft(key.raw, key, empty, empty, Fields(empty), group, unreadable=True)
        if "agents" in written.entries or "supervisor" in written.entries:
            draft = self._subtree(Draft(key.raw, key, written, written, reader("SUBTREE").read(written), group), file)
        else:
            node = with_preset(merge_agent(file.defaults, written))
            draft = Draft(key.raw, key, written, node, reader("AGENT").read(node), group)
            draft.spec = _spec(draft, self._run(draft, file))
        self.files.mistakes.add(*draft.fields.mistakes)
        return draft

    def _run(self, draft: Draft, file: File) -> ProcessSpec | TaskSpec | RemoteSpec | ContainerSpec | None:
        if "task" in draft.node.entries:
            return task_of(draft)
        if "container" in draft.node.entries:
            return container_of(draft, file, self.files)
        return remote_of(draft) if "remote" in draft.node.entries else process_of(draft, file, self.files)

    def _subtree(self, draft: Draft, file: File) -> Draft:
        fields = draft.fields
        draft.inner = _group(draft.path, fields, draft.group, draft)
        if draft.inner.node is not None and "tails" in draft.inner.node.entries:
            key = draft.inner.node.entries["tails"][0]
            message = "'tails' is for the supervisor of all agents: it holds for the whole tree"
            fields.mistakes.append(Mistake(key.place, message))
            draft.inner.spec = draft.inner.spec and attrs.evolve(draft.inner.spec, tails=None)
        if draft.inner.node is not None and "journal" in draft.inner.node.entries:
            key = draft.inner.node.entries["journal"][0]
            fields.mistakes.append(Mistake(key.place, "'journal' is for the supervisor of all agents"))
        draft.spec = _spec(draft, draft.inner.spec)
        agents = fields.values.get("agents")
        if isinstance(agents, nodes.Mapping) and agents.entries:
            self._add(draft.inner, agents, file)
        elif not draft.has("agents") or isinstance(agents, nodes.Mapping):
            message = f"supervisor {shown(draft.path)} has no agents: write them under `agents:`, beside `supervisor:`"
            fields.mistakes.append(Mistake(draft.key.place, message))
        return draft

    # Replicas --------------------------------------------------------------------------------------------------------

    def _name(self, root: Group) -> None:
        """Give each agent its id, or one to each of its replicas."""
        for group in root.groups():
            group.by_id = dict(group.drafts)
            taken = {name.lower(): draft for name, draft in group.drafts.items()}
            for draft in group.drafts.values():
                count = draft.fields.values.get("replicas")
                if not draft.has("replicas"):
                    draft.ids = (draft.id,)
                elif isinstance(count, int) and self._are_named(draft, count, taken):
                    draft.ids = tuple(f"{draft.id}-{number}" for number in range(1, count + 1))
                    taken |= dict.fromkeys(map(str.lower, draft.ids), draft)
                    group.by_id |= dict.fromkeys(draft.ids, draft)

    def _are_named(self, draft: Draft, count: int, taken: dict[str, Draft]) -> bool:
        """Whether there can be ids for so many replicas."""
        self._replicas += count
        message = None
        if self._replicas > MAX_REPLICAS:
            self._replicas -= count
            message = f"more than {MAX_REPLICAS:,} replicas in all"
        else:
            names = (f"{draft.id}-{number}" for number in range(1, count + 1))
            clash = next((name for name in names if name.lower() in taken), None)
            if clash is not None:
                other = taken[clash.lower()]
                message = f"replica {shown(clash)} would have the id of agent {shown(other.id)} ({other.key.place})"
            elif draft.spec is not None:
                message = _wrong_id(f"{draft.id}-{count}")
        if message is not None:
            place = draft.place_of("replicas")
            self.files.mistakes.add(Mistake(place, message, agent=draft.if_elsewhere(place)))
        return message is None


def _count(agents: nodes.Mapping) -> int:
    """The agents at any depth."""
    inner = (value.get("agents") for _, value in agents.entries.values() if isinstance(value, nodes.Mapping))
    return len(agents.entries) + sum(_count(one) for one in inner if isinstance(one, nodes.Mapping))


def _twice(key: Scalar, first: Scalar) -> Mistake:
    if key.raw == first.raw:
        return Mistake(key.place, f"agent {shown(key.raw)} is there already, at {first.place}")
    return Mistake(key.place, f"agents {shown(key.raw)} and {shown(first.raw)} ({first.place}) differ only in case")


def _group(path: str, fields: Fields, outer: Group, around: Draft | None = None) -> Group:
    """What is written under `supervisor`, of a file or of an agent; the profile is the outer one's unless given."""
    node = fields.node.get("supervisor")
    spec = fields.values.get("supervisor", SupervisorSpec() if is_absent(node) else None)
    mapping = node if isinstance(node, nodes.Mapping) else None
    if not isinstance(spec, SupervisorSpec):
        return Group(path, mapping, outer.profile, None, around)
    if mapping is None or "profile" not in mapping.entries:
        spec = attrs.evolve(spec, profile=outer.profile)
    return Group(path, mapping, spec.profile, spec, around)


def _spec(draft: Draft, run: "Run | None") -> ChildSpec | None:
    mistakes = draft.fields.mistakes
    if message := _wrong_id(draft.id):
        mistakes.append(Mistake(draft.key.place, message))
    table = _CHILD if draft.inner is None else _SUBTREE
    spec = build(ChildSpec, table, draft.fields, id="x" if mistakes else draft.id, run=run or _STAND_IN)
    return None if mistakes else spec


def _wrong_id(text: str) -> str | None:
    try:
        check_id(text)
    except SpecError as error:
        return str(error)
    return None


# It is refused for nothing that an agent may have.
_STAND_IN = ProcessSpec(("x",), stdin=Stdin.PIPE)
_CHILD = {name: key for name, key in AGENT.items() if key.attribute in attrs.fields_dict(ChildSpec)}
_SUBTREE = {name: key for name, key in SUBTREE.items() if key.attribute in attrs.fields_dict(ChildSpec)}
