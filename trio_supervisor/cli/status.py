"""The command `status`: the agents as a tree, or one path in each line for other programs."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence

from trio_supervisor.cli import exit_codes, faults, style
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.table import ago, lines, printable, size
from trio_supervisor.control.api import Snapshot, State
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import UnknownAgentError

COLOURS = {
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
TITLES = ("AGENT", "STATE", "SINCE", "NEXT", "RESTARTS", "PID", "PORT", "CPU", "MEMORY", "REASON")
_STATE = 1
_OPTIONAL = ("PORT", "PID", "CPU", "MEMORY", "RESTARTS", "NEXT")
"""What a terminal that is not wide enough does without, in this order."""


def status(options: argparse.Namespace, client: Client) -> int:
    """Show them."""
    plain = options.names or options.no_usage
    found, warnings = client.overview(usage=not plain)
    chosen = tuple(_chosen(found, options.agents))
    if options.json:
        sys.stdout.writelines(f"{as_json(one)}\n" for one in chosen)
    elif options.names:
        sys.stdout.writelines(f"{one.agent}\n" for one in chosen)
    else:
        look, width = looks()
        sys.stdout.writelines(f"{line}\n" for line in table(chosen, time.time(), look, width))
    sys.stdout.flush()
    for warning in warnings:
        faults.warn(warning, options)
    return exit_codes.DONE


def looks() -> tuple[Style, int | None]:
    """The style of standard output, and its width where it is a terminal."""
    terminal = sys.stdout.isatty()
    look = style.detect(terminal=terminal, env=os.environ, encoding=sys.stdout.encoding or "utf-8")
    return look, shutil.get_terminal_size().columns if terminal else None


def _chosen(snapshots: Iterable[Snapshot], names: Sequence[str]) -> Iterable[Snapshot]:
    snapshots = tuple(snapshots)
    unknown = [name for name in names if all(one.agent != name for one in snapshots)]
    if unknown:
        raise UnknownAgentError("\n".join(f"there is no agent {name!r}" for name in unknown))
    if not names:
        return snapshots
    return [one for one in snapshots if any(one.agent == name or one.agent.startswith(f"{name}/") for name in names)]


def table(snapshots: Sequence[Snapshot], now: float, look: Style, width: int | None) -> list[str]:
    """The lines of the table; `width`: of the terminal, where it is one. Elsewhere nothing is cut or left out, and
    names are whole paths.
    """
    rows = [_row(one, now, tree=width is not None) for one in snapshots]

    def paint(row: int, column: int) -> str:
        return COLOURS.get(snapshots[row].state, "") if column == _STATE else ""

    return lines(TITLES, rows, look, width, optional=_OPTIONAL, paint=paint)


def _row(one: Snapshot, now: float, *, tree: bool) -> tuple[str, ...]:
    parts = one.agent.split("/")
    used = one.usage
    return (
        "  " * (len(parts) - 1) + parts[-1] if tree else one.agent,
        one.state.value,
        ago(now - one.since),
        next_of(one, now) or "-",
        str(one.restarts),
        "-" if one.pid is None else str(one.pid),
        "-" if one.port is None else str(one.port),
        "-" if used is None else _cpu(used.cpu_seconds),
        "-" if used is None else size(used.memory_bytes),
        printable(_reason(one, now)),
    )


def next_of(one: Snapshot, now: float) -> str:
    """What its supervisor does by itself next, and when; "" if nothing."""
    if one.next_at is None:
        return ""
    words = {
        State.BACKOFF: "restart",
        State.HELD: "resume",
        State.DRAINING: "stop",
        State.STARTING: "deadline",
        State.RUNNING: "deadline",
    }
    return f"{words.get(one.state, 'decision')} in {ago(max(0.0, one.next_at - now))}"


def _reason(one: Snapshot, now: float) -> str:
    failing = ""
    if one.failing_since is not None and one.state is not State.STOPPING:
        failing = f"a probe fails for {ago(now - one.failing_since)}"
    says = f"says: {one.status}" if one.status else ""
    return "; ".join(filter(None, (one.reason, failing, says)))


def _cpu(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 9.95 else ago(seconds) if seconds < 60 else _minutes(seconds)


def _minutes(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}h{rest // 60:02}m" if hours else f"{rest // 60}m{rest % 60:02}s"
