"""The keys of the file that belong to no single spec class: of an agent of each kind, of `defaults`, of a file.

Where a key is an attribute of a spec class, type and default come from there; see `tables`.
"""

from collections.abc import Mapping

import attrs

from trio_supervisor.config import forms
from trio_supervisor.config.key import Key, keys_of
from trio_supervisor.spec import (
    Account,
    ChildSpec,
    ContainerPolicy,
    ContainerSpec,
    ProcessSpec,
    RemoteSpec,
    SignalStep,
    SupervisorSpec,
    TaskSpec,
)

FILE: dict[str, Key] = {
    "path": Key("path", forms.Path, "The file, relative to the directory of this one.", required=True, example=".env"),
    "required": Key("required", bool, "`false`: it may be missing.", default=True),
}
"""The keys of a file of variables, where its path alone does not say enough."""

_PROCESS = {
    **keys_of(
        ProcessSpec,
        {
            "command": "Program and arguments as a list, with `{port}` and `{id}`; one string only with `shell: true`.",
            "shell": "Run `command`, which is one string then, by /bin/sh.",
            "cwd": "The directory it runs in, relative to the directory of this file (which it is when not given).",
            "env": "Environment variables, added to the inherited ones; `{port}` and `{id}` are replaced.",
            "inherit_env": "What it inherits: all, minimal (HOME, PATH, ...), none, or a list of `NAME`, `PREFIX_*`.",
            "secrets": "Variables that are looked up at every start and never shown: `{env}`, `{file}` or `{command}`.",
            "stdin": 'Its standard input: `"null"` (nothing), `pipe` (open until it is closed), or `pty`, a terminal.',
            "window": "How big its terminal is at the start, with `stdin: pty`.",
            "user": "The user it runs as, by name or number, with that user's groups.",
            "group": "The group it runs as, by name or number.",
            "umask": 'Its umask, octal: "022".',
            "nice": "Its niceness, -20 to 19.",
            "oom_score_adj": "How readily the kernel kills it when memory runs out: -1000 (never) to 1000.",
            "notify": "Give it a socket for sd_notify(3), also without a probe that listens to it.",
            "workspace": "A directory of its own, in which it runs: `true` (in the state directory), or its path.",
        },
        types={
            "command": forms.Command,
            "cwd": forms.Path,
            "env": Mapping[forms.VariableName, str],
            "inherit_env": forms.Inherited,
            "secrets": Mapping[forms.SecretName, forms.SecretOfFile],
            "stdin": forms.StdinOfFile,
            "user": forms.Account,
            "group": forms.Account,
            "umask": forms.Umask,
            "workspace": forms.Workspace,
        },
        examples={"command": ("python3", "-m", "http.server", "{port}"), "user": "nobody", "umask": "022"},
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
        {
            "port": "Where it listens: `auto` (one of 19001-19100), a number or a range; `{port}`, and its AGENT_PORT.",
            "listen": "The supervisor listens on `port` and hands the socket over (LISTEN_FDS): `true`, or an address.",
        },
        types={"listen": forms.Listen},
        examples={"port": "auto", "listen": True},
    ),
    "preset": Key(
        "preset",
        forms.PresetName,
        "What kind of program it is: gives `stop`, `stdin` and probes where neither it nor `defaults` says them.",
        nullable=True,
        example="http",
    ),
}

PROCESS: dict[str, Key] = {
    **_PROCESS,
    # `stdin: null` is what one writes for the null device, quotes or not.
    "stdin": attrs.evolve(_PROCESS["stdin"], takes_null=True),
}
"""The keys of an agent that is a process."""

TASK: dict[str, Key] = keys_of(
    TaskSpec,
    {"task": "An async function to run in the supervisor's own process, imported from the directory of this file."},
    types={"task": forms.Function},
    examples={"task": "package.module:function"},
)
"""The keys of an agent that is a function."""

REMOTE: dict[str, Key] = keys_of(
    RemoteSpec,
    {
        "remote": "The URL of an agent that somebody else runs (http, https, ws, wss): it is watched.",
        "headers": "Headers of every question to it: a text, or {env}, {file} or {command} with `prefix`, a secret.",
    },
    types={"headers": Mapping[str, forms.HeaderOfFile]},
    examples={"remote": "https://agents.example/judge"},
)
"""The keys of an agent that is elsewhere; it also has `preset`."""

CONTAINER: dict[str, Key] = {
    "container": Key(
        "container",
        ContainerSpec,
        "A container of Docker or Podman; it has no network, capabilities or new privileges but those asked for.",
        nullable=True,
        example={"image": "agent:1"},
    )
}
"""The key of an agent that lives in a container."""

