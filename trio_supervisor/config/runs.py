"""What an agent is, of the kinds that a file knows: a process, a function, an endpoint elsewhere, a container."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence

import attrs

from trio_supervisor.config import nodes
from trio_supervisor.config.drafts import Draft
from trio_supervisor.config.environment import set_env
from trio_supervisor.config.fields import build
from trio_supervisor.config.include import File, Files, references
from trio_supervisor.config.key import Key
from trio_supervisor.config.keys import COMMON, CONTAINER, OF_CONTAINER, PROCESS, REMOTE, TASK
from trio_supervisor.config.mistakes import Mistake, did_you_mean, shown
from trio_supervisor.config.presets import apply_preset
from trio_supervisor.config.stops import check_steps_of_process, check_steps_of_task
from trio_supervisor.config.tables import TABLES
from trio_supervisor.spec import ContainerSpec, Limits, ProcessSpec, RemoteSpec, TaskSpec
from trio_supervisor.spec.container import RLIMITS_OF_ENGINES

_RUN = {name: key for name, key in {**PROCESS, **COMMON}.items() if key.attribute in attrs.fields_dict(ProcessSpec)}


def task_of(draft: Draft) -> TaskSpec | None:
    """The function that an agent is; None when it is not given well."""
    _refuse(draft, {**PROCESS, **REMOTE, **CONTAINER}, "task")
    check_steps_of_task(draft)
    found = draft.fields.values.get("task")
    limits = _without_ceilings(draft, "is for processes, which a task is not")
    return attrs.evolve(found, limits=limits) if isinstance(found, TaskSpec) else None


_CEILINGS_OF_CONTAINER = ("memory", "memory_soft", "pids")
_CEILINGS = (*_CEILINGS_OF_CONTAINER, "rlimits")


def _without_ceilings(draft: Draft, why: str, names: Sequence[str] = _CEILINGS) -> Limits:
    """Its limits without ceilings; those of `defaults` mean nothing to it, of its own they are a mistake."""
    limits = draft.fields.values.get("limits")
    if not isinstance(limits, Limits):
        return Limits()
    own = draft.written.get("limits")
    for name in names:
        if isinstance(own, nodes.Mapping) and name in own.entries:
            place = own.entries[name][0].place
            message = f"limits: {name} {why}"
            draft.fields.mistakes.append(Mistake(place, message))
    rlimits: Mapping[str, int] = {} if "rlimits" in names else limits.rlimits
    return attrs.evolve(limits, memory=None, memory_soft=None, pids=None, rlimits=rlimits)


def _with_rlimits_of_engines(draft: Draft, limits: Limits) -> Limits:
    """Without those that no engine sets: those of `defaults` mean nothing to it, of its own they are a mistake."""
    own = draft.written.get("limits")
    written = own.get("rlimits") if isinstance(own, nodes.Mapping) else None
    strange = limits.rlimits.keys() - RLIMITS_OF_ENGINES
    for name in sorted(strange):
        if isinstance(written, nodes.Mapping) and name in written.entries:
            message = f"limits: rlimits: {name} is for processes; no engine sets it for a container"
            draft.fields.mistakes.append(Mistake(written.entries[name][0].place, message))
    return attrs.evolve(limits, rlimits={name: limits.rlimits[name] for name in limits.rlimits if name not in strange})


_NOT_OF_REMOTE = ("stop", "grace", "replicas", "limits")


def _refuse(draft: Draft, table: Mapping[str, Key], kind: str) -> None:
    """Note keys that do not go with what the agent is, and forget them."""
    for name, key in table.items():
        if draft.has(name):
            place = draft.node.entries[name][0].place
            message = f"'{name}' is for {_whose(name)}; it does not go with '{kind}'"
            if kind == "container" and name in TABLES[ContainerSpec]:
                message = f"'{name}' stands under 'container'"
            draft.fields.mistakes.append(Mistake(place, message, agent=draft.if_elsewhere(place)))
            draft.fields.values.pop(key.attribute, None)


def _whose(name: str) -> str:
    if name in PROCESS:
        return "processes"
    return "remote agents" if name in REMOTE else "containers" if name in CONTAINER else "agents that run here"


def container_of(draft: Draft, file: File, files: Files) -> ContainerSpec | None:
    """The container that an agent lives in; None when it is not given well."""
    others = {name: key for name, key in {**PROCESS, **TASK, **REMOTE}.items() if name not in OF_CONTAINER}
    _refuse(draft, others, "container")
    apply_preset(draft, process=True)
    check_steps_of_process(draft)
    values = draft.fields.values
    found = values.get("container")
    why = "is for processes; that of a container stands under 'container', or is not there"
    limits = _with_rlimits_of_engines(draft, _without_ceilings(draft, why, _CEILINGS_OF_CONTAINER))
    if not isinstance(found, ContainerSpec):
        if "container" in draft.node.entries and not draft.fields.mistakes:
            place = draft.place_of("container")
            draft.fields.mistakes.append(Mistake(place, "container has no value: write {image: NAME}"))
        return None
    values["env"] = dict(found.env)
    set_env(draft, {**file.env, **files.variables(references(draft.fields, "env_file"))})
    own = {name: values[name] for name in ("env", "secrets", "stdin", "window") if name in values}
    return attrs.evolve(found, limits=limits, **own)  # type: ignore[arg-type] # as their keys have read them


def remote_of(draft: Draft) -> RemoteSpec | None:
    """The endpoint elsewhere that an agent is; None when it is not given well."""
    fields = draft.fields
    others = {name: key for name, key in {**PROCESS, **TASK, **CONTAINER}.items() if name != "preset"}
    _refuse(draft, {**others, **{name: COMMON[name] for name in _NOT_OF_REMOTE}}, "remote")
    apply_preset(draft, process=False)
    if not any(draft.has(name) for name in ("startup", "readiness", "health")):
        message = "is asked nothing, so nobody knows how it is: write readiness or health, or a preset such as a2a"
        fields.mistakes.append(Mistake(draft.key.place, f"remote agent {shown(draft.id)} {message}"))
        # Else the spec says the same once more.
        return None
    return build(RemoteSpec, REMOTE, fields)


def process_of(draft: Draft, file: File, files: Files) -> ProcessSpec | None:
    """The process that an agent is; None when it is not given well."""
    fields = draft.fields
    _refuse(draft, REMOTE, "command")
    if "command" not in draft.node.entries:
        fields.mistakes += _no_kind(draft)
    elif "command" in fields.values:
        _check_command(draft)
    if "command" not in fields.values:
        fields.values.pop("shell", None)
    own = files.variables(references(fields, "env_file"))
    set_env(draft, {**file.env, **own})
    if not fields.values.get("workspace"):
        fields.values.setdefault("cwd", file.source.directory)
    apply_preset(draft, process=True)
    check_steps_of_process(draft)
    _check_listen(draft)
    return build(ProcessSpec, _RUN, fields)


def _no_kind(draft: Draft) -> list[Mistake]:
    unknown = [mistake.written for mistake in draft.fields.mistakes]
    if any(did_you_mean(written, _KINDS) for written in unknown if written):
        return []
    what = "'command' (a process), 'task' (a function), 'remote' (a URL), 'container' or 'agents' (a supervisor)"
    return [Mistake(draft.key.place, f"agent {shown(draft.id)} needs {what}")]


_KINDS = ("command", "task", "remote", "container", "supervisor", "agents")


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


def _check_listen(draft: Draft) -> None:
    """Note a socket without a port; then nobody listens."""
    values = draft.fields.values
    if "listen" in values and not draft.has("port"):
        place = draft.place_of("listen")
        message = "'listen' needs the agent's port: write 'port: auto'"
        draft.fields.mistakes.append(Mistake(place, message, agent=draft.if_elsewhere(place)))
    if "port" not in values:
        values.pop("listen", None)


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
