"""From a spec back to what a person would write: values of YAML, without what is a default."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from signal import Signals

from trio_supervisor.config import forms, nodes
from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.key import Key
from trio_supervisor.config.nodes import Node, Scalar
from trio_supervisor.config.tables import TABLES
from trio_supervisor.spec import Health, Probe, Readiness, SignalStep, Startup, Stdin, StopStep
from trio_supervisor.spec.presets import PRESETS, Preset

Plain = dict[str, object] | list[object] | str | int | float | bool | None

PROBES = (Startup, Readiness, Health)


def plain(value: object, kind: object = None) -> Plain:
    """A value as it would be written; `kind` is the type of its key, where that says more."""
    if isinstance(value, PROBES):
        return plain_probe(value)
    if type(value) in TABLES:
        return _of_table(value, TABLES[type(value)])
    match value:
        case Signals():
            return value.name.removeprefix("SIG")
        case Enum():
            return plain(value.value)
        case bool() | str() | None:
            return value
        case float() if kind in (float, forms.Limit, forms.Grace):
            return format_duration(value)
        case int() if kind in (forms.Size, forms.SizeOrNot):
            return f"{value >> 20}M" if value % 2**20 == 0 else f"{value / 1024:g}K"
        case int() if kind is forms.Umask:
            return f"{value:03o}"
        case int():
            return value
        case float():
            return int(value) if value.is_integer() else value
        case Sequence() if kind is forms.StatusCodes:
            return _spans(value)
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case Sequence():
            return [plain(one) for one in value]
    return str(value)


def plain_probe(probe: Probe) -> dict[str, object]:
    """A probe: its kind first."""
    return _of_table(probe.check, TABLES[type(probe.check)], kind=True) | _of_table(probe, TABLES[type(probe)])


def plain_stop(steps: Sequence[StopStep]) -> Plain:
    """The steps of a stop, in the shortest form."""
    match steps:
        case (SignalStep() as only,):
            grace = {"wait": "grace"}
            return {grace.get(name, name): one for name, one in _all_of(only).items() if name != "to" or one != "group"}
        case _:
            return [_of_step(step) for step in steps]


def _of_step(step: StopStep) -> dict[str, object]:
    return _of_table(step, TABLES[type(step)], kind=True) | {"wait": format_duration(step.wait)}


def plain_preset(preset: Preset) -> dict[str, object]:
    """What a preset stands for, by the keys of an agent."""
    probes = {"startup": preset.startup, "readiness": preset.readiness, "health": preset.health}
    found: dict[str, object] = {name: plain_probe(probe) for name, probe in probes.items() if probe is not None}
    if preset.stop is not None:
        found["stop"] = plain_stop(preset.stop)
    if preset.stdin is not Stdin.NULL:
        found["stdin"] = preset.stdin.value
    if preset.protocol is not None:
        found["protocol"] = preset.protocol
    return found


def presets_table() -> str:
    """What every preset stands for, for the reference (Markdown)."""
    rows = ["| `preset` | for | stands for |", "|---|---|---|"]
    for name, preset in PRESETS.items():
        keys = [f"`{key}: {_flow(value)}`" for key, value in plain_preset(preset).items()]
        rows.append(f"| `{name}` | {preset.about} | {'<br>'.join(keys)} |")
    return "\n".join(rows)


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    quoted = isinstance(value, str) and ("{" in text or "|" in text)
    return json.dumps(text.replace("|", "\\|")) if quoted else text


def _of_table(value: object, table: Mapping[str, Key], *, kind: bool = False) -> dict[str, object]:
    """What differs from the default, and what has none; with `kind` the first key in any case, which names the kind."""
    found: dict[str, object] = {}
    for key in table.values():
        one = getattr(value, key.attribute)
        if key.required or one != key.default or (kind and key is next(iter(table.values()))):
            found[key.name] = plain(one, key.type)
    return found


def _spans(codes: Sequence[int]) -> list[object]:
    spans: list[list[int]] = []
    for code in sorted(codes):
        if spans and code == spans[-1][1] + 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return [first if first == last else f"{first}-{last}" for first, last in spans]


def _all_of(value: object) -> dict[str, Plain]:
    return {key.name: plain(getattr(value, key.attribute), key.type) for key in TABLES[type(value)].values()}


def node_of(value: object, place: Scalar) -> Node:
    """Nodes as if the value were written, all in one place."""
    if isinstance(value, Mapping):
        mapping = nodes.Mapping(place.source, place.start)
        mapping.end = place.end
        for name, one in value.items():
            node = node_of(one, place)
            mapping.entries[name] = (_scalar(name, place), node)
            mapping.size += node.size
            mapping.depth = max(mapping.depth, node.depth + 1)
        return mapping
    if isinstance(value, list):
        sequence = nodes.Sequence(place.source, place.start)
        sequence.end = place.end
        sequence.items = [node_of(one, place) for one in value]
        sequence.size += sum(one.size for one in sequence.items)
        sequence.depth = 1 + max((one.depth for one in sequence.items), default=0)
        return sequence
    return _scalar(value, place)


def _scalar(value: object, place: Scalar) -> Scalar:
    if isinstance(value, str):
        return Scalar(place.source, place.start, place.end, value, plain=False)
    raw = str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar(place.source, place.start, place.end, raw, plain=True)
