"""A program that starts a writer of a journal, kills it while it writes, looks at the file, and again, so many times.

The writer is a fork, so that the next one writes after some milliseconds. For each order that is on the disk it tells
its number, and only then; it tells it to the killer, who is alive.
"""

import os
import random
import select
import signal
import sqlite3
import sys
import time

import trio

from tests.journal.conftest import entry
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import Order
from trio_supervisor.spec import JournalLimits

LONGEST = 0.02
"""So long (seconds) after its first order a writer is killed, at the most."""
PATIENCE = 60.0


async def write(path: str, first: int, tells: int) -> None:
    """Write as fast as it goes, with the numbers from `first` on."""
    journal = Journal(path, JournalLimits(size=1 << 20), complain)
    number = first
    while True:
        for _ in range(20):
            journal.note(entry(number), {("a", "last"): number})
        if await journal.order(Order("hold", "a", reason=str(number))):
            os.write(tells, b"%d\n" % number)
        number += 1


def complain(text: str) -> None:
    """Nothing is wrong here, so nobody should be told anything."""
    sys.stderr.write(f"{text}\n")


def kill_once(path: str, first: int, delay: float) -> list[int]:
    """Let a writer write, kill it, and return the numbers of the orders that it has confirmed."""
    told, tells = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            trio.run(write, path, first, tells)
        finally:
            os._exit(1)
    os.close(tells)
    select.select([told], [], [], PATIENCE)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with open(told, "rb") as file:
        return [int(line) for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]


def look(path: str, confirmed: list[int]) -> int:
    """The last order in the file, which must be whole and have all that were confirmed, in order."""
    connection = sqlite3.connect(path)
    whole = connection.execute("PRAGMA integrity_check").fetchall()
    orders = connection.execute("SELECT reason FROM events WHERE kind = 'order' ORDER BY seq").fetchall()
    remembered = connection.execute("SELECT value FROM memory WHERE name = 'down'").fetchone()
    connection.close()
    numbers = [int(reason) for (reason,) in orders]
    wanted = set(confirmed)
    assert whole == [("ok",)], whole
    assert [number for number in numbers if number in wanted] == confirmed, (numbers, confirmed)
    # An order is written with what is to be restored of it, or not at all.
    assert f'"{numbers[-1]}"' in remembered[0], (numbers[-1], remembered)
    return numbers[-1]


def main(path: str, times: int, seed: int) -> None:
    """Kill so many times."""
    dice, number, count = random.Random(seed), 1, 0
    for _ in range(times):
        confirmed = kill_once(path, number, dice.uniform(0.0, LONGEST))
        assert confirmed, "it was killed before it had written anything"
        count += len(confirmed)
        number = look(path, confirmed) + 1
    sys.stdout.write(f"{times} kills, {count} orders\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
