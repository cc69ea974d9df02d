"""Where what a child says is written: log files, their look, and when they are rotated."""

from enum import Enum

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.values import positive


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


def _not_negative(_: object, __: object, value: int) -> None:
    if value < 0:
        raise SpecError(f"log: keep must be >= 0, not {value}")


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
    keep: int = field(default=5, validator=_not_negative)
    """So many rotated files; 0: the file begins anew."""
    gzip: bool = False
    """Compress the rotated files."""
    total: int | None = field(default=None, validator=_at_least_one)
    """Bytes of the file and the rotated ones together; beyond that the oldest are removed. None: no limit."""
    console: bool = True
    """Whether what is written here is shown by `run` too."""

    def __attrs_post_init__(self) -> None:
        if self.total is not None and self.size is not None and self.total < self.size:
            raise SpecError(f"log: total ({self.total}) must be at least size ({self.size})")
