"""The command `probe`: asks the probes of agents now, and shows what they answer."""

import argparse
import sys

from trio_supervisor.cli import exit_codes, faults
from trio_supervisor.cli.status import looks
from trio_supervisor.cli.table import lines, printable
from trio_supervisor.cli.wording import duration
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.control.insights import Probed, Role
from trio_supervisor.errors import ConflictError, UnknownAgentError

_TITLES = ("AGENT", "PROBE", "ANSWER", "AFTER", "ASKED", "DETAIL")
_ANSWER = 2


def probe(options: argparse.Namespace, client: Client) -> int:
    """Ask; exit code 1 if any answer is a failure, or a probe can't be asked; else the worst there is."""
    role = None if options.probe is None else Role(options.probe)
    found: list[Probed] = []
    worst = exit_codes.DONE
    for name in dict.fromkeys(options.agents):
        try:
            found += client.probe(name, role)
        except (ConflictError, UnknownAgentError) as error:
            worst = max(worst, faults.tell(error, options))
    if options.json:
        sys.stdout.writelines(f"{as_json(one)}\n" for one in found)
    elif found:
        look, width = looks()
        rows = [_row(one) for one in found]

        def paint(row: int, column: int) -> str:
            return ("32" if found[row].ok else "31") if column == _ANSWER else ""

        shown = lines(_TITLES, rows, look, width, optional=("ASKED",), paint=paint)
        sys.stdout.writelines(f"{line}\n" for line in shown)
    return max(worst, exit_codes.DONE if all(one.ok for one in found) else exit_codes.GAVE_UP)


def _row(one: Probed) -> tuple[str, ...]:
    answer = {True: "ok", False: "failed", None: "unasked"}[one.ok]
    return (one.agent, one.probe.value, answer, duration(one.seconds), printable(one.what), printable(one.detail))
