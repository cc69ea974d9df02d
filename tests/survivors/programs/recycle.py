"""PID 1 of a namespace with few numbers: a run is killed with its guardian and agent; a stranger gets the agent's pid.

usage: recycle.py FILE ONCE
FILE: what is run and killed; its agent prints its pid; ONCE: what the next start runs. Prints what that says, then
`stranger lives` or `stranger killed`.
"""

import os
import signal
import subprocess
import sys

MOST = 400
RESERVED = 300
"""Numbers below are given once only."""

try:
    with open("/proc/sys/kernel/pid_max", "w") as limit:
        limit.write(str(MOST))
except OSError:
    sys.exit("pid_max can't be set")


def run(file: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trio_supervisor", "run", file]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def use_up_reserved() -> None:
    pid = 0
    while pid < RESERVED:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return list(map(int, file.read().split()))


def stranger(number: int) -> None:
    """Start a process in a session of its own that has this number, which comes round."""
    for _ in range(2 * MOST):
        pid = os.fork()
        if pid == 0:
            if os.getpid() != number:
                os._exit(0)
            os.setsid()
            os.execve("/bin/sleep", ["sleep", "600"], {})
        if pid == number:
            return
        os.waitpid(pid, 0)
    sys.exit(f"nobody got number {number}")


use_up_reserved()
first = run(sys.argv[1])
agent = next(int(line.split()[-1]) for line in first.stdout or () if "my pid is" in line)
for pid in (*children(first.pid), first.pid, agent):
    os.kill(pid, signal.SIGKILL)
first.wait()
try:
    while True:  # the orphans are ours, here
        os.wait()
except ChildProcessError:
    pass
stranger(agent)
second = run(sys.argv[2])
print(second.communicate()[0], f"exit code {second.returncode}", flush=True)
print("stranger killed" if os.waitpid(agent, os.WNOHANG)[0] else "stranger lives", flush=True)
os.kill(agent, signal.SIGKILL)
