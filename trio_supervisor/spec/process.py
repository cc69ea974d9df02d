"""How a child lives: as an OS process, or as an async function; what a process inherits, holds and may use."""

import math
import re
import resource
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum

import attrs
from attrs import Factory, field, frozen

from trio_supervisor.core.limits import Idle, Lifetime, Progress
from trio_supervisor.errors import SpecError


class Stdin(Enum):
    """What a process reads as its standard input."""

    NULL = "null"
    """Nothing: the null device."""
    PIPE = "pipe"
    """What the supervisor writes; open until somebody closes it."""
    PTY = "pty"
    """A terminal of its own (pty(7)), which is its standard output and standard error too."""


def _size(name: str) -> Callable[[object, object, int], None]:
    def validate(_: object, __: object, value: int) -> None:
        if not 1 <= value <= 65535:
            raise SpecError(f"window: {name} must be within 1 to 65535, not {value}")

    return validate


@frozen
class Window:
    """How big a terminal is, in characters."""

    columns: int = field(default=80, validator=_size("columns"))
    rows: int = field(default=24, validator=_size("rows"))


class Inherit(Enum):
    """How much of the supervisor's own environment a process gets."""

    ALL = "all"
    MINIMAL = "minimal"
    """HOME, LOGNAME, PATH, SHELL, TERM, USER, LANG, LC_*, TMPDIR."""
    NONE = "none"


_PATTERN = r"[^=\0*]+\*?"


def _check_inherit(_: object, __: object, value: "Inherit | tuple[str, ...]") -> None:
    for name in value if isinstance(value, tuple) else ():
        if not re.fullmatch(_PATTERN, name):
            raise SpecError(f"inherit_env: {name!r} must be the name of a variable, or the beginning of names and '*'")


@frozen
class SecretFile:
    """A secret that is the content of a file, without its last newline."""

    file: str
    """Absolute, or relative to the current directory."""


@frozen
class SecretEnv:
    """A secret that is a variable of the supervisor's environment."""

    env: str

    def __attrs_post_init__(self) -> None:
        if not self.env or "=" in self.env or "\0" in self.env:
            raise SpecError(f"secrets: env {self.env!r} can't be the name of a variable")


@frozen
class SecretCommand:
    """A secret that is what a command prints, without the last newline."""

    command: tuple[str, ...]

    def __attrs_post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise SpecError("secrets: command must name a program")


Secret = SecretFile | SecretEnv | SecretCommand

RLIMITS: Mapping[str, int] = {
    name.removeprefix("RLIMIT_").lower(): number
    for name, number in sorted(vars(resource).items())
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
}
"""The limits of setrlimit(2) that this system has, by name (`nofile`)."""
UNLIMITED: int = resource.RLIM_INFINITY


_GREATEST = 2**63 - 1  # what the kernel can be told


def _at_least_one(name: str) -> Callable[[object, object, int | None], None]:
    def validate(_: object, __: object, value: int | None) -> None:
        if value is not None and value < 1:
            raise SpecError(f"limits: {name} must be >= 1, not {value}")
        if value is not None and value > _GREATEST:
            raise SpecError(f"limits: {name} is more than any system has")

    return validate


def _lifetime(value: float | Lifetime | None) -> Lifetime | None:
    return Lifetime(float(value)) if isinstance(value, int | float) else value


def _idle(value: float | Idle | None) -> Idle | None:
    return Idle(float(value)) if isinstance(value, int | float) else value


def _progress(value: float | Progress | None) -> Progress | None:
    return Progress(float(value)) if isinstance(value, int | float) else value


@frozen
class Limits:
    """Ceilings for a process and all that it starts, and limits for the life of any child; None: no limit."""

    memory: int | None = field(default=None, validator=_at_least_one("memory"))
    """Bytes of the whole tree; whoever is over it is killed."""
    memory_soft: int | None = field(default=None, validator=_at_least_one("memory_soft"))
    """Bytes of the whole tree; who is over it is stopped in order and started again."""
    pids: int | None = field(default=None, validator=_at_least_one("pids"))
    """Processes of the whole tree."""
    rlimits: Mapping[str, int] = Factory(dict)
    """setrlimit(2), soft and hard alike, by name (`nofile`); `UNLIMITED` lifts one."""
    lifetime: Lifetime | None = field(default=None, converter=_lifetime)
    """How old a life may get; a number is `Lifetime(after=...)`."""
    idle: Idle | None = field(default=None, converter=_idle)
    """How long it may do nothing; a number is `Idle(after=...)`."""
    progress: Progress | None = field(default=None, converter=_progress)
    """In which time it must get on; a number is `Progress(within=...)`."""
    drain: float = 0.0
    """So long a planned restart waits for what is in flight; the child is not ready any more meanwhile."""

    @property
    def ceilings(self) -> bool:
        """Whether there is a limit that only a process can have."""
        return self.memory is not None or self.memory_soft is not None or self.pids is not None or bool(self.rlimits)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.drain < math.inf:
            raise SpecError(f"limits: drain must be >= 0 seconds and finite, not {self.drain:g}")
        if self.memory is not None and self.memory_soft is not None and self.memory_soft >= self.memory:
            raise SpecError(f"limits: memory_soft ({self.memory_soft}) must be less than memory ({self.memory})")
        for name, value in self.rlimits.items():
            if name not in RLIMITS:
                raise SpecError(f"limits: rlimits: {name!r} must be one of {', '.join(RLIMITS)}")
            if value != UNLIMITED and value < 0:
                raise SpecError(f"limits: rlimits: {name} must be >= 0 or unlimited, not {value}")
            if value > _GREATEST:
                raise SpecError(f"limits: rlimits: {name} is more than any system has: write unlimited")


