"""The command `logs`: what agents have said."""

import argparse
import os
import sys
import time
from collections.abc import Iterable

from trio_supervisor.cli import exit_codes, style
from trio_supervisor.cli.harmless import harmless
from trio_supervisor.cli.style import Palette, Style
from trio_supervisor.cli.times import parse_time
from trio_supervisor.control.api import LogLine
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import RequestError


def logs(options: argparse.Namespace, client: Client) -> int:
    """Show what agents have said; with --follow also what they say, until the supervisor ends."""
    if options.tail is not None and options.tail < 0:
        raise RequestError(f"--tail must be a number >= 0, not {options.tail}")
    fields = dict(_field(text) for text in options.field or ())
    found = client.logs(
        options.agents,
        since_time=None if options.since is None else parse_time(options.since, time.time()),
        tail=options.tail,
        follow=options.follow,
        level=options.level,
        fields=fields,
        grep=options.grep,
        stream=options.stream,
    )
    with found as lines:
        if options.json:
            for line in lines:
                _put(as_json(line))
        else:
            _show(lines, options.agents)
    return exit_codes.DONE


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise RequestError(f"--field must be NAME=VALUE, not {text!r}")
    return name, value


def _show(lines: Iterable[LogLine], names: list[str]) -> None:
    """As `run` shows it. Lines of one agent that was asked for alone have no name before them."""
    look = style.detect(terminal=sys.stdout.isatty(), env=os.environ, encoding=sys.stdout.encoding or "utf-8")
    palette, width = Palette(names), max(map(len, names), default=0)
    for line in lines:
        width = max(width, len(line.agent))
        if line.dropped:
            _put(f"{_prefix(line, names, width, palette, look)}... {line.dropped} lines are lost")
        for text in harmless(line.text.encode(errors="backslashreplace"), colour=look.colour).decode().split("\n"):
            _put(f"{_prefix(line, names, width, palette, look)}{text}")


def _prefix(line: LogLine, names: list[str], width: int, palette: Palette, look: Style) -> str:
    if names == [line.agent]:
        return ""
    return look.paint(line.agent.ljust(width), palette.code(line.agent)) + " | "


def _put(text: str) -> None:
    # At once: who follows wants to see it now, also through a pipe.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()
