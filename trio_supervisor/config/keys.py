"""The keys of the file: which mapping has which keys, what each of them takes, and the words that explain it.

The keys of a mapping that becomes a spec are attributes of its spec class: type and default come from there. Here
stand the words for people, the few names and types that differ, and the keys that only a file has. Structuring and
schema both read these tables.
"""

from collections.abc import Mapping
from dataclasses import MISSING
from dataclasses import fields as dataclass_fields
from types import MappingProxyType
from typing import NewType, get_args, get_type_hints

import attrs
from attrs import field, frozen

from trio_supervisor.core.policy import Backoff, Intensity
from trio_supervisor.spec import (
    A2A,
    Check,
    ChildSpec,
    Exec,
    Health,
    Http,
    ProcessSpec,
    Readiness,
    SignalStep,
    SupervisorSpec,
    TaskSpec,
    Tcp,
)

# What a key takes where the type of the field does not say it. A plain float is a duration.
Address = NewType("Address", str)
Agents = NewType("Agents", object)
Command = NewType("Command", object)
Defaults = NewType("Defaults", object)
Dependencies = NewType("Dependencies", object)
EnvFiles = NewType("EnvFiles", object)
Function = NewType("Function", object)
Includes = NewType("Includes", object)
Json = NewType("Json", object)
Number = NewType("Number", float)
PartialHealth = NewType("PartialHealth", object)
PartialReadiness = NewType("PartialReadiness", object)
Path = NewType("Path", str)
Stop = NewType("Stop", object)
VariableName = NewType("VariableName", str)
Version = NewType("Version", int)


@frozen
class Key:
    """One key of a mapping."""

    name: str
    """As it is written in the file."""
    type: object
    """What the value is structured as; never a union with None, see `nullable`."""
    about: str
    """For people."""
    attribute: str = field(default=attrs.Factory(lambda self: self.name, takes_self=True), kw_only=True)
    """The attribute of the spec class that it fills."""
    required: bool = field(default=False, kw_only=True)
    """The attribute has no default."""
    default: object = field(default=None, kw_only=True)
    nullable: bool = field(default=False, kw_only=True)
    """`null` is as good as not given, and takes away what `defaults` says."""
    example: object = field(default=None, kw_only=True)
    """A value that is surely right."""


_NONE: Mapping[str, object] = MappingProxyType({})


def keys_of(
    cls: type,
    about: Mapping[str, str],
    *,
    types: Mapping[str, object] = _NONE,
    names: Mapping[str, str] = MappingProxyType({}),
    examples: Mapping[str, object] = _NONE,
) -> dict[str, Key]:
    """The keys that stand for fields of a spec class: those that `about` has words for."""
    hints, defaults = get_type_hints(cls), _defaults(cls)
    keys = {}
    for name, words in about.items():
        kind, nullable = _without_none(hints[name])
        key = Key(
            names.get(name, name),
            types.get(name, kind),
            words,
            attribute=name,
            required=name not in defaults,
            default=defaults.get(name),
            nullable=nullable,
            example=examples.get(name),
        )
        keys[key.name] = key
    return keys


def _defaults(cls: type) -> dict[str, object]:
    """The defaults of all fields that have one."""
    if not attrs.has(cls):
        return {one.name: one.default for one in dataclass_fields(cls) if one.default is not MISSING}
    return {one.name: one.default for one in attrs.fields(cls) if one.default is not attrs.NOTHING}


def _without_none(hint: object) -> tuple[object, bool]:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if type(None) in get_args(hint) and len(kinds) == 1:
        return kinds[0], True
    return hint, False


# How a child is asked

_HOST = "Where to ask; needed only where it listens on another address."
_TIMEOUT = "How long one answer may take."

TABLES: dict[type, dict[str, Key]] = {
    Http: keys_of(
        Http,
        {
            "http": "Ask by HTTP: a path on the agent's port (`/health`), or a whole URL.",
            "method": "The HTTP method.",
            "headers": "Headers of the request.",
            "status": "The status codes that are a success; 200 to 299 when not given.",
            "body": "A regular expression that must be found in the first 64 KiB of the body.",
            "json": "What the body must hold, as JSON: of objects these keys with these values, anything else equal.",
            "host": _HOST,
        },
        types={"json": Json},
        examples={"http": "/health"},
    ),
    A2A: keys_of(
        A2A,
        {"a2a": "Ask for the A2A agent card, on the new path and on the old one.", "host": _HOST},
    ),
    Tcp: keys_of(
        Tcp,
        {"tcp": 'Ask by opening a TCP connection: a port, or host:port; "{port}" is the agent\'s.'},
        types={"tcp": Address},
        examples={"tcp": "{port}"},
    ),
    Exec: keys_of(
        Exec,
        {"exec": "Ask by a command (a list) in the agent's directory and environment: exit code 0 is a success."},
        examples={"exec": ("./check", "{port}")},
    ),
    Readiness: keys_of(
        Readiness,
        {
            "period": "How often it is asked; more often at the start, until the first success.",
            "timeout": _TIMEOUT,
            "deadline": "From start to ready; after that the start has failed.",
            "failures": "So many failed answers in a row make an agent that was ready not ready.",
            "successes": "So many good answers in a row make it ready.",
        },
    ),
    Health: keys_of(
        Health,
        {
            "period": "How often it is asked.",
            "timeout": _TIMEOUT,
            "failures": "So many failed answers in a row, and the agent is restarted.",
            "successes": "So many good answers in a row end a row of failed ones.",
        },
    ),
    Backoff: keys_of(
        Backoff,
        {
            "initial": "The delay before the second restart in a row; the first one is immediate.",
            "factor": "How much longer each delay is than the one before.",
            "max": "The longest delay.",
            "jitter": "Each delay is up to this part longer or shorter: 0.2 is 20 %.",
            "reset_after": "So long ready without a break, and the next restart is immediate again.",
        },
        types={"factor": Number, "jitter": Number},
    ),
    Intensity: keys_of(
        Intensity,
        {"restarts": "How many restarts are accepted ...", "within": "... in any span of this length."},
    ),
    SignalStep: keys_of(
        SignalStep,
        {
            "signal": "The signal that asks the agent's process group to end; a task is cancelled instead.",
            "wait": "How long it may take after that; then the whole tree of processes is killed.",
        },
        names={"wait": "grace"},
    ),
    SupervisorSpec: keys_of(
        SupervisorSpec,
        {
            "intensity": "How many restarts are accepted; an agent that needs more is held.",
            "stop_deadline": "For the whole stop; then everything that is left is killed.",
            "max_parallel_starts": "So many agents may be starting at the same time.",
        },
    ),
}
"""For each spec class that is a mapping in the file, its keys; a class stands below those that its attributes need."""

