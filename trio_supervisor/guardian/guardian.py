"""The guardian: spawns what the supervisor wants, adopts its orphans, and kills all of it when the supervisor is gone.

One thread, one loop, no timer: it sleeps until the supervisor says something, a child ends or a birth is over. It knows
that the supervisor is gone by the end of the socket between them, whatever has ended it.
"""

import ctypes
import errno
import gc
import marshal
import os
import select
import signal
import socket
import time
from contextlib import suppress

from trio_supervisor.guardian.quick import CgroupError, QuickBirths
from trio_supervisor.guardian.wards import Ward, kill_all
from trio_supervisor.system import wire
from trio_supervisor.system.birth import IGNORABLE, Plan, become
from trio_supervisor.system.cgroup import destroy, kill
from trio_supervisor.system.cgroup_leaf import leave
from trio_supervisor.system.lease import Lease
from trio_supervisor.system.procfs import process

TYPE_CHECKING = False
"""Type checkers know the name; `typing` itself would be a tenth of what this program takes."""
if TYPE_CHECKING:
    from trio_supervisor.guardian.engines import Engines

_NOW = int(socket.MSG_DONTWAIT)
_TRIES = 200
_BETWEEN_TRIES = 0.01
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
"""prctl(2)."""


class Guardian:
    """Serves one supervisor, to the end of both."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._poll = select.epoll()
        self._poll.register(link.fileno(), select.EPOLLIN)
        self._births: dict[int, tuple[int, Ward]] = {}
        """Forks that have not loaded their programs yet, each with its number, by the descriptor that tells the end."""
        self._wards: dict[int, Ward] = {}
        self._instance = ""
        self._lease: Lease | None = None
        self._slice: tuple[list[str], str | None] = ([], None)
        """The directories of the cgroups of all lives, and the leaf that the supervisor may have stepped into."""
        self._engines: Engines | None = None
        """Where there may be containers of this instance."""
        self._orderly = False
        """The supervisor has asked for the end."""
        self._quick = QuickBirths()
        self._woken = -1
        self._supervised = True

    def run(self) -> None:
        """Serve until the supervisor is gone, or asks for the end; then leave nothing alive."""
        self._woken = _wake_up_at_exits()
        self._poll.register(self._woken, select.EPOLLIN)
        try:
            self._serve()
        except Exception as error:
            # A fault of ours: another guardian takes over, and somebody should know why.
            self._say(("trouble", f"the guardian fails: {type(error).__name__}: {error}"))
            raise
        self._leave_nothing()

    def _serve(self) -> None:
        while self._supervised:
            ready = {fd for fd, _ in self._poll.poll()}
            # What the supervisor said comes first: it may be that a group is to be spared whose leader has ended since.
            if self._link.fileno() in ready:
                self._take_messages()
            for fd in ready & self._births.keys():
                self._settle(fd)
            if self._woken in ready:
                with suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()

    def _take_messages(self) -> None:
        while self._supervised:
            try:
                received = wire.receive(self._link, _NOW)
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                self._supervised = False
                return
            self._take(*received)

    def _take(self, message: wire.Message, fds: list[int]) -> None:
        match message:
            case ("hello", str(instance)):
                self._instance = instance
            case ("home", str(path)):
                with suppress(OSError):
                    self._quick.set_home(path)
            case ("slice", list(directories), leaf):
                self._slice = (directories, leaf if isinstance(leaf, str) else None)
            case ("lease", str(path), str(cgroup)):
                self._lease = Lease(path, self._instance, cgroup, self._tell_trouble)
            case ("spawn", int(number), *_) if not fds:
                self._say_failed(number, "descriptors", OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
            case ("spawn", int(number), str(child), int(generation), cgroup, bytes(plan)):
                assert cgroup is None or isinstance(cgroup, str)
                self._spawn(number, child, generation, cgroup, Plan.unpack(plan), fds)
            case ("spare", int(pid)):
                if pid in self._wards:
                    self._wards[pid].spared = True
            case ("adopt", int(pid), int(started), str(child), int(generation), cgroup):
                assert cgroup is None or isinstance(cgroup, str)
                self._adopt(pid, started, child, generation, cgroup)
            case ("discard", int(pid)):
                if pid in self._wards:
                    _kill_group(pid)
            case ("kill", str(path)):
                kill(path)
            case ("forget", int(pid)):
                self._remove(pid)
            case ("engine", str(address), str(lease)):
                self._note_engine(address, lease)
            case ("finish",):
                self._supervised = False
                self._orderly = True
                self._slice = ([], None)  # the supervisor does that itself

    def _note_engine(self, address: str, lease: str) -> None:
        if self._engines is None:
            from trio_supervisor.guardian.engines import Engines  # noqa: PLC0415 -- most supervisors have no containers

            self._engines = Engines(self._instance, self._tell_trouble)
        self._engines.note(address, lease)

    # Births

    def _spawn(self, number: int, child: str, generation: int, cgroup: str | None, plan: Plan, fds: list[int]) -> None:
        pid = 0
        try:
            pid = self._quick.spawn(plan, fds) if self._quick.can(plan) else 0
            if not pid:
                self._fork(number, child, generation, cgroup, plan, fds)
        except (OSError, ValueError) as error:
            step = "cgroup" if isinstance(error, CgroupError) else "exec"
            self._say_failed(number, step, error)
        finally:
            # Before it is told: whoever hears of the child may rely on it being the only one at its end of the pipes.
            for fd in fds:
                os.close(fd)
        if pid:
            self._spawned(number, pid, child, generation, cgroup)

    def _spawned(self, number: int, pid: int, child: str, generation: int, cgroup: str | None) -> None:
        try:
            ward = Ward(pid, child, generation, cgroup)
        except OSError as error:
            # No descriptor was left to look at it, and whom we don't know we can't answer for.
            _kill_group(pid)
            self._say_failed(number, "descriptors", error)
        else:
            self._born(number, ward)

    def _born(self, number: int, ward: Ward) -> None:
        # Nobody can have its number before it is reaped, and that is done by this thread.
        try:
            pidfd = os.pidfd_open(ward.pid)
        except OSError as error:
            _kill_group(ward.pid)
            self._remove(ward.pid)
            self._say_failed(number, "descriptors", error)
            return
        self._add(ward)
        self._say(("born", number, ward.pid, ward.started), [pidfd])
        os.close(pidfd)

    def _fork(self, number: int, child: str, generation: int, cgroup: str | None, plan: Plan, fds: list[int]) -> None:
        told, tells = os.pipe()
        try:
            pid = os.fork()
            if pid == 0:
                # Else the supervisor would not see the end of the guardian as long as this is on its way.
                self._link.close()
                become(plan, fds, tells)
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(tells)
        ward = Ward(pid, child, generation, cgroup)
        self._add(ward)
        self._births[told] = number, ward
        self._poll.register(told, select.EPOLLIN)

    def _settle(self, told: int) -> None:
        """A birth is over: its program is loaded, or it has failed and said how."""
        number, ward = self._births.pop(told)
        self._poll.unregister(told)
        with open(told, "rb") as file:
            failure = file.read()
        if failure:
            # It has closed its descriptors and may still be there: the search for what is left would find it.
            os.waitid(os.P_PID, ward.pid, os.WEXITED | os.WNOWAIT)
            self._remove(ward.pid)
            self._say(("failed", number, *marshal.loads(failure)))
        else:
            self._born(number, ward)

    def _adopt(self, pid: int, started: int, child: str, generation: int, cgroup: str | None) -> None:
        found = process(pid)
        if found is not None and found.started == started:
            self._add(Ward(pid, child, generation, cgroup, adopted=True))

    def _add(self, ward: Ward) -> None:
        if self._wards.get(ward.pid) is not ward:
            self._wards[ward.pid] = ward
            if self._lease is not None:
                self._lease.born(ward.pid, ward.started, ward.child, ward.generation, ward.cgroup or "")

    def _remove(self, pid: int) -> bool:
        ward = self._wards.pop(pid, None)
        if ward is not None and self._lease is not None:
            self._lease.gone(pid, ward.started)
        return ward is not None

    def _tell_trouble(self, error: OSError) -> None:
        self._say(("trouble", f"the lease, {error.filename or 'a file'}: {error.strerror}"))

    # Ends

    def _reap(self) -> None:
        """Take the exit status of all that have ended, wards and orphans alike."""
        while (ended := _next_ended()) is not None:
            pid = ended.si_pid
            ward = self._wards.get(pid)
            if ward is not None:
                self._take_messages()
                self._settle_birth_of(ward)
            if ward is not None and not ward.spared:
                # Its number is its own as long as it is not reaped.
                _kill_group(pid)
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED)
            if self._remove(pid):
                self._say(("ended", pid, ended.si_code, ended.si_status))

    def _settle_birth_of(self, ward: Ward) -> None:
        for told, (_, born) in list(self._births.items()):
            if born is ward:
                self._settle(told)

    def _leave_nothing(self) -> None:
        for told in self._births:
            # Nobody wants to know any more, and the search takes descriptors.
            os.close(told)
        killed, left = kill_all(list(self._wards.values()), self._instance, _reap_all)
        for directory in self._slice[0]:
            destroy(directory)
        if self._slice[1] is not None:
            leave(self._slice[1])
        if self._lease is not None and not left:
            self._lease.close()
        removed, remaining = ([], []) if self._engines is None else self._engines.leave_nothing(orderly=self._orderly)
        with suppress(OSError):
            self._link.setblocking(False)
            words = ([*map(str, killed), *removed], [*map(str, left), *remaining])
            wire.send(self._link, ("finished", *words))

    def _say_failed(self, number: int, step: str, error: OSError | ValueError) -> None:
        code = error.errno if isinstance(error, OSError) else 0
        self._say(("failed", number, step, code or 0, str(error)))

    def _say(self, message: wire.Message, fds: list[int] | None = None) -> None:
        for _ in range(_TRIES):
            try:
                wire.send(self._link, message, fds)
                return
            except OSError as error:
                if error.errno not in wire.NOT_NOW:
                    return  # the supervisor is gone, as the loop is about to find out
            time.sleep(_BETWEEN_TRIES)
        # That will get through; without its descriptor a birth has failed.
        with suppress(OSError):
            wire.send(self._link, message)


def _kill_group(pid: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _next_ended() -> os.waitid_result | None:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None


def _reap_all() -> bool:
    """Take the status of all children that have ended; returns whether there are others."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _wake_up_at_exits() -> int:
    """A descriptor that can be read as soon as a child has ended."""
    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return woken


def _become_guardian() -> None:
    """A session of its own, deaf to all signals that can be ignored, heir of all orphans among its descendants."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    for number in IGNORABLE:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Who ends programs by their name (killall) does not mean this one.
    libc.prctl(PR_SET_NAME, b"guardian", 0, 0, 0)


def main(fd: int) -> None:
    """Be the guardian of the supervisor at the other end of the socket `fd`."""
    os.set_inheritable(fd, False)
    _become_guardian()
    # What is there stays: forks are cheaper when nothing of it is touched.
    gc.disable()
    gc.freeze()
    Guardian(socket.socket(fileno=fd)).run()
