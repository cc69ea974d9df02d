"""A short command in the place of a child: run to its end or to its timeout, and nothing of it is left."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import trio

from trio_supervisor.commands import CAPTURED, Captured, Completed
from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import ProbeError, StartError
from trio_supervisor.runtimes.process.account import NOBODY_ELSE, Account
from trio_supervisor.runtimes.process.births import Newborn, begin, kill_lost, numbers, start_error
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.input import InputPipe
from trio_supervisor.runtimes.process.pipe import OutputPipe
from trio_supervisor.runtimes.process.plan import plain_plan
from trio_supervisor.runtimes.process.spawner import BirthError, GuardianLostError, Spawner
from trio_supervisor.runtimes.process.tree import KILL_PATIENCE, Tree
from trio_supervisor.spec import Limits
from trio_supervisor.system import lineage
from trio_supervisor.system.cgroup import Cgroup

KEPT = 4096
"""Bytes of output that are kept, the last ones."""
CLEANUP = 3 * KILL_PATIENCE
"""The tree gives up after two of them at the latest, one for the leader and one for the rest."""

_NAME = "-command"
"""No child has such a name."""


async def run_command(
    command: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str],
    within: float,
    account: Account = NOBODY_ELSE,
    stdin: bytes | None = None,
) -> Completed:
    """Run a program in a session of its own, as `account`, for at most `within` seconds. `stdin`: what it may read;
    None: nothing.

    Whatever is left of its tree is killed when it ends, when its time is over and when the caller is cancelled.

    Raises:
        ProbeError: it can't be run.
    """
    said = bytearray()
    code, late = await _run(command, cwd, env, within, account, partial(_keep_tail, said), stdin=stdin)
    return Completed(code, bytes(said), late)


async def capture_command(
    command: Sequence[str], cwd: str | None, env: Mapping[str, str], within: float, stdin: bytes | None = None
) -> Captured:
    """The same with its standard output apart, from the beginning.

    Raises:
        ProbeError: it can't be run.
    """
    said, complained = bytearray(), bytearray()
    take = (partial(_keep_head, said), partial(_keep_tail, complained))
    code, _ = await _run(command, cwd, env, within, NOBODY_ELSE, *take, stdin=stdin)
    return Captured(code, bytes(said), bytes(complained))


async def _run(
    command: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str],
    within: float,
    account: Account,
    *take: Callable[[bytes], None],
    stdin: bytes | None = None,
) -> tuple[int | None, float]:
    """The exit code, and how late its end was seen; `take` takes in what it says: both streams, or standard output and
    standard error.
    """
    await trio.lowlevel.checkpoint()
    code: int | None = None
    spawner = current_spawner()
    number = next(numbers)
    marker = lineage.token(spawner.instance, _NAME, 1, number)
    marked = {**env, lineage.VARIABLE: lineage.extend(env.get(lineage.VARIABLE), marker)}
    cgroup = spawner.cgroups.make(_NAME, number, Limits()) if spawner.always_in_cgroups else None
    try:
        newborn = _begin(
            spawner, command, cwd, marked, account, cgroup, one_pipe=len(take) == 1, stdin=stdin is not None
        )
    except ProbeError:
        _remove(cgroup)
        raise
    pipes = [OutputPipe(*each) for each in zip((newborn.stdout, newborn.stderr), take, strict=False)]
    input = newborn.input()
    tree: Tree | None = None
    until = trio.current_time() + within
    late = 0.0
    try:
        with trio.move_on_at(until) as limit:
            tree = Tree(await newborn.birth.wait(), spawner, marker, cgroup)
            await (tree.wait_leader() if input is None or stdin is None else _feed(input, stdin, tree))
    except BirthError as error:
        if error.step == "cgroup":
            spawner.cgroups.give_up(str(error))
        raise ProbeError(str(start_error(error, command, cwd, marked))) from error
    finally:
        if input is not None:
            input.close()
        # Before the kill, which takes its time.
        late = max(0.0, trio.current_time() - until)
        with trio.move_on_after(CLEANUP, shield=True):
            tree = tree or await _born_late(newborn, marker, pipes)
            if tree is not None:
                tree.kill()
                code = _code(await tree.wait_over())
            for pipe in pipes:
                await pipe.finish()
        for pipe in pipes:
            pipe.close()
        _remove(cgroup)
    return None if limit.cancelled_caught else code, late


def _begin(
    spawner: Spawner,
    command: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str],
    account: Account,
    cgroup: Cgroup | None,
    *,
    one_pipe: bool,
    stdin: bool,
) -> Newborn:
    try:
        plan = plain_plan(command, cwd, env, account)
        plan.join = () if cgroup is None else cgroup.join_files
        return begin(spawner, _NAME, 0, plan, stdin=stdin, one_pipe=one_pipe, cgroup=cgroup)
    except StartError as error:
        raise ProbeError(str(error)) from error
    except OSError as error:
        raise ProbeError(str(start_error(error, command, cwd, env))) from error


async def _feed(input: InputPipe, data: bytes, tree: Tree) -> None:
    """Write what it may read, as far as it reads, until it ends."""

    async def write() -> None:
        with suppress(BrokenPipeError):
            await input.write(data)
        input.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await tree.wait_leader()
        nursery.cancel_scope.cancel()


async def _born_late(newborn: Newborn, marker: str, pipes: Sequence[OutputPipe]) -> Tree | None:
    """What was born although nobody waited for it any more; None if nothing was."""
    try:
        return Tree(await newborn.birth.wait(), newborn.spawner, marker, newborn.cgroup)
    except GuardianLostError:
        await kill_lost(marker, lambda: not any(pipe.open for pipe in pipes))
    except BirthError:
        pass
    return None


def _remove(cgroup: Cgroup | None) -> None:
    if cgroup is not None:
        cgroup.remove()


def _code(exit: Exit) -> int | None:
    return -exit.signal if exit.signal is not None else exit.code


def _keep_tail(said: bytearray, chunk: bytes) -> None:
    said += chunk
    del said[:-KEPT]


def _keep_head(said: bytearray, chunk: bytes) -> None:
    said += chunk[: CAPTURED + 1 - len(said)]
