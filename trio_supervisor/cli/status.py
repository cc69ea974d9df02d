"""The command `status`: the agents as a tree, or one path in each line for other programs."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence

from trio_supervisor.cli import exit_codes, style
from trio_supervisor.cli.style import Style
from trio_supervisor.control.api import Snapshot, State
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import UnknownAgentError

_COLOURS = {
    State.READY: "32",
    State.RUNNING: "36",
    State.WAITING: "36",
    State.STARTING: "36",
    State.STOPPING: "33",
    State.BACKOFF: "33",
    State.HELD: "33",
    State.UNHEALTHY: "31",
    State.FAILED: "31",
}
_TITLES = ("AGENT", "STATE", "SINCE", "RESTARTS", "PID", "PORT", "REASON")
_STATE = 1


def status(options: argparse.Namespace, client: Client) -> int:
    """Show them."""
    chosen = tuple(_chosen(client.snapshot(), options.agents))
    if options.json:
        sys.stdout.writelines(f"{as_json(one)}\n" for one in chosen)
        return exit_codes.DONE
    if options.names:
        sys.stdout.writelines(f"{one.agent}\n" for one in chosen)
        return exit_codes.DONE
    terminal = sys.stdout.isatty()
    look = style.detect(terminal=terminal, env=os.environ, encoding=sys.stdout.encoding or "utf-8")
    width = shutil.get_terminal_size().columns if terminal else None
    sys.stdout.writelines(f"{line}\n" for line in table(chosen, time.time(), look, width))
    return exit_codes.DONE


def _chosen(snapshots: Iterable[Snapshot], names: Sequence[str]) -> Iterable[Snapshot]:
    snapshots = tuple(snapshots)
    unknown = [name for name in names if all(one.agent != name for one in snapshots)]
    if unknown:
        raise UnknownAgentError("\n".join(f"there is no agent {name!r}" for name in unknown))
    if not names:
        return snapshots
    return [one for one in snapshots if any(one.agent == name or one.agent.startswith(f"{name}/") for name in names)]


def table(snapshots: Sequence[Snapshot], now: float, look: Style, width: int | None) -> list[str]:
    """The lines of the table; `width`: of the terminal, where it is one. Elsewhere nothing is cut, and names are whole
    paths.
    """
    rows = [_TITLES, *(_row(one, now, tree=width is not None) for one in snapshots)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    lines = []
    for row, one in zip(rows, [None, *snapshots], strict=True):
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        line = "  ".join(cells).rstrip()
        if width is not None and len(line) > width:
            line = line[: max(0, width - 3)] + "..."
        lines.append(_painted(line, cells, one, look))
    return lines


def _painted(line: str, cells: Sequence[str], one: Snapshot | None, look: Style) -> str:
    if one is None:
        return look.paint(line, "1")
    start = len(cells[0]) + 2
    end = start + len(cells[_STATE].rstrip())
    return line[:start] + look.paint(line[start:end], _COLOURS.get(one.state, "")) + line[end:]


def _row(one: Snapshot, now: float, *, tree: bool) -> tuple[str, ...]:
    parts = one.agent.split("/")
    return (
        "  " * (len(parts) - 1) + parts[-1] if tree else one.agent,
        one.state.value,
        _ago(now - one.since),
        str(one.restarts),
        "-" if one.pid is None else str(one.pid),
        "-" if one.port is None else str(one.port),
        _printable(_reason(one, now)),
    )


def _reason(one: Snapshot, now: float) -> str:
    parts = [one.reason, f"says: {one.status}" if one.status else ""]
    if one.next_at is not None:
        what = "start" if one.state is State.BACKOFF else "deadline"
        parts.append(f"{what} in {_ago(max(0.0, one.next_at - now))}")
    return "; ".join(filter(None, parts))


def _printable(text: str) -> str:
    """In one line, and no orders to the terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0.0, seconds):.0f}s"
