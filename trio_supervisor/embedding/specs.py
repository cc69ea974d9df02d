"""Short ways to write specs in Python: strings for enumerations, tuples for intensities, numbers for graces."""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from signal import Signals
from typing import TypedDict, TypeVar, Unpack

from attrs import evolve

from trio_supervisor.core.policy import (
    AtLimit,
    AutoShutdown,
    Backoff,
    Condition,
    Intensity,
    Profile,
    Restart,
    Strategy,
)
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import (
    DEFAULT_LISTEN,
    DEFAULT_PORT_RANGE,
    Account,
    Budget,
    ChildSpec,
    ContainerPolicy,
    ContainerSpec,
    ExitCodes,
    Health,
    Hooks,
    Inherit,
    Limits,
    LogFile,
    Mount,
    Port,
    ProcessSpec,
    Publish,
    Pull,
    Quota,
    Readiness,
    RemoteSpec,
    RingLimits,
    Secret,
    SecretHeader,
    SignalStep,
    Startup,
    Stdin,
    StopStep,
    SupervisorSpec,
    TailLimits,
    TaskSpec,
    Window,
)
from trio_supervisor.spec.presets import PRESETS, Preset

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)
_NO_PRESET = Preset("", stop=None)
Limit = Intensity | tuple[int, float]
"""An `Intensity`, or (restarts, seconds)."""


class ChildOptions(TypedDict, total=False):
    """What every kind of child can be given; see `ChildSpec`."""

    restart: Restart | str
    significant: bool
    backoff: Backoff | None
    intensity: Limit | None
    start_timeout: float
    startup: Startup | None
    readiness: Readiness | None
    health: Health | None
    depends_on: Mapping[str, Condition | str] | Iterable[str]
    """Names alone mean `ready`."""
    binds_to: Iterable[str]
    stop: tuple[StopStep, ...] | float | str | None
    """Steps, or OTP's shutdown: seconds, "kill" or "infinity"."""
    log: LogFile | Iterable[LogFile]
    """Files that what it says is written to."""
    ring: RingLimits | None
    """How much of what it says is kept in memory."""
    port: Port | int | str | None
    """A number, "auto", "first-last"."""
    protocol: str | None
    """What it speaks, for those who look for it; None: as the preset has it, else by its probes."""
    hooks: Hooks | None
    """What is called when it is ready, fails, is given up, restarted, stopped, well again."""
    exit_codes: ExitCodes | None
    startup_crashes: int | None
    same_exits: int | None
    account: str | None
    budget: Budget | None
    quota: str | Quota | Iterable[str | Quota]
    """Patterns, or `Quota` for more than that."""
    listen: str | bool | None
    """Where the supervisor listens on the port, to hand the socket over; True is 127.0.0.1."""


class ProcessOptions(ChildOptions, total=False):
    """What a process can be given; see `ProcessSpec`."""

    cwd: str | None
    env: Mapping[str, str] | None
    inherit_env: Inherit | str | Iterable[str]
    """"all", "minimal", "none", or the names of what it gets."""
    secrets: Mapping[str, Secret]
    stdin: Stdin | str | None
    """"null", "pipe" or "pty"; None: as the preset has it, else nothing."""
    window: Window | tuple[int, int]
    """How big its terminal is: (columns, rows)."""
    user: str | int | None
    group: str | int | None
    umask: int | None
    nice: int | None
    oom_score_adj: int | None
    limits: Limits
    notify: bool
    """Give it a socket for sd_notify(3), also without a probe that listens to it."""
    workspace: str | None
    """A directory of its own, made where it is not there; see `ProcessSpec`."""
    preset: str | None
    """What kind of program it is (`PRESETS`): gives `stop`, `stdin` and probes where they are not given, each alone."""


class RemoteOptions(ChildOptions, total=False):
    """What a remote can be given; see `RemoteSpec`."""

    headers: Mapping[str, str | SecretHeader] | None
    preset: str | None
    """What kind of program it is: gives probes where they are not given, each alone."""


