"""A short command beside a child (an exec probe, later a stop command or a hook): how it is asked for, how it ended."""

from collections.abc import Awaitable, Callable, Sequence

from trio_supervisor.record import record, unseen


@record
class Completed:
    """How a short command ended."""

    code: int | None
    """Exit status, negative for a signal. None: its time was over and its whole tree was killed."""
    output: bytes
    """The last 4 KiB of what it said, both streams."""
    late: float = unseen(default=0.0)
    """So many seconds after its time was over its end, or that its time is over, was seen; 0 if it ended in time."""


RunCommand = Callable[[Sequence[str], float], Awaitable[Completed]]
"""Runs a command (list, timeout in seconds) in the directory and environment of a child.

When the time is over or the call is cancelled, its whole tree is killed. Raises `ProbeError` if it can't be run at all
(not found, no permission).
"""

CAPTURED = 128 * 1024
"""Bytes of standard output that are kept; no variable of a process can be longer (execve(2), MAX_ARG_STRLEN)."""


@record
class Captured:
    """How a short command ended whose standard output is wanted."""

    code: int | None
    """As in `Completed`."""
    stdout: bytes
    """Its beginning; more than `CAPTURED` bytes if that is not the whole."""
    stderr: bytes
    """Its last 4 KiB."""


CaptureCommand = Callable[[Sequence[str], float], Awaitable[Captured]]
"""Like `RunCommand`, with the two streams apart."""
