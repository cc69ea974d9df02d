"""Spawns processes as children of this process: by vfork, or by a program in between where more has to happen."""

import logging
import marshal
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import partial

import trio

from trio_supervisor.guardian.launch import command
from trio_supervisor.runtimes.process.cgroups import Cgroups
from trio_supervisor.runtimes.process.inheritance import (
    default_signals,
    receive_exit_status,
    restore_descriptor_limit,
)
from trio_supervisor.runtimes.process.leader import Leader
from trio_supervisor.runtimes.process.spawner import Birth, BirthError, Order
from trio_supervisor.runtimes.reactor import current_reactor
from trio_supervisor.system.birth import Plan
from trio_supervisor.system.lineage import new_instance
from trio_supervisor.system.procfs import process

_log = logging.getLogger(__name__)


class LocalSpawner:
    """A `Spawner` without a guardian: what it spawns outlives this process if that is killed."""

    always_in_cgroups = False

    def __init__(self, instance: str = "", cgroups: Cgroups | None = None) -> None:
        """`instance`, `cgroups`: those of the spawner in whose place it spawns."""
        self.instance = instance or new_instance()
        self.cgroups = cgroups or Cgroups(self.instance, _log.warning)

    def begin(self, order: Order) -> Birth:
        """Begin a birth; a plain one is settled at once."""
        birth = Birth()
        current_reactor()  # whoever gets the process will need one, and must not fail for want of it then
        receive_exit_status()
        try:
            if order.plan.plain and not order.plan.join:
                birth.succeed(_leader(_spawn(order)))
            elif order.plan.join and not sys.executable:
                birth.fail(BirthError("cgroup", 0, "there is no Python interpreter to join them"))
            else:
                _Become(order, birth)
        except OSError as error:
            birth.fail(BirthError("exec", error.errno or 0, str(error)))
        except ValueError as error:
            birth.fail(BirthError("exec", 0, str(error)))
        return birth

    def spare(self, leader: Leader) -> None:
        """Nothing: this process takes its status itself, and knows."""

    def hurry(self) -> None:
        """Nothing: we are awake."""

    def kill_cgroup(self, path: str) -> None:
        """Nothing: there is nobody else who could."""

    def note_engine(self, address: str) -> None:
        """Nothing: nobody clears up after this process."""

    def may_have_strays(self) -> bool:
        """Always: orphans go to whoever adopts them, and only a search finds them."""
        return True


def _leader(pid: int) -> Leader:
    found = process(pid)
    try:
        leader = Leader(pid, os.pidfd_open(pid), 0 if found is None else found.started)
    except OSError:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    leader.watch()
    return leader


@trio.lowlevel.enable_ki_protection
def _spawn(order: Order) -> int:
    plan, (stdin, stdout, stderr) = order.plan, order.fds
    with default_signals():
        # On this thread, as everything that belongs to a process; with these arguments it uses vfork, which costs
        # 0.3 ms however big this process is.
        spawned = subprocess.Popen(
            plan.argv,
            executable=plan.program,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=plan.cwd,
            env=plan.env,
            start_new_session=True,
        )
    # It is reaped by its pidfd. Without this, Popen would warn about a lost child and reap by the number.
    spawned.returncode = 0
    restore_descriptor_limit(spawned.pid)
    return spawned.pid


class _Become:
    """A birth by way of a small program that makes itself what the plan says, and execs."""

    def __init__(self, order: Order, birth: Birth) -> None:
        self._birth = birth
        with ExitStack() as undo, ExitStack() as passed:
            plan = _in_memory(order.plan)
            passed.callback(os.close, plan)
            told, tells = os.pipe()
            undo.callback(os.close, told)
            passed.callback(os.close, tells)
            inherited = (plan, tells, *order.fds)
            with default_signals():
                spawned = subprocess.Popen(
                    command("become", *map(str, inherited)), pass_fds=inherited, start_new_session=True
                )
            spawned.returncode = 0
            restore_descriptor_limit(spawned.pid)
            self._leader = _leader(spawned.pid)
            undo.pop_all()
        current_reactor().watch_exit(told, self._settle)

    def _settle(self, told: int) -> None:
        current_reactor().forget(told)
        with open(told, "rb") as file:
            failure = file.read()
        if failure:
            # It has failed when nothing is left of it.
            self._leader.abandon(partial(self._birth.fail, BirthError(*marshal.loads(failure))))
        else:
            self._birth.succeed(self._leader)


def _in_memory(plan: Plan) -> int:
    file = os.memfd_create("trio-supervisor-plan")
    try:
        with open(file, "wb", closefd=False) as writer:
            writer.write(plan.pack())
    except OSError:
        os.close(file)
        raise
    return file
