"""What stands in the journal: an entry for each thing that happened, and values by owner and name."""

from collections.abc import Mapping
from enum import Enum

from trio_supervisor.record import record

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""A value as JSON has it."""

Key = tuple[str, str]
"""The owner of a value (the path of a child, or `account(name)`) and its name."""


class Kind(Enum):
    """What an entry is about."""

    RUN = "run"
    """A run has begun or ended: `reason` says which."""
    STATE = "state"
    """A child went from `old` to `state`."""
    EXIT = "exit"
    """A life is over: `how`, `code` or `signal`."""
    ORDER = "order"
    """Somebody (`who`, from `origin`) has asked for something: `state` is the verb."""
    LOST = "lost"
    """So many entries could not be kept here: `reason`."""


@record
class Entry:
    """Something that has happened. The fields are the columns of the table `events`, in their order."""

    at: float
    """Seconds since the epoch, by a clock that may jump: the order is that of `seq`."""
    kind: Kind
    agent: str = ""
    """The path; empty where it is not about one child."""
    generation: int | None = None
    old: str | None = None
    state: str | None = None
    reason: str = ""
    next_at: float | None = None
    restarts: int | None = None
    pid: int | None = None
    port: int | None = None
    how: str | None = None
    code: int | None = None
    signal: int | None = None
    who: str | None = None
    origin: str | None = None


@record
class Stored:
    """An entry as it was read."""

    seq: int
    """Grows with each entry, over all runs; no number comes twice."""
    run: int
    entry: Entry


COLUMNS: tuple[str, ...] = Entry.__match_args__


def row_of(entry: Entry) -> tuple[object, ...]:
    """The values of the columns."""
    return (entry.at, entry.kind.value, *[getattr(entry, name) for name in COLUMNS[2:]])


def entry_of(row: tuple[object, ...]) -> Stored:
    """The opposite: sequence number, run, columns. A kind that this version does not know is shown as a change."""
    seq, run, at, kind, *rest = row
    known = Kind(kind) if kind in _KINDS else Kind.STATE
    return Stored(seq, run, Entry(at, known, *rest))  # type: ignore[arg-type]  # as the schema has it


_KINDS = frozenset(kind.value for kind in Kind)


def account(name: str) -> str:
    """The owner of the values of an account; no path of a child has a colon."""
    return f"account:{name}"


Memory = Mapping[Key, Plain]
"""All values that are remembered."""
