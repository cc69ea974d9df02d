"""Answers TERM with a storm of forks, each in a session of its own and deaf to TERM.

usage: storm.py wide | chain
wide: the leader forks 300 of them; chain: each forks the next one and ends, 3000 times, so that whoever looks for it
has already missed it, and the last one stays. Prints `in place`, then `storm` at its beginning.
"""

import os
import signal
import sys
import time


def wide() -> None:
    for _ in range(300):
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)


def chain() -> None:
    for _ in range(3000):
        if os.fork():
            os._exit(0)
        os.setsid()
    time.sleep(600)


def storm(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("storm", flush=True)
    {"wide": wide, "chain": chain}[sys.argv[1]]()


signal.signal(signal.SIGTERM, storm)
print("in place", flush=True)
while True:
    time.sleep(600)
