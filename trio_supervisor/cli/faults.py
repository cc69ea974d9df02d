"""What commands say on standard error: words for people; with --json an object per line for programs."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trio_supervisor.errors import SupervisorError

USAGE = "UsageError"
"""The kind of a mistake in the command line itself."""


def tell(error: "SupervisorError", options: argparse.Namespace) -> int:
    """Say why something was not done; returns the exit code that means that."""
    from trio_supervisor.cli.exit_codes import code_of  # noqa: PLC0415 -- most commands have nothing to say here

    code = code_of(error)
    if not _as_json(options):
        sys.stderr.write(f"{error}\n")
        return code
    from trio_supervisor.control.client import error_form  # noqa: PLC0415 -- the same

    _put("error", {**error_form(error), "exit_code": code})
    return code


def tell_usage(message: str, code: int) -> None:
    """Say, to a program, what is wrong with the command line."""
    _put("error", {"kind": USAGE, "message": message, "exit_code": code})


def warn(text: str, options: argparse.Namespace) -> None:
    """Say what should be known, though it was done."""
    if _as_json(options):
        _put("warning", {"message": text})
    else:
        sys.stderr.write(f"warning: {text}\n")


def _as_json(options: argparse.Namespace) -> bool:
    return bool(getattr(options, "json", False))


def _put(kind: str, form: object) -> None:
    import json  # noqa: PLC0415 -- the same

    sys.stderr.write(f"{json.dumps({kind: form})}\n")
