"""The leader of a tree: the process that was spawned, known by its pidfd, and how it has ended.

Its parent is the guardian, which takes its exit status and tells it, or this process, which sees the end by the pidfd
and takes the status itself.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.reactor import current_reactor


class Leader:
    """One spawned process, leader of its own session and group, from its birth on."""

    __slots__ = ("_abandoned", "_at_end", "_news", "_pidfd", "_watched", "ended", "exit", "pid", "reaped", "started")

    def __init__(self, pid: int, pidfd: int, started: int) -> None:
        """`pidfd` belongs to the leader from now on; `started`: as in `system.procfs.Process`."""
        self.pid = pid
        self.started = started
        self.reaped = False
        """Whether its number may belong to somebody else."""
        self.exit: Exit | None = None
        """How it has ended, once the status is taken."""
        self.ended = False
        self._news = trio.Event()
        self._pidfd = pidfd
        self._watched = False
        self._at_end: Callable[[], None] | None = None
        self._abandoned = False

    def watch(self, at_end: Callable[[], None] | None = None) -> None:
        """See its end by ourselves: its parent is this process, or nobody who tells us. Harmless when repeated."""
        if not self._watched and not self.ended:
            self._watched = True
            self._at_end = at_end
            current_reactor().watch_exit(self._pidfd, self._seen_ended)

    async def wait(self) -> None:
        """Wait for its end, or for `stir`."""
        await self._news.wait()

    def stir(self) -> None:
        """Wake up who waits, though it has not ended: there is something to look at."""
        if not self.ended:
            news, self._news = self._news, trio.Event()
            news.set()

    def told_ended(self, exit: Exit) -> None:
        """The guardian has taken its status, and with it its number."""
        self.exit = exit
        self.reaped = True
        self._end()

    def signal(self, number: int, *, group: bool) -> None:
        """Signal it, or its whole group; nothing happens when it is gone.

        Raises:
            PermissionError: none of them may be signalled (they run as another user).
        """
        if self.reaped:
            return
        with suppress(ProcessLookupError):
            # Fails when somebody else has reaped it, and its number may be anybody's.
            signal.pidfd_send_signal(self._pidfd, 0 if group else number)
            if group:
                os.killpg(self.pid, number)

    def take_exit(self, *, spare_group: bool) -> Exit:
        """How it has ended; takes the status if nobody has, and frees its number.

        Before that, while the zombie still holds the number, the rest of the group is killed unless it is spared.
        """
        if self.exit is None:
            self.exit = self._status()
            if not self.reaped and not spare_group:
                with suppress(PermissionError):
                    self.signal(signal.SIGKILL, group=True)
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
            self.reaped = True
        return self.exit

    def abandon(self, then: Callable[[], None] | None = None) -> None:
        """Nobody waits for it any more: when it ends after all, or has, no zombie stays, and `then` is called."""
        self._abandoned = True
        self._at_end = then or self._at_end
        if self.ended:
            self._end()

    def close(self) -> None:
        """Free the descriptor; the leader has ended."""
        if self._pidfd >= 0:
            current_reactor().forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def fileno(self) -> int:
        """The pidfd."""
        return self._pidfd

    def _seen_ended(self, pidfd: int) -> None:
        current_reactor().forget(pidfd)
        self._end()

    def _end(self) -> None:
        self.ended = True
        self._news.set()
        if self._abandoned:
            self.take_exit(spare_group=False)
            self.close()
        if self._at_end is not None:
            at_end, self._at_end = self._at_end, None
            at_end()

    def _status(self) -> Exit:
        try:
            info = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            info = None
        if info is None:
            # Its number may belong to anybody by now.
            self.reaped = True
            return Exit(How.EXITED, detail="its exit status was taken by somebody else")
        return exit_of(info.si_code, info.si_status)


def exit_of(code: int, status: int) -> Exit:
    """What waitid(2) says, as an exit."""
    if code == os.CLD_EXITED:
        return Exit(How.EXITED, code=status)
    return Exit(How.SIGNALED, signal=status, detail="core dumped" if code == os.CLD_DUMPED else "")
