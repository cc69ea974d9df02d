"""The commands for a supervisor that runs: finds it, asks it, and says what came of it."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

from trio_supervisor.cli import exit_codes, faults
from trio_supervisor.cli.control_arguments import DEFAULT_FILE
from trio_supervisor.control.client import Client
from trio_supervisor.control.places import UrlPlace, check_url
from trio_supervisor.errors import NoSupervisorError, RequestError
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
    """A client of the supervisor that is meant. Raises NoSupervisorError: none can be meant by that; RequestError."""
    options.file = getattr(options, "written", None) or options.file
    # Who names a place besides, and no file, means whatever runs there.
    options.meant = os.path.abspath(options.file) if _names_file(options) else None
    if options.socket is not None:
        return Client(options.socket)
    url = url_of(options)
    if url is not None:
        check_url(url)
        return Client(UrlPlace(url, _token(options)))
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


def _names_file(options: argparse.Namespace) -> bool:
    return getattr(options, "written", None) is not None or options.file != DEFAULT_FILE


def url_of(options: argparse.Namespace) -> str | None:
    """The URL that is meant; what is written at the command line goes before the environment."""
    if options.url is not None or options.file != DEFAULT_FILE or options.state_dir is not None:
        given: str | None = options.url
        return given
    return os.environ.get("TRIO_SUPERVISOR_URL") or None


def _token(options: argparse.Namespace) -> str:
    from trio_supervisor.control.tokens import read_token  # noqa: PLC0415 -- over the socket nobody needs one

    path = options.token_file or os.environ.get("TRIO_SUPERVISOR_TOKEN_FILE")
    token = (
        read_token(path, partial(faults.warn, options=options)) if path else os.environ.get("TRIO_SUPERVISOR_TOKEN", "")
    )
    if not token or not token.isascii() or not token.isprintable():
        raise RequestError(
            "a token is needed for a URL: --token-file FILE, $TRIO_SUPERVISOR_TOKEN_FILE or $TRIO_SUPERVISOR_TOKEN"
        )
    return token


def _command(name: str) -> Command:
    match name:
        case "status" | "ps":
            from trio_supervisor.cli.status import status  # noqa: PLC0415 -- each only where it is needed

            return status
        case "explain":
            from trio_supervisor.cli.explain import explain  # noqa: PLC0415

            return explain
        case "tree":
            from trio_supervisor.cli.tree import tree  # noqa: PLC0415

            return tree
        case "probe":
            from trio_supervisor.cli.probing import probe  # noqa: PLC0415

            return probe
        case "endpoints":
            from trio_supervisor.cli.endpoints import endpoints  # noqa: PLC0415

            return endpoints
        case "metrics":
            from trio_supervisor.cli.metrics import metrics  # noqa: PLC0415

            return metrics
        case "plan":
            from trio_supervisor.cli.applying import plan  # noqa: PLC0415

            return plan
        case "apply" | "reload":
            from trio_supervisor.cli.applying import apply  # noqa: PLC0415

            return apply
        case "logs":
            from trio_supervisor.cli.telling import logs  # noqa: PLC0415

            return logs
        case "attach":
            from trio_supervisor.cli.attaching import attach  # noqa: PLC0415

            return attach
        case "operation":
            from trio_supervisor.cli.operation import operation  # noqa: PLC0415

            return operation
        case "wait":
            from trio_supervisor.cli.waiting import wait  # noqa: PLC0415

            return wait
        case _:
            from trio_supervisor.cli.orders import order  # noqa: PLC0415

            return order
