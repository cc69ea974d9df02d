"""The agents of all files: each with its defaults, checked on its own, and made a `ChildSpec`."""

import json
import re
import shlex
from functools import partial

import attrs
from attrs import define

from trio_supervisor.config import nodes
from trio_supervisor.config.fields import Fields, build
from trio_supervisor.config.include import File, Files, references
from trio_supervisor.config.keys import AGENT, PROCESS
from trio_supervisor.config.merge import check_cost, merge_agent
from trio_supervisor.config.mistakes import Mistake, MistakeError, did_you_mean, shown
from trio_supervisor.config.nodes import Node, Scalar, is_null
from trio_supervisor.config.scalars import not_expected
from trio_supervisor.config.source import Place
from trio_supervisor.config.structure import reader
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import ChildSpec, ProcessSpec, TaskSpec, check_id


@define
class Draft:
    """An agent as it is written; some of it may be wrong."""

    id: str
    key: Scalar
    written: nodes.Mapping
    node: nodes.Mapping
    """What is written with the defaults that go with it."""
    fields: Fields
    spec: ChildSpec | None = None
    """None when there are mistakes in it."""
    unreadable: bool = False
    """It is no mapping, so that nothing is known of it."""

    @property
    def enabled(self) -> bool:
        return self.fields.values.get("enabled", True) is True

    def has(self, name: str) -> bool:
        """Whether a key is written with a value, right or wrong."""
        found = self.node.get(name)
        return found is not None and not _is_null(found)

    def if_elsewhere(self, place: Place) -> str | None:
        """The name of the agent where a place does not lie in it, but in `defaults` or at an anchor."""
        own = self.written
        return None if place.source is own.source and own.start <= place.start <= own.end else self.id


def read_agents(files: Files) -> dict[str, Draft]:
    """All agents by name, in the order of the files; their mistakes are noted."""
    drafts: dict[str, Draft] = {}
    first_keys: dict[str, Scalar] = {}
    for file in files.read:
        agents = file.section("agents")
        if agents is None or not files.mistakes.passed(partial(check_cost, file.defaults, len(agents.entries))):
            continue
        for name, (key, value) in agents.entries.items():
            first = first_keys.setdefault(name.lower(), key)
            if first is not key:
                files.mistakes.add(_twice(key, first))
                continue
            drafts[name] = _draft(key, value, file, files)
    return drafts


def _twice(key: Scalar, first: Scalar) -> Mistake:
    if key.raw == first.raw:
        return Mistake(key.place, f"agent {shown(key.raw)} is there already, at {first.place}")
    return Mistake(key.place, f"agents {shown(key.raw)} and {shown(first.raw)} ({first.place}) differ only in case")


def _draft(key: Scalar, value: Node, file: File, files: Files) -> Draft:
    empty = nodes.Mapping(key.source, key.start)
    written = empty if _is_null(value) else value
    if not isinstance(written, nodes.Mapping):
        with files.mistakes.collected():
            raise not_expected(value, "a mapping of an agent's keys")
        return Draft(key.raw, key, empty, empty, Fields(empty), unreadable=True)
    node = merge_agent(file.defaults, written)
    draft = Draft(key.raw, key, written, node, reader("AGENT").read(node))
    draft.spec = _spec(draft, file, files)
    files.mistakes.add(*draft.fields.mistakes)
    return draft


def _spec(draft: Draft, file: File, files: Files) -> ChildSpec | None:
    mistakes = draft.fields.mistakes
    try:
        check_id(draft.id)
    except SpecError as error:
        mistakes.append(Mistake(draft.key.place, str(error)))
    run = _task(draft) if "task" in draft.node.entries else _process(draft, file, files)
    spec = build(ChildSpec, _CHILD, draft.fields, id="x" if mistakes else draft.id, run=run or _STAND_IN)
    return None if mistakes else spec


def _is_null(node: Node) -> bool:
    try:
        return is_null(node)
    except MistakeError:
        return False


# The two kinds

_STAND_IN = TaskSpec("package.module:function")
_CHILD = {name: key for name, key in AGENT.items() if key.attribute in attrs.fields_dict(ChildSpec)}
_RUN = {name: key for name, key in PROCESS.items() if key.attribute in attrs.fields_dict(ProcessSpec)}


def _task(draft: Draft) -> object:
    for name in PROCESS:
        if draft.has(name):
            place = draft.node.entries[name][0].place
            draft.fields.mistakes.append(Mistake(place, f"'{name}' is for processes; it does not go with 'task'"))
    return draft.fields.values.get("task")


def _process(draft: Draft, file: File, files: Files) -> ProcessSpec | None:
    fields = draft.fields
    if "command" not in draft.node.entries:
        fields.mistakes += _no_kind(draft)
    elif "command" in fields.values:
        _check_command(draft)
    if "command" not in fields.values:
        fields.values.pop("shell", None)
    own = files.variables(references(fields, "env_file"))
    env = fields.values.get("env")
    fields.values["env"] = {**file.env, **own, **env} if isinstance(env, dict) else {**file.env, **own}
    fields.values.setdefault("cwd", file.source.directory)
    return build(ProcessSpec, _RUN, fields)


def _no_kind(draft: Draft) -> list[Mistake]:
    unknown = [mistake.written for mistake in draft.fields.mistakes]
    if any(did_you_mean(written, ("command", "task")) for written in unknown if written):
        return []
    return [Mistake(draft.key.place, f"agent {shown(draft.id)} needs 'command' (a process) or 'task' (a function)")]


def _check_command(draft: Draft) -> None:
    """One string is for the shell, a list is not; leaves a tuple, or nothing when it is wrong."""
    values, node = draft.fields.values, draft.node.entries["command"][1]
    command, shell = values.pop("command"), values.get("shell", False)
    if isinstance(command, tuple) and shell:
        draft.fields.mistakes.append(Mistake(node.place, "command must be one string with 'shell: true', not a list"))
    elif isinstance(command, str) and not shell and ("shell" in values or not draft.has("shell")):
        message = f"command must be a list{_as_list(command)}; one string needs 'shell: true'"
        draft.fields.mistakes.append(Mistake(node.place, message))
    else:
        values["command"] = (command,) if isinstance(command, str) else command


def _as_list(command: str) -> str:
    """How the string would be written as a list, unless it needs a shell."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if not words or len(command) > 60 or _SHELL.search(command):
        return ""
    return f": [{', '.join(word if _PLAIN.fullmatch(word) else json.dumps(word) for word in words)}]"


_SHELL = re.compile(r"[|&;<>$`*?\n]")
_PLAIN = re.compile(r"-{0,2}[A-Za-z_./][A-Za-z0-9_./-]*")
