"""A child that lives in a container: its image, what it is given, and what is kept from it."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from signal import Signals
from typing import Any

from attrs import Factory, field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.record import record
from trio_supervisor.spec.process import RLIMITS, Limits, Secret, Stdin, Window, is_owned

DEFAULT_PIDS = 256
PUBLISHED_AT = "127.0.0.1"
"""Where ports are published that name no address."""


class Pull(Enum):
    """When an image is fetched from its registry."""

    NEVER = "never"
    MISSING = "missing"
    """When the engine does not have it."""
    ALWAYS = "always"
    """Before each start."""


@record
class Mount:
    """A directory or a file of the engine's machine, or a volume, in a container."""

    source: str
    """An absolute path, or the name of a volume."""
    target: str
    read_only: bool = False

    def __post_init__(self) -> None:
        if not self.target.startswith("/"):
            raise SpecError(f"mounts: {self.target!r} must be an absolute path in the container")
        if not self.is_path and not re.fullmatch(_VOLUME, self.source):
            raise SpecError(f"mounts: {self.source!r} must be an absolute path, or the name of a volume")

    @property
    def is_path(self) -> bool:
        """Whether its source is a path, and no volume."""
        return self.source.startswith("/")

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


_VOLUME = r"[A-Za-z0-9][A-Za-z0-9_.-]+"


def parse_mount(text: str, directory: str | None = None) -> Mount:
    """A mount as docker(1) takes it: `SOURCE:TARGET`, `SOURCE:TARGET:ro`; a source with a slash, or `.`, is a path,
    relative to `directory` (None: the current one). Raises SpecError.
    """
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(parts) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise SpecError(f"mounts: {text!r} must be SOURCE:TARGET, with :ro behind it if it can't be written to")
    source = parts[0]
    if "/" in source or source in (".", "..", "~"):
        source = os.path.normpath(os.path.join(directory or os.getcwd(), os.path.expanduser(source)))
    return Mount(source, parts[1], parts[2:] == ["ro"])


@record
class Publish:
    """A port of a container that can be reached from outside."""

    inner: int | None
    """In the container; None: the number of the child's port."""
    outer: int | None
    """None: the child's port."""
    address: str = PUBLISHED_AT
    protocol: str = "tcp"

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        udp = "" if self.protocol == "tcp" else f"/{self.protocol}"
        return f"{address}:{self.outer or '{port}'}:{self.inner or '{port}'}{udp}"


_PUBLISH = r"(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?([0-9]+|\{port\}):([0-9]+|\{port\})(?:/(tcp|udp))?"


def parse_publish(text: str) -> Publish:
    """A published port as docker(1) takes it: `[ADDRESS:]OUTER:INNER[/udp]`; `{port}` is the child's.

    Raises SpecError.
    """
    match = re.fullmatch(_PUBLISH, text)
    if match is None:
        raise SpecError(f"ports: {text!r} must be [ADDRESS:]OUTER:INNER, with /udp behind it if it is no TCP")
    address, outer, inner, protocol = match.groups()
    numbers = [None if each == "{port}" else int(each) for each in (inner, outer)]
    for number in numbers:
        if number is not None and not 1 <= number <= 65535:
            raise SpecError(f"ports: {text!r}: a port must be within 1 to 65535, not {number}")
    return Publish(numbers[0], numbers[1], (address or PUBLISHED_AT).strip("[]"), protocol or "tcp")


def _mounts(value: Iterable[Mount | str]) -> tuple[Mount, ...]:
    return tuple(parse_mount(each) if isinstance(each, str) else each for each in value)


def _ports(value: Iterable[Publish | str]) -> tuple[Publish, ...]:
    return tuple(parse_publish(each) if isinstance(each, str) else each for each in value)


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _not_empty(name: str) -> Callable[[object, object, str | None], None]:
    def validate(_: object, __: object, value: str | None) -> None:
        if value is not None and (not value.strip() or "\0" in value):
            raise SpecError(f"container: {name} must not be empty")

    return validate


def _at_least(name: str, least: float) -> Callable[[object, object, Any], None]:
    def validate(_: object, __: object, value: float | None) -> None:
        if value is not None and not least <= value < 2**63:
            raise SpecError(f"container: {name} must be >= {least:g}, not {value:g}")

    return validate


def _check_image(_: object, __: object, image: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][^\s\0]*", image):
        raise SpecError(f"container: image {image!r} must be a name such as registry.example/agent:1")
    if any(part in ("", ".", "..") for part in image.partition("@")[0].split("/")):
        raise SpecError(f"container: image {image!r}: no part of a name can be empty, . or ..")


def _check_engine(_: object, __: object, engine: str | None) -> None:
    if engine is not None and not re.fullmatch(r"unix:///.+|tcp://[^/\s]+:[0-9]+", engine):
        raise SpecError(f"container: engine {engine!r} must be unix:///path or tcp://host:port")


