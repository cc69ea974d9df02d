"""The hidden command `names`, for shells that complete: the agents that run, else those of the file; soon, or nothing.

It never says what is wrong: who presses Tab has asked nothing yet.
"""

import argparse
import os
import signal
import sys

from trio_supervisor.cli import exit_codes
from trio_supervisor.errors import NoSupervisorError, SupervisorError

PATIENCE = 1.0
"""So many seconds a person is willing to wait for a completion."""


def names(options: argparse.Namespace) -> int:
    """Print their paths, one in each line."""
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        found = _of_file(options.file) if options.of_file else _running(options)
    except (SupervisorError, OSError):
        found = []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    sys.stdout.writelines(f"{name}\n" for name in found)
    return exit_codes.DONE


def _running(options: argparse.Namespace) -> list[str]:
    from trio_supervisor.cli.remote import find_client  # noqa: PLC0415 -- each only where it is needed

    try:
        return [one.agent for one in find_client(options).snapshot()]
    except NoSupervisorError:
        return [] if options.socket is not None else _of_file(options.file)


def _of_file(file: str) -> list[str]:
    from trio_supervisor.config.load import load  # noqa: PLC0415

    return [*load(file, environ=os.environ).agents]


def _give_up(_number: int, _frame: object) -> None:
    os._exit(exit_codes.DONE)
