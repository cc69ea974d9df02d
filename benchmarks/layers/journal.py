"""How much the journal disturbs supervision: the lag of Trio's loop while 10,000 entries a second are noted, and how
long an order waits meanwhile; how long a run takes to its first child, with and without a journal.

    python benchmarks/layers/journal.py [SECONDS]     (0: only the starts)
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import trio

from trio_supervisor.journal.entries import Entry, Key, Kind, Plain
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import Order
from trio_supervisor.spec import JournalLimits

RATE = 10_000
STARTS = 9


def note(journal: Journal, number: int) -> None:
    """What a change of state costs: an entry, and now and then a value."""
    values: dict[Key, Plain] | None = (
        {(f"agent-{number % 100}", "restarts"): {"total": number}} if number % 10 == 0 else None
    )
    entry = Entry(time.time(), Kind.STATE, f"agent-{number % 100}", number, "starting", "ready", "started", pid=number)
    journal.note(entry, values)


async def produce(journal: Journal | None, scope: trio.CancelScope, seconds: float, step: float = 0.005) -> None:
    """Note things at the rate, a few every few milliseconds."""
    begun, done = trio.current_time(), 0
    while (passed := trio.current_time() - begun) < seconds:
        for done in range(done + 1, int(passed * RATE) + 1):  # noqa: B020 -- goes on where it was
            if journal is not None:
                note(journal, done)
        await trio.sleep(step)
    scope.cancel()


async def measure_lag(lags: list[float]) -> None:
    """How late a task runs that wants to run every millisecond."""
    while True:
        due = trio.current_time() + 0.001
        await trio.sleep_until(due)
        lags.append(trio.current_time() - due)


async def give_orders(journal: Journal, waits: list[float]) -> None:
    """An order ten times a second."""
    while True:
        await trio.sleep(0.1)
        begun = trio.current_time()
        if await journal.order(Order("hold", "agent-1")):
            waits.append(trio.current_time() - begun)


async def run(path: str | None, seconds: float, *, orders: bool = False) -> tuple[list[float], list[float], int]:
    """Lags, waits of orders, entries that were lost."""
    lags: list[float] = []
    waits: list[float] = []
    said: list[str] = []
    journal = Journal(path, JournalLimits(), said.append) if path is not None else None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measure_lag, lags)
        if journal is not None and orders:
            nursery.start_soon(give_orders, journal, waits)
        nursery.start_soon(produce, journal, nursery.cancel_scope, seconds)
    if journal is not None:
        await journal.aclose(30)
    return lags, waits, len(said)


def show(name: str, values: list[float]) -> None:
    """Median, 99th percentile and the greatest, in milliseconds."""
    ordered = sorted(values)
    at99 = ordered[int(len(ordered) * 0.99)]
    median, most = statistics.median(ordered), ordered[-1]
    print(f"{name:46} median {median * 1e3:6.2f}  p99 {at99 * 1e3:6.2f}  max {most * 1e3:7.2f} ms")


def first_child(directory: str, journal: str) -> float:
    """Seconds from the start of `run` to that of its first child, which writes down when that is."""
    file = Path(directory, "supervisor.yaml")
    mark = Path(directory, "mark")
    file.write_text(
        f"supervisor: {{journal: {journal}}}\n"
        f"agents: {{a: {{command: [sh, -c, 'date +%s.%N >{mark}'], restart: temporary}}}}\n"
    )
    state = os.path.join(directory, "state")
    command = [sys.executable, "-m", "trio_supervisor", "run", str(file), "--state-dir", state]
    begun = time.time()
    subprocess.run(command, check=True, capture_output=True)
    return float(mark.read_text()) - begun


def compare_starts() -> None:
    """In turn, so that what else the machine does hits all alike; the state directory is there before."""
    names = ("first child, journal: false", "first child, new journal", "first child, journal of an earlier run")
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(STARTS):
        for name, times in found.items():
            with tempfile.TemporaryDirectory() as directory:
                first_child(directory, "true" if "earlier" in name else "false")
                times.append(first_child(directory, "false" if "false" in name else "true"))
    for name, times in found.items():
        show(name, times)


def measure_all(seconds: float) -> None:
    """The lag of the loop, and how long orders wait."""
    lags, _, _ = trio.run(run, None, seconds / 2)
    show("loop lag without a journal", lags)
    with tempfile.TemporaryDirectory() as directory:
        for orders in (False, True):
            path = os.path.join(directory, f"{orders}.sqlite")
            lags, waits, said = trio.run(partial(run, path, seconds, orders=orders))
            show(f"loop lag, {RATE} entries/s" + (" and orders" if orders else ""), lags)
            print(f"  complaints: {said}, size {os.path.getsize(path) / 1e6:.1f} MB")
            if waits:
                show("an order until it is on the disk", waits)


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    if length:
        measure_all(length)
    compare_starts()
