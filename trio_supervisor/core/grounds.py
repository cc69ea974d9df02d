"""Grounds: the rules that a decision went by, each in words and with its numbers. Times are seconds."""

from enum import Enum

from trio_supervisor.record import record


class Rule(Enum):
    """A rule, under the name of its key in a file where there is one."""

    RESTART = "restart"
    EXIT_CODES = "exit_codes"
    INTENSITY = "intensity"
    AT_LIMIT = "at_limit"
    BACKOFF = "backoff"
    STARTUP_CRASHES = "startup_crashes"
    SAME_EXITS = "same_exits"
    STRATEGY = "strategy"
    STARTUP = "startup"
    READINESS = "readiness"
    HEALTH = "health"
    DEADLINE = "deadline"
    LIFETIME = "lifetime"
    IDLE = "idle"
    PROGRESS = "progress"
    METER = "meter"
    MEMORY = "memory_soft"
    DRAIN = "drain"
    BUDGET = "budget"
    QUOTA = "quota"
    DEPENDS_ON = "depends_on"
    BINDS_TO = "binds_to"
    MAX_PARALLEL_STARTS = "max_parallel_starts"
    HOLD = "hold"
    STOP = "stop"
    SIGNIFICANT = "significant"


@record
class Ground:
    """One rule behind a decision."""

    rule: Rule
    text: str
    """In words, with the numbers."""
    numbers: tuple[tuple[str, float], ...] = ()
    """By name, for programs."""
