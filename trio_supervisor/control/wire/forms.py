"""What is told, as JSON: records to plain values. Times are RFC 3339 in UTC; the way back is in `records`."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from trio_supervisor.control.api import (
    AgentChange,
    Event,
    Exit,
    Gap,
    Ground,
    Heard,
    LogLine,
    Operation,
    Plan,
    Snapshot,
    Verb,
)
from trio_supervisor.journal.entries import Stored
from trio_supervisor.journal.plain import form_of

Form = Mapping[str, object]

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


def journal_form(entries: tuple[Stored, ...]) -> Form:
    """Entries of the journal."""
    return {"entries": [form_of(each) for each in entries]}
