"""Who spawns processes: what is asked of it, and what comes of that."""

from typing import Protocol

import trio
from attrs import define, field

from trio_supervisor.record import record
from trio_supervisor.runtimes.process.cgroups import Cgroups
from trio_supervisor.runtimes.process.leader import Leader
from trio_supervisor.system.birth import Plan


@record
class Order:
    """A process that is to be born."""

    child: str
    generation: int
    plan: Plan
    fds: tuple[int, ...]
    """Its descriptors 0, 1, 2, ...; they stay the caller's."""
    cgroup: str | None = None
    """The directory of its cgroup v2, if it is born in one."""


class BirthError(Exception):
    """A process was not born; nothing is left of it. `step`: see `system.birth`."""

    def __init__(self, step: str, number: int, words: str) -> None:
        super().__init__(words)
        self.step = step
        self.number = number
        """The error number (errno(3)); 0 when it is no error of the system."""


class GuardianLostError(BirthError):
    """The guardian ended during the birth: the process may be there, with the marker of its life and no parent."""

    def __init__(self) -> None:
        super().__init__("guardian", 0, "the guardian has ended")


@define
class Birth:
    """A birth that is under way, until it is settled; it goes on whoever waits for it."""

    settled: trio.Event = field(factory=trio.Event)
    leader: Leader | None = None
    error: BirthError | None = None

    async def wait(self) -> Leader:
        """Wait until it is settled. Raises BirthError."""
        await self.settled.wait()
        if self.error is not None:
            raise self.error
        assert self.leader is not None
        return self.leader

    def succeed(self, leader: Leader) -> None:
        """The program is loaded."""
        self.leader = leader
        self.settled.set()

    def fail(self, error: BirthError) -> None:
        """It has failed."""
        self.error = error
        self.settled.set()


class Spawner(Protocol):
    """Spawns the processes of a Trio run."""

    @property
    def instance(self) -> str:
        """The name of this run in the markers of its children (see `system.lineage`)."""

    @property
    def cgroups(self) -> Cgroups:
        """Where the groups of its lives are made."""

    @property
    def always_in_cgroups(self) -> bool:
        """Whether to be born in a cgroup costs next to nothing; else only who has ceilings is."""

    def begin(self, order: Order) -> Birth:
        """Begin a birth."""

    def spare(self, leader: Leader) -> None:
        """Do not kill the group when this leader ends: it is asked to end, and has its grace."""

    def hurry(self) -> None:
        """Something is being killed: whoever reaps it must not sleep."""

    def kill_cgroup(self, path: str) -> None:
        """Kill all in a cgroup, as this process has no descriptor left to do it."""

    def may_have_strays(self) -> bool:
        """Whether there can be processes that have left the trees they come from; else no search is needed."""

    def note_engine(self, address: str) -> None:
        """Containers may be made by the engine at this address: with the label of the instance."""
