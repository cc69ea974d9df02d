"""What is called when a child fails, and when it is well again: functions of the embedding program."""

from collections.abc import Awaitable, Callable
from enum import Enum

from trio_supervisor.record import record


class HookKind(Enum):
    """When a hook is called: once at each edge, however often the same is seen again."""

    FAILED = "on_failed"
    """It is unhealthy, has ended badly, or is held or given up by a rule."""
    RECOVERED = "on_recovered"
    """It is ready again after that."""


@record
class HookCall:
    """What a hook is told."""

    kind: HookKind
    agent: str
    """Its path."""
    state: str
    """The state that it is in now."""
    reason: str
    since: float
    """When the first failure came that this is about, in seconds of Trio's clock."""
    lasted: float
    """Seconds from then to now."""


Hook = Callable[[HookCall], Awaitable[None] | None]


@record
class Hooks:
    """The hooks of a child."""

    on_failed: Hook | None = None
    on_recovered: Hook | None = None
