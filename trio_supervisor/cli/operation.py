"""The command `operation`: what has become of a command that was not waited for."""

import argparse
import sys

from trio_supervisor.cli import exit_codes, faults
from trio_supervisor.control.api import Operation, Phase
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.words import one_line


def operation(options: argparse.Namespace, client: Client) -> int:
    """Say it, at the end of the command unless that is not to be waited for. What has failed is raised."""
    wait: bool | float = not options.no_wait
    if wait and options.timeout is not None:
        wait = options.timeout
    done = client.outcome(options.number, wait=wait)
    sys.stdout.write(f"{as_json(done) if options.json else _words(done)}\n")
    if not options.json:
        for warning in done.warnings:
            faults.warn(f"{done.agent}: {warning}", options)
    return exit_codes.GAVE_UP if done.phase is Phase.PENDING and not options.no_wait else exit_codes.DONE


def _words(one: Operation) -> str:
    what = f"{one.verb.value} {one.agent}".rstrip()
    if one.phase is Phase.PENDING:
        return f"{what}: is under way" + (f": {one_line(one.awaits)}" if one.awaits else "")
    return f"{what}: {one.phase.value}"
