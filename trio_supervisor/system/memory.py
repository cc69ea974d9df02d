"""What /proc tells about memory: how much a process has, and how many the kernel has killed for want of it."""

import os


def resident(pid: int) -> int:
    """Bytes that a process has in memory, what it shares with others divided among all; 0 for what is gone.

    Of a process that we may not look into, what it shares counts in full. Costs about 100 microseconds, more when it is
    big.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
            for line in file.readall().splitlines():
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:  # it is gone, or another user's, or the kernel is old
        pass
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.readall().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def kills_everywhere() -> int | None:
    """How many processes the kernel has killed for want of memory since it was booted; None where it does not tell.

    Counts both what ran into the end of the machine's memory, and what ran into the ceiling of a cgroup. Costs about 30
    microseconds.
    """
    try:
        with open("/proc/vmstat", "rb", buffering=0) as file:
            for line in file.readall().splitlines():
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except OSError:
        pass
    return None
