"""What a person writes: frozen specs, the same classes for YAML and for Python.

All times are seconds as float, `math.inf` means without limit. A value that can't be right raises `SpecError`. The placeholders
`{port}` and `{id}` may stand in commands, environment values and probes; they are replaced when a life begins.
"""

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from signal import Signals
from urllib.parse import urlsplit

from attrs import Factory, field, frozen

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

DEFAULT_PORT_RANGE = (19001, 19100)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


def check_id(text: str) -> str:
    """Return `text` if it can be the id of a child; raises SpecError otherwise."""
    if not _ID.fullmatch(text):
        raise SpecError(f"id {text!r}: must be 1 to 64 letters, digits and hyphens, starting with a letter or digit")
    return text


def _positive(name: str) -> Callable[[object, object, float], None]:
    def validate(_: object, __: object, value: float) -> None:
        if not value > 0:
            raise SpecError(f"{name} must be > 0, not {value}")

    return validate


def _not_negative(name: str) -> Callable[[object, object, float], None]:
    def validate(_: object, __: object, value: float) -> None:
        if not value >= 0:
            raise SpecError(f"{name} must be >= 0, not {value}")

    return validate


# How a child lives ------------------------------------------------------------------------------------------------------------


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

    def __attrs_post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise SpecError("command must name a program")
        if self.shell and len(self.command) != 1:
            raise SpecError("command must be one string when shell is true")


@frozen
class TaskSpec:
    """A child that is an async function in this process."""

    task: "str | Callable[..., Awaitable[object]]"
    """`package.module:function`, or the function. If it takes `task_status`, it is ready when it calls `started()`."""
    path: str | None = None
    """A directory that is put before the import path when `task` is a string; None: the import path as it is."""


# How a child is asked ---------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def split_address(text: str) -> tuple[str, int]:
    """Split `port`, `host:port` or `[host]:port`; the host is 127.0.0.1 where none is written. Raises SpecError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    if not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise SpecError(f"tcp {text!r}: the port must be {{port}} or a number within 1 to 65535")
    _check_host("tcp", host)
    return host, int(port)


def _check_host(name: str, host: str) -> None:
    if not host or any(char.isspace() or not char.isprintable() or char in "/@[]?#" for char in host):
        raise SpecError(f"{name}: {host!r} is not a host name or address")


def _check_url(text: str) -> None:
    url = expand(text, "x", 1)
    if not url.isprintable():
        raise SpecError(f"http {text!r}: holds a character that can't be in a URL")
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not (whole or url.startswith("/")):
        raise SpecError(f"http {text!r}: must be a path that starts with '/', or a URL of http:// or https://")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise SpecError(f"http: headers: {name!r} is not the name of a header")
        if not _HEADER_VALUE.fullmatch(value):
            raise SpecError(f"http: headers: {name}: the value {value!r} must be printable ASCII")


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise SpecError(f"http: body: {pattern!r} is not a regular expression: {error}") from error


@frozen
class Http:
    """Ask by HTTP GET (or another method): the status must be in `status`, and `body` or `json` must match where given."""

    http: str
    """A path on the child's port, or a whole URL."""
    method: str = "GET"
    headers: Mapping[str, str] = Factory(dict)
    status: tuple[int, ...] = tuple(range(200, 300))
    body: str | None = None
    """A regular expression that is searched in the first 64 KiB of the body."""
    json: object = None
    """What the body must hold, as JSON: of objects these keys with these values (nested), anything else equal."""
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        _check_url(self.http)
        if not _TOKEN.fullmatch(self.method):
            raise SpecError(f"http: {self.method!r} is not a method")
        _check_headers(self.headers)
        if not self.status or not all(100 <= code <= 599 for code in self.status):
            raise SpecError(f"http: status must be codes within 100 to 599, not {list(self.status)}")
        if self.body is not None:
            _check_pattern(self.body)
        _check_host("http: host", self.host)


@frozen
class A2A:
    """Ask for the A2A agent card: `/.well-known/agent-card.json`, on 404 `/.well-known/agent.json`."""

    a2a: bool = True
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        if not self.a2a:
            raise SpecError("a2a must be true; without a probe leave it out")
        _check_host("a2a: host", self.host)


@frozen
class Tcp:
    """Ask by opening a TCP connection."""

    tcp: str
    """A port, or host:port; "{port}" is the child's."""

    def __attrs_post_init__(self) -> None:
        split_address(expand(self.tcp, "x", 1))