class ContainerOptions(ChildOptions, total=False):
    """What a container can be given; see `ContainerSpec`."""

    command: Iterable[str]
    entrypoint: Iterable[str] | None
    env: Mapping[str, str] | None
    cwd: str | None
    user: str | int | None
    mounts: Iterable[Mount | str]
    """`Mount`, or "SOURCE:TARGET:ro"."""
    tmpfs: Iterable[str]
    network: str | None
    ports: Iterable[Publish | str]
    """`Publish`, or "OUTER:INNER"; "{port}" is the child's port."""
    read_only: bool
    cap_drop: Iterable[str]
    cap_add: Iterable[str]
    no_new_privileges: bool
    memory: int | None
    cpus: float | None
    pids: int
    pull: Pull | str
    stop_signal: Signals | None
    init: bool
    hostname: str | None
    labels: Mapping[str, str]
    engine: str | None
    secrets: Mapping[str, Secret]
    stdin: Stdin | str | None
    window: Window | tuple[int, int]
    limits: Limits
    preset: str | None


class TaskOptions(ChildOptions, total=False):
    """What an async function can be given; see `TaskSpec`."""

    limits: Limits


class SupervisorOptions(TypedDict, total=False):
    """The fields of `SupervisorSpec`; enumerations as strings too."""

    profile: Profile | str
    strategy: Strategy | str
    intensity: Limit | None
    at_limit: AtLimit | str | None
    auto_shutdown: AutoShutdown | str
    stop_deadline: float | None
    max_parallel_starts: int
    max_children: float
    template: ChildSpec | None
    accounts: Mapping[str, Account]
    tails: TailLimits | None
    """For the top one: how much of what removed children have said is kept."""
    containers: ContainerPolicy
    """For the top one: what containers may be given."""


def process(
    id: str,
    command: Iterable[str] | str,
    **options: Unpack[ProcessOptions],
) -> ChildSpec:
    """A child that is an OS process; a command that is one string is run by /bin/sh. Raises SpecError."""
    _check_known(options, ProcessOptions)
    preset = _preset(options.get("preset"))
    stdin = options.get("stdin")
    if stdin is None:
        stdin = preset.stdin
    if "window" in options and stdin not in (Stdin.PTY, Stdin.PTY.value):
        raise SpecError("window: there is no terminal without stdin='pty'")
    run = ProcessSpec(
        command=(command,) if isinstance(command, str) else tuple(command),
        shell=isinstance(command, str),
        cwd=options.get("cwd"),
        env=dict(options.get("env") or {}),
        inherit_env=_inherit(options.get("inherit_env", Inherit.ALL)),
        secrets=dict(options.get("secrets", {})),
        stdin=_enum(Stdin, stdin, "stdin"),
        window=_window(options.get("window", Window())),
        user=options.get("user"),
        group=options.get("group"),
        umask=options.get("umask"),
        nice=options.get("nice"),
        oom_score_adj=options.get("oom_score_adj"),
        limits=options.get("limits", Limits()),
        notify=options.get("notify", False),
        workspace=options.get("workspace") or False,
    )
    return _child(id, run, options, preset.suited(piped=run.stdin is Stdin.PIPE))


def container(id: str, image: str, **options: Unpack[ContainerOptions]) -> ChildSpec:
    """A child that lives in a container of Docker or Podman; what is not asked for is kept from it.

    Raises SpecError.
    """
    _check_known(options, ContainerOptions)
    preset = _preset(options.get("preset"))
    stdin = preset.stdin if options.get("stdin") is None else options.get("stdin")
    entrypoint = options.get("entrypoint")
    default = ContainerSpec(image)
    run = ContainerSpec(
        image=image,
        command=tuple(_names(options.get("command", ()), "command")),
        entrypoint=None if entrypoint is None else tuple(_names(entrypoint, "entrypoint")),
        env=dict(options.get("env") or {}),
        cwd=options.get("cwd"),
        user=options.get("user"),
        mounts=tuple(_names(options.get("mounts", ()), "mounts")),
        tmpfs=tuple(_names(options.get("tmpfs", ()), "tmpfs")),
        network=options.get("network"),
        ports=tuple(_names(options.get("ports", ()), "ports")),
        read_only=options.get("read_only", False),
        cap_drop=tuple(_names(options.get("cap_drop", default.cap_drop), "cap_drop")),
        cap_add=tuple(_names(options.get("cap_add", ()), "cap_add")),
        no_new_privileges=options.get("no_new_privileges", True),
        memory=options.get("memory"),
        cpus=options.get("cpus"),
        pids=options.get("pids", default.pids),
        pull=_enum(Pull, options.get("pull", Pull.MISSING), "pull"),
        stop_signal=options.get("stop_signal"),
        init=options.get("init", False),
        hostname=options.get("hostname"),
        labels=dict(options.get("labels", {})),
        engine=options.get("engine"),
        secrets=dict(options.get("secrets", {})),
        stdin=_enum(Stdin, stdin or Stdin.NULL, "stdin"),
        window=_window(options.get("window", Window())),
        limits=options.get("limits", Limits()),
    )
    return _child(id, run, options, preset)