def _check_tmpfs(_: object, __: object, paths: tuple[str, ...]) -> None:
    for path in paths:
        if not path.startswith("/"):
            raise SpecError(f"container: tmpfs: {path!r} must be an absolute path, with options behind a colon")


@frozen
class ContainerSpec:
    """A child that lives in a container of Docker or Podman. What is not asked for is kept from it."""

    image: str = field(validator=_check_image)
    command: tuple[str, ...] = ()
    """Program and arguments; empty: those of the image."""
    entrypoint: tuple[str, ...] | None = None
    """What the command is given to; None: that of the image."""
    env: Mapping[str, str] = Factory(dict)
    cwd: str | None = field(default=None, validator=_not_empty("cwd"))
    """The directory in the container; None: that of the image."""
    user: str | None = field(default=None, converter=_text, validator=_not_empty("user"))
    """`name`, `uid` or `uid:gid`, of the container; None: that of the image."""
    mounts: tuple[Mount, ...] = field(default=(), converter=_mounts)
    tmpfs: tuple[str, ...] = field(default=(), validator=_check_tmpfs)
    """Directories in memory: `/tmp`, or with options, `/tmp:size=64m`."""
    network: str | None = field(default=None, validator=_not_empty("network"))
    """`none`, `bridge`, `host`, or the name of one; None: `bridge` with a port, else `none`."""
    ports: tuple[Publish, ...] = field(default=(), converter=_ports)
    """Published ports; where none of them is the child's, that is published under its own number."""
    read_only: bool = False
    """Nothing can be written but to mounts and tmpfs."""
    cap_drop: tuple[str, ...] = ("ALL",)
    cap_add: tuple[str, ...] = ()
    no_new_privileges: bool = True
    memory: int | None = field(default=None, validator=_at_least("memory", 1))
    """Bytes, swap included; None: no limit."""
    cpus: float | None = field(default=None, validator=_at_least("cpus", 0.01))
    """So many processors' time; None: no limit."""
    pids: int = field(default=DEFAULT_PIDS, validator=_at_least("pids", 0))
    """So many processes; 0: no limit."""
    pull: Pull = Pull.MISSING
    stop_signal: Signals | None = None
    """What is sent where a stop says TERM; None: as the image has it, else TERM."""
    init: bool = False
    """Let the engine's own init be its first process, which reaps orphans and passes signals on."""
    hostname: str | None = field(default=None, validator=_not_empty("hostname"))
    labels: Mapping[str, str] = Factory(dict)
    """Beside those that the supervisor sets."""
    engine: str | None = field(default=None, validator=_check_engine)
    """`unix:///path` or `tcp://host:port`; None: $DOCKER_HOST, $CONTAINER_HOST, or a usual socket."""
    secrets: Mapping[str, Secret] = Factory(dict)
    """Variables whose values are looked up at every start. Who may ask the engine sees them."""
    stdin: Stdin = Stdin.NULL
    window: Window = Window()  # noqa: RUF009 -- frozen
    limits: Limits = Limits()  # noqa: RUF009 -- frozen
    """No ceilings but `rlimits`: those of a container are its own (`memory`, `cpus`, `pids`)."""

    def __attrs_post_init__(self) -> None:
        if self.limits.memory is not None or self.limits.memory_soft is not None or self.limits.pids is not None:
            raise SpecError("limits: memory, memory_soft and pids are for processes: write them in container")
        for name in self.limits.rlimits:
            if name not in RLIMITS_OF_ENGINES:
                raise SpecError(f"limits: rlimits: {name!r} is none that a container can have")
        if self.entrypoint is not None and not all(self.entrypoint):
            raise SpecError("container: entrypoint must name a program")
        if self.network in ("none", "host") and self.ports:
            raise SpecError(f"container: ports can't be published with network {self.network!r}")
        for name in self.labels:
            if name.startswith(LABELS):
                raise SpecError(f"container: labels: {name!r}: only the supervisor sets {LABELS}*")
        for name in self.secrets:
            if name in self.env:
                raise SpecError(f"secrets: {name!r} is in env too: write it in one place")
            if is_owned(name) or not name or "=" in name or "\0" in name:
                raise SpecError(f"secrets: {name!r} is no name that a variable of a child can have")

    def inner_port(self, port: int | None) -> int | None:
        """Where the child itself has to listen, for others to find it at its port."""
        found = next((each.inner for each in self.ports if each.outer is None), None)
        return port if found is None else found

    @property
    def wants_port(self) -> bool:
        """Whether it is published by the number of the child's port."""
        return any(each.outer is None or each.inner is None for each in self.ports)


RLIMITS_OF_ENGINES = frozenset(RLIMITS) - {"as"}
"""Limits of setrlimit(2) that engines set for containers."""
LABELS = "trio-supervisor."
"""What the labels of the supervisor begin with."""
