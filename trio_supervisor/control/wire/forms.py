"""What is told, as JSON: records to plain values and back. Times are RFC 3339 in UTC."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

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
from trio_supervisor.errors import NoSupervisorError
from trio_supervisor.journal.entries import Stored
from trio_supervisor.journal.plain import form_of
from trio_supervisor.journal.plain import stored_of as read_stored

Form = Mapping[str, object]
T = TypeVar("T")

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dumps(value: object) -> bytes:
    """As JSON. Lone surrogates come as `\\udc80`."""
    return _encode(value).encode("utf-8", "backslashreplace")


def timestamp(at: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def snapshot_form(one: Snapshot) -> Form:
    """A snapshot; with `usage` where it was measured."""
    form: dict[str, object] = {
        "agent": one.agent,
        "state": one.state.value,
        "desired": one.desired.value,
        "since": timestamp(one.since),
        "reason": one.reason,
        "next_at": timestamp(one.next_at),
        "restarts": one.restarts,
        "generation": one.generation,
        "pid": one.pid,
        "port": one.port,
        "last_exit": exit_form(one.last_exit),
        "status": one.status,
        "failing_since": timestamp(one.failing_since),
    }
    if one.usage is not None:
        used = one.usage
        form["usage"] = {
            "cpu_seconds": used.cpu_seconds,
            "memory_bytes": used.memory_bytes,
            "processes": used.processes,
        }
    return form


def agents_form(agents: tuple[Snapshot, ...]) -> Form:
    """All children."""
    return {"agents": [snapshot_form(one) for one in agents]}


def overview_form(agents: tuple[Snapshot, ...], warnings: tuple[str, ...]) -> Form:
    """All children, and what is wrong with the supervisor itself."""
    return {**agents_form(agents), "warnings": list(warnings)}


def exit_form(exit: Exit | None) -> Form | None:
    """How a life ended, also in words."""
    if exit is None:
        return None
    return {
        "how": exit.how.value,
        "code": exit.code,
        "signal": exit.signal,
        "detail": exit.detail,
        "text": str(exit),
    }


def event_form(event: Event) -> Form:
    """A change of state."""
    change = event.change
    return {
        "seq": event.seq,
        "at": timestamp(event.at),
        "agent": change.child,
        "old": change.old.value,
        "new": change.new.value,
        "reason": change.reason,
        "generation": change.generation,
        "restarts": change.restarts,
        "next_at": None if event.next_in is None else timestamp(event.at + event.next_in),
        "lasted": round(event.lasted, 6),
        "pid": event.pid,
        "port": event.port,
        "exit": exit_form(change.exit),
        "grounds": [ground_form(each) for each in change.grounds],
    }


def ground_form(ground: Ground) -> Form:
    """A rule with its numbers; one that is infinite is left out."""
    numbers = {name: value for name, value in ground.numbers if math.isfinite(value)}
    return {"rule": ground.rule.value, "text": ground.text, "numbers": numbers}


def gap_form(gap: Gap) -> Form:
    """What is the case, where events can't be told."""
    return {"seq": gap.seq, **agents_form(gap.agents)}


def operation_form(operation: Operation) -> Form:
    """A command."""
    form: dict[str, object] = {
        "id": operation.id,
        "verb": operation.verb.value,
        "agent": operation.agent,
        "phase": operation.phase.value,
        "generation": operation.generation,
        "awaits": operation.awaits,
        "error": operation.error,
        "heard": None if operation.heard is None else _heard_form(operation.heard),
        "warnings": list(operation.warnings),
    }
    if operation.verb is Verb.APPLY:
        form["changes"] = [change_form(change) for change in operation.changes]
    return form


def change_form(change: AgentChange) -> Form:
    """What becomes of one child."""
    return {
        "agent": change.agent,
        "action": change.action.value,
        "because": list(change.because),
        "fields": list(change.fields),
        "note": change.note,
    }


def plan_form(plan: Plan) -> Form:
    """What becomes of all children."""
    return {
        "changes": [change_form(change) for change in plan.changes],
        "warnings": list(plan.warnings),
        "refusals": list(plan.refusals),
    }


def _heard_form(heard: Heard) -> Form:
    return {"text": heard.text, "before": heard.before, "groups": heard.groups, "dropped": heard.dropped}


def line_form(line: LogLine) -> Form:
    """A line that a child has said. `level` is what the line says itself, else null."""
    form: dict[str, object] = {
        "ts": timestamp(line.at),
        "level": line.level,
        "agent": line.agent,
        "stream": line.stream,
        "text": line.text,
        "seq": line.seq,
        "generation": line.generation,
    }
    if line.partial:
        form["partial"] = True
    if line.dropped:
        form["dropped"] = line.dropped
    return form


# And back


class Reader:
    """Reads a form. Raises NoSupervisorError for one that is none of ours: then it is no supervisor that answers."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise _stranger(data)
        self._form: Mapping[str, object] = data

    def get(self, name: str, kind: type[T]) -> T:
        """A value of that kind."""
        value = self._form.get(name)
        if not isinstance(value, kind):
            raise _stranger(self._form)
        return value

    def maybe(self, name: str, kind: type[T]) -> T | None:
        """A value of that kind, or none."""
        return None if self._form.get(name) is None else self.get(name, kind)

    def number(self, name: str) -> float:
        """A number, whole or not."""
        value = self._form.get(name)
        if not isinstance(value, int | float):
            raise _stranger(self._form)
        return value

    def maybe_number(self, name: str) -> float | None:
        """A number, or none."""
        return None if self._form.get(name) is None else self.number(name)

    def at(self, name: str) -> float:
        """A time, in seconds since the epoch."""
        try:
            return datetime.fromisoformat(self.get(name, str)).timestamp()
        except ValueError:
            raise _stranger(self._form) from None

    def maybe_at(self, name: str) -> float | None:
        """A time, or none."""
        return None if self._form.get(name) is None else self.at(name)

    def each(self, name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """A list."""
        return tuple(read(each) for each in self.get(name, list))

    def word(self, name: str, kind: Callable[[str], T]) -> T:
        """A word of an enumeration."""
        try:
            return kind(self.get(name, str))
        except ValueError:
            raise _stranger(self._form) from None


def loads(data: bytes) -> object:
    """JSON that a supervisor has written."""
    try:
        value: object = json.loads(data)
    except ValueError:
        raise _stranger(data) from None
    return value


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


def journal_form(entries: tuple[Stored, ...]) -> Form:
    """Entries of the journal."""
    return {"entries": [form_of(each) for each in entries]}


def stored_of(data: object) -> Stored:
    """An entry of the journal."""
    try:
        return read_stored(data if isinstance(data, dict) else {})
    except ValueError:
        raise _stranger(data) from None


def _stranger(said: object) -> NoSupervisorError:
    return NoSupervisorError(f"it is no supervisor that answers, or one of another version: {str(said)[:200]}")
