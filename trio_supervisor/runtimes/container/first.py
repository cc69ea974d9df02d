"""The first process of a container, where that is a process of this machine: its end is the container's.

An engine may not notice it: Podman's conmon, which does that, can be killed itself.
"""

import os
import sys
from collections.abc import Callable

import trio

from trio_supervisor.runtimes.container.usage import is_of


class FirstProcess:
    """Watches one, by its pidfd (pidfd_open(2))."""

    def __init__(self, pid: int, id: str, wake: Callable[[], None]) -> None:
        """`id`: of its container; `wake` is called when it has ended."""
        self.pid = pid
        self.id = id
        self.ended_at: float | None = None
        """When that was seen, on Trio's clock."""
        self._wake = wake
        self._scope = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._watch, name=f"trio_supervisor first process {pid}")

    def close(self) -> None:
        """Watch no more."""
        self._scope.cancel()

    def ended_before(self, seconds: float) -> bool:
        """Whether it has ended so long ago, or longer."""
        return self.ended_at is not None and trio.current_time() - self.ended_at >= seconds

    async def _watch(self) -> None:
        if sys.platform != "linux":
            return
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            # It is over already, which its engine tells; or there is no room to watch it.
            return
        try:
            # An engine in a virtual machine, which is reached by a socket here all the same, numbers other processes.
            if is_of(self.pid, self.id):
                with self._scope:
                    await trio.lowlevel.wait_readable(pidfd)
                    self.ended_at = trio.current_time()
                    self._wake()
        finally:
            os.close(pidfd)
