"""The command `explain`: why an agent is as it is: what comes next, its rules with their numbers, its decisions."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from textwrap import wrap

from trio_supervisor.cli import exit_codes, faults
from trio_supervisor.cli.status import COLOURS, looks
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.table import printable
from trio_supervisor.cli.wording import duration
from trio_supervisor.control.api import Event, Explanation, Ground, State
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import UnknownAgentError

NARROWEST = 40
_TO_DO = {
    State.HELD: "resume",
    State.STOPPED: "start",
    State.FINISHED: "start",
    State.FAILED: "start",
    State.BACKOFF: "start",
}
"""The command that ends a state at once."""
_INDENT = 2


def explain(options: argparse.Namespace, client: Client) -> int:
    """Explain each agent that is named; returns the worst exit code."""
    worst, shown = exit_codes.DONE, 0
    for name in dict.fromkeys(options.agents):
        try:
            found = client.explain(name)
        except UnknownAgentError as error:
            worst = faults.tell(error, options)
            continue
        if options.json:
            sys.stdout.write(f"{as_json(found)}\n")
            continue
        look, width = looks()
        sys.stdout.writelines(["\n"] * bool(shown))
        sys.stdout.writelines(f"{line}\n" for line in lines(found, time.time(), look, width))
        shown += 1
    return worst


def lines(found: Explanation, now: float, look: Style, width: int | None) -> Iterator[str]:
    """For people; `width`: of the terminal, where it is one: longer lines are broken there."""
    one = found.agent
    state = look.paint(one.state.value, COLOURS.get(one.state, ""))
    in_ = "in " if one.state is State.BACKOFF else ""
    yield f"{look.paint(one.agent, '1')} is {in_}{state} since {_time(one.since, now)} ({duration(now - one.since)})"
    yield from _pairs(_summary(found), width)
    yield ""
    yield look.paint("Rules, as they stand now", "1")
    yield from _pairs(_grounds(found.standing), width)
    yield ""
    yield look.paint("Last decisions", "1")
    if not found.decisions:
        yield "  none yet"
    for event in found.decisions:
        yield from _decision(event, now, look, width)


def _summary(found: Explanation) -> Iterator[tuple[str, str]]:
    one = found.agent
    yield "because", one.reason or "nothing more is known"
    yield "next", found.outlook
    if words := _TO_DO.get(one.state):
        yield "to do", f"trio-supervisor {words} {one.agent}"
    yield "wanted", one.desired.value
    where = [f"{name} {value}" for name, value in (("pid", one.pid), ("port", one.port)) if value is not None]
    lives = f"{one.generation} so far" if one.generation else "none yet in this run"
    restarted = f"; {one.restarts} restarts that nobody asked for" if one.restarts else ""
    yield "lives", ", ".join([lives, *where]) + restarted
    if one.status:
        yield "says", one.status
    if one.last_exit is not None:
        yield "last end", str(one.last_exit)


def _grounds(grounds: Sequence[Ground]) -> Iterator[tuple[str, str]]:
    for ground in grounds:
        yield ground.rule.value, ground.text


def _decision(event: Event, now: float, look: Style, width: int | None) -> Iterator[str]:
    change = event.change
    new = look.paint(change.new.value, COLOURS.get(change.new, ""))
    head = f"  {_time(event.at, now)}  {change.old.value} -> {new}"
    yield head + (f" after {duration(event.lasted)}" if event.lasted >= 0.05 else "")
    reason = change.reason or str(change.exit or "")
    told = [("because", reason)] if reason else []
    if change.exit is not None and str(change.exit) not in reason:
        told.append(("exit", str(change.exit)))
    told += _grounds(change.grounds)
    if event.next_in is not None and change.new in (State.BACKOFF, State.HELD, State.DRAINING):
        told.append(("next", f"in {duration(event.next_in)}"))
    yield from _pairs(told, width, indent=2 * _INDENT)


def _pairs(
    pairs: Iterator[tuple[str, str]] | Sequence[tuple[str, str]], width: int | None, indent: int = _INDENT
) -> Iterator[str]:
    """A name and what it is in each line; the text goes on in its own column."""
    pairs = list(pairs)
    size = max((len(name) for name, _ in pairs), default=0)
    before = indent + size + 2
    last = ""
    for name, text in pairs:
        shown, last = "" if name == last else name, name
        for part in [part for line in text.split("\n") for part in _broken(printable(line), before, width)]:
            yield f"{' ' * indent}{shown.ljust(size)}  {part}"
            shown = ""


def _broken(line: str, before: int, width: int | None) -> list[str]:
    if width is None:
        return [line]
    return wrap(line, max(NARROWEST, width - before), subsequent_indent="  ") or [""]


def _time(at: float, now: float) -> str:
    """In local time; with the date when it is not of today."""
    then = time.localtime(at)
    today = time.strftime("%Y-%m-%d", then) == time.strftime("%Y-%m-%d", time.localtime(now))
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", then)
