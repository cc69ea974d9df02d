"""The ceilings of one life: what the kernel does not hold is measured every two seconds, and acted on.

Only for a life with ceilings, and only for those that need it: a number of processes that a cgroup holds is not looked
at, since the kernel refuses the fork itself.
"""

import sys
from collections.abc import Awaitable, Callable
from signal import SIGKILL

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.record import record
from trio_supervisor.runtimes.process.census import in_thread
from trio_supervisor.runtimes.process.oom import MACHINE, Evidence, in_words, judge_exit, kills_since, out_of_memory
from trio_supervisor.spec import Limits
from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.cgroup_slice import Slice
from trio_supervisor.system.memory import resident
from trio_supervisor.system.procfs import Process

PERIOD = 2.0
"""Seconds between two samples."""
FIRST = 0.2
"""Seconds from the start to the first one."""
NEARLY = 0.9
"""So much of the memory ceiling is worth a warning."""

_KILLED = Exit(How.SIGNALED, signal=SIGKILL)
_NOTHING: frozenset[str] = frozenset()


@record
class Sample:
    """What a tree has at one moment; None is what was not asked for."""

    memory: int | None = None
    """Bytes."""
    tasks: int | None = None
    """Processes and all their threads, as the kernel counts them."""
    kills: int = 0
    """How many in its cgroup the kernel has killed for want of memory."""


class Ceilings:
    """Watches one life, and knows at its end whether it was for want of memory. Made right before the start."""

    __slots__ = (
        "_cgroup",
        "_count_tasks",
        "_kernel_counts",
        "_kill",
        "_killed_for",
        "_kills_before",
        "_limit_reached",
        "_limits",
        "_members",
        "_memory_matters",
        "_say",
        "_told",
    )

    def __init__(
        self,
        limits: Limits,
        cgroup: Cgroup | None,
        members: Callable[[], Awaitable[list[Process]]],
        say: Callable[[str], None],
        limit_reached: Callable[[str], None],
        kill: Callable[[str], None],
    ) -> None:
        """`members`: all processes of the tree; `say`: takes one line for people; `limit_reached`: asks for an orderly
        restart; `kill`: ends the whole tree by force. The last two are given the reason.
        """
        self._limits = limits
        self._cgroup = cgroup
        self._members = members
        self._say = say
        self._limit_reached = limit_reached
        self._kill = kill
        self._told = _NOTHING
        self._killed_for: Exit | None = None
        self._kills_before = MACHINE.at_start()
        self._memory_matters = limits.memory is not None or limits.memory_soft is not None
        self._kernel_counts = self._memory_matters and cgroup is not None and cgroup.memory is not None
        self._count_tasks = limits.pids is not None and (cgroup is None or cgroup.pids is None)

    @property
    def needed(self) -> bool:
        """Whether there is anything to `watch`."""
        return self._memory_matters or self._count_tasks

    async def watch(self) -> None:
        """Sample until cancelled, or until the tree was killed; returns at once when there is nothing to watch."""
        pause = FIRST
        while self.needed and self._killed_for is None:
            await trio.sleep(pause)
            self.weigh(await self._sample())
            pause = PERIOD

    def weigh(self, sample: Sample) -> None:
        """Act on a sample: kill for the first ceiling that it is over, ask for a restart, or warn; each once."""
        limits = self._limits
        if sample.kills:
            # The kernel, in version 1, kills one process of several; half an agent is worth less than a new one.
            self._end(judge_exit(_KILLED, self._evidence(killed_by_us=False, killed=True)))
        elif _over(sample.memory, limits.memory) and not self._kernel_counts:
            self._end(out_of_memory(_KILLED, f"{_share(sample.memory, limits.memory)} (sampled)"))
        elif _over(sample.tasks, limits.pids):
            detail = f"{sample.tasks} processes and threads, {limits.pids} are allowed (sampled)"
            self._end(Exit(How.KILLED, signal=SIGKILL, detail=detail))
        elif _over(sample.memory, limits.memory_soft):
            self._once("soft", self._limit_reached, f"memory_soft: {_share(sample.memory, limits.memory_soft)}")
        elif limits.memory is not None and _over(sample.memory, int(limits.memory * NEARLY)):
            self._once("nearly", self._say, f"memory: {_share(sample.memory, limits.memory)}; over that it is killed")

    def judge(self, exit: Exit, *, killed_by_us: bool) -> Exit:
        """What the exit is with all that is known; to be called before the cgroup is removed.

        `killed_by_us`: somebody sent SIGKILL before the end, other than by the `kill` that was given.
        """
        if self._cgroup is not None and (refused := self._cgroup.pids_refused()):
            most = self._limits.pids
            self._say(f"limits: pids: a process or thread was refused {refused} times: {most} at most")
        if self._killed_for is None:
            return exit if exit.clean else judge_exit(exit, self._evidence(killed_by_us, exit.signal == SIGKILL))
        return self._killed_for if exit.how is How.SIGNALED and exit.signal == SIGKILL else exit

    def _evidence(self, killed_by_us: bool, killed: bool) -> Evidence:
        if killed_by_us:
            return Evidence(killed_by_us)
        if self._cgroup is None or self._cgroup.memory is None:
            # Only of a SIGKILL it says anything.
            return Evidence(kills_everywhere=kills_since(self._kills_before) if killed else 0)
        return Evidence(
            limit=self._limits.memory,
            limit_reached=self._cgroup.memory_ran_out(),
            own_kills=self._cgroup.memory_kills(),
        )

    async def _sample(self) -> Sample:
        memory = self._cgroup.memory_used() if self._kernel_counts and self._cgroup is not None else None
        measure = self._memory_matters and memory is None
        members = await self._members() if measure or self._count_tasks else []
        return Sample(
            await in_thread(_together, members) if measure else memory,
            sum(member.threads for member in members) if self._count_tasks else None,
            0 if self._cgroup is None else self._cgroup.memory_kills(),
        )

    def _end(self, exit: Exit) -> None:
        self._killed_for = exit
        self._say(f"{exit}; killing it")
        self._kill(str(exit))

    def _once(self, what: str, tell: Callable[[str], None], text: str) -> None:
        if what not in self._told:
            self._told |= {what}
            tell(text)


def not_held(limits: Limits, cgroups: Slice) -> str:
    """Which of the ceilings the kernel does not hold here, and why, in words; "" when it holds them all.

    To be told once by a supervisor, with the first child that this is said of.
    """
    if limits.memory is None and limits.pids is None:
        return ""
    wanted = {"memory": limits.memory is not None, "pids": limits.pids is not None}
    reasons = {what: cgroups.without(what) for what, is_wanted in wanted.items() if is_wanted}
    missing = [what for what, reason in reasons.items() if reason]
    if not missing:
        return ""
    if sys.platform != "linux":
        return f"limits: {', '.join(missing)}: not held on this system, and not sampled"
    why = "; ".join(dict.fromkeys(reasons[what] for what in missing))
    return f"limits: {', '.join(missing)}: sampled every {PERIOD:g} s, not held by the kernel: {why}"


def _together(members: list[Process]) -> int:
    return sum(resident(member.pid) for member in members)


def _over(value: int | None, limit: int | None) -> bool:
    return value is not None and limit is not None and value > limit


def _share(value: int | None, limit: int | None) -> str:
    return f"{in_words(value or 0)} of {in_words(limit or 0)}"
