"""SIGKILLs its own parent chain, then sleeps.

usage: kin.py HOW_MANY [PAUSE]
HOW_MANY: of its ancestors, the nearest first; PAUSE: seconds between. Prints `in place` before it begins.
"""

import os
import signal
import sys
import time
from contextlib import suppress


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


ancestors = []
pid = os.getpid()
for _ in range(int(sys.argv[1])):
    pid = parent_of(pid)
    ancestors.append(pid)
print("in place", flush=True)
for pid in ancestors:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
time.sleep(600)
