"""What is said of the processes that an earlier run has left behind. Pure functions."""

import time
from collections.abc import Sequence

from trio_supervisor.cli.wording import Tone
from trio_supervisor.wiring import Cleared

_NAMES = 10


def describe(cleared: Cleared) -> list[tuple[str, Tone]]:
    """A line for those that were killed and one for those that could not be; none where nothing was left."""
    run = f"the run of {_when(cleared.since)} left behind"
    said = []
    if cleared.killed:
        said.append((f"cleared {_count(cleared.killed)} that {run}: {_names(cleared.killed)}", Tone.WARNING))
    if cleared.left:
        said.append((f"could not kill {_count(cleared.left)} that {run}: {_names(cleared.left)}", Tone.BAD))
    if cleared.containers:
        count = len(cleared.containers)
        what = f"{count} container{'s' * (count != 1)} that an earlier run left behind"
        said.append((f"removed {what}: {_names(cleared.containers)}", Tone.WARNING))
    said += [(f"not removed, and tried again at the next start: {why}", Tone.BAD) for why in cleared.owed]
    return said


def _when(since: float) -> str:
    """The time; with its date where that is not today."""
    then, now = time.localtime(since), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


def _count(processes: Sequence[object]) -> str:
    return f"{len(processes)} process{'es' * (len(processes) != 1)}"


def _names(processes: Sequence[object]) -> str:
    rest = len(processes) - _NAMES
    return ", ".join(map(str, processes[:_NAMES])) + (f" and {rest} more" if rest > 0 else "")
