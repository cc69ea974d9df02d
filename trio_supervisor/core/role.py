"""What a probe is asked for."""

from enum import Enum


class Role(Enum):
    """What a probe is asked for."""

    STARTUP = "startup"
    """Whether its start is over. Until then nothing else is asked."""
    READINESS = "readiness"
    """Whether it is offered to others."""
    HEALTH = "health"
    """Whether it must be restarted (Kubernetes' liveness)."""
