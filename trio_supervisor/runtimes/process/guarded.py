"""Spawns processes by the guardian: the socket to it, the births and leaders it tells of, and its replacement."""

import errno
import os
import signal
from collections import deque
from contextlib import suppress
from functools import partial

import trio

from trio_supervisor.guardian.launch import Guard, Launched, launch
from trio_supervisor.record import record
from trio_supervisor.runtimes.process.births import kill_lost
from trio_supervisor.runtimes.process.cgroups import Cgroups
from trio_supervisor.runtimes.process.children import Children
from trio_supervisor.runtimes.process.inheritance import restore_descriptor_limit
from trio_supervisor.runtimes.process.leader import Leader, exit_of
from trio_supervisor.runtimes.process.local import LocalSpawner
from trio_supervisor.runtimes.process.outbox import Outbox
from trio_supervisor.runtimes.process.spawner import Birth, BirthError, GuardianLostError, Order
from trio_supervisor.runtimes.reactor import current_reactor
from trio_supervisor.system import wire
from trio_supervisor.system.lineage import new_instance
from trio_supervisor.system.procfs import process

_FOR_NOW = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Error numbers of a launch that may succeed another time."""
FAREWELL = 12.0
"""So long (seconds) the guardian has to kill what is left, and to end."""
MOST_LOSSES = 5
"""So many guardians are replaced within `LOSSES_WITHIN` seconds; then there is none any more."""
LOSSES_WITHIN = 60.0


@record
class Known:
    """A leader that the guardian watches, and what another guardian has to know of it."""

    leader: Leader
    child: str
    generation: int
    cgroup: str | None


class GuardedSpawner:
    """A `Spawner` whose processes are the guardian's children, and are killed by it when this process is gone."""

    def __init__(self, guard: Guard) -> None:
        self.instance = new_instance()
        self.users = 0
        """Blocks of `open_guarded` that are open."""
        self._tell = guard.tell
        self.cgroups = Cgroups(self.instance, guard.tell)
        self._home: str | None = None
        self._lease = guard.lease
        self._guardian: Launched | None = None
        self._ending: list[Leader] = []
        """Guardians that were killed, until they are gone."""
        self._births: dict[int, tuple[Birth, Order]] = {}
        self._known: dict[int, Known] = {}
        self._engines: list[str] = []
        """Where there may be containers of this instance."""
        self._outbox: Outbox | None = None
        self._children: Children | None = None
        self._surely_no_strays = False
        """There were none, and nobody has ended since."""
        self._numbers = 0
        self._losses: deque[float] = deque(maxlen=MOST_LOSSES)
        self._local: LocalSpawner | None = None
        """In its place when there is no guardian to be had."""
        self._finished: trio.Event | None = None
        self._last_words: tuple[list[str], list[str]] | None = None
        if guard.launched is not None:
            self._serve(guard.launched)

    # Spawning

    @property
    def always_in_cgroups(self) -> bool:
        """Whether the guardian spawns: it joins a cgroup in no time."""
        return self._local is None

    def begin(self, order: Order) -> Birth:
        """Begin a birth."""
        birth = Birth()
        if self._guardian is None and self._local is None:
            try:
                self._launch()
            except OSError as error:
                birth.fail(BirthError("exec", error.errno or 0, str(error)))
                return birth
        if self._local is not None:
            return self._local.begin(order)
        self._numbers += 1
        self._births[self._numbers] = (birth, order)
        self._send_home()
        message = ("spawn", self._numbers, order.child, order.generation, order.cgroup, order.plan.pack())
        try:
            self._send(message, order.fds)
        except OSError as error:
            del self._births[self._numbers]
            birth.fail(BirthError("descriptors", error.errno or 0, str(error)))
        return birth

    def spare(self, leader: Leader) -> None:
        """Do not kill the group when this leader ends."""
        if leader.pid in self._known:
            self._send(("spare", leader.pid))

    def hurry(self) -> None:
        """Wake the guardian up, should somebody have stopped it (SIGSTOP)."""
        if self._guardian is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._guardian.pidfd, signal.SIGCONT)

    def kill_cgroup(self, path: str) -> None:
        """Have the guardian kill all in a cgroup."""
        self._send(("kill", path))

    def note_engine(self, address: str) -> None:
        """Have the guardian remove, in the end, what this instance has left with an engine."""
        if address in self._engines:
            return
        self._engines.append(address)
        if self._guardian is None and self._local is None:
            with suppress(OSError):  # the next birth tries again
                self._launch()
        else:
            self._send(("engine", address, self._lease or ""))

    def may_have_strays(self) -> bool:
        """Whether the guardian has children, or we have, that are no leaders."""
        if self._children is None or self._losses:
            return True
        # Many end at once mostly, and the list is long then. What descends from one of them was seen when it was read.
        if not self._surely_no_strays:
            children = self._children.read()
            self._surely_no_strays = children is not None and children <= self._known.keys()
        return not self._surely_no_strays

    # The guardian

    @property
    def pid(self) -> int | None:
        """The guardian's process; None when there is none."""
        return None if self._guardian is None else self._guardian.pid

    @property
    def guardian_lives(self) -> bool:
        """Whether it can do its work: it is there and nobody has stopped it. Where there is none, none is needed, or
        that was told.
        """
        found = None if self.pid is None else process(self.pid)
        return self.pid is None or (found is not None and found.alive and found.state not in "Tt")

    def wake_guardian(self) -> None:
        """Continue the guardian if somebody has stopped it (SIGSTOP): it could neither spawn nor keep its promise."""
        if self._guardian is None:
            return
        try:
            stopped = os.waitid(os.P_PIDFD, self._guardian.pidfd, os.WSTOPPED | os.WNOHANG)
        except ChildProcessError:
            return
        if stopped is not None:
            self.hurry()
            self._tell(f"the guardian (pid {self._guardian.pid}) was stopped by a signal: it was told to go on")

    def waited_for(self) -> set[int]:
        """Children of this process that are waited for here, if they are its children."""
        return self._known.keys() | ({self._guardian.pid} if self._guardian is not None else set())

    def _launch(self) -> None:
        """Launch one; where that can't be done at all, do without. Raises OSError: it may be done later."""
        try:
            launched = launch()
        except OSError as error:
            if error.errno in _FOR_NOW:
                raise
            self._do_without(f"there is no guardian ({error}): if this supervisor is killed, its agents live on")
            return
        restore_descriptor_limit(launched.pid)
        self._serve(launched)

    def _do_without(self, words: str) -> None:
        self._local = LocalSpawner(self.instance, self.cgroups)
        self._tell(words)

    def _serve(self, launched: Launched) -> None:
        self._guardian = launched
        launched.link.setblocking(False)
        self._outbox = Outbox(launched.link)
        self._children = Children(launched.pid)
        self.cgroups.companions.clear()
        self.cgroups.companions.add(launched.pid)
        cgroups = self.cgroups.open()
        self._send(("hello", self.instance))
        self._send(("slice", list(cgroups.directories), cgroups.leaf))
        if self._lease is not None:
            self._send(("lease", self._lease, os.pathsep.join(cgroups.directories)))
        for address in self._engines:
            self._send(("engine", address, self._lease or ""))
        self._home = None
        for known in self._known.values():
            self._send(("adopt", known.leader.pid, known.leader.started, known.child, known.generation, known.cgroup))
        current_reactor().watch_exit(launched.link.fileno(), self._readable)

    def _send_home(self) -> None:
        """Tell the guardian where the way back leads from the cgroup of a child; we may have stepped aside since."""
        cgroups = self.cgroups.opened
        home = None if cgroups is None else cgroups.home
        if home is not None and home != self._home:
            self._home = home
            self._send(("home", home))

    def _send(self, message: wire.Message, fds: tuple[int, ...] = ()) -> None:
        """Tell the guardian; where there is none, the next one is told what it has to know."""
        if self._outbox is not None:
            self._outbox.send(message, fds)

    def _readable(self, _fd: int) -> None:
        while self._guardian is not None:
            try:
                received = wire.receive(self._guardian.link)
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                self._lost()
                return
            self._take(*received)

    def _take(self, message: wire.Message, fds: list[int]) -> None:
        match message:
            case ("born", int(number), int(pid), int(started)):
                self._born(number, pid, started, fds)
            case ("failed", int(number), str(step), int(code), str(words)):
                self._births.pop(number)[0].fail(BirthError(step, code, words))
            case ("ended", int(pid), int(code), int(status)):
                self._surely_no_strays = False
                # It may be one of which we have not heard, as there was no room for its descriptor.
                if (known := self._known.pop(pid, None)) is not None:
                    known.leader.told_ended(exit_of(code, status))
            case ("trouble", str(words)):
                self._tell(words)
            case ("finished", list(killed), list(left)):
                self._last_words = killed, left

    def _born(self, number: int, pid: int, started: int, fds: list[int]) -> None:
        birth, order = self._births.pop(number)
        if not fds:
            # There was no room for its descriptor here, and without that nobody could wait for it.
            self._send(("discard", pid))
            birth.fail(BirthError("descriptors", errno.EMFILE, os.strerror(errno.EMFILE)))
            return
        leader = Leader(pid, fds[0], started)
        self._known[pid] = Known(leader, order.child, order.generation, order.cgroup)
        birth.succeed(leader)

    def _lost(self) -> None:
        """The guardian has ended: its children are ours now, or init's; another one takes over."""
        lost = self._guardian
        assert lost is not None
        self._forget(lost)
        for pid, known in self._known.items():
            known.leader.watch(partial(self._ended_by_itself, pid, known))
        if self._finished is not None:
            self._finished.set()
            return
        self._replace(lost)
        births, self._births = self._births, {}
        for birth, _ in births.values():
            birth.fail(GuardianLostError())

    def _ended_by_itself(self, pid: int, known: Known) -> None:
        """One has ended that the present guardian has not spawned; its number may be another one's by now."""
        if self._known.get(pid) is known:
            del self._known[pid]
            self._send(("forget", pid))

    def _forget(self, lost: Launched) -> None:
        current_reactor().forget(lost.link.fileno())
        trio.lowlevel.notify_closing(lost.link)
        lost.link.close()
        self._guardian = None
        if self._outbox is not None:
            self._outbox.drop()
            self._outbox = None
        if self._children is not None:
            self._children.close()
            self._children = None
        with suppress(ProcessLookupError):
            # It may be stopped, or have closed the socket by a fault of its own.
            signal.pidfd_send_signal(lost.pidfd, signal.SIGKILL)
        # It is reaped when it is gone, by whoever sees that.
        leader = Leader(lost.pid, lost.pidfd, 0)
        leader.watch()
        leader.abandon()
        self._ending = [each for each in (*self._ending, leader) if not each.ended]

    def _replace(self, lost: Launched) -> None:
        now = trio.current_time()
        if len(self._losses) == MOST_LOSSES and now - self._losses[0] < LOSSES_WITHIN:
            self._do_without(f"the guardian has ended {MOST_LOSSES + 1} times: from now on there is none")
            return
        self._losses.append(now)
        try:
            self._launch()
        except OSError as error:
            self._tell(f"the guardian (pid {lost.pid}) has ended; the next start launches another one ({error})")
            return
        if self._guardian is not None:
            self._tell(f"the guardian (pid {lost.pid}) has ended; pid {self._guardian.pid} has taken over")

    async def finish(self) -> tuple[list[str], list[str]]:
        """End the guardian; returns whom it has still killed, and who would not die."""
        if self._guardian is not None:
            await self._end(self._guardian)
        with trio.move_on_after(FAREWELL):
            for ending in self._ending:
                await ending.wait()
        self.cgroups.close()
        return self._last_words or ([], [])

    async def _end(self, guardian: Launched) -> None:
        self._finished = trio.Event()
        with suppress(ProcessLookupError):
            # It may be stopped.
            signal.pidfd_send_signal(guardian.pidfd, signal.SIGCONT)
        self._send(("finish",))
        with trio.move_on_after(FAREWELL):
            await self._finished.wait()
        if self._guardian is not None:
            self._forget(guardian)
        if self._last_words is None:
            # It has ended before it could do that.
            await kill_lost(self.instance, lambda: True)
