"""The keys of the file: which mapping has which keys, what each of them takes, and the words that explain it.

The keys of a mapping that becomes a spec are fields of its spec class: type and default come from there. Here stand the words for people, the
few names and types that differ, and the keys that only a file has. Structuring and schema both read these tables.
"""

from collections.abc import Mapping
from dataclasses import MISSING
from dataclasses import fields as dataclass_fields
from typing import NewType, get_args, get_type_hints

import attrs
from attrs import frozen

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
Directory = NewType("Directory", str)
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
    field: str
    """The field of the spec class that it fills."""
    type: object
    """What the value is structured as; never a union with None, see `nullable`."""
    about: str
    """For people."""
    default: object = attrs.NOTHING
    nullable: bool = False
    """`null` is as good as not given, and takes away what `defaults` says."""
    example: object = None


def keys_of(
    cls: type,
    about: Mapping[str, str],
    *,
    types: Mapping[str, object] = {},  # noqa: B006 - never changed
    names: Mapping[str, str] = {},  # noqa: B006 - never changed
    examples: Mapping[str, object] = {},  # noqa: B006 - never changed
) -> dict[str, Key]:
    """The keys that stand for fields of a spec class: those that `about` has words for."""
    hints = get_type_hints(cls)
    defaults = _defaults(cls)
    keys = {}
    for name, words in about.items():
        kind, nullable = _without_none(hints[name])
        key = names.get(name, name)
        keys[key] = Key(key, name, types.get(name, kind), words, defaults[name], nullable, examples.get(name))
    return keys


def _defaults(cls: type) -> dict[str, object]:
    if not attrs.has(cls):
        return {one.name: attrs.NOTHING if one.default is MISSING else one.default for one in dataclass_fields(cls)}
    return {one.name: _made(one.default) for one in attrs.fields(cls)}


def _made(default: object) -> object:
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _without_none(hint: object) -> tuple[object, bool]:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if type(None) in get_args(hint) and len(kinds) == 1:
        return kinds[0], True
    return hint, False


# How a child is asked ---------------------------------------------------------------------------------------------------------

_HOST = "Where to ask; `127.0.0.1` unless it listens elsewhere."
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
    A2A: keys_of(A2A, {"a2a": "Ask for the A2A agent card, on the new path and on the old one.", "host": _HOST}),
    Tcp: keys_of(
        Tcp,
        {"tcp": 'Ask by opening a TCP connection: a port, or host:port; "{port}" is the agent\'s.'},
        types={"tcp": Address},
        examples={"tcp": "{port}"},
    ),
    Exec: keys_of(
        Exec,
        {"exec": "Ask by running a command (a list) in the agent's directory and environment: exit code 0 is a success."},
        examples={"exec": ("./check", "{port}")},
    ),
    Readiness: keys_of(
        Readiness,
        {
            "period": "How often it is asked once it was ready, and the longest pause before; at first it is asked every 100 ms, then less often.",
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
        {"restarts": "How many restarts are allowed ...", "within": "... in any span of this length."},
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
            "intensity": "How many restarts of an agent are accepted; one that needs more is held.",
            "stop_deadline": "For the whole stop; then everything that is left is killed.",
            "max_parallel_starts": "So many agents may be starting at the same time.",
        },
    ),
}
"""For each spec class that is a mapping in the file, its keys."""

KINDS: dict[str, type] = {attrs.fields(cls)[0].name: cls for cls in get_args(Check)}
"""The kinds of probe. The key that names the kind is the first field of its class."""


def probe_keys(probe: type) -> dict[str, Key]:
    """Every key that a probe may have, whatever its kind."""
    keys = dict(TABLES[probe])
    for kind in KINDS.values():
        keys = {**TABLES[kind], **keys}
    return keys


FILE: dict[str, Key] = {
    "path": Key("path", "path", Path, "The file, relative to the directory of this one.", example=".env"),
    "required": Key("required", "required", bool, "`false`: it may be missing.", default=True),
}
"""The keys of a file of variables, where its path alone does not say enough."""

# An agent, a file -------------------------------------------------------------------------------------------------------------

PROCESS: dict[str, Key] = {
    **keys_of(
        ProcessSpec,
        {
            "command": "Program and arguments, as a list; one string only with `shell: true`. `{port}` and `{id}` are replaced.",
            "shell": "Run `command`, which is one string then, by /bin/sh.",
            "cwd": "The directory it runs in; relative to the directory of this file, which is also the default.",
            "env": "Environment variables, added to the inherited ones. `{port}` and `{id}` are replaced.",
        },
        types={"command": Command, "cwd": Directory, "env": Mapping[VariableName, str]},
        examples={"command": ("python3", "-m", "http.server", "{port}")},
    ),
    "env_file": Key(
        "env_file",
        "env_file",
        EnvFiles,
        "Files of NAME=value lines for the environment of this agent; `env` wins over them.",
        nullable=True,
        example=".env",
    ),
    **keys_of(
        ChildSpec,
        {"port": "Where it listens: `auto` (one of 19001-19100), a number, or a range. It gets it as AGENT_PORT and `{port}`."},
    ),
}
"""The keys of an agent that is a process."""

TASK: dict[str, Key] = keys_of(
    TaskSpec,
    {"task": "An async function to run in the supervisor's own process, `package.module:function`; imported from the directory of this file."},
    types={"task": Function},
    examples={"task": "package.module:function"},
)
"""The keys of an agent that is a function."""

COMMON: dict[str, Key] = {
    **keys_of(
        ChildSpec,
        {
            "restart": "When it is restarted after it ended by itself: always, only after a bad end, or never.",
            "backoff": "How long the pauses before its restarts are.",
            "readiness": "When its start is over and it is offered to others; ready when started, unless written.",
            "health": "Whether it must be restarted although it runs; never, unless written.",
            "depends_on": "What it waits for at its start: agents, and whether they must be started, ready or finished; a list means ready.",
            "stop": "How it is asked to end.",
        },
        types={"depends_on": Dependencies, "stop": Stop},
    ),
    "enabled": Key("enabled", "enabled", bool, "`false` leaves it out unless it is named at the command line.", default=True),
}
"""The keys of every agent."""

AGENT: dict[str, Key] = {**PROCESS, **TASK, **COMMON}

DEFAULTS: dict[str, Key] = {
    **AGENT,
    "readiness": attrs.evolve(AGENT["readiness"], type=PartialReadiness),
    "health": attrs.evolve(AGENT["health"], type=PartialHealth),
}

INCLUDED: dict[str, Key] = {
    "version": Key("version", "version", Version, "The version of this format: 1.", default=1),
    "include": Key(
        "include", "include", Includes, "Further files (one, or a list) whose agents are added.", nullable=True, example="team.yaml"
    ),
    "env_file": Key(
        "env_file",
        "env_file",
        EnvFiles,
        "Files of NAME=value lines for `${NAME}` in this file and for the environment of its agents; the environment of the supervisor wins.",
        nullable=True,
        example=".env",
    ),
    "defaults": Key("defaults", "defaults", Defaults, "Keys of agents that every agent gets, unless it has them itself.", nullable=True),
    "agents": Key("agents", "agents", Agents, "The agents by name: 1 to 64 letters, digits and hyphens.", nullable=True),
}
"""The keys of a file that another one includes."""

ROOT: dict[str, Key] = {
    **INCLUDED,
    "supervisor": Key("supervisor", "supervisor", SupervisorSpec, "The supervisor of all agents.", default=SupervisorSpec(), nullable=True),
}
"""The keys of the file that is run."""
