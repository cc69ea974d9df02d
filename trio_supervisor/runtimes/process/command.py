"""A short command in the place of a child: run to its end or to its timeout, and nothing of it is left."""

from collections.abc import Mapping, Sequence

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.core.messages import Exit
from trio_supervisor.errors import ProbeError, StartError
from trio_supervisor.runtimes.process.pipe import OutputPipe
from trio_supervisor.runtimes.process.spawn import spawn
from trio_supervisor.runtimes.process.tree import KILL_PATIENCE, Tree

KEPT = 4096
"""Bytes of output that are kept, the last ones."""
CLEANUP = 3 * KILL_PATIENCE
"""The tree gives up after two of them at the latest, one for the leader and one for the rest."""


async def run_command(command: Sequence[str], cwd: str | None, env: Mapping[str, str], within: float) -> Completed:
    """Run a program in a session of its own, for at most `within` seconds.

    Whatever is left of its session is killed when it ends, when its time is over and when the caller is cancelled.

    Raises:
        ProbeError: it can't be run.
    """
    await trio.lowlevel.checkpoint()
    said = bytearray()
    code: int | None = None
    try:
        spawned = spawn(command, cwd, env, one_pipe=True)
    except StartError as error:
        raise ProbeError(str(error)) from error
    tree = Tree(spawned.pid, spawned.pidfd)
    pipe = OutputPipe(spawned.stdout, lambda chunk: _keep_tail(said, chunk))
    try:
        with trio.move_on_after(within) as limit:
            await tree.wait_leader()
    finally:
        with trio.move_on_after(CLEANUP, shield=True):
            tree.kill()
            code = _code(await tree.wait_over())
            await pipe.finish()
        pipe.close()
    return Completed(None if limit.cancelled_caught else code, bytes(said))


def _code(exit: Exit) -> int | None:
    return -exit.signal if exit.signal is not None else exit.code


def _keep_tail(said: bytearray, chunk: bytes) -> None:
    said += chunk
    del said[:-KEPT]
