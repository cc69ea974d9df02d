"""One command for all: `python -m benchmarks`, from a checkout."""

import argparse
import compileall
import os
import signal
import subprocess
import sys
from pathlib import Path

import trio

import trio_supervisor
from benchmarks.arguments import RESULTS, parser
from benchmarks.figures import FULL, QUICK, WORKLOADS
from benchmarks.goals import US
from benchmarks.machine import facts
from benchmarks.page import put
from benchmarks.peerbench.core import Peer, become_subreaper, build
from benchmarks.peerbench.peers import PEERS
from benchmarks.results import Results
from benchmarks.table import contestants as contestants_table
from benchmarks.table import markdown
from benchmarks.turns import show, take_all
from benchmarks.workloads import BLOCKS


def main() -> None:
    """Do what is asked."""
    options = parser().parse_args()
    if options.quick and options.page:
        sys.exit("--page: the quick sizes say nothing about speed; leave out --quick")
    if options.show:
        results = read(options.json or RESULTS)
    else:
        peers, results = contestants(options)
        if options.list:
            print(contestants_table(results))
            return
        measure(options, peers, results)
    text = markdown(results)
    print(text)
    if options.page:
        put(options.page, text)


def read(path: Path) -> Results:
    """The results in a file."""
    try:
        return Results.load(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        sys.exit(f"{path}: no results: {error}")


def contestants(options: argparse.Namespace) -> tuple[list[Peer], Results]:
    """Who is there and wanted, and results that tell of them."""
    wanted = set(options.peers) | {US} if options.peers else set(PEERS)
    if unknown := wanted - set(PEERS):
        sys.exit(f"--peers: nobody is called {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    results = Results(facts(), QUICK if options.quick else FULL)
    found = []
    for name in (name for name in PEERS if name in wanted):
        peer = PEERS[name]
        if why := peer.available():
            results.missing[name] = why
            continue
        found.append(peer)
        results.found[name] = {"version": peer.version(), "delay": peer.min_backoff, "why": peer.why}
    return found, results


def measure(options: argparse.Namespace, peers: list[Peer], results: Results) -> None:
    """Take all turns, and write down each."""
    workloads = set(options.only or WORKLOADS)
    path = options.json or (None if options.quick else RESULTS)
    if options.keep and path is not None and path.exists():
        results.go_on_from(read(path), workloads)
    prepare(options.nice)
    blocks = [block for block in BLOCKS if workloads & set(block.workloads)]
    repeats = 1 if options.quick else options.reps
    for turn in take_all(blocks, peers, workloads, repeats, options.lock, results):
        results.turns.append(turn)
        show(turn)
        if path is not None:
            results.save(path)


def prepare(nice: int) -> None:
    """Have all compiled, as it is where it was installed, and everything that is started ended in the end."""
    try:
        build()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"the children and the limit are in C, and could not be compiled: {error}")
    for package in (trio_supervisor, trio):
        compileall.compile_dir(os.path.dirname(package.__file__ or "."), quiet=2)
    become_subreaper()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if nice:
        os.setpriority(os.PRIO_PROCESS, 0, nice)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; what was measured so far is in the file of results")
