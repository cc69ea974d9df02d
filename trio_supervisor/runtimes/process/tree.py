"""A leader with all that it has started, from its birth until nothing of it is left.

What is left is known by its cgroup where there is one, by the leader's number, which its group and session bear, and by
the marker in the environment of what has left them. Searches look at all processes; none is made where the kernel tells
at once that there is nobody.
"""

import errno
import fcntl
import math
import os
import signal
import sys
from contextlib import closing, suppress

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.process.census import census, in_thread
from trio_supervisor.runtimes.process.leader import Leader
from trio_supervisor.runtimes.process.spawner import Spawner
from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.kill import signal_exactly
from trio_supervisor.system.members import members_of
from trio_supervisor.system.procfs import NO_ROOM, Process

KILL_PATIENCE = 5.0
"""So long after a kill (seconds) something is called unkillable."""

_QUICK_LOOKS = (0.001, 0.002)
"""Pauses, in seconds, after which what was killed is mostly gone; each look is a few system calls."""
_LONGEST_PAUSE = 0.1
_BLIND_PAUSE = 0.05
"""So long (seconds) until the next look when there was no descriptor to look with."""
_BLIND_PATIENCE = 1.0
"""So long (seconds) descriptors are waited for where only a search could find more."""


class Tree:
    """A process that leads its session, and all that descends from it."""

    __slots__ = (
        "_asked",
        "_cgroup",
        "_give_up_at",
        "_killed",
        "_last_signal",
        "_marker",
        "_spawner",
        "_waiting",
        "leader",
    )

    def __init__(self, leader: Leader, spawner: Spawner, marker: str, cgroup: Cgroup | None = None) -> None:
        """`marker`: the token of this life (see `system.lineage`), which the leader's environment has. `cgroup`: what
        it was born in; whoever made that removes it.
        """
        self.leader = leader
        self._cgroup = cgroup
        self._spawner = spawner
        self._marker = marker
        self._asked = False
        self._last_signal = 0
        """What the whole tree was asked with, and only the leader's group has got so far."""
        self._killed = False
        self._give_up_at = math.inf
        self._waiting: trio.CancelScope | None = None
        """For those that the leader has left behind."""

    @property
    def pid(self) -> int | None:
        """The leader's number as long as it is the leader's."""
        return None if self.leader.reaped else self.leader.pid

    async def ask(self, number: int, *, group: bool = True) -> None:
        """Signal the group, or the leader alone; wake up those that are stopped (SIGSTOP), so that they can act on it.

        From now on what the leader leaves behind has time until `kill`. When the leader is gone, all others get it.

        Raises:
            PermissionError: none of them may be signalled (they run as another user).
        """
        if not self._asked:
            self._asked = True
            self._spawner.spare(self.leader)
        self._last_signal = number if group else 0
        if self.leader.reaped:
            for member in await self.members():
                signal_exactly(member, number)
            return
        self.leader.signal(number, group=group)
        if number not in (signal.SIGSTOP, signal.SIGTSTP):
            self.leader.signal(signal.SIGCONT, group=group)

    def expect_end(self) -> None:
        """It was asked to end by other means than a signal: what the leader leaves behind has time until `kill`."""
        if not self._asked:
            self._asked = True
            self._spawner.spare(self.leader)

    def kill(self) -> None:
        """SIGKILL to all of it, again and again if need be; what lives `KILL_PATIENCE` after the first is given up."""
        if not self._killed:
            self._spawner.hurry()
        self._killed = True
        with suppress(PermissionError):
            self.leader.signal(signal.SIGKILL, group=True)
        self._kill_cgroup()
        self._give_up_at = min(self._give_up_at, trio.current_time() + KILL_PATIENCE)
        self.leader.stir()
        if self._waiting is not None:
            self._waiting.cancel()

    def _kill_cgroup(self) -> None:
        if self._cgroup is not None and not self._cgroup.kill():
            self._spawner.kill_cgroup(self._cgroup.directories[0])

    async def members(self) -> list[Process]:
        """Who is alive of it, by a search, as soon as there are descriptors for that.

        Raises:
            OSError: there are none `KILL_PATIENCE` after the first kill.
        """
        blind_until = trio.current_time() + (_BLIND_PATIENCE if self._cgroup is None else 0)
        while True:
            try:
                everybody = await census()
                inside = () if self._cgroup is None else self._cgroup.members()
                return await in_thread(
                    members_of, everybody, self.leader.pid, self.leader.started, self._marker, inside
                )
            except OSError:
                seen = not self._number_in_use() and (self._cgroup is None or not self._cgroup.populated())
                if seen and trio.current_time() >= blind_until:
                    # Who may have left these is the guardian's, in the end.
                    return []
                if trio.current_time() >= self._give_up_at:
                    raise
                await trio.sleep(_BLIND_PAUSE)

    async def wait_leader(self) -> bool:
        """Wait for the leader's end; False if it was killed and did not end within `KILL_PATIENCE`."""
        while not self.leader.ended and self._give_up_at == math.inf:
            await self.leader.wait()
        if not self.leader.ended:
            with trio.move_on_at(self._give_up_at):
                while not self.leader.ended:
                    await self.leader.wait()
        return self.leader.ended

    async def wait_over(self) -> Exit:
        """Wait until nothing is left; returns the leader's exit.

        What a leader leaves behind that has ended by itself is killed at once; if it was asked to end, the rest has
        time until `kill`. If something can't be killed, the exit is `How.UNKILLABLE` and names that. To be called once;
        after a cancellation again.
        """
        try:
            return await self._all_over()
        except OSError as error:
            self.leader.abandon()
            return Exit(How.UNKILLABLE, detail=f"what is left of it can't be seen: {error.strerror}")

    async def _all_over(self) -> Exit:
        if not await self.wait_leader():
            rest = await self.members()
            if not self.leader.ended:
                self.leader.abandon()
                return self._unkillable(rest)
        exit = self.leader.take_exit(spare_group=self._asked and not self._killed)
        rest = [] if self._asked and await self._is_rest_gone() else await self._sweep()
        self.leader.close()
        return self._unkillable(rest) if rest else exit

    async def _is_rest_gone(self) -> bool:
        """Wait until nobody is left (True), or `kill`."""
        while not self._killed:
            if self._surely_empty():
                return True
            rest = await self.members()
            if not rest:
                return True
            self._ask_others(rest)
            with trio.CancelScope() as self._waiting:
                # During the search it may have come to that.
                if not self._killed:
                    await self._wait_fewer(rest)
        return False

    async def _wait_fewer(self, rest: list[Process]) -> None:
        """Wait until the cgroup is empty, or else until one of `rest` is gone."""
        try:
            events = None if self._cgroup is None else self._cgroup.open_events()
        except OSError:  # no descriptors
            events = None
        if events is not None:
            with closing(events):
                if events.populated():
                    while events.populated():
                        await trio.lowlevel.wait_readable(events.fileno())
                    return
        await _wait_end(rest[0])

    def _ask_others(self, rest: list[Process]) -> None:
        """Ask, once, those that are in groups of their own: their leader is gone, and nobody else will."""
        number, self._last_signal = self._last_signal, 0
        for member in rest:
            if number and member.group != self.leader.pid:
                signal_exactly(member, number)

    async def _sweep(self) -> list[Process]:
        """Kill what is left, for at most `KILL_PATIENCE`; returns what would not go."""
        until = trio.current_time() + KILL_PATIENCE
        for pause in _QUICK_LOOKS:
            if self._surely_empty():
                return []
            self._kill_cgroup()
            await trio.sleep(pause)
        pause = _QUICK_LOOKS[-1]
        while not self._surely_empty():
            rest = await self.members()
            if not rest or trio.current_time() >= until:
                return rest
            for member in rest:
                signal_exactly(member)
            await trio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return []

    def _surely_empty(self) -> bool:
        """Whether a few system calls can tell that nobody is left; if they can't, that means nothing."""
        if self._number_in_use() or self._spawner.may_have_strays():
            return False
        return self._cgroup is None or self._cgroup.is_over()

    def _number_in_use(self) -> bool:
        """Whether any process, group or session bears the leader's number.

        The owner of a descriptor's signals (F_SETOWN, fcntl(2)) may be any number that is in use, also one that only a
        session still bears, which kill(2) can't ask for. No signals are asked for, so nobody ever gets one.
        """
        if sys.platform != "linux":
            return _group_exists(self.leader.pid)
        try:
            fcntl.fcntl(self.leader.fileno(), fcntl.F_SETOWN, self.leader.pid)
        except OSError as error:
            return error.errno != errno.ESRCH
        return True

    def _unkillable(self, rest: list[Process]) -> Exit:
        code = None if self.leader.exit is None else self.leader.exit.code
        names = [str(member) for member in rest] or [str(self.leader.pid)]
        return Exit(How.UNKILLABLE, code=code, detail="pids " + ", ".join(names))


async def _wait_end(member: Process) -> None:
    """Wait for the end of a process that is no child of ours."""
    with suppress(ProcessLookupError):
        try:
            pidfd = os.pidfd_open(member.pid)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            await trio.sleep(_BLIND_PAUSE)
        else:
            try:
                await trio.lowlevel.wait_readable(pidfd)
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
