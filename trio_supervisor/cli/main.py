"""The entry point: from words to a command, from errors to a message and an exit code.

What a command needs is imported when it runs: most of the time of a short command is imports.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.arguments import make_parser
from trio_supervisor.cli.mask import held_back
from trio_supervisor.errors import ConfigError, LockedError, SupervisorError, UnknownAgentError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    _fill_standard_descriptors()
    options = make_parser().parse_args(argv)
    try:
        return _run(options)
    except SupervisorError as error:
        sys.stderr.write(f"{error}\n")
        return _code_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def _code_of(error: SupervisorError) -> int:
    match error:
        case UnknownAgentError():
            return exit_codes.UNKNOWN_AGENT
        case LockedError():
            return exit_codes.NO_SUPERVISOR
        case ConfigError():
            return exit_codes.USAGE
        case _:
            return exit_codes.GAVE_UP


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "run":
            with held_back():
                from trio_supervisor.cli.run import run  # noqa: PLC0415

                return run(options)
        case "completion":
            from trio_supervisor.cli.completion import completion  # noqa: PLC0415

            return completion(options)
        case _:
            from trio_supervisor.cli.files import check, init, schema  # noqa: PLC0415

            return {"check": check, "init": init, "schema": schema}[options.command](options)


def _fill_standard_descriptors() -> None:
    """Put the null device where standard input, output or error is closed: else the next file opened takes its
    number.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.dup(descriptor)
    os.close(descriptor)
