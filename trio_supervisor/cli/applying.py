"""The commands `plan` and `apply`: what becomes of each agent, as a table."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable

from trio_supervisor.cli import exit_codes, style
from trio_supervisor.cli.style import Style
from trio_supervisor.control.api import Action, AgentChange, Phase
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.words import one_line

_COLOURS = {Action.RESTART: "33", Action.CHANGE: "36", Action.ADD: "32", Action.REMOVE: "31"}
_TITLES = ("AGENT", "ACTION", "WHY")
_TOP = "(supervisor)"


def plan(options: argparse.Namespace, client: Client) -> int:
    """Say what `apply` would do."""
    found = client.plan(file=options.meant)
    if options.json:
        sys.stdout.write(f"{as_json(found)}\n")
    else:
        sys.stderr.writelines(f"{one_line(warning, 1000)}\n" for warning in found.warnings)
        sys.stdout.writelines(f"{line}\n" for line in table(found.changes, _look()))
        sys.stdout.write(f"{_summary(found.changes, _TO_DO) or 'nothing to change'}\n")
        sys.stderr.writelines(f"{one_line(refusal, 1000)}\n" for refusal in found.refusals)
    if found.refusals:
        return exit_codes.GAVE_UP
    return exit_codes.GAVE_UP if options.exit_code and not found.idle else exit_codes.DONE


def apply(options: argparse.Namespace, client: Client) -> int:
    """Have it done, and say what was."""
    wait: bool | float = not options.no_wait
    if wait and options.timeout is not None:
        wait = options.timeout
    # Given first, so that a person sees what comes, and waited for then: who presses Ctrl-C breaks nothing off.
    done = client.apply(file=options.meant, wait=False)
    moved = [change for change in done.changes if change.action is not Action.KEEP]
    if moved and not options.json:
        sys.stdout.writelines(f"{line}\n" for line in table(moved, _look()))
        sys.stdout.flush()
    if wait is not False:
        done = client.outcome(done.id, wait=wait)
    if options.json:
        sys.stdout.write(f"{as_json(done)}\n")
    elif done.phase is Phase.PENDING:
        awaits = f": {one_line(done.awaits)}" if done.awaits else ""
        sys.stdout.write(f"apply is under way (operation {done.id}){awaits}\n")
    else:
        sys.stdout.write(f"{_summary(done.changes, _DONE) or 'nothing to change'}\n")
    return exit_codes.GAVE_UP if done.phase is Phase.PENDING and not options.no_wait else exit_codes.DONE


def table(changes: Iterable[AgentChange], look: Style) -> list[str]:
    """The lines of the table."""
    changes = tuple(changes)
    rows = [_TITLES, *((change.agent or _TOP, change.action.value, _why(change)) for change in changes)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{agent.ljust(widths[0])}  {action.ljust(widths[1])}  {why}".rstrip() for agent, action, why in rows]
    start = widths[0] + 2
    painted = [look.paint(lines[0], "1")]
    for line, change in zip(lines[1:], changes, strict=True):
        end = start + len(change.action.value)
        painted.append(line[:start] + look.paint(line[start:end], _COLOURS.get(change.action, "")) + line[end:])
    return painted


def _why(change: AgentChange) -> str:
    also = [name for name in change.fields if name not in change.because]
    parts = []
    if change.because:
        parts.append(", ".join(change.because))
    if also:
        parts.append(("also " if change.because else "") + ", ".join(also))
    return one_line("; ".join([*parts, *([change.note] if change.note else [])]))


_TO_DO = {
    Action.RESTART: "to restart",
    Action.CHANGE: "to change in place",
    Action.ADD: "to add",
    Action.REMOVE: "to remove",
}
_DONE = {Action.RESTART: "restarted", Action.CHANGE: "changed in place", Action.ADD: "added", Action.REMOVE: "removed"}


def _summary(changes: Iterable[AgentChange], words: dict[Action, str]) -> str:
    count = Counter(change.action for change in changes)
    parts = [f"{count[action]} {text}" for action, text in words.items() if count[action]]
    if parts and count[Action.KEEP]:
        parts.append(f"{count[Action.KEEP]} kept as they are")
    return ", ".join(parts)


def _look() -> Style:
    return style.detect(terminal=sys.stdout.isatty(), env=os.environ, encoding=sys.stdout.encoding or "utf-8")
