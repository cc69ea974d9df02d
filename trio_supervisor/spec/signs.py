"""What a child does by itself that it is known by: its lines, its files, its notifications; and a function of yours."""

import math
from collections.abc import Awaitable, Callable

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.log import LogStream
from trio_supervisor.spec.values import check_pattern, positive


@frozen
class Log:
    """Look for a line in what the child says, from the beginning of its life on."""

    log: str | None = None
    """A regular expression; a line that it is found in is a success. None: only `fail` counts."""
    fail: str | None = None
    """A regular expression; a line that it is found in is a failure, and decides at once."""
    stream: LogStream = LogStream.BOTH

    def __attrs_post_init__(self) -> None:
        # An empty one would be found in every line: it is none.
        if not self.log and not self.fail:
            raise SpecError("log must be a regular expression, or there must be one in fail")
        check_pattern(self.log or "", "log")
        check_pattern(self.fail or "", "log: fail")


@frozen
class File:
    """Look at a file: it must be there."""

    file: str
    """Absolute, or relative to the current directory."""
    newer: bool = False
    """Only one that was written since the life began counts."""
    max_age: float = field(default=math.inf, validator=positive("file: max_age"))
    """Seconds since it was written last: a heartbeat."""

    def __attrs_post_init__(self) -> None:
        if not self.file or "\0" in self.file:
            raise SpecError("file must be the path of a file")


@frozen
class Notify:
    """Listen to the child's notifications (sd_notify(3)): READY=1 as startup and readiness, WATCHDOG=1 as health."""

    notify: bool = True

    def __attrs_post_init__(self) -> None:
        if not self.notify:
            raise SpecError("notify must be true; without a probe leave it out")


@frozen
class EngineHealth:
    """Look at what a container's engine says of its health, as the image has it (HEALTHCHECK)."""

    engine: bool = True

    def __attrs_post_init__(self) -> None:
        if not self.engine:
            raise SpecError("engine must be true; without a probe leave it out")


@frozen
class Call:
    """Ask an async function of this program; it fails if it raises, or returns False."""

    call: "str | Callable[..., Awaitable[object]]"
    """`package.module:function`, or the function. It gets `id` and `port` of the child if it takes them."""
    path: str | None = None
    """A directory that is put before the import path when `call` is a string; None: the import path as it is."""