KINDS: dict[str, type] = {attrs.fields(cls)[0].name: cls for cls in get_args(Check)}
"""The kinds of probe. The key that names the kind is the first field of its class."""


def probe_keys(probe: type) -> dict[str, Key]:
    """Every key that a probe may have, whatever its kind."""
    keys: dict[str, Key] = {}
    for cls in (*KINDS.values(), probe):
        keys |= TABLES[cls]
    return keys


# An agent, a file

FILE: dict[str, Key] = {
    "path": Key("path", Path, "The file, relative to the directory of this one.", required=True, example=".env"),
    "required": Key("required", bool, "`false`: it may be missing.", default=True),
}
"""The keys of a file of variables, where its path alone does not say enough."""

PROCESS: dict[str, Key] = {
    **keys_of(
        ProcessSpec,
        {
            "command": "Program and arguments as a list, with `{port}` and `{id}`; one string only with `shell: true`.",
            "shell": "Run `command`, which is one string then, by /bin/sh.",
            "cwd": "The directory it runs in, relative to the directory of this file (which it is when not given).",
            "env": "Environment variables, added to the inherited ones; `{port}` and `{id}` are replaced.",
        },
        types={"command": Command, "cwd": Path, "env": Mapping[VariableName, str]},
        examples={"command": ("python3", "-m", "http.server", "{port}")},
    ),
    "env_file": Key(
        "env_file",
        EnvFiles,
        "Files of NAME=value lines for the environment of this agent; `env` wins over them.",
        nullable=True,
        example=".env",
    ),
    **keys_of(
        ChildSpec,
        {"port": "Where it listens: `auto` (one of 19001-19100), a number or a range; `{port}`, and its AGENT_PORT."},
        examples={"port": "auto"},
    ),
}
"""The keys of an agent that is a process."""

TASK: dict[str, Key] = keys_of(
    TaskSpec,
    {"task": "An async function to run in the supervisor's own process, imported from the directory of this file."},
    types={"task": Function},
    examples={"task": "package.module:function"},
)
"""The keys of an agent that is a function."""

COMMON: dict[str, Key] = {
    **keys_of(
        ChildSpec,
        {
            "restart": "When it is started again after it ended by itself: always, only after a bad end, or never.",
            "backoff": "How long the pauses before its restarts are.",
            "readiness": "When its start is over and it is offered to others; without it, when it is started.",
            "health": "Whether it must be restarted although it runs; without it, never.",
            "depends_on": "What must be started, ready or finished before it starts; a list means ready.",
            "stop": "How it is asked to end.",
        },
        types={"depends_on": Dependencies, "stop": Stop},
    ),
    "enabled": Key("enabled", bool, "`false` leaves it out, unless it is named at the command line.", default=True),
}
"""The keys of every agent."""

AGENT: dict[str, Key] = {**PROCESS, **TASK, **COMMON}

DEFAULTS: dict[str, Key] = {
    **AGENT,
    "readiness": attrs.evolve(AGENT["readiness"], type=PartialReadiness),
    "health": attrs.evolve(AGENT["health"], type=PartialHealth),
}

INCLUDED: dict[str, Key] = {
    "version": Key("version", Version, "The version of this format: 1.", default=1),
    "include": Key(
        "include",
        Includes,
        "Further files (one, or a list) whose agents are added.",
        nullable=True,
        example="team.yaml",
    ),
    "env_file": Key(
        "env_file",
        EnvFiles,
        "Files of NAME=value lines for `${NAME}` here and for the environment of all agents; what is set already wins.",
        nullable=True,
        example=".env",
    ),
    "defaults": Key("defaults", Defaults, "Keys that every agent has, unless it says otherwise.", nullable=True),
    "agents": Key("agents", Agents, "The agents by name: 1 to 64 letters, digits and hyphens.", nullable=True),
}
"""The keys of a file that another one includes."""

ROOT: dict[str, Key] = {
    **INCLUDED,
    "supervisor": Key("supervisor", SupervisorSpec, "The supervisor of all agents.", nullable=True),
}
"""The keys of the file that is run."""
