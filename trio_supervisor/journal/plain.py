"""Entries of the journal as plain values, for JSON, and back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from trio_supervisor.journal.entries import Entry, Kind, Stored


def form_of(stored: Stored) -> dict[str, object]:
    """An entry, with the fields that its kind has."""
    entry = stored.entry
    form: dict[str, object] = {
        "seq": stored.seq,
        "ts": rfc3339(entry.at),
        "run": stored.run,
        "kind": entry.kind.value,
        "agent": entry.agent or None,
    }
    if entry.kind is Kind.ORDER:
        form["verb"] = entry.state
    form |= {name: getattr(entry, name) for name in _FIELDS[entry.kind]}
    if entry.next_at is not None:
        form["next_at"] = rfc3339(entry.next_at)
    return form


def stored_of(form: Mapping[str, object]) -> Stored:
    """The opposite. Raises ValueError: it is no entry."""
    try:
        kind = Kind(form["kind"])
        values: dict[str, object] = {name: form[name] for name in _FIELDS[kind]}
        if kind is Kind.ORDER:
            values["state"] = form["verb"]
        if values.get("next_at") is not None:
            values["next_at"] = _seconds(values["next_at"])
        entry = Entry(_seconds(form["ts"]), kind, form["agent"] or "", **values)  # type: ignore[arg-type] # as written
        return Stored(int(str(form["seq"])), int(str(form["run"])), entry)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no entry of a journal: {error}") from None


_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.STATE: ("generation", "old", "state", "reason", "next_at", "restarts", "pid", "port"),
    Kind.EXIT: ("generation", "how", "code", "signal", "reason"),
    Kind.ORDER: ("reason", "who", "origin"),
    Kind.RUN: ("reason",),
    Kind.LOST: ("reason",),
}


def rfc3339(at: float) -> str:
    """Seconds since the epoch, to the millisecond."""
    return time_of(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of(at: float) -> datetime:
    """The same as a time in UTC."""
    # datetime.fromtimestamp refuses what no calendar has; a clock may have said anything.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(at, 0.0), 2e11))


def _seconds(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()
