"""A short command beside a child (an exec probe, later a stop command or a hook): how it is asked for, how it ended."""

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen


@frozen
class Completed:
    """How a short command ended."""

    code: int | None
    """Exit status, negative for a signal. None: its time was over and its whole tree was killed."""
    output: bytes
    """The last 4 KiB of what it said, both streams."""


RunCommand = Callable[[Sequence[str], float], Awaitable[Completed]]
"""Runs a command (list, timeout in seconds) in the directory and environment of a child.

When the time is over or the call is cancelled, its whole tree is killed. Raises `ProbeError` if it can't be run at all
(not found, no permission).
"""
