"""What becomes of what a child says: how much of it is kept in memory, and the files that it is written to."""

from collections.abc import Callable
from enum import Enum

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.values import positive

LEAST_RING = 16 << 10


class LogStream(Enum):
    """Which streams go into a log file."""

    BOTH = "both"
    STDOUT = "stdout"
    STDERR = "stderr"


class LogFormat(Enum):
    """What a line of a log file looks like."""

    TEXT = "text"
    """Time, name of the child, `|` or `:` for standard error, what it said."""
    JSON = "json"
    """One object per line: `{ts, level, agent, stream, text}`."""
    RAW = "raw"
    """What the child said, byte by byte."""


def _at_least(what: str, least: int) -> Callable[[object, object, int], None]:
    def check(_: object, attribute: object, value: int) -> None:
        if value < least:
            raise SpecError(f"{what}: {getattr(attribute, 'name', 'value')} must be >= {least}, not {value}")

    return check


@frozen
class RingLimits:
    """How much of what a child says is kept in memory, over all of its lives: the last of it, within both limits."""

    size: int = field(default=1 << 20, validator=_at_least("ring", LEAST_RING))
    """Bytes. Where children have no limits of their own, more than 256 of them share 256 MiB."""
    lines: int = field(default=10_000, validator=_at_least("ring", 1))


@frozen
class TailLimits:
    """How much of what children have said that were removed can still be read: the rings of the latest of them, within
    all three limits.
    """

    keep: int = field(default=200, validator=_at_least("tails", 0))
    """So many children; 0: none."""
    size: int = field(default=16 << 20, validator=_at_least("tails", 1))
    """Bytes of all of them together."""
    age: float = field(default=3600.0, validator=positive("tails: age"))
    """Seconds since the removal."""


def _at_least_one(_: object, attribute: object, value: int | None) -> None:
    if value is not None and value < 1:
        raise SpecError(f"log: {getattr(attribute, 'name', 'value')} must be >= 1, not {value}")


def _no_nul(_: object, __: object, value: str | None) -> None:
    if value is not None and (not value or "\0" in value or value.endswith("/")):
        raise SpecError(f"log: file {value!r} must be the path of a file")


def _long_enough(_: object, __: object, value: float | None) -> None:
    if value is not None:
        positive("log: age")(_, __, value)


@frozen
class LogFile:
    """A file that what a child says is appended to; rotated to `file.1`, `file.2`, ..."""

    file: str | None = field(default=None, validator=_no_nul)
    """Absolute, or relative to the current directory; `{id}` is the path of the child. None: `{id}.log` in the
    directory for logs, which only a run from a file has.
    """
    stream: LogStream = LogStream.BOTH
    format: LogFormat = LogFormat.TEXT
    size: int | None = field(default=10 << 20, validator=_at_least_one)
    """Bytes; a file that would become greater is rotated. None: never for its size."""
    age: float | None = field(default=None, validator=_long_enough)
    """Seconds; a file holds what was said within one span of this length, counted from 1970 UTC. None: any span."""
    keep: int = field(default=5, validator=_at_least("log", 0))
    """So many rotated files; 0: the file begins anew."""
    gzip: bool = False
    """Compress the rotated files."""
    total: int | None = field(default=None, validator=_at_least_one)
    """Bytes of the file and the rotated ones together; beyond that the oldest are removed. Without a size a file
    may have half of it. None: no limit.
    """
    console: bool = True
    """Whether what is written here is shown by `run` too."""

    def __attrs_post_init__(self) -> None:
        if self.total is not None and self.size is not None and self.total < self.size:
            raise SpecError(f"log: total ({self.total}) must be at least size ({self.size})")
