"""Whether a life ended because memory ran out: a kill that nobody of us sent, and a counter of the kernel went up."""

import time
from signal import SIGKILL

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.record import changed, record
from trio_supervisor.system.memory import kills_everywhere

_FRESH = 1.0
"""So long (seconds) what the machine's counter said is good enough for further starts."""


@record
class Evidence:
    """What is known about the kills of one life."""

    killed_by_us: bool = False
    """Somebody of us sent SIGKILL before the end."""
    limit: int | None = None
    """The ceiling of its memory in bytes, if the kernel holds it."""
    limit_reached: bool = False
    own_kills: int | None = None
    """How many of its tree the kernel has killed for want of memory; None: nobody has counted."""
    kills_everywhere: int = 0
    """How many the kernel has killed for that on the whole machine, in the time of this life."""


def judge_exit(exit: Exit, evidence: Evidence) -> Exit:
    """The same exit, or `OUT_OF_MEMORY` with the reason, where that is what it was.

    The counter of its own cgroup explains every failure, also that of a leader whose worker was killed. Without one,
    nobody knows; of a SIGKILL it is told what the kernel has done on the whole machine meanwhile. A kill of ours
    explains itself.
    """
    if evidence.killed_by_us or exit.clean or exit.how not in (How.EXITED, How.SIGNALED):
        return exit
    if evidence.own_kills:
        handed_on = f" ({exit})" if exit.how is How.EXITED else ""
        return out_of_memory(exit, _ceiling(evidence) + handed_on)
    if evidence.own_kills is None and exit.signal == SIGKILL and evidence.kills_everywhere > 0:
        count = evidence.kills_everywhere
        return changed(exit, detail=f"the kernel has killed {count} for want of memory on this machine meanwhile")
    return exit


def out_of_memory(exit: Exit, detail: str) -> Exit:
    """An end for want of memory, with the code or signal of `exit`."""
    return Exit(How.OUT_OF_MEMORY, code=exit.code, signal=exit.signal, detail=detail)


def _ceiling(evidence: Evidence) -> str:
    if evidence.limit is not None and evidence.limit_reached:
        return f"memory limit {in_words(evidence.limit)}"
    return "the kernel killed it when memory ran out"


class MachineCounter:
    """How many processes the kernel has killed on the machine for want of memory, read at most once a second."""

    def __init__(self) -> None:
        self._value: int | None = None
        self._read_at = -_FRESH

    def at_start(self) -> int | None:
        """The number now, or a second ago: for a thousand starts it is read once."""
        if time.monotonic() - self._read_at >= _FRESH:
            self._value = kills_everywhere()
            self._read_at = time.monotonic()
        return self._value


MACHINE = MachineCounter()
"""There is one machine."""


def kills_since(before: int | None) -> int:
    """How many more there are than `at_start` said."""
    now = kills_everywhere()
    return 0 if before is None or now is None else now - before


def in_words(size: int) -> str:
    """Bytes for people: `2 GiB`, `1.5 GiB`."""
    amount = float(size)
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:.4g} {units[0]}"
