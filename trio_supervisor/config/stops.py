"""How a process is stopped and what it reads: what its preset says, and steps that it can't take."""

from collections.abc import Iterator

from trio_supervisor.config.drafts import Draft
from trio_supervisor.config.mistakes import Mistake, shown
from trio_supervisor.config.nodes import Mapping, Node, Sequence
from trio_supervisor.spec import CloseStdinStep, SendStep, Stdin

WRITES = ("close_stdin", "send")
"""The steps that need a pipe."""
ONLY_PROCESS = (*WRITES, "command")
"""The steps that need a process."""


def steps(node: Node | None) -> Iterator[Mapping]:
    """The steps of a stop that is a list."""
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Mapping):
            yield item


def check_steps_of_process(draft: Draft) -> None:
    """Note steps that need standard input where there is none; then no stop is left."""
    values = draft.fields.values
    stdin, stop = values.get("stdin", Stdin.NULL), values.get("stop")
    if stdin is not Stdin.NULL or not isinstance(stop, tuple):
        return
    if not any(isinstance(step, CloseStdinStep | SendStep) for step in stop):
        return
    del values["stop"]
    node = draft.node.get("stdin")
    if node is not None and "stdin" not in values:
        return  # It is written wrongly, of which was told already.
    if draft.has("stop"):
        _note_steps(draft, WRITES, "needs 'stdin: pipe' or 'stdin: pty'")
    elif node is not None:
        name = shown(str(values["preset"]))
        _note(draft, node, f"stdin: preset {name} stops by closing it: write pipe, or a 'stop' of your own")


def check_steps_of_task(draft: Draft) -> None:
    """Note steps that only a process can take; then no stop is left."""
    if _note_steps(draft, ONLY_PROCESS, "is for processes; it does not go with 'task'"):
        draft.fields.values.pop("stop", None)


def _note_steps(draft: Draft, kinds: tuple[str, ...], message: str) -> bool:
    found = [step.entries[kind][0] for step in steps(draft.node.get("stop")) for kind in kinds if kind in step.entries]
    for key in found:
        _note(draft, key, f"'{key.raw}' {message}")
    return bool(found)


def _note(draft: Draft, node: Node, message: str) -> None:
    draft.fields.mistakes.append(Mistake(node.place, message, agent=draft.if_elsewhere(node.place)))
