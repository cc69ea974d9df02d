"""The JSON Schema (2020-12) of the file, for editors: made from the same tables that the file is read by."""

from collections.abc import Mapping as AnyMapping
from enum import Enum
from functools import cache
from signal import Signals
from types import MappingProxyType
from typing import get_args, get_origin

from trio_supervisor.config import forms, keys
from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.key import Key
from trio_supervisor.config.scalar_types import SCALARS
from trio_supervisor.config.tables import HOOK_KINDS, PROBE_KINDS, SECRET_KINDS, STEP_KINDS, TABLES, keys_of_all
from trio_supervisor.core.policy import Condition, Strategy
from trio_supervisor.spec import (
    ContainerSpec,
    Health,
    Idle,
    Inherit,
    JournalLimits,
    Lifetime,
    LogFile,
    Progress,
    Quota,
    Readiness,
    SecretHeader,
    Startup,
)

Schema = dict[str, object]

_OF_FILE = [one for one in Strategy if one is not Strategy.SIMPLE_ONE_FOR_ONE]

_TEXT: Schema = {"type": "string"}
_STATUS: Schema = {"type": "integer", "minimum": 100, "maximum": 599}
_STATUSES: Schema = {"type": "string", "pattern": "^[1-5][0-9]{2}-[1-5][0-9]{2}$"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}


