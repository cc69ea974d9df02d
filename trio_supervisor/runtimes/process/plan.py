"""The plan of a process: from its spec, and what the supervisor has prepared for this life, to what its birth takes."""

import os
import time
from collections.abc import Mapping, Sequence

from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.process.account import NOBODY_ELSE, Account
from trio_supervisor.runtimes.process.explain import find_program
from trio_supervisor.spec import RLIMITS, ProcessSpec, Stdin
from trio_supervisor.system.birth import Plan

_FRESH = 0.2
"""Seconds."""


def plain_plan(command: Sequence[str], cwd: str | None, env: Mapping[str, str], account: Account = NOBODY_ELSE) -> Plan:
    """The plan of a program with nothing special but its account; a relative one with a slash is looked for from `cwd`.

    Raises:
        StartError: there is no such program.
    """
    return _plan(command, cwd, env, account)


def plan_of(
    process: ProcessSpec,
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    account: Account = NOBODY_ELSE,
    join: tuple[str, ...] = (),
    listen: bool = False,
) -> Plan:
    """The plan of a life. `join`: `cgroup.procs` files that it is born into; `listen`: it is handed sockets.

    Raises:
        StartError: there is no such program.
    """
    plan = _plan(command, process.cwd, env, account)
    plan.join = join
    plan.umask = process.umask
    plan.nice = process.nice
    plan.oom_score_adj = process.oom_score_adj
    plan.rlimits = tuple((RLIMITS[name], value, value) for name, value in process.limits.rlimits.items())
    plan.listen = listen
    plan.ceilings = process.limits.memory is not None or process.limits.pids is not None
    plan.terminal = process.stdin is Stdin.PTY
    return plan


def _plan(command: Sequence[str], cwd: str | None, env: Mapping[str, str], account: Account) -> Plan:
    program = _lookups.find(command[0], cwd, env)
    if program is None:
        raise StartError(f"{command[0]!r} not found on PATH")
    ids = (account.uid, account.gid, account.groups)
    return Plan(program, tuple(command), dict(env), _absolute(cwd), account=ids)


def _absolute(cwd: str | None) -> str | None:
    """The directory in full, as another process is to go there; None where our own is gone."""
    try:
        return os.path.abspath(cwd or os.curdir)
    except FileNotFoundError:
        return None


class _Lookups:
    """Programs that were found just now: a thousand agents that start together are mostly a few programs."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None, str | None], str] = {}
        self._until = 0.0

    def find(self, program: str, cwd: str | None, env: Mapping[str, str]) -> str | None:
        """As `find_program`; what was found is believed for `_FRESH`."""
        now = time.monotonic()
        if now >= self._until:
            self._found.clear()
            self._until = now + _FRESH
        key = (program, cwd, env.get("PATH"))
        found = self._found.get(key) or find_program(program, cwd, env)
        if found is not None:
            self._found[key] = found
        return found


_lookups = _Lookups()
