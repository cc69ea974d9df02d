"""The keys of the mappings that become specs: what each of them takes, and the words that explain it.

Each key is an attribute of the spec class: type and default come from there. Here stand the words for people, and the
few names and types that differ. Structuring and schema both read these tables.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from trio_supervisor.config import forms
from trio_supervisor.config.key import Key, keys_of
from trio_supervisor.core.policy import Backoff, Intensity
from trio_supervisor.spec import (
    A2A,
    Account,
    AgentCore,
    Budget,
    Call,
    CallHook,
    CloseStdinStep,
    CommandHook,
    CommandStep,
    ContainerPolicy,
    ContainerSpec,
    EngineHealth,
    Exec,
    ExitCodes,
    File,
    Grpc,
    Health,
    HookKind,
    Hooks,
    Http,
    HttpStep,
    Idle,
    JournalLimits,
    Lifetime,
    Limits,
    Log,
    LogFile,
    Mcp,
    Notify,
    Progress,
    Quota,
    Readiness,
    Redis,
    RingLimits,
    Secret,
    SecretCommand,
    SecretEnv,
    SecretFile,
    SecretHeader,
    SendStep,
    SignalStep,
    Startup,
    Stdio,
    StopStep,
    SupervisorSpec,
    TailLimits,
    Tcp,
    Unix,
    WebHook,
    WebSocket,
    Window,
)

_HOST = "Where to ask; needed only where it listens on another address."
_TIMEOUT = "How long one answer may take."
_FIRST = "How long to wait from the start (or the success of the startup probe) to the first question."
_JITTER = "Each pause is up to this part longer or shorter (0.1 is 10 %), so that many agents are not asked at once."
_TO = "Who gets the signal: the agent's process group, or only its leader."
_WAIT = "How long the agent may take to end, from the beginning of this step; then comes the next, at last the kill."

_NOTHING: Mapping[str, str] = MappingProxyType({})


def _first(cls: type) -> str:
    """The name of its first field, which says of what kind a mapping is."""
    names: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined] # every spec class has them
    return names[0]


def _of_kind(
    cls: type,
    about: str,
    *,
    more: Mapping[str, str] = _NOTHING,
    types: Mapping[str, object] = _NOTHING,
    example: object = None,
) -> dict[str, Key]:
    """The keys of a mapping whose first key says of which of several kinds it is; `about` and `example` are of that
    key.
    """
    kind = _first(cls)
    return keys_of(cls, {kind: about, **more}, types=types, examples={kind: example})


def _step(cls: type, about: str, more: Mapping[str, str] = _NOTHING, example: object = None) -> dict[str, Key]:
    return _of_kind(cls, about, more={**more, "wait": _WAIT}, types={"wait": forms.Limit}, example=example)


TABLES: dict[type, dict[str, Key]] = {
    Http: keys_of(
        Http,
        {
            "http": "Ask by HTTP: a path on the agent's port (`/health`), or a whole URL.",
            "method": "The HTTP method.",
            "headers": "Headers of the request.",
            "status": 'The status codes that are a success, such as [200, "300-399"]; 200 to 299 when not given.',
            "body": "A regular expression that must be found in the first 64 KiB of the body.",
            "json": "What the body must hold, as JSON: of objects these keys with these values, anything else equal.",
            "host": _HOST,
        },
        types={"json": forms.Json, "status": forms.StatusCodes},
        examples={"http": "/health"},
    ),
    A2A: _of_kind(A2A, "Ask for the A2A agent card, on the new path and on the old one.", more={"host": _HOST}),
    Mcp: keys_of(
        Mcp,
        {
            "mcp": "Ask an MCP server over HTTP, without a session: a path on the agent's port, or a whole URL.",
            "headers": "Headers of the request.",
            "host": _HOST,
        },
        examples={"mcp": "/mcp"},
    ),
    AgentCore: _of_kind(
        AgentCore,
        "Ask as AWS Bedrock AgentCore does: a path on the agent's port (`/ping`), or a whole URL.",
        more={"host": _HOST},
        example="/ping",
    ),
    WebSocket: keys_of(
        WebSocket,
        {
            "ws": "Ask by a WebSocket that is opened, pinged and closed: a path on the agent's port, or a whole URL.",
            "headers": "Headers of the opening handshake.",
            "subprotocol": "What is offered as Sec-WebSocket-Protocol.",
            "host": _HOST,
        },
        examples={"ws": "/acp", "subprotocol": "acp"},
    ),
    Redis: _of_kind(
        Redis,
        "Ask by PING, in Redis' protocol: a port, or host:port; \"{port}\" is the agent's.",
        types={"redis": forms.Address},
        example="{port}",
    ),
    Tcp: _of_kind(
        Tcp,
        'Ask by opening a TCP connection: a port, or host:port; "{port}" is the agent\'s.',
        types={"tcp": forms.Address},
        example="{port}",
    ),
    Exec: _of_kind(
        Exec,
        "Ask by a command (a list) in the agent's directory and environment: exit code 0 is a success.",
        example=("./check", "{port}"),
    ),
    Log: keys_of(
        Log,
        {
            "log": "Wait for a line: a regular expression, looked for in all that the agent says in this life.",
            "fail": "A regular expression, too: a line that it is found in is a failure, at once.",
            "stream": "Where to look: both streams, stdout or stderr.",
        },
        examples={"log": "listening on"},
    ),
    File: keys_of(
        File,
        {
            "file": "Look for a file, relative to the directory of this one.",
            "newer": "Only one that was written in this life of the agent counts.",
            "max_age": "A heartbeat: it must have been written within the last so many seconds.",
        },
        types={"file": forms.Path},
        examples={"file": "run/agent.ready"},
    ),
    Unix: keys_of(
        Unix,
        {"unix": "Ask by connecting to a unix socket, relative to the directory of this file."},
        types={"unix": forms.Path},
        examples={"unix": "run/agent.sock"},
    ),
    Notify: keys_of(
        Notify,
        {"notify": "The agent says it by sd_notify(3): READY=1 for startup and readiness, WATCHDOG=1 for health."},
    ),
    EngineHealth: keys_of(
        EngineHealth,
        {"engine": "Look at what the container's engine says of its health, by the HEALTHCHECK of its image."},
    ),
    Grpc: keys_of(
        Grpc,
        {
            "grpc": "Ask gRPC's health service: a port, or host:port; \"{port}\" is the agent's.",
            "service": "The service whose health is asked for; the whole server's when not given.",
            "tls": "Ask over TLS.",
        },
        types={"grpc": forms.Address},
        examples={"grpc": "{port}"},
    ),
    Call: keys_of(
        Call,
        {"call": "Ask an async function, imported from the directory of this file; it fails if it raises."},
        types={"call": forms.Callable},
        examples={"call": "package.module:function"},
    ),
    Stdio: keys_of(
        Stdio,
        {"stdio": "Ask over the agent's standard input (`stdin: pipe`), while nobody talks with it: mcp, or acp."},
        examples={"stdio": "mcp"},
    ),
    Startup: keys_of(
        Startup,
        {
            "period": "How often it is asked; more often at first.",
            "timeout": _TIMEOUT,
            "deadline": "From the start to its success; after that the start has failed.",
            "failures": "So many failed answers in a row, and the start has failed before the deadline.",
            "successes": "So many good answers in a row, and readiness and health are asked.",
            "initial_delay": "How long to wait from the start to the first question.",
            "jitter": _JITTER,
        },
        types={"jitter": forms.Number},
    ),
    Readiness: keys_of(
        Readiness,
        {
            "period": "How often it is asked; more often at the start, until the first success.",
            "timeout": _TIMEOUT,
            "deadline": "From start to ready; after that the start has failed. That of `startup` goes before it.",
            "failures": "So many failed answers in a row make an agent that was ready not ready.",
            "successes": "So many good answers in a row make it ready, and end a row of failed ones.",
            "initial_delay": _FIRST,
            "jitter": _JITTER,
        },
        types={"jitter": forms.Number},
    ),
    Health: keys_of(
        Health,
        {
            "period": "How often it is asked.",
            "timeout": _TIMEOUT,
            "failures": "So many failed answers in a row, and the agent is restarted.",
            "successes": "So many good answers in a row end a row of failed ones.",
            "initial_delay": "How long to wait, once it is ready (or started up), for the first question: a period.",
            "jitter": _JITTER,
        },
        types={"jitter": forms.Number},
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
    SignalStep: _step(SignalStep, "Send a signal; a task is cancelled instead.", {"to": _TO}),
    CloseStdinStep: _step(CloseStdinStep, "Close the agent's standard input, which must be a pipe; in a terminal ^D."),
    SendStep: _step(SendStep, "Write this to the agent's standard input, a pipe or a terminal.", example="quit\n"),
    CommandStep: _step(
        CommandStep,
        "Run a command (a list) in the agent's directory and environment.",
        example=("./bye", "{port}"),
    ),
    HttpStep: _step(
        HttpStep,
        "Send a request to a path on the agent's port (`/shutdown`), or to a whole URL.",
        {"method": "The HTTP method."},
        example="/shutdown",
    ),
    SecretEnv: _of_kind(SecretEnv, "A variable of the supervisor's own environment.", example="API_KEY"),
    SecretFile: _of_kind(
        SecretFile,
        "The content of a file without its last newline; relative to the directory of this file.",
        types={"file": forms.Path},
        example="api-key.txt",
    ),
    SecretCommand: _of_kind(
        SecretCommand,
        "What a command (a list) prints, without the last newline.",
        example=("pass", "api-key"),
    ),
    Lifetime: keys_of(
        Lifetime,
        {
            "after": "How old it may get; then it is restarted, which counts as no failure.",
            "variance": "It ends up to this part of that earlier, so that not all are restarted at once.",
            "then": "What is done: restart, or hold (down until somebody resumes it).",
        },
        types={"variance": forms.Share},
        examples={"after": 86400.0},
    ),
    Idle: keys_of(
        Idle,
        {
            "after": "How long it may have no output, no input and no connection, unless it says that it is busy.",
            "then": "What is done: restart, which counts as no failure, or hold (until somebody resumes it).",
        },
        examples={"after": 3600.0},
    ),
    Progress: keys_of(
        Progress,
        {
            "within": "In which time it must get on; one that tells when it is busy, only while it is.",
            "pattern": "A line of output that is progress, a regular expression; any output when not given.",
            "then": "What is done: restart, as after a failure, or hold (until somebody resumes it).",
        },
        types={"pattern": forms.Pattern},
        examples={"within": 900.0},
    ),
    Budget: keys_of(
        Budget,
        {
            "usd": "So many US dollars in any such time: 5/h, 50/day, 0.50/30m.",
            "restarts": "So many restarts that nobody has asked for in any such time: 20/day.",
            "pattern": "What is spent, in the output: a regular expression with a group for the number.",
            "total": "`true`: the pattern gives what a life has cost in all so far.",
            "silent_after": "So long without a word of costs while there is output, and it is held; or infinity.",
            "then": "At the limit: hold (until somebody resumes it), or pause (until there is room again).",
        },
        types={
            "usd": forms.RateOfFile,
            "restarts": forms.RateOfFile,
            "pattern": forms.Pattern,
            "silent_after": forms.Limit,
        },
    ),
    Quota: keys_of(
        Quota,
        {
            "pattern": "A line that says that the quota is used up; groups `until` (15:00) or `after` (3600, 1h).",
            "wait": "For how long all of the account are held, where the line does not say it.",
        },
        types={"pattern": forms.Pattern},
        examples={"pattern": "usage limit reached"},
    ),
    Account: keys_of(
        Account,
        {
            "budget": "What all agents of the account may use up together.",
            "quota": "Lines by which each of them says that the quota of all is used up.",
        },
        types={"quota": forms.Quotas},
    ),
    ExitCodes: keys_of(
        ExitCodes,
        {
            "success": "A good end.",
            "restart": "It wants to be started again, which is no failure.",
            "hold": "It can't run as it is, and is held until somebody resumes it.",
        },
    ),
    Window: keys_of(Window, {"columns": "Characters in a line.", "rows": "How many lines."}),
    SecretHeader: keys_of(SecretHeader, {"prefix": 'What stands before it in the header: `"Bearer "`.'}),
    CommandHook: _of_kind(
        CommandHook,
        "Run a command (a list) in the directory of this file, with the event in its environment and on its input.",
        more={
            "timeout": "How long it may take; then it is killed, with all that it has started.",
            "secrets": "Variables of the command that are secrets: `{env}`, `{file}` or `{command}`.",
        },
        types={"secrets": Mapping[forms.SecretName, forms.SecretOfFile]},
        example=("./alert",),
    ),
    WebHook: _of_kind(
        WebHook,
        "Post the event as JSON: a URL, or `{env}`, `{file}` or `{command}`, as such a URL often is a secret.",
        more={
            "headers": "Headers of the request: a text, or {env}, {file} or {command} with `prefix`, a secret.",
            "timeout": "How long each attempt may take.",
            "retry": "So many further attempts, with growing pauses, after no answer, 408, 429 or 5xx.",
        },
        types={"url": forms.UrlOrSecret, "headers": Mapping[str, forms.HeaderOfFile]},
        example="https://alerts.example/agents",
    ),
    CallHook: _of_kind(
        CallHook,
        "Call a function (async or not), imported from the directory of this file, with a `HookCall`.",
        more={"timeout": "How long it may take; then it is cancelled."},
        types={"call": forms.Callable},
        example="package.module:function",
    ),
    Hooks: keys_of(
        Hooks,
        {
            "on_ready": "When a life of it is ready for the first time.",
            "on_failed": "When it fails: unhealthy, a bad end, held by a rule; once, until it is well again.",
            "on_gave_up": "When it is down until somebody does something.",
            "on_restarted": "When a new life of it begins that nobody has asked for.",
            "on_stopped": "When it was stopped by somebody, or has finished.",
            "on_recovered": "When it is well again: ready for the time of `settle`.",
            "settle": "How long it must be ready without a break until a failure is over; longer for one that flaps.",
        },
        types=dict.fromkeys((kind.value for kind in HookKind), forms.HooksOfFile),
        examples={"on_failed": {"command": ["./alert"]}},
    ),
    # Of two that do not go together the first is blamed, and that is whose message it is.
    Limits: keys_of(
        Limits,
        {
            "memory_soft": "More than this of all its processes together, and it is stopped in order and restarted.",
            "memory": "More than this of all its processes together, and it is killed.",
            "pids": "So many processes it may have.",
            "rlimits": "Limits of setrlimit(2) for each process, by name: a number, a size, or `unlimited`.",
            "lifetime": "How old it may get: a duration, or {after, variance, then}; then it is restarted.",
            "idle": "How long it may do nothing: a duration, or {after, then}; then it is restarted.",
            "progress": "In which time it must get on: a duration, or {within, pattern, then}; else it is restarted.",
            "drain": "How long a planned restart waits for what is in flight; it is not ready any more meanwhile.",
        },
        types={
            "lifetime": forms.LifetimeLimit,
            "idle": forms.IdleLimit,
            "progress": forms.ProgressLimit,
            "memory_soft": forms.Size,
            "memory": forms.Size,
            "rlimits": Mapping[forms.RlimitName, forms.Rlimit],
        },
        examples={"memory_soft": "1500M", "memory": "2G", "pids": 200},
    ),
    ContainerSpec: keys_of(
        ContainerSpec,
        {
            "image": "The image, such as `registry.example/agent:1`.",
            "command": "Program and arguments as a list, with `{port}` and `{id}`; those of the image when not given.",
            "entrypoint": "What the command is given to, a list; that of the image when not given.",
            "env": "Environment variables; nothing of the supervisor's own is inherited.",
            "cwd": "The directory in the container; that of the image when not given.",
            "user": "The user it runs as, `name`, `uid` or `uid:gid`; that of the image when not given.",
            "mounts": "`SOURCE:TARGET`, with `:ro` where nothing is written: paths relative to this file, or volumes.",
            "tmpfs": "Directories in memory: `/tmp`, or with options, `/tmp:size=64m`.",
            "network": "none, bridge, host, or the name of one; bridge with a port, else none.",
            "ports": "`[ADDRESS:]OUTER:INNER[/udp]`; `{port}` is the agent's port, published as it is when not given.",
            "read_only": "Nothing can be written but to mounts and tmpfs.",
            "cap_drop": "Capabilities (capabilities(7)) that are taken away.",
            "cap_add": "Capabilities that it has nevertheless.",
            "no_new_privileges": "No program in it gets more rights than who starts it.",
            "memory": "So much memory, swap included.",
            "cpus": "So many processors' time: 0.5, 2.",
            "pids": "So many processes; 0 is no limit.",
            "pull": "When the image is fetched: never, missing (when it is not there), always (before each start).",
            "stop_signal": "What is sent where its stop says TERM; as the image has it when not given.",
            "init": "Let the engine's init be its first process: it reaps orphans, and TERM ends what has no handler.",
            "hostname": "Its host name.",
            "labels": "Labels, beside those of the supervisor.",
            "engine": "`unix:///path` or `tcp://host:port`; $DOCKER_HOST, $CONTAINER_HOST or a usual socket else.",
        },
        types={
            "env": Mapping[forms.VariableName, str],
            "user": forms.Account,
            "mounts": tuple[forms.MountOfFile, ...],
            "ports": tuple[forms.PublishOfFile, ...],
            "memory": forms.Size,
            "cpus": forms.Number,
        },
        examples={"image": "agent:1", "memory": "512M", "cpus": 1.5, "mounts": ("./work:/work",)},
    ),
    ContainerPolicy: keys_of(
        ContainerPolicy,
        {
            "images": "Images that may be run: `registry.example/team/*`, `agent:1`; all when not given.",
            "deny_mounts": "Paths that are not mounted, nor what is in them, nor what they are in; links are followed.",
            "deny_env": "Variables that no container gets.",
            "deny_networks": "Patterns of networks that are not joined, such as `container:*`.",
        },
        examples={"images": ("registry.example/**",)},
    ),
    # As above: of `total` and `size` the first is blamed.
    LogFile: keys_of(
        LogFile,
        {
            "file": "The file; `{id}` is the agent's path. Without it `{id}.log` in `logs` of the state directory.",
            "stream": "What goes into it: both streams, stdout or stderr.",
            "format": "How it looks: text (time, name and line), json (an object per line), or raw (what was said).",
            "total": "So much the file and the rotated ones may take together; the oldest are removed.",
            "size": "A file that would become greater is rotated: to `.1`, that one to `.2`, ...; or `unlimited`.",
            "age": "A file holds the output of one span of this length (24h: one day, UTC); then it is rotated.",
            "keep": "So many rotated files are kept.",
            "gzip": "Compress the rotated files.",
            "console": "`false`: what is written here is not shown by `run`.",
        },
        types={"file": forms.Path, "size": forms.SizeOrNot, "total": forms.Size},
        examples={"file": "logs/{id}.log", "total": "100M", "age": "24h"},
    ),
    RingLimits: keys_of(
        RingLimits,
        {
            "size": "So much of it; not given, less where there are more than 256 agents.",
            "lines": "So many lines of it.",
        },
        types={"size": forms.Size},
    ),
    TailLimits: keys_of(
        TailLimits,
        {
            "keep": "Of so many agents; 0: of none.",
            "size": "So much of all of them together.",
            "age": "For so long after the removal.",
        },
        types={"size": forms.Size},
    ),
    JournalLimits: keys_of(
        JournalLimits,
        {"age": "So long what has happened is kept.", "size": "So large the journal may become; or `unlimited`."},
        types={"age": forms.Limit, "size": forms.SizeOrNot},
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
            "tails": "What is kept in memory of what removed agents have said; only for the supervisor of all agents.",
            "journal": "How much of what has happened is kept: `{age, size}`, or `false`; only in the top supervisor.",
        },
        types={"journal": forms.Journal, "strategy": forms.StrategyOfFile, "stop_deadline": forms.Limit},
    ),
}
"""For each spec class that is a mapping in the file, its keys; a class stands below those that its attributes need."""

# Mappings of several kinds -------------------------------------------------------------------------------------------


def _by_kind(*classes: type) -> dict[str, type]:
    """By the key that names the kind, which is the first field of the class."""
    return {_first(cls): cls for cls in classes}


PROBE_KINDS = _by_kind(
    Http, A2A, Mcp, AgentCore, WebSocket, Tcp, Redis, Exec, Log, File, Unix, Notify, EngineHealth, Grpc, Call, Stdio
)
STEP_KINDS = _by_kind(*get_args(StopStep))
HOOK_KINDS = _by_kind(CommandHook, WebHook, CallHook)
SECRET_KINDS = _by_kind(*get_args(Secret))


def keys_of_all(kinds: Mapping[str, type], own: Mapping[str, Key] = MappingProxyType({})) -> dict[str, Key]:
    """Every key that a mapping may have, whatever its kind."""
    keys: dict[str, Key] = {}
    for cls in kinds.values():
        keys |= TABLES[cls]
    return {**keys, **own}
