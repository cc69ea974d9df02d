"""The command `tree`: the tree with its rules: supervisors, strategies, limits, dependencies."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.status import COLOURS, looks
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.wording import duration
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.control.insights import Node, Use

_AT_LIMIT = {
    "hold": "then that one is held",
    "pause": "then nothing is restarted for that long",
    "escalate": "then it gives up",
}


def tree(options: argparse.Namespace, client: Client) -> int:
    """Show it."""
    nodes = client.tree()
    if options.json:
        sys.stdout.writelines(f"{as_json(node)}\n" for node in nodes)
        return exit_codes.DONE
    look, width = looks()
    sys.stdout.writelines(f"{line}\n" for line in lines(nodes, look, width))
    return exit_codes.DONE


def lines(nodes: Sequence[Node], look: Style, width: int | None) -> Iterator[str]:
    """For people; `width`: of the terminal, where it is one: longer lines are cut there."""
    below: dict[str, list[Node]] = {}
    top = nodes[0]
    for node in nodes[1:]:
        below.setdefault(node.agent.rpartition("/")[0], []).append(node)
    rows = [(top, "supervisor", ""), *_rows(below, top.agent, "", look)]
    size = max(len(start) + len(name) for _, name, start in rows)
    for node, name, start in rows:
        head = f"{start}{name}".ljust(size)
        words = _words(node)
        state = "" if node.state is None else node.state.value
        line = f"{head}  {state.ljust(9)}  {words}".rstrip() if node.state else f"{head}  {words}"
        if width is not None and len(line) > width:
            line = line[: max(0, width - 3)] + "..."
        at = size + 2
        if node.state is not None and len(line) > at + len(state):
            painted = look.paint(line[at : at + len(state)], COLOURS.get(node.state, ""))
            line = line[:at] + painted + line[at + len(state) :]
        yield line


def _rows(below: Mapping[str, Sequence[Node]], path: str, before: str, look: Style) -> Iterator[tuple[Node, str, str]]:
    fork, end, bar = ("├─ ", "└─ ", "│  ") if look.unicode else ("|- ", "`- ", "|  ")
    children = below.get(path, ())
    for number, node in enumerate(children):
        is_last = number == len(children) - 1
        yield node, node.agent.rpartition("/")[2], before + (end if is_last else fork)
        yield from _rows(below, node.agent, before + ("   " if is_last else bar), look)


def _words(node: Node) -> str:
    parts = []
    if node.intensity is not None:
        parts.append(node.strategy + (f" (profile {node.profile})" if node.profile != "fleet" else ""))
        parts.append(f"{_limit(node.intensity, node.at_limit)}, {_AT_LIMIT[node.at_limit]}")
    if node.kind != "supervisor":
        parts.append(node.kind)
    if node.restart:
        parts.append(node.restart)
    parts += [
        f"{use.used} of {use.restarts} restarts in {duration(use.within)} used"
        for use in node.limits
        if use.used and not use.shared
    ]
    parts += [
        f"needs {need.agent} {need.condition}" + ("" if need.met else f" (it is {need.state})") for need in node.needs
    ]
    return "; ".join(parts)


def _limit(use: Use, at_limit: str) -> str:
    if at_limit == "hold":
        return f"each child may restart {use.restarts} times in {duration(use.within)}"
    return f"{use.used} of {use.restarts} restarts in {duration(use.within)} used"
