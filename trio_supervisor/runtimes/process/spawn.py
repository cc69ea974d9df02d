"""Spawns one process with pipes for its output, and translates every failure into a StartError.

The spawn runs on the Trio thread and returns when the program is loaded: `Popen` with these arguments uses vfork, which
costs 0.3 ms however big the supervisor is. A process is never between two checkpoints without an owner.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import trio
from attrs import frozen

from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.process.explain import explain, find_program
from trio_supervisor.runtimes.process.inheritance import (
    default_signals,
    make_room_for_descriptors,
    receive_exit_status,
    restore_descriptor_limit,
)
from trio_supervisor.runtimes.reactor import current_reactor


@frozen
class Spawned:
    """A process that runs, leader of its own session and group; the descriptors belong to whoever gets it."""

    pid: int
    pidfd: int
    stdout: int
    """The end to read from, non-blocking."""
    stderr: int
    """The same; equal to `stdout` when both go into one pipe."""


@trio.lowlevel.enable_ki_protection
def spawn(command: Sequence[str], cwd: str | None, env: Mapping[str, str], *, one_pipe: bool = False) -> Spawned:
    """Start a program with /dev/null as its input; a relative program with a slash is looked for from `cwd`.

    Raises:
        StartError: it can't be started, in words; nothing is left of it.
    """
    if sys.platform != "linux":
        raise StartError("processes can only be supervised on Linux, so far")
    with ExitStack() as undo:
        try:
            current_reactor()  # whoever gets the process will need one, and must not fail for want of it then
            stdout, stdout_of_child = _pipe(undo)
            stderr, stderr_of_child = (stdout, stdout_of_child) if one_pipe else _pipe(undo)
            make_room_for_descriptors(stderr_of_child)
            receive_exit_status()
            pid = _popen(command, cwd, env, stdout_of_child, stderr_of_child)
            pidfd = _pidfd(pid)
        except (OSError, ValueError) as error:
            raise StartError(explain(error, command, cwd, env)) from error
        undo.pop_all()
    restore_descriptor_limit(pid)
    for end in {stdout_of_child, stderr_of_child}:
        os.close(end)
    return Spawned(pid, pidfd, stdout, stderr)


def _pipe(undo: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        undo.callback(os.close, end)
    os.set_blocking(ends[0], False)
    return ends


def _popen(command: Sequence[str], cwd: str | None, env: Mapping[str, str], stdout: int, stderr: int) -> int:
    with default_signals():
        process = subprocess.Popen(
            command,
            # Left to itself, it reports a directory of PATH that we may not enter instead of the program's fault.
            executable=find_program(command[0], cwd, env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    # We reap it by its pidfd. Without this, Popen would warn about a lost child and reap by the number.
    process.returncode = 0
    return process.pid


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
