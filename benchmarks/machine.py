"""The machine that it all runs on, and how much of it others use meanwhile."""

import os
import platform
import time
from dataclasses import dataclass

from benchmarks.peerbench.core import busy


def facts() -> dict[str, str]:
    """What must be known to read the figures."""
    return {
        "measured": time.strftime("%F %H:%M", time.gmtime()) + " UTC",
        "processors": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "?")
    except OSError:
        return "?"


@dataclass(frozen=True)
class Use:
    """A moment, by which it can be said later what others have used since."""

    at: float
    all: float
    own: float

    @staticmethod
    def now() -> "Use":
        """This moment."""
        everything, own = busy()
        return Use(time.monotonic(), everything, own)

    def by_others(self) -> float:
        """The part of the machine, in percent, that other programs have used since then."""
        now = Use.now()
        used = (now.all - self.all) - (now.own - self.own)
        return max(0.0, 100 * used / (now.at - self.at) / (os.cpu_count() or 1))
