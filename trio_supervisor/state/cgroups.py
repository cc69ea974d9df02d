"""The cgroups of children that may be left: who is in them, and their end. "" stands for none."""

import os
from collections.abc import Iterator
from contextlib import suppress


def members(path: str) -> set[int]:
    """The pids of all processes in a cgroup and those below it."""
    found: set[int] = set()
    for directory in _all(path):
        with suppress(OSError), open(f"{directory}/cgroup.procs", encoding="ascii") as file:
            found.update(map(int, file))
    return found


def kill(path: str) -> None:
    """SIGKILL for all processes in it at once, where the kernel has that; not if we are among them."""
    if path and os.getpid() not in members(path):
        with suppress(OSError), open(f"{path}/cgroup.kill", "w", encoding="ascii") as file:
            file.write("1")


def remove(path: str) -> None:
    """Remove it and those below it, as far as they are empty."""
    for directory in _all(path):
        with suppress(OSError):
            os.rmdir(directory)


def _all(path: str) -> Iterator[str]:
    """The directories of a cgroup and of those below it, from the bottom up."""
    if path:
        for directory, _, _ in os.walk(path, topdown=False):
            yield directory
