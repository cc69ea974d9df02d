"""Leaves a daemon: double-forked, in a session of its own, deaf to TERM, INT and HUP. Prints `in place` when it is so.

usage: daemon.py [cleaned] [exit]
cleaned: the daemon's environment is empty and its standard output is closed; exit: the leader ends instead of sleeping.
"""

import os
import signal
import sys
import time

# Closes when the daemon's program is loaded.
there, loads = os.pipe()
if (between := os.fork()) == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if "cleaned" in sys.argv:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
    os.execve("/bin/sleep", ["sleep", "600"], {} if "cleaned" in sys.argv else os.environ)
os.close(loads)
os.waitpid(between, 0)
os.read(there, 1)
print("in place", flush=True)
if "exit" not in sys.argv:
    time.sleep(600)
