"""The keys of the file: which mapping has which keys, what each of them takes, and the words that explain it.

The keys of a mapping that becomes a spec are attributes of its spec class: type and default come from there. Here
stand the words for people, the few names and types that differ, and the keys that only a file has. Structuring and
schema both read these tables.
"""

from collections.abc import Mapping
from typing import get_args

import attrs

from trio_supervisor.config import forms
from trio_supervisor.config.key import Key, keys_of
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

# How a child is asked ------------------------------------------------------------------------------------------------

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
        types={"json": forms.Json},
        examples={"http": "/health"},
    ),
    A2A: keys_of(
        A2A,
        {"a2a": "Ask for the A2A agent card, on the new path and on the old one.", "host": _HOST},
    ),
    Tcp: keys_of(
        Tcp,
        {"tcp": 'Ask by opening a TCP connection: a port, or host:port; "{port}" is the agent\'s.'},
        types={"tcp": forms.Address},
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
        types={"factor": forms.Number, "jitter": forms.Number},
    ),
    Intensity: keys_of(
        Intensity,
        {"restarts": "How many restarts are accepted ...", "within": "... in any span of this length."},
    ),
    SignalStep: keys_of(
        SignalStep,
        {
            "signal": "The signal that asks the agent's process group to end; a task is cancelled instead.",
            "to": "Who gets the signal: the process group, or its leader alone.",
            "wait": "How long it may take after that; then the whole tree of processes is killed.",
        },
        types={"wait": forms.Limit},
        names={"wait": "grace"},
    ),
    SupervisorSpec: keys_of(
        SupervisorSpec,
        {
            "profile": "`otp`: as Erlang's supervisors, with their defaults; an inner one has that of the outer one.",
            "strategy": "Which agents are restarted when one has ended: it, all, or it and those after it.",
            "intensity": "How many restarts are accepted: 5 in 60s; in profile otp 1 in 5s.",
            "at_limit": "What one restart too many does: hold that agent (profile fleet), escalate (otp), or pause.",
            "auto_shutdown": "Whether the end of significant agents ends the supervisor: of any, or of all of them.",
            "stop_deadline": "For the whole stop; then all that is left is killed: 30s, in profile otp infinity.",
            "max_parallel_starts": "So many agents may be starting at the same time; in profile otp it is one.",
        },
        types={"strategy": forms.StrategyOfFile, "stop_deadline": forms.Limit},
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


# An agent, a file ----------------------------------------------------------------------------------------------------

FILE: dict[str, Key] = {
    "path": Key("path", forms.Path, "The file, relative to the directory of this one.", required=True, example=".env"),
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
        types={"command": forms.Command, "cwd": forms.Path, "env": Mapping[forms.VariableName, str]},
        examples={"command": ("python3", "-m", "http.server", "{port}")},
    ),
    "env_file": Key(
        "env_file",
        forms.EnvFiles,
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
    types={"task": forms.Function},
    examples={"task": "package.module:function"},
)
"""The keys of an agent that is a function."""

_ENABLED = Key("enabled", bool, "`false` leaves it out, unless it is named at the command line.", default=True)

COMMON: dict[str, Key] = {
    **keys_of(
        ChildSpec,
        {
            "restart": "When it is started again after it ended by itself: always, only after a bad end, or never.",
            "significant": "Its own end counts for `auto_shutdown` of its supervisor; not for permanent agents.",
            "backoff": "How long the pauses before its restarts are; in profile otp there are none when not given.",
            "intensity": "How many restarts of this one are accepted, beside the limit of its supervisor.",
            "start_timeout": "From start to ready, without a readiness probe; after that the start has failed.",
            "readiness": "When its start is over and it is offered to others; without it, when it is started.",
            "health": "Whether it must be restarted although it runs; without it, never.",
            "depends_on": "What must be started, ready or finished before it starts; a list means ready.",
            "binds_to": "It is restarted and stopped together with these.",
            "stop": "How it is asked to end: TERM, and 10s later the kill; in profile otp 5s later.",
        },
        types={"depends_on": forms.Dependencies, "start_timeout": forms.Limit, "stop": forms.Stop},
        examples={"binds_to": ("database",)},
    ),
    "grace": Key(
        "grace",
        forms.Grace,
        "Short for `stop`: how long it may take to end when asked to; `kill`: it is not asked.",
        attribute="stop",
        nullable=True,
        example="5s",
    ),
    "replicas": Key(
        "replicas",
        forms.Replicas,
        "So many of it: `name-1`, `name-2`, ..., each with a port of its own; what depends on `name` waits for all.",
        nullable=True,
        example=3,
    ),
    "enabled": _ENABLED,
}
"""The keys of every agent that is no supervisor."""

AGENT: dict[str, Key] = {**PROCESS, **TASK, **COMMON}

DEFAULTS: dict[str, Key] = {
    **AGENT,
    "readiness": attrs.evolve(AGENT["readiness"], type=forms.PartialReadiness),
    "health": attrs.evolve(AGENT["health"], type=forms.PartialHealth),
}

_AGENTS = Key("agents", forms.Agents, "The agents by name: 1 to 64 letters, digits and hyphens.", nullable=True)

SUBTREE: dict[str, Key] = {
    "supervisor": Key("supervisor", SupervisorSpec, "This one is a supervisor itself, of `agents`.", nullable=True),
    "agents": attrs.evolve(_AGENTS, required=True, example={"planner": {"command": ["planner"]}}),
    **{name: COMMON[name] for name in ("restart", "significant", "backoff", "intensity", "start_timeout")},
    **{name: COMMON[name] for name in ("depends_on", "binds_to")},
    "stop": attrs.evolve(
        COMMON["stop"],
        type=forms.SubtreeStop,
        about="How long its orderly stop may take; without limit when not given.",
    ),
    "grace": COMMON["grace"],
    "enabled": _ENABLED,
}
"""The keys of an agent that is a supervisor; `defaults` are not for it."""

SUBTREE_STOP: dict[str, Key] = {"grace": TABLES[SignalStep]["grace"]}

INCLUDED: dict[str, Key] = {
    "version": Key("version", forms.Version, "The version of this format: 1.", default=1),
    "include": Key(
        "include",
        forms.Includes,
        "Further files (one, or a list) whose agents are added.",
        nullable=True,
        example="team.yaml",
    ),
    "env_file": Key(
        "env_file",
        forms.EnvFiles,
        "Files of NAME=value lines for `${NAME}` here and for the environment of all agents; what is set already wins.",
        nullable=True,
        example=".env",
    ),
    "defaults": Key(
        "defaults",
        forms.Defaults,
        "Keys that every agent has that is no supervisor, unless it says otherwise.",
        nullable=True,
    ),
    "agents": _AGENTS,
}
"""The keys of a file that another one includes."""

ROOT: dict[str, Key] = {
    **INCLUDED,
    "supervisor": Key("supervisor", SupervisorSpec, "The supervisor of all agents.", nullable=True),
}
"""The keys of the file that is run."""
