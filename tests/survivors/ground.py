"""Where a case takes place: whatever is started there is counted, whatever it makes of itself.

It is known by three marks that have nothing to do with those of the supervisor: a cgroup v2 of the case's own where one
can be made, the test as the heir of all orphans, and a variable in the environment.
"""

import ctypes
import os
import resource
import signal
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio

from trio_supervisor.system.procfs import Process, processes

VARIABLE = "TRIO_SUPERVISOR_SURVIVORS"
PR_SET_CHILD_SUBREAPER = 36
"""prctl(2)."""

_LONGEST_CLEANING = 20.0


class Ground:
    """All that descends from one case."""

    def __init__(self) -> None:
        self.marker = uuid.uuid4().hex
        self._cgroup = _make_cgroup(f"survivors-{self.marker}")

    def enter(self) -> None:
        """For `preexec_fn`: the process that calls it, and all that come from it, belong to the case."""
        if self._cgroup is not None:
            (self._cgroup / "cgroup.procs").write_bytes(b"0")
        # A supervisor that dies of SIGSEGV is to leave no file.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def living(self, besides: Collection[int] = ()) -> list[Process]:
        """Who is alive, without those `besides`; a zombie is not."""
        everybody = processes()
        heirs = self._in_cgroup() | _descendants(everybody)
        return [
            one
            for one in everybody
            if one.alive and one.pid not in besides and (one.pid in heirs or self._is_marked(one.pid))
        ]

    async def empty(self, within: float, besides: Collection[int] = ()) -> tuple[list[Process], float]:
        """Wait until nobody is alive; returns who is after all, and the seconds that it took."""
        begun = trio.current_time()
        while (left := self.living(besides)) and trio.current_time() - begun < within:
            await trio.sleep(0.01)
        return left, trio.current_time() - begun

    def clear(self) -> None:
        """Kill all, for good."""
        until = time.monotonic() + _LONGEST_CLEANING
        while (left := self.living()) and time.monotonic() < until:
            for one in left:
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
            time.sleep(0.005)
        _reap_orphans()
        if self._cgroup is not None:
            _remove(self._cgroup)

    def _in_cgroup(self) -> set[int]:
        found: set[int] = set()
        if self._cgroup is not None:
            for directory, _, _ in os.walk(self._cgroup):
                with suppress(OSError):
                    found.update(map(int, Path(directory, "cgroup.procs").read_text().split()))
        return found

    def _is_marked(self, pid: int) -> bool:
        try:
            return pid != os.getpid() and self.marker.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False


@contextmanager
def opened() -> Iterator[Ground]:
    """A ground while the block lasts; nobody of it is alive afterwards, however the block ends."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ground = Ground()
    try:
        yield ground
    finally:
        ground.clear()
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _make_cgroup(name: str) -> Path | None:
    """A cgroup v2 below our own; None where that is not allowed."""
    with suppress(OSError, StopIteration):
        mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        root = next(Path(mount[1]) for mount in mounts if mount[2] == "cgroup2")
        entries = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::/") for line in entries if line.startswith("0::/"))
        directory = root / own / name
        directory.mkdir()
        if os.access(directory / "cgroup.procs", os.W_OK):
            return directory
        directory.rmdir()
    return None


def _remove(cgroup: Path) -> None:
    for directory, _, _ in os.walk(cgroup, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)


def _descendants(everybody: list[Process]) -> set[int]:
    """Those of this process."""
    found = {os.getpid()}
    count = 0
    while count != len(found):
        count = len(found)
        found |= {one.pid for one in everybody if one.parent in found}
    return found - {os.getpid()}


def _reap_orphans() -> None:
    for one in processes():
        if one.parent == os.getpid() and not one.alive:
            with suppress(ChildProcessError):
                os.waitpid(one.pid, os.WNOHANG)
