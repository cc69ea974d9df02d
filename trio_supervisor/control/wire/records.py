"""What was told, as records again: the way back from `forms`.

All raise NoSupervisorError for what is none of ours.
"""

from trio_supervisor.control.api import (
    Action,
    AgentChange,
    Desired,
    Event,
    Exit,
    Gap,
    Ground,
    Heard,
    How,
    LogLine,
    Operation,
    Phase,
    Plan,
    Rule,
    Snapshot,
    State,
    StateChanged,
    Usage,
    Verb,
)
from trio_supervisor.control.wire.reader import Reader, stranger
from trio_supervisor.journal.entries import Stored
from trio_supervisor.journal.plain import stored_of as read_stored


def snapshot_of(data: object) -> Snapshot:
    """A snapshot."""
    form = Reader(data)
    return Snapshot(
        agent=form.get("agent", str),
        state=form.word("state", State),
        desired=form.word("desired", Desired),
        since=form.at("since"),
        reason=form.get("reason", str),
        next_at=form.maybe_at("next_at"),
        restarts=form.get("restarts", int),
        generation=form.get("generation", int),
        pid=form.maybe("pid", int),
        port=form.maybe("port", int),
        last_exit=_exit_of(form.maybe("last_exit", dict)),
        status=form.get("status", str),
        failing_since=form.maybe_at("failing_since"),
        usage=_usage_of(form.maybe("usage", dict)),
    )


def _usage_of(data: object) -> Usage | None:
    if data is None:
        return None
    form = Reader(data)
    return Usage(form.number("cpu_seconds"), form.get("memory_bytes", int), form.get("processes", int))


def agents_of(data: object) -> tuple[Snapshot, ...]:
    """All children."""
    return Reader(data).each("agents", snapshot_of)


def warnings_of(data: object) -> tuple[str, ...]:
    """What is wrong with the supervisor itself."""
    form = Reader(data)
    return form.each("warnings", str) if form.maybe("warnings", list) is not None else ()


def exit_of(data: object) -> Exit:
    """How a life ended."""
    form = Reader(data)
    return Exit(form.word("how", How), form.maybe("code", int), form.maybe("signal", int), form.get("detail", str))


def _exit_of(data: object) -> Exit | None:
    return None if data is None else exit_of(data)


def event_of(data: object) -> Event:
    """A change of state; `change.next_at` is on no clock that is ours, and None."""
    form = Reader(data)
    at, next_at = form.at("at"), form.maybe_at("next_at")
    change = StateChanged(
        form.get("agent", str),
        form.get("generation", int),
        form.word("old", State),
        form.word("new", State),
        form.get("reason", str),
        None,
        form.get("restarts", int),
        _exit_of(form.maybe("exit", dict)),
        form.each("grounds", ground_of),
    )
    return Event(
        form.get("seq", int),
        at,
        change,
        None if next_at is None else next_at - at,
        float(form.number("lasted")),
        form.maybe("pid", int),
        form.maybe("port", int),
    )


def ground_of(data: object) -> Ground:
    """A rule with its numbers."""
    form = Reader(data)
    numbers = form.get("numbers", dict)
    return Ground(form.word("rule", Rule), form.get("text", str), tuple(numbers.items()))


def gap_of(data: object) -> Gap:
    """What is the case."""
    return Gap(Reader(data).get("seq", int), agents_of(data))


def operation_of(data: object) -> Operation:
    """A command."""
    form = Reader(data)
    return Operation(
        form.get("id", int),
        form.word("verb", Verb),
        form.get("agent", str),
        form.word("phase", Phase),
        form.get("generation", int),
        form.get("awaits", str),
        form.get("error", str),
        None if form.maybe("heard", dict) is None else _heard_of(form.get("heard", dict)),
        form.each("changes", change_of) if form.maybe("changes", list) is not None else (),
        warnings_of(data),
    )


def _heard_of(data: object) -> Heard:
    form = Reader(data)
    groups = form.each("groups", lambda each: None if each is None else str(each))
    return Heard(form.get("text", str), form.get("before", str), groups, form.get("dropped", int))


def change_of(data: object) -> AgentChange:
    """What becomes of one child."""
    form = Reader(data)
    return AgentChange(
        form.get("agent", str),
        form.word("action", Action),
        form.each("because", str),
        form.each("fields", str),
        form.get("note", str),
    )


def plan_of(data: object) -> Plan:
    """What becomes of all children."""
    form = Reader(data)
    return Plan(form.each("changes", change_of), form.each("warnings", str), form.each("refusals", str))


def line_of(data: object) -> LogLine:
    """A line."""
    form = Reader(data)
    return LogLine(
        form.get("agent", str),
        form.get("seq", int),
        form.at("ts"),
        form.get("stream", str),
        form.get("generation", int),
        form.get("text", str),
        form.maybe("partial", bool) or False,
        form.maybe("dropped", int) or 0,
        form.maybe("level", str),
    )


def stored_of(data: object) -> Stored:
    """An entry of the journal."""
    try:
        return read_stored(data if isinstance(data, dict) else {})
    except ValueError:
        raise stranger(data) from None
