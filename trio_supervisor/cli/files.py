"""The commands about files: `check`, `init`, `schema`."""

import argparse
import json
import os
import sys
from pathlib import Path

from trio_supervisor.cli import exit_codes
from trio_supervisor.config.load import explained, load
from trio_supervisor.config.schema import schema as make_schema
from trio_supervisor.config.template import template
from trio_supervisor.errors import ConfigError


def check(options: argparse.Namespace) -> int:
    """Say everything that is wrong with a file; raises ConfigError with the whole report."""
    loaded = load(options.file, environ=os.environ)
    for warning in loaded.warnings:
        sys.stderr.write(f"{warning}\n")
    if loaded.has_containers:
        from trio_supervisor.wiring import engine_warnings  # noqa: PLC0415 -- most files have none

        sys.stderr.writelines(f"{options.file}: {warning}\n" for warning in engine_warnings(loaded.spec))
    if options.explain:
        sys.stdout.writelines(f"{line}\n" for line in explained(options.file, environ=os.environ))
        return exit_codes.DONE
    count = len(loaded.agents)
    disabled = f", {len(loaded.disabled)} disabled" if loaded.disabled else ""
    sys.stdout.write(f"{options.file}: ok, {count} agent{'s' * (count != 1)}{disabled}\n")
    return exit_codes.DONE


def init(options: argparse.Namespace) -> int:
    """Write a file to start from; one that is there is only overwritten when asked for."""
    path = Path(options.file)
    try:
        with path.open("w" if options.force else "x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise ConfigError(f"{path}: is there already; --force overwrites it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    sys.stdout.write(f"{path}: written; start it with: trio-supervisor run {path}\n")
    return exit_codes.DONE


def schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    sys.stdout.write(json.dumps(make_schema(), indent=2) + "\n")
    return exit_codes.DONE