@frozen
class Exec:
    """Ask by running a command: exit code 0 is a success."""

    exec: tuple[str, ...]

    def __attrs_post_init__(self) -> None:
        if not self.exec or not self.exec[0]:
            raise SpecError("exec must name a program")


Check = Http | A2A | Tcp | Exec


@frozen
class Readiness:
    """When a child is ready: fast at first (100 ms, x1.5 up to `period`) until the first success, then every `period`."""

    check: Check
    period: float = field(default=5.0, validator=_positive("readiness: period"))
    timeout: float = field(default=5.0, validator=_positive("readiness: timeout"))
    deadline: float = field(default=60.0, validator=_positive("readiness: deadline"))
    """From start to ready; then the start has failed."""
    failures: int = field(default=3, validator=_positive("readiness: failures"))
    """So many in a row, after it was ready, make it not ready."""
    successes: int = field(default=1, validator=_positive("readiness: successes"))


@frozen
class Health:
    """Whether a ready child must be restarted (Kubernetes' liveness)."""

    check: Check
    period: float = field(default=30.0, validator=_positive("health: period"))
    timeout: float = field(default=5.0, validator=_positive("health: timeout"))
    failures: int = field(default=3, validator=_positive("health: failures"))
    successes: int = field(default=1, validator=_positive("health: successes"))


# How a child is stopped, where it listens -------------------------------------------------------------------------------------


@frozen
class SignalStep:
    """Send a signal to the child's process group, then wait; a task is cancelled instead."""

    signal: Signals = Signals.SIGTERM
    wait: float = field(default=10.0, validator=_not_negative("stop: grace"))


StopStep = SignalStep


@frozen
class Port:
    """Where a child listens: one port of a range, both ends included."""

    first: int
    last: int

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= 65535:
            raise SpecError(f"port must be within 1 to 65535, not {self}")

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


# A child, a supervisor --------------------------------------------------------------------------------------------------------


@frozen
class ChildSpec:
    """A child of a supervisor. Where a default says "by profile", see `Profile`."""

    id: str = field(converter=check_id)
    run: "ProcessSpec | TaskSpec | SupervisorSpec"
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    """Whether its own end counts for the supervisor's `auto_shutdown`; not for permanent children."""
    backoff: Backoff | None = None
    """None: by profile (fleet: `Backoff()`; otp: no delay at all)."""
    intensity: Intensity | None = None
    """A limit of this child's own, beside the supervisor's: whichever is reached first."""
    start_timeout: float = field(default=math.inf, validator=_positive("start_timeout"))
    """From start to ready, for children without a readiness probe (whose `deadline` says it otherwise); then the start has failed."""
    readiness: Readiness | None = None
    health: Health | None = None
    depends_on: Mapping[str, Condition] = Factory(dict)
    binds_to: tuple[str, ...] = ()
    """Restarted together with these siblings, and stopped together with them; each must be in `depends_on` or implies `started`."""
    stop: tuple[StopStep, ...] | None = None
    """In order; when all are over, the whole tree is killed. None: by profile (TERM and 10 s, in otp 5 s; supervisors without limit).

    OTP's `shutdown`: () is brutal_kill, (SignalStep(wait=5),) is 5000, (SignalStep(wait=math.inf),) is infinity.
    """
    port: Port | None = None


@frozen
class SupervisorSpec:
    """A supervisor: the root of a tree, or a child like any other. None: by profile."""

    children: tuple[ChildSpec, ...] = ()
    """In start order."""
    profile: Profile = Profile.FLEET
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity | None = None
    """Fleet: 5 in 60 s; otp: 1 in 5 s."""
    at_limit: AtLimit | None = None
    """Fleet: hold; otp: escalate."""
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    stop_deadline: float | None = None
    """For the whole stop; then every grace is cut to nothing. Fleet: 30 s; otp: none."""
    max_parallel_starts: int = field(default=20, validator=_positive("max_parallel_starts"))
    max_children: float = math.inf
    """For `simple_one_for_one`: no more instances than this, those in backoff included."""
    template: ChildSpec | None = None
    """For `simple_one_for_one`: what `start_child` makes instances of; None: each `start_child` brings its own spec (Elixir's DynamicSupervisor)."""


def expand(text: str, child: str, port: int | None) -> str:
    """Replace exactly `{port}` and `{id}`; all other braces stay."""
    text = text.replace("{id}", child)
    return text if port is None else text.replace("{port}", str(port))
