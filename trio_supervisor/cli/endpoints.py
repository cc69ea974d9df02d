"""The command `endpoints`: which agents are ready, and where."""

import argparse
import sys
import time

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.status import looks
from trio_supervisor.cli.table import ago, lines, printable
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.control.insights import Endpoint, EndpointChange

_TITLES = ("AGENT", "SINCE", "PROTOCOL", "NAME", "URL")


def endpoints(options: argparse.Namespace, client: Client) -> int:
    """Show them; with --follow also those that come and go, until the supervisor ends."""
    if options.follow:
        with client.endpoint_changes() as changes:
            for change in changes:
                sys.stdout.write(f"{as_json(change) if options.json else _line(change)}\n")
                sys.stdout.flush()
        return exit_codes.DONE
    found = client.endpoints()
    if options.json:
        sys.stdout.writelines(f"{as_json(one)}\n" for one in found)
        return exit_codes.DONE
    look, width = looks()
    now = time.time()
    rows = [(one.agent, ago(now - one.since), one.protocol, _name(one) or "-", printable(one.url)) for one in found]
    sys.stdout.writelines(f"{line}\n" for line in lines(_TITLES, rows, look, width, optional=("NAME",)))
    return exit_codes.DONE


def _line(change: EndpointChange) -> str:
    one = change.endpoint
    if change.ready:
        return f"{one.agent} is ready at {printable(one.url)} ({one.protocol})"
    return f"{one.agent} is gone: {printable(change.reason)}"


def _name(one: Endpoint) -> str:
    """As it calls itself, in its card."""
    name = one.card.get("name") if isinstance(one.card, dict) else None
    return printable(name) if isinstance(name, str) else ""
