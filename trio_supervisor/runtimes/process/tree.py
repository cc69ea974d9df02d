"""A leader with all that it started: its process group and its POSIX session, both of which bear its number.

While the leader is not reaped, its number can't be given to anybody else: that is when the group is signalled. After
that, a process is only killed when its session or group shows that it is the leader's. What left the session (setsid)
is not looked for here.
"""

import errno
import fcntl
import math
import os
import signal
import sys
from contextlib import suppress

import trio

from trio_supervisor.core.messages import Exit, How
from trio_supervisor.runtimes.process.census import census
from trio_supervisor.runtimes.reactor import current_reactor
from trio_supervisor.system.procfs import Process, process

KILL_PATIENCE = 5.0
"""So long after a kill (seconds) something is called unkillable."""

_QUICK_LOOKS = (0.001, 0.002)
"""Pauses, in seconds, after which what was killed is mostly gone; each look is a single system call."""
_LONGEST_PAUSE = 0.1


class Tree:
    """A process that leads its session, from the spawn until nothing of the session is left."""

    def __init__(self, pid: int, pidfd: int) -> None:
        """`pidfd` belongs to the tree from now on."""
        self.leader = pid
        self._pidfd = pidfd
        self._reactor = current_reactor()
        self._reactor.watch_exit(pidfd, self._leader_ended)
        self._ended = trio.Event()
        self._exit: Exit | None = None
        self._reaped = False
        self._abandoned = False
        self._give_up_at = math.inf
        self._waiting: trio.CancelScope | None = None

    @property
    def pid(self) -> int | None:
        """The leader's number as long as it is the leader's."""
        return None if self._reaped else self.leader

    def signal(self, number: int) -> None:
        """Signal the whole group; nothing happens when there is none any more.

        Raises:
            PermissionError: none of them may be signalled (they run as another user).
        """
        if not self._reaped:
            with suppress(ProcessLookupError):
                # Fails when something else in this program has reaped the leader, and its number may be anybody's.
                signal.pidfd_send_signal(self._pidfd, 0)
                os.killpg(self.leader, number)

    def ask(self, number: int) -> None:
        """Signal the group, and wake up those of it that are stopped (SIGSTOP), so that they can act on it.

        Raises:
            PermissionError: as `signal`.
        """
        self.signal(number)
        if number not in (signal.SIGSTOP, signal.SIGTSTP):
            self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the group, again and again if need be; what lives `KILL_PATIENCE` after the first is given up."""
        with suppress(PermissionError):
            self.signal(signal.SIGKILL)
        self._give_up_at = min(self._give_up_at, trio.current_time() + KILL_PATIENCE)
        if self._waiting is not None:
            self._waiting.deadline = self._give_up_at

    async def wait_leader(self) -> bool:
        """Wait for the leader's end; False if it was killed and did not end within `KILL_PATIENCE`."""
        with trio.CancelScope(deadline=self._give_up_at) as self._waiting:
            await self._ended.wait()
        return self._ended.is_set()

    async def wait_over(self) -> Exit:
        """Wait for the leader, then kill the rest; returns when all are gone, or when killing was of no use.

        The exit is the leader's. If something is left, it is `How.UNKILLABLE` and names that. To be called once; after
        a cancellation again.
        """
        if not await self.wait_leader():
            rest = await self._rest()
            if not self._ended.is_set():
                self._abandoned = True
                return self._unkillable(rest)
        if self._exit is None:
            self._exit = self._reap()
        rest = await self._sweep()
        os.close(self._pidfd)
        return self._unkillable(rest) if rest else self._exit

    def _leader_ended(self, pidfd: int) -> None:
        self._reactor.forget(pidfd)
        self._ended.set()
        if self._abandoned:
            # Nobody waits for it any more: so that at least no zombie stays.
            self._reap()
            os.close(self._pidfd)

    def _reap(self) -> Exit:
        """Take the exit status; before that, while the zombie still holds the number, kill the rest of the group."""
        exit = self._exit_status()
        if exit is None:
            # Somebody else has reaped it, so its number may belong to anybody by now.
            self._reaped = True
            return Exit(How.EXITED, detail="its exit status was taken by something else in this program")
        with suppress(PermissionError):
            self.signal(signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        self._reaped = True
        return exit

    def _exit_status(self) -> Exit | None:
        try:
            info = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if info is None:
            return None
        if info.si_code == os.CLD_EXITED:
            return Exit(How.EXITED, code=info.si_status)
        detail = "core dumped" if info.si_code == os.CLD_DUMPED else ""
        return Exit(How.SIGNALED, signal=info.si_status, detail=detail)

    async def _sweep(self) -> list[Process]:
        """Kill what is left of the session, for at most `KILL_PATIENCE`; returns what would not go."""
        until = trio.current_time() + KILL_PATIENCE
        for pause in _QUICK_LOOKS:
            if not self._number_in_use():
                return []
            await trio.sleep(pause)
        pause = _QUICK_LOOKS[-1]
        while self._number_in_use():
            rest = await self._rest()
            if not rest or trio.current_time() >= until:
                return rest
            for member in rest:
                _kill_exactly(member)
            await trio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return []

    def _number_in_use(self) -> bool:
        """Whether any process, group or session bears the leader's number.

        The owner of a descriptor's signals (F_SETOWN, fcntl(2)) may be any number that is in use, also one that only a
        session still bears, which kill(2) can't ask for. No signals are asked for, so nobody ever gets one.
        """
        if sys.platform != "linux":
            return _group_exists(self.leader)
        try:
            fcntl.fcntl(self._pidfd, fcntl.F_SETOWN, self.leader)
        except OSError as error:
            return error.errno != errno.ESRCH
        return True

    async def _rest(self) -> list[Process]:
        """Who is alive in the session and group, by a scan of /proc."""
        everybody = await census()
        if self._reaped and any(found.pid == self.leader for found in everybody):
            # The number has been given to a new process, which it can't as long as anybody of ours bears it.
            return []
        return [found for found in everybody if found.alive and self.leader in (found.session, found.group)]

    def _unkillable(self, rest: list[Process]) -> Exit:
        code = None if self._exit is None else self._exit.code
        names = [str(member) for member in rest] or [str(self.leader)]
        return Exit(How.UNKILLABLE, code=code, detail="pids " + ", ".join(names))


def _kill_exactly(member: Process) -> None:
    """SIGKILL for this process, and not for a later one with its number."""
    with suppress(ProcessLookupError, PermissionError):
        pidfd = os.pidfd_open(member.pid)
        try:
            now = process(member.pid)
            if now is not None and now.started == member.started:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)


def _group_exists(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