def remote(id: str, url: str, **options: Unpack[RemoteOptions]) -> ChildSpec:
    """A child that somebody else runs, at a URL of http, https, ws or wss: it is watched. Raises SpecError."""
    _check_known(options, RemoteOptions)
    run = RemoteSpec(url, dict(options.get("headers") or {}))
    preset = _preset(options.get("preset"))
    return _child(id, run, options, evolve(preset.suited(piped=False), stop=None))


def task(id: str, function: Callable[..., Awaitable[object]] | str, **options: Unpack[TaskOptions]) -> ChildSpec:
    """A child that is an async function without arguments; if it takes `task_status`, it is ready when it calls
    `started()`.
    """
    _check_known(options, TaskOptions)
    return _child(id, TaskSpec(function, limits=options.get("limits", Limits())), options)


def supervisor(
    id: str, *children: ChildSpec, own: ChildOptions | None = None, **options: Unpack[SupervisorOptions]
) -> ChildSpec:
    """A child that is a supervisor. The options are those of the supervisor; `own` are its options as a child."""
    return child(id, supervisor_spec(children, **options), **(own or {}))


def supervisor_spec(children: Iterable[ChildSpec] = (), **options: Unpack[SupervisorOptions]) -> SupervisorSpec:
    """A `SupervisorSpec` from values that are easy to write. Raises SpecError."""
    _check_known(options, SupervisorOptions)
    at_limit = options.get("at_limit")
    return SupervisorSpec(
        children=tuple(children),
        profile=_enum(Profile, options.get("profile", Profile.FLEET), "profile"),
        strategy=_enum(Strategy, options.get("strategy", Strategy.ONE_FOR_ONE), "strategy"),
        intensity=_intensity(options.get("intensity")),
        at_limit=None if at_limit is None else _enum(AtLimit, at_limit, "at_limit"),
        auto_shutdown=_enum(AutoShutdown, options.get("auto_shutdown", AutoShutdown.NEVER), "auto_shutdown"),
        stop_deadline=options.get("stop_deadline"),
        max_parallel_starts=options.get("max_parallel_starts", 20),
        max_children=options.get("max_children", math.inf),
        template=options.get("template"),
        accounts=dict(options.get("accounts", {})),
        tails=options.get("tails"),
        containers=options.get("containers", ContainerPolicy()),
    )


def child(id: str, run: object, **options: Unpack[ChildOptions]) -> ChildSpec:
    """A child of any kind that a runtime is known for. Raises SpecError."""
    _check_known(options, ChildOptions)
    return _child(id, run, options)


