"""A file written out: each agent with what is written, what its preset and the profile say, and every default; each
value with where it comes from. What it gives is a file itself, and means the same.

Values are shown as they are written, so that no variable, which may hold a secret, is replaced.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping

from attrs import frozen

from trio_supervisor.config import nodes
from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.key import Key
from trio_supervisor.config.keys import COMMON, CONTAINER, OF_CONTAINER, PROCESS, REMOTE, SUBTREE, TASK
from trio_supervisor.config.nodes import Node, Scalar, is_absent
from trio_supervisor.config.plain import plain, plain_preset, plain_stop
from trio_supervisor.config.source import Source
from trio_supervisor.config.tables import PROBE_KINDS, TABLES
from trio_supervisor.core.policy import AtLimit, Backoff, ExitCodes, Intensity, Profile
from trio_supervisor.spec import (
    FLEET_CODES,
    FLEET_CRASHES,
    ContainerPolicy,
    ContainerSpec,
    Health,
    Readiness,
    SignalStep,
    Startup,
    SupervisorSpec,
)
from trio_supervisor.spec.presets import PRESETS

_PROBES: Mapping[str, type] = {"startup": Startup, "readiness": Readiness, "health": Health}
_NOT_OF_REMOTE = ("stop", "grace", "replicas", "limits")
_ONLY_AT_THE_TOP = ("tails", "journal")
_NOTHING: tuple[object, ...] = (None, [], {})
_COLUMN = 48


@frozen
class _Origin:
    """Tells where a node of an agent comes from."""

    source: Source
    """The file that is run."""
    draft: Draft | None = None

    def __call__(self, node: Node) -> str:
        preset = None if self.draft is None else self.draft.node.get("preset")
        if isinstance(preset, Scalar) and node is not preset and _same_place(node, preset):
            return f"preset {preset.raw}"
        line, _ = node.source.position(node.start)
        where = f"line {line}" if node.source is self.source else f"{node.source.shown}, line {line}"
        elsewhere = self.draft is not None and self.draft.if_elsewhere(node.place)
        return f"defaults, {where}" if elsewhere else where


def _same_place(one: Node, other: Node) -> bool:
    return one.source is other.source and (one.start, one.end) == (other.start, other.end)


def explain(root: Group, file: nodes.Mapping) -> Iterator[str]:
    """The lines of a file that is right."""
    source = file.source
    yield "version: 1"
    accounts = file.get("accounts")
    if accounts is not None and not is_absent(accounts):
        yield _line("", "accounts", _flow(accounts), _Origin(source)(accounts))
    yield from _policy(root, file)
    yield from _supervisor(root, source, "")
    yield from _agents(root, source, "")


def _policy(root: Group, file: nodes.Mapping) -> Iterator[str]:
    """What containers may be given, where there are any; it is said of none."""
    written = file.get("containers")
    node = written if isinstance(written, nodes.Mapping) else None
    if node is not None or any(draft.has("container") for draft in root.walk()):
        yield "containers:"
        yield from _keys(TABLES[ContainerPolicy], node, {}, _Origin(file.source), "  ")


def _supervisor(group: Group, source: Source, indent: str) -> Iterator[str]:
    yield f"{indent}supervisor:"
    table = {
        name: key for name, key in TABLES[SupervisorSpec].items() if name not in _ONLY_AT_THE_TOP or not group.path
    }
    yield from _keys(table, group.node, _of_profile(group), _Origin(source), indent + "  ")


def _agents(group: Group, source: Source, indent: str) -> Iterator[str]:
    yield f"{indent}agents:"
    for draft in group.drafts.values():
        yield f"{indent}  {_flow_text(draft.id)}:"
        inner, origin = indent + "    ", _Origin(source, draft)
        if draft.inner is not None:
            yield from _supervisor(draft.inner, source, inner)
            table = {name: key for name, key in SUBTREE.items() if name not in ("supervisor", "agents")}
            yield from _keys(table, draft.node, {}, origin, inner)
            yield from _agents(draft.inner, source, inner)
        else:
            yield from _keys(_table_of(draft), draft.node, _of_agent(draft), origin, inner)


def _table_of(draft: Draft) -> dict[str, Key]:
    if draft.has("task"):
        return {**TASK, **COMMON}
    if draft.has("container"):
        return {**CONTAINER, **{name: PROCESS[name] for name in OF_CONTAINER}, **COMMON}
    if draft.has("remote"):
        common = {name: key for name, key in COMMON.items() if name not in _NOT_OF_REMOTE}
        return {**REMOTE, "preset": PROCESS["preset"], **common}
    return {**PROCESS, **COMMON}


@frozen
class _Given:
    """What is said elsewhere than in the file or in the class: by the profile, or by the preset."""

    value: object
    """Plain, as it would be written."""
    by: str


def _of_profile(group: Group) -> dict[str, _Given]:
    otp = group.profile is Profile.OTP
    by = f"profile {group.profile.value}"
    return {
        "profile": _Given(group.profile.value, "default" if group.around is None else "as of the supervisor round it"),
        "intensity": _Given(_whole(Intensity(1, 5.0) if otp else Intensity()), by),
        "at_limit": _Given((AtLimit.ESCALATE if otp else AtLimit.HOLD).value, by),
        "stop_deadline": _Given("infinity" if otp else "30s", by),
    }


def _of_agent(draft: Draft) -> dict[str, _Given]:
    otp = draft.group.profile is Profile.OTP
    by = f"profile {draft.group.profile.value}"
    given: dict[str, _Given] = {}
    if not otp:
        given["backoff"] = _Given(_whole(Backoff()), by)
    given["exit_codes"] = _Given(_whole(ExitCodes() if otp else FLEET_CODES), by)
    given |= dict.fromkeys(("startup_crashes", "same_exits"), _Given(0 if otp else FLEET_CRASHES, by))
    given["stop"] = _Given(plain_stop((SignalStep(wait=5.0 if otp else 10.0),)), by)
    name = draft.fields.values.get("preset")
    if isinstance(name, str) and not draft.has("task"):
        preset = {key: _Given(value, f"preset {name}") for key, value in plain_preset(PRESETS[name]).items()}
        given |= {key: value for key, value in preset.items() if key not in _PROBES}
    if draft.has("container"):
        given["network"] = _Given("bridge", "default with a port") if draft.has("port") else _Given("none", "default")
    if draft.has("grace"):
        del given["stop"]
    return given


def _whole(value: object) -> dict[str, object]:
    found = {key.name: plain(getattr(value, key.attribute), key.type) for key in TABLES[type(value)].values()}
    return {name: one for name, one in found.items() if one not in _NOTHING}


def _keys(
    table: Mapping[str, Key], node: nodes.Mapping | None, given: Mapping[str, _Given], origin: _Origin, indent: str
) -> Iterator[str]:
    left: list[str] = []
    for name, key in table.items():
        written = None if node is None else node.get(name)
        if written is not None and (not is_absent(written) or key.takes_null):
            yield from _written(name, key, written, origin, indent, given)
        elif name in given:
            yield _line(indent, name, _flow_plain(given[name].value), given[name].by)
        elif (value := _default(key)) not in _NOTHING:
            yield _line(indent, name, _flow_plain(value), "default")
        else:
            left.append(name)
    if left:
        yield f"{indent}# not set: {', '.join(left)}"


def _default(key: Key) -> object:
    """As it would be written, of a mapping all of it."""
    if key.default == math.inf:
        return "infinity"
    return _whole(key.default) if type(key.default) in TABLES else plain(key.default, key.type)


def _written(
    name: str, key: Key, node: Node, origin: _Origin, indent: str, given: Mapping[str, _Given]
) -> Iterator[str]:
    if isinstance(node, nodes.Mapping) and name in _PROBES and node.entries:
        kind = next((each for each in PROBE_KINDS if each in node.entries), None)
        if kind is not None:
            yield f"{indent}{name}:"
            table = {**TABLES[PROBE_KINDS[kind]], **TABLES[_PROBES[name]]}
            yield from _keys(table, node, {}, origin, indent + "  ")
            return
    if isinstance(node, nodes.Mapping) and isinstance(key.type, type) and key.type in TABLES and node.entries:
        yield f"{indent}{name}:"
        inner = {one: given[one] for one in ("network",) if one in given and key.type is ContainerSpec}
        yield from _keys(TABLES[key.type], node, inner, origin, indent + "  ")
        return
    yield _line(indent, name, _flow(node), origin(node))


def _line(indent: str, name: str, value: str, comment: str) -> str:
    return f"{f'{indent}{name}: {value}':<{_COLUMN}} # {comment}"


# Values in one line


def _flow(node: Node) -> str:
    """As it is written; only the form may differ."""
    if isinstance(node, nodes.Mapping):
        return "{" + ", ".join(f"{_flow_text(name)}: {_flow(value)}" for name, (_, value) in node.entries.items()) + "}"
    if isinstance(node, nodes.Sequence):
        return "[" + ", ".join(map(_flow, node.items)) + "]"
    return node.raw if node.plain and _PLAIN.fullmatch(node.raw) else _flow_text(node.raw)


def _flow_plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow_text(str(name))}: {_flow_plain(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow_plain, value)) + "]"
    return _flow_text(value) if isinstance(value, str) else json.dumps(value)


def _flow_text(text: str) -> str:
    plain_text = _PLAIN.fullmatch(text) and isinstance(nodes.resolve(text), str)
    return text if plain_text else json.dumps(text, ensure_ascii=False)


# What means the same in brackets as it does elsewhere.
_PLAIN = re.compile(r"[A-Za-z0-9_./+-][A-Za-z0-9_./+@%=-]*(?: [A-Za-z0-9_./+@%=-]+)*")
