"""How much the journal of a run keeps."""

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.values import positive

LEAST = 1 << 20
"""Less than this is mostly the tables themselves."""


def _large_enough(_: object, __: object, value: int | None) -> None:
    if value is not None and value < LEAST:
        raise SpecError(f"journal: size must be at least 1M, not {value} bytes")


@frozen
class JournalLimits:
    """How much of what has happened is kept: the latest, within both limits."""

    age: float = field(default=30 * 86400.0, validator=positive("journal: age"))
    """Seconds."""
    size: int | None = field(default=50 << 20, validator=_large_enough)
    """Bytes; None: no limit."""