def _within(name: str, low: int, high: int) -> Callable[[object, object, int | None], None]:
    def validate(_: object, __: object, value: int | None) -> None:
        if value is not None and not low <= value <= high:
            raise SpecError(f"{name} must be within {low} to {high}, not {value}")

    return validate


def _check_account(_: object, attribute: "attrs.Attribute[str | int | None]", value: str | int | None) -> None:
    # 2**32 - 1 is -1 to the kernel, which then changes nothing.
    if isinstance(value, int) and not 0 <= value < 2**32 - 1:
        raise SpecError(f"{attribute.name} must be within 0 to {2**32 - 2}, not {value}")
    if isinstance(value, str) and not value.strip():
        raise SpecError(f"{attribute.name} must be a name or a number, not {value!r}")


OWNED_PREFIXES = ("AGENT_", "LISTEN_", "WATCHDOG_")
OWNED_NAMES = ("NOTIFY_SOCKET",)


def is_owned(name: str) -> bool:
    """Whether only the supervisor may set this variable of a child's environment."""
    return name in OWNED_NAMES or name.startswith(OWNED_PREFIXES)


@frozen
class ProcessSpec:
    """A child that is an OS process."""

    command: tuple[str, ...]
    """Program and arguments; with `shell` exactly one string."""
    shell: bool = False
    """Run the one string of `command` by /bin/sh."""
    cwd: str | None = None
    """Absolute, or relative to the current directory; None: the current directory."""
    env: Mapping[str, str] = Factory(dict)
    """Added to the inherited environment."""
    inherit_env: Inherit | tuple[str, ...] = field(default=Inherit.ALL, validator=_check_inherit)
    """How much of the supervisor's environment it gets, or the names of what it gets (`PREFIX_*` for several)."""
    secrets: Mapping[str, Secret] = Factory(dict)
    """Variables whose values are looked up at every start, and never shown."""
    stdin: Stdin = Stdin.NULL
    window: Window = Window()
    """How big its terminal is at the start; without `Stdin.PTY` there is none."""
    user: str | int | None = field(default=None, validator=_check_account)
    """The user it runs as, by name or number, with that user's groups; None: the supervisor's."""
    group: str | int | None = field(default=None, validator=_check_account)
    """The group it runs as, by name or number; None: the user's own, or the supervisor's."""
    umask: int | None = field(default=None, validator=_within("umask", 0, 0o777))
    nice: int | None = field(default=None, validator=_within("nice", -20, 19))
    """Its niceness (setpriority(2)); None: the supervisor's."""
    oom_score_adj: int | None = field(default=None, validator=_within("oom_score_adj", -1000, 1000))
    """How readily the kernel kills it when memory runs out (proc_pid_oom_score_adj(5)); None: as the supervisor."""
    limits: Limits = Limits()
    notify: bool = False
    """Give it a socket for its notifications (NOTIFY_SOCKET, sd_notify(3)), also without a probe that listens."""
    workspace: bool | str = False
    """A directory of its own (AGENT_WORKSPACE), made with mode 0700 where it is not there, in which it runs unless
    `cwd` says otherwise. True: in the state directory, which only a run from a file has; else its path.
    """

    def __attrs_post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise SpecError("command must name a program")
        if self.shell and len(self.command) != 1:
            raise SpecError("command must be one string when shell is true")
        if self.workspace is True and self.user is not None:
            raise SpecError("workspace: nobody else can enter the state directory: with user, write a path")
        if isinstance(self.workspace, str) and ".." in self.workspace.split("/"):
            raise SpecError(f"workspace must be a path without '..', not {self.workspace!r}")
        if self.workspace == "":
            raise SpecError("workspace must be a path, or true")
        for name in self.secrets:
            if name in self.env:
                raise SpecError(f"secrets: {name!r} is in env too: write it in one place")
            if is_owned(name) or not name or "=" in name or "\0" in name:
                raise SpecError(f"secrets: {name!r} is no name that a variable of a child can have")


@frozen
class TaskSpec:
    """A child that is an async function in this process."""

    task: "str | Callable[..., Awaitable[object]]"
    """`package.module:function`, or the function. If it takes `task_status`, it is ready when it calls `started()`."""
    path: str | None = None
    """A directory that is put before the import path when `task` is a string; None: the import path as it is."""
    limits: Limits = Limits()
    """No ceilings: it is a part of the supervisor's own process."""

    def __attrs_post_init__(self) -> None:
        if self.limits.ceilings:
            raise SpecError("limits: memory, memory_soft, pids and rlimits are for processes, which a task is not")
