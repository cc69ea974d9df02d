"""The command line."""

import argparse
from pathlib import Path

from benchmarks.figures import WORKLOADS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Runs every workload on trio-supervisor and on the supervisors that are installed, in turn, "
        "and prints tables with medians, spreads and ratios. Needs a C compiler. Peers are looked for in "
        "$TRIO_SUPERVISOR_PEERS (default ~/.cache/trio-supervisor-peers), where benchmarks/install-peers.sh puts them, "
        "and on the PATH.",
        epilog="Workloads: " + "; ".join(f"{name} {what}" for name, what in WORKLOADS.items()) + ".",
    )
    made.add_argument("--only", type=_workloads, metavar="W1,W2", help="these workloads; default: all")
    made.add_argument(
        "--peers",
        type=_names,
        metavar="A,B",
        help="these contestants besides trio-supervisor; default: all that are there",
    )
    made.add_argument(
        "--reps",
        type=_positive,
        default=3,
        metavar="N",
        help="how often at the most; long ones are done once or twice (default: 3)",
    )
    made.add_argument(
        "--quick", action="store_true", help="the smallest sizes, once: shows that all works, says nothing about speed"
    )
    made.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where results are written; default: benchmarks/results/latest.json, with --quick nowhere",
    )
    made.add_argument(
        "--keep", action="store_true", help="keep what the file has of other workloads, to measure in parts"
    )
    made.add_argument(
        "--page",
        type=Path,
        nargs="?",
        const=PAGE,
        metavar="FILE",
        help="put the tables into this page, between its marks; default: docs/benchmarks.md",
    )
    made.add_argument("--show", action="store_true", help="measure nothing: the tables of the results in the file")
    made.add_argument("--list", action="store_true", help="say who is there, and end")
    made.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="hold this lock (flock) while a repeat of a workload lasts, for machines that are shared",
    )
    made.add_argument(
        "--nice", type=int, default=0, metavar="N", help="priority of everything, for all alike (-20 to 19; default: 0)"
    )
    return made


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _workloads(text: str) -> list[str]:
    names = [name.upper() for name in _names(text)]
    if unknown := [name for name in names if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {number}")
    return number
