"""The commands for a supervisor that runs: finds it, asks it, and says what came of it."""

import argparse
import os
import sys
from collections.abc import Callable

from trio_supervisor.cli import exit_codes
from trio_supervisor.control.client import Client
from trio_supervisor.errors import NoSupervisorError
from trio_supervisor.state.directory import control_socket, find

Command = Callable[[argparse.Namespace, Client], int]


def command(options: argparse.Namespace) -> int:
    """Run one of them; returns its exit code."""
    client = find_client(options)
    try:
        code = _command(options.command)(options, client)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has seen enough; what is still buffered must not be tried again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.DONE
    return code


def find_client(options: argparse.Namespace) -> Client:
    """A client of the supervisor that is meant. Raises NoSupervisorError: none can be meant by that."""
    options.file = getattr(options, "written", None) or options.file
    if options.socket is not None:
        return Client(options.socket)
    directory = find(os.path.realpath(options.file), options.state_dir, os.environ)
    path = control_socket(directory, os.environ)
    if path is None:
        raise NoSupervisorError(
            f"{directory}: the path is too long for a socket, and $XDG_RUNTIME_DIR names no other place"
        )
    if not path.exists():
        what = options.state_dir or options.file
        raise NoSupervisorError(f"no supervisor runs {what}: nobody listens at {path}")
    return Client(path)


def _command(name: str) -> Command:
    match name:
        case "status" | "ps":
            from trio_supervisor.cli.status import status  # noqa: PLC0415 -- each only where it is needed

            return status
        case "plan":
            from trio_supervisor.cli.applying import plan  # noqa: PLC0415

            return plan
        case "apply" | "reload":
            from trio_supervisor.cli.applying import apply  # noqa: PLC0415

            return apply
        case "logs":
            from trio_supervisor.cli.telling import logs  # noqa: PLC0415

            return logs
        case "wait":
            from trio_supervisor.cli.waiting import wait  # noqa: PLC0415

            return wait
        case _:
            from trio_supervisor.cli.orders import order  # noqa: PLC0415

            return order