OF_CONTAINER = ("env_file", "secrets", "stdin", "window", "port", "preset")
"""Keys of a process that also go with a container."""

_ENABLED = Key("enabled", bool, "`false` leaves it out, unless it is named at the command line.", default=True)

_LIMITS = keys_of(ProcessSpec, {"limits": "Ceilings of what it may use; limits of its life: age, idleness, progress."})

_COMMON: dict[str, Key] = {
    **keys_of(
        ChildSpec,
        {
            "restart": "When it is started again after it ended by itself: always, only after a bad end, or never.",
            "significant": "Its own end counts for `auto_shutdown` of its supervisor; not for permanent agents.",
            "backoff": "How long the pauses before its restarts are; in profile otp there are none when not given.",
            "intensity": "How many restarts of this one are accepted, beside the limit of its supervisor.",
            "start_timeout": "From start to ready, without a readiness probe; after that the start has failed.",
            "startup": "When its start is over: until this succeeds, readiness and health are not asked.",
            "readiness": "When its start is over and it is offered to others; without it, when it is started.",
            "health": "Whether it must be restarted although it runs; without it, never.",
            "depends_on": "What must be started, ready or finished before it starts; a list means ready.",
            "binds_to": "It is restarted and stopped together with these.",
            "log": "Files that what it says is written to: one, a list, or `true` for one in the state directory.",
            "ring": "How much of what it says is kept in memory, the last of it, over all of its lives.",
            "hooks": "What is called when something becomes of it: commands, webhooks, functions.",
            "protocol": "What it speaks, for those who look for it: a2a, mcp, ...; by its preset, else by its probes.",
            "stop": "How it is asked to end: `{signal, grace}`, or a list of steps; TERM and 10s (in profile otp 5s).",
            "exit_codes": "What exit codes mean: 0 success, 75 restart, 78 hold (in profile otp only 0).",
            "startup_crashes": "So many starts in a row that come to nothing hold it: 5 (0, otp: never).",
            "same_exits": "So many bad ends in a row with the same last words hold it: 5 (0, otp: never).",
            "account": "Whose quota and budget it shares with others: a name, of `accounts` where there are any.",
            "budget": "What it may use up, by itself.",
            "quota": "Lines that say that its quota is used up: all of its account are held until that is over.",
        },
        types={
            "account": forms.AccountName,
            "quota": forms.Quotas,
            "depends_on": forms.Dependencies,
            "log": forms.Logs,
            "start_timeout": forms.Limit,
            "stop": forms.Stop,
        },
        examples={"binds_to": ("database",), "account": "team", "protocol": "a2a"},
    ),
    "limits": attrs.evolve(_LIMITS["limits"], nullable=True),
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

COMMON: dict[str, Key] = {**_COMMON, "log": attrs.evolve(_COMMON["log"], nullable=True)}
"""The keys of every agent that is no supervisor."""

AGENT: dict[str, Key] = {**PROCESS, **TASK, **REMOTE, **CONTAINER, **COMMON}

DEFAULTS: dict[str, Key] = {
    **AGENT,
    "container": attrs.evolve(AGENT["container"], type=forms.PartialContainer),
    "startup": attrs.evolve(AGENT["startup"], type=forms.PartialStartup),
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
    "hooks": COMMON["hooks"],
    "enabled": _ENABLED,
}
"""The keys of an agent that is a supervisor; `defaults` are not for it."""

SHORT_STOP: dict[str, Key] = keys_of(
    SignalStep,
    {
        "signal": "The signal that asks the agent's process group to end; a task is cancelled instead.",
        "to": "Who gets the signal: the process group, or only its leader.",
        "wait": "How long it may take after that; then the whole tree of processes is killed.",
    },
    types={"wait": forms.Limit},
    names={"wait": "grace"},
)
"""The keys of a stop that is one signal."""

SUBTREE_STOP: dict[str, Key] = {"grace": SHORT_STOP["grace"]}

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
    "accounts": Key(
        "accounts",
        Mapping[forms.AccountName, Account],
        "Budgets and quotas that agents share, by the name that they have as their `account`.",
        nullable=True,
        example={"team": {"budget": {"usd": "50/day"}}},
    ),
    "containers": Key(
        "containers",
        ContainerPolicy,
        "What containers may be given, also those that are added later.",
        nullable=True,
        example={"images": ["registry.example/agents/*"]},
    ),
}
"""The keys of the file that is run."""
