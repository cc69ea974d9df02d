"""The commands `events` and `logs`: what has happened, and what agents have said."""

import argparse
import os
import sys
import time
from collections.abc import Iterable

from trio_supervisor.cli import exit_codes, style
from trio_supervisor.cli.harmless import harmless
from trio_supervisor.cli.style import Palette, Style
from trio_supervisor.control.api import Event, Gap, LogLine
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import RequestError


def events(options: argparse.Namespace, client: Client) -> int:
    """Show what has happened; with --follow also what happens, until the supervisor ends."""
    if options.after is not None and options.after < 0:
        raise RequestError(f"--after must be a number >= 0, not {options.after}")
    with client.events(options.after or 0, follow=options.follow) as found:
        for event in found:
            _put(as_json(event) if options.json else _event(event))
    return exit_codes.DONE


def _event(event: Event | Gap) -> str:
    if isinstance(event, Gap):
        states = ", ".join(f"{one.agent} {one.state.value}" for one in event.agents)
        return f"... events up to {event.seq} are lost; now: {states}"
    change = event.change
    at = time.strftime("%H:%M:%S", time.localtime(event.at))
    text = f"{event.seq} {at} {change.child} {change.old.value} -> {change.new.value}"
    if change.reason:
        text += f": {change.reason}"
    if event.next_in is not None:
        text += f"; next in {event.next_in:.1f} s"
    return "".join(each if each.isprintable() else " " for each in text)


def logs(options: argparse.Namespace, client: Client) -> int:
    """Show what agents have said; with --follow also what they say, until the supervisor ends."""
    if options.tail is not None and options.tail < 0:
        raise RequestError(f"--tail must be a number >= 0, not {options.tail}")
    fields = dict(_field(text) for text in options.field or ())
    found = client.logs(
        options.agents,
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