def schema() -> dict[str, object]:
    """The schema of the file. What depends on several places (dependencies, ports, `defaults`) it can't judge."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "trio-supervisor",
        "description": "A tree of agents: what runs, when it is ready, when it is restarted, how it is stopped.",
        **_closed(keys.ROOT),
        "$defs": {
            "variable": {"type": "string", "pattern": r"\$\{[A-Za-z_]", "description": "A value out of a variable."},
            "duration": {**SCALARS[float].schema, "description": "A duration with its unit: 500ms, 30s, 5m, 1h30m."},
            "agent": _agent(keys.AGENT),
            "subtree": _subtree(),
            "defaults": _agent(keys.DEFAULTS),
            "startup": _kinds(PROBE_KINDS, TABLES[Startup]),
            "readiness": _kinds(PROBE_KINDS, TABLES[Readiness]),
            "health": _kinds(PROBE_KINDS, TABLES[Health]),
            "step": _one_kind(STEP_KINDS),
            "secret": _one_kind(SECRET_KINDS),
            "header": {"anyOf": [_TEXT, _one_kind(SECRET_KINDS, TABLES[SecretHeader])]},
            "hook": _one_kind(HOOK_KINDS),
            "file": {"anyOf": [_TEXT, {**_closed(keys.FILE), "required": ["path"]}]},
        },
    }


def _closed(table: AnyMapping[str, Key]) -> Schema:
    return {
        "type": "object",
        "properties": {name: _property(key) for name, key in table.items()},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def _property(key: Key) -> Schema:
    found = _type(key.type)
    if key.nullable:
        found = {"anyOf": [found, {"type": "null"}]}
    more: Schema = {"description": key.about}
    default = _shown_default(key)
    if default is not None:
        more["default"] = default
    if key.example is not None:
        more["examples"] = [list(key.example) if isinstance(key.example, tuple) else key.example]
    return {**found, **more}


def _shown_default(key: Key) -> object:
    """A default as it would be written, where it is a single value."""
    value = key.default
    if isinstance(value, Signals):
        return value.name.removeprefix("SIG")
    if isinstance(value, Enum):
        return value.value
    if key.type in (float, forms.Limit) and isinstance(value, float):
        return format_duration(value)
    if key.type in (forms.Size, forms.SizeOrNot) and isinstance(value, int):
        return f"{value >> 20}M"
    return value if isinstance(value, str | int | float) else None


# By type


def _type(kind: object) -> Schema:
    if kind is float:
        return _or_variable({"$ref": "#/$defs/duration"})
    if kind in SCALARS:
        found = dict(SCALARS[kind].schema)
        return found if found == _TEXT else _or_variable(found)
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _type(get_args(kind)[0])}
    if get_origin(kind) is AnyMapping:
        return _mapping(*get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _or_variable({"enum": [one.value for one in kind]})
    if isinstance(kind, type) and kind in TABLES and kind not in (Startup, Readiness, Health):
        return _closed(TABLES[kind])
    return _containers()[kind]


def _or_variable(found: Schema) -> Schema:
    return {"anyOf": [found, {"$ref": "#/$defs/variable"}]}


def _mapping(key_kind: object, value_kind: object) -> Schema:
    names = {} if key_kind is str else {"propertyNames": dict(SCALARS[key_kind].schema)}
    return {"type": "object", **names, "additionalProperties": _type(value_kind)}


def _duration_or(kind: type) -> Schema:
    return {"anyOf": [_type(float), _closed(TABLES[kind])]}


def _one_or_more(found: Schema) -> Schema:
    return {"anyOf": [found, {"type": "array", "items": found}]}


def _agent(table: AnyMapping[str, Key]) -> Schema:
    not_of_task = {"properties": dict.fromkeys([*keys.PROCESS, *keys.REMOTE, *keys.CONTAINER], False)}
    ours = [name for name in (*keys.PROCESS, *keys.TASK, *keys.REMOTE) if name not in keys.OF_CONTAINER]
    not_of_container = {"properties": dict.fromkeys(ours, False)}
    elsewhere = (*keys.PROCESS, *keys.TASK, *keys.CONTAINER, "stop", "grace", "replicas", "limits")
    others = [name for name in elsewhere if name != "preset"]
    not_of_remote = {"properties": dict.fromkeys(others, False)}
    rules = {**dict.fromkeys(keys.TASK, not_of_task), **dict.fromkeys(keys.REMOTE, not_of_remote)}
    rules |= dict.fromkeys(keys.CONTAINER, not_of_container)
    return {**_closed(table), "dependentSchemas": rules, **_EITHER}


def _subtree() -> Schema:
    return {**_closed(keys.SUBTREE), "required": ["agents"], **_EITHER}


_EITHER: Schema = {"anyOf": [{"properties": {name: {"type": "null"}}} for name in ("stop", "grace")]}


def _kinds(classes: AnyMapping[str, type], own: AnyMapping[str, Key] = MappingProxyType({})) -> Schema:
    """A mapping whose kind one key names; in `defaults` it may be missing."""
    every = keys_of_all(classes, own)
    others = {kind: every.keys() - TABLES[cls].keys() - own.keys() for kind, cls in classes.items()}
    only_own = {kind: {"properties": dict.fromkeys(sorted(names), False)} for kind, names in others.items()}
    return {**_closed(every), "dependentSchemas": only_own}


def _one_kind(classes: AnyMapping[str, type], own: AnyMapping[str, Key] = MappingProxyType({})) -> Schema:
    return {**_kinds(classes, own), "anyOf": [{"required": [kind]} for kind in classes]}


@cache
def _containers() -> dict[object, Schema]:
    """The types that only the file has."""
    return {
        Startup: {"$ref": "#/$defs/startup"},
        Readiness: {"$ref": "#/$defs/readiness"},
        Health: {"$ref": "#/$defs/health"},
        forms.PartialContainer: _closed(TABLES[ContainerSpec]),
        forms.PartialStartup: {"$ref": "#/$defs/startup"},
        forms.PartialReadiness: {"$ref": "#/$defs/readiness"},
        forms.PartialHealth: {"$ref": "#/$defs/health"},
        forms.Defaults: {"$ref": "#/$defs/defaults"},
        forms.Agents: {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"},
            "additionalProperties": {
                "if": {"type": "object", "anyOf": [{"required": ["supervisor"]}, {"required": ["agents"]}]},
                "then": {"$ref": "#/$defs/subtree"},
                "else": {"anyOf": [{"$ref": "#/$defs/agent"}, {"type": "null"}]},
            },
        },
        forms.Command: {"anyOf": [_TEXTS, _TEXT]},
        forms.Dependencies: {"anyOf": [_mapping(str, Condition), _TEXTS]},
        forms.EnvFiles: _one_or_more({"$ref": "#/$defs/file"}),
        forms.Includes: _one_or_more(_TEXT),
        forms.Inherited: {"anyOf": [_or_variable({"enum": [one.value for one in Inherit]}), _TEXTS]},
        forms.Journal: {"anyOf": [_closed(TABLES[JournalLimits]), {"type": "boolean"}]},
        forms.Json: {},
        forms.SecretOfFile: {"$ref": "#/$defs/secret"},
        forms.HeaderOfFile: {"$ref": "#/$defs/header"},
        forms.UrlOrSecret: {"anyOf": [_TEXT, {"$ref": "#/$defs/secret"}]},
        forms.HooksOfFile: _one_or_more({"$ref": "#/$defs/hook"}),
        forms.StatusCodes: {"type": "array", "items": _or_variable({"anyOf": [_STATUS, _STATUSES]})},
        forms.IdleLimit: _duration_or(Idle),
        forms.LifetimeLimit: _duration_or(Lifetime),
        forms.ProgressLimit: _duration_or(Progress),
        forms.Quotas: _one_or_more({"anyOf": [_TEXT, _closed(TABLES[Quota])]}),
        forms.Logs: {"anyOf": [_one_or_more(_closed(TABLES[LogFile])), {"type": "boolean"}]},
        forms.Stop: {"anyOf": [_closed(keys.SHORT_STOP), {"type": "array", "items": {"$ref": "#/$defs/step"}}]},
        forms.StrategyOfFile: _or_variable({"enum": [one.value for one in _OF_FILE]}),
        forms.SubtreeStop: _closed(keys.SUBTREE_STOP),
    }