def _child(id: str, run: object, options: ChildOptions, preset: Preset = _NO_PRESET) -> ChildSpec:
    """`preset`: where the options say nothing."""
    return ChildSpec(
        id=id,
        run=run,  # type: ignore[arg-type] # an embedding program may bring runtimes, and so specs, of its own
        restart=_enum(Restart, options.get("restart", Restart.PERMANENT), "restart"),
        significant=options.get("significant", False),
        backoff=options.get("backoff"),
        intensity=_intensity(options.get("intensity")),
        start_timeout=options.get("start_timeout", math.inf),
        startup=options.get("startup", preset.startup),
        readiness=options.get("readiness", preset.readiness),
        health=options.get("health", preset.health),
        depends_on=_depends_on(options.get("depends_on", ())),
        binds_to=tuple(_names(options.get("binds_to", ()), "binds_to")),
        stop=preset.stop if options.get("stop") is None else _stop(options.get("stop")),
        port=_port(options.get("port")),
        listen=_listen(options.get("listen")),
        log=_log(options.get("log", ())),
        exit_codes=options.get("exit_codes"),
        startup_crashes=options.get("startup_crashes"),
        same_exits=options.get("same_exits"),
        account=options.get("account"),
        budget=options.get("budget"),
        quota=_quota(options.get("quota", ())),
        ring=options.get("ring"),
        protocol=options.get("protocol") or preset.protocol,
        hooks=options.get("hooks"),
    )


def _check_known(options: Mapping[str, object], kind: type) -> None:
    for name in options.keys() - kind.__annotations__.keys():
        near = get_close_matches(name, kind.__annotations__, 1)
        raise SpecError(f"there is no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _names(value: Iterable[T], option: str) -> Iterable[T]:
    if isinstance(value, str):
        raise SpecError(f"{option} must be several names, not the one string {value!r}")
    return value


def _enum(kind: type[EnumT], value: EnumT | str, name: str) -> EnumT:
    try:
        return kind(value)
    except ValueError:
        words = ", ".join(str(each.value) for each in kind)
        raise SpecError(f"{name} must be one of {words}, not {value!r}") from None


def _intensity(value: Limit | None) -> Intensity | None:
    if not isinstance(value, tuple):
        return value
    try:
        return Intensity(*value)
    except (TypeError, ValueError) as error:
        raise SpecError(f"intensity {value!r}: {error}") from error


def _depends_on(value: Mapping[str, Condition | str] | Iterable[str]) -> Mapping[str, Condition]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(_names(value, "depends_on"), Condition.READY)
    return {name: _enum(Condition, condition, "depends_on") for name, condition in value.items()}


def _stop(value: tuple[StopStep, ...] | float | str | None) -> tuple[StopStep, ...] | None:
    if value is None or isinstance(value, tuple):
        return value
    if value == "kill":
        return ()
    if value == "infinity":
        return (SignalStep(wait=math.inf),)
    if isinstance(value, str):
        raise SpecError(f"stop must be steps, seconds, 'kill' or 'infinity', not {value!r}")
    return (SignalStep(wait=float(value)),)


def _port(value: Port | int | str | None) -> Port | None:
    if value is None or isinstance(value, Port):
        return value
    if value == "auto":
        return Port(*DEFAULT_PORT_RANGE)
    first, _, last = str(value).partition("-")
    try:
        return Port(int(first), int(last or first))
    except ValueError as error:
        raise SpecError(f"port {value!r}: {error}") from error


def _listen(value: str | bool | None) -> str | None:
    if isinstance(value, bool):
        return DEFAULT_LISTEN if value else None
    return value


def _log(value: LogFile | Iterable[LogFile]) -> tuple[LogFile, ...]:
    files = (value,) if isinstance(value, LogFile) else tuple(value)
    if any(each.file is None for each in files):
        raise SpecError("log: name the file: only what is run from a file has a directory for logs")
    return files


def _quota(value: str | Quota | Iterable[str | Quota]) -> tuple[Quota, ...]:
    found = (value,) if isinstance(value, str | Quota) else tuple(value)
    return tuple(Quota(each) if isinstance(each, str) else each for each in found)


def _window(value: Window | tuple[int, int]) -> Window:
    return value if isinstance(value, Window) else Window(*value)


def _inherit(value: Inherit | str | Iterable[str]) -> Inherit | tuple[str, ...]:
    return _enum(Inherit, value, "inherit_env") if isinstance(value, Inherit | str) else tuple(value)


def _preset(name: str | None) -> Preset:
    if name is not None and name not in PRESETS:
        raise SpecError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    return _NO_PRESET if name is None else PRESETS[name]
