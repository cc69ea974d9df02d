"""When a hook is called."""

from enum import Enum


class HookKind(Enum):
    """When a hook is called: once at each edge, however often the same is seen again."""

    READY = "on_ready"
    """A life of it is ready for the first time."""
    FAILED = "on_failed"
    """It is unhealthy, has ended badly, or is held or given up by a rule."""
    GAVE_UP = "on_gave_up"
    """It is down and stays so until somebody does something: failed for good, or held by a rule without an end."""
    RESTARTED = "on_restarted"
    """A new life begins that nobody has asked for."""
    STOPPED = "on_stopped"
    """It is down, and that is no failure: stopped by somebody, or finished."""
    RECOVERED = "on_recovered"
    """After a failure it was ready for some time without a break."""
