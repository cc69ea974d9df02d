"""The command `metrics`: all figures as Prometheus reads them, for a scraper that knows no unix sockets."""

import argparse
import sys

from trio_supervisor.cli import exit_codes
from trio_supervisor.control.client import Client


def metrics(options: argparse.Namespace, client: Client) -> int:
    """Print them."""
    sys.stdout.buffer.write(client.metrics(openmetrics=options.openmetrics))
    return exit_codes.DONE
