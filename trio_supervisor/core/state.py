"""The states of a child, and the table of legal transitions.

A child's *state* is what is; *desired* is what somebody asked for. They are kept apart.
"""

from enum import Enum
from types import MappingProxyType


class State(Enum):
    """What is the case with a child."""

    WAITING = "waiting"
    """For a dependency, or for a free place among the parallel starts."""
    STARTING = "starting"
    """A life has begun, the runtime has not said yet that it runs."""
    RUNNING = "running"
    """Started, not ready (yet, or any more)."""
    READY = "ready"
    UNHEALTHY = "unhealthy"
    """The health probe has failed too often."""
    DRAINING = "draining"
    """Not ready any more, and to be stopped as soon as it is not busy any more, or when the time for that is over."""
    STOPPING = "stopping"
    """Asked to end; until nothing of its life is left."""
    BACKOFF = "backoff"
    """Waits for its next start after a failure."""
    STOPPED = "stopped"
    """Down because somebody asked for it."""
    FINISHED = "finished"
    """Ended well, and its restart type does not start it again."""
    FAILED = "failed"
    """Ended badly, and its restart type does not start it again; or it can't start because of a dependency."""
    HELD = "held"
    """Kept down by a person or a rule, whatever its siblings do, until somebody starts or resumes it."""
    REMOVED = "removed"
    """No longer a child."""

    alive: bool
    """Whether there is a life."""
    resting: bool
    """Whether nothing more happens unless somebody asks for it."""

    # Members are what they are by identity; Enum's own is a function in Python, called some thirty times in a life.
    __hash__ = object.__hash__


class Desired(Enum):
    """What somebody asked for."""

    UP = "up"
    DOWN = "down"
    GONE = "gone"


_ALIVE = frozenset({State.STARTING, State.RUNNING, State.READY, State.UNHEALTHY, State.DRAINING, State.STOPPING})
_RESTING = frozenset({State.STOPPED, State.FINISHED, State.FAILED, State.HELD})
for _state in State:
    _state.alive, _state.resting = _state in _ALIVE, _state in _RESTING

_AFTER_AN_END = frozenset({State.BACKOFF, State.WAITING, State.STOPPED, State.FINISHED, State.FAILED, State.HELD})
_AT_REST = frozenset({State.WAITING, State.REMOVED, State.HELD, State.BACKOFF})

TRANSITIONS = MappingProxyType(
    {
        State.WAITING: frozenset({State.STARTING, State.FAILED, State.STOPPED, State.HELD, State.REMOVED}),
        State.STARTING: _AFTER_AN_END | {State.RUNNING, State.READY, State.STOPPING},
        State.RUNNING: _AFTER_AN_END | {State.READY, State.UNHEALTHY, State.DRAINING, State.STOPPING},
        State.READY: _AFTER_AN_END | {State.RUNNING, State.UNHEALTHY, State.DRAINING, State.STOPPING},
        # Only who is watched and not run may come back, or end, before it is stopped.
        State.UNHEALTHY: _AFTER_AN_END | {State.READY, State.RUNNING, State.STOPPING},
        State.DRAINING: _AFTER_AN_END - {State.FINISHED} | {State.STOPPING},
        # What had to be stopped as failed did not end well, whatever its exit code.
        State.STOPPING: _AFTER_AN_END - {State.FINISHED} | {State.REMOVED},
        State.BACKOFF: frozenset({State.WAITING, State.FAILED, State.STOPPED, State.HELD, State.REMOVED}),
        # A group that is to be restarted waits in BACKOFF as one, whatever its members were in.
        State.STOPPED: _AT_REST,
        State.FINISHED: _AT_REST | {State.STOPPED},
        State.FAILED: _AT_REST | {State.STOPPED},
        # Held for another reason, or until another time.
        State.HELD: frozenset({State.WAITING, State.STOPPED, State.HELD, State.REMOVED}),
        State.REMOVED: frozenset(),
    }
)
"""From each state, those it may be followed by. Every state but `removed` has a way out."""
