"""The calls that a supervisor answers, and OTP's answers to them (rules 41 to 47)."""

from enum import Enum

from trio_supervisor.record import record


class Verb(Enum):
    """A call."""

    START = "start_child"
    TERMINATE = "terminate_child"
    RESTART = "restart_child"
    DELETE = "delete_child"
    WHICH = "which_children"
    COUNT = "count_children"
    SPEC = "get_childspec"


class Answer(Enum):
    """What a call is answered with; the table in rule 41."""

    OK = "ok"
    UNDEFINED = "undefined"
    """A start that the child ignored; its spec is kept unless it is temporary."""
    IGNORED = "ignore"
    """A start that the child ignored, and of which nothing is kept."""
    START_FAILED = "start failed"
    ALREADY_STARTED = "already_started"
    ALREADY_PRESENT = "already_present"
    RUNNING = "running"
    RESTARTING = "restarting"
    NOT_FOUND = "not_found"
    MAX_CHILDREN = "max_children"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """No such call to the instances of a template."""
    BAD_SIGNIFICANT_NEVER = "significant child under auto_shutdown never"
    BAD_SIGNIFICANT_PERMANENT = "significant permanent child"
    CIRCULAR = "would wait for itself"
    """By its dependencies."""
    SHUTTING_DOWN = "shutting down"
    """The supervisor ends or has ended; OTP's `noproc` and `shutdown` exits of the caller."""

    @property
    def good(self) -> bool:
        """Whether the call did what it was made for."""
        return self in (Answer.OK, Answer.UNDEFINED, Answer.IGNORED)


class Condition(Enum):
    """How OTP would list a child."""

    RUNNING = "running"
    RESTARTING = "restarting"
    UNDEFINED = "undefined"
    """No process: stopped, finished, ignored, not started."""


@record
class Row:
    """A child in the answer to WHICH."""

    child: str
    condition: Condition
    generation: int
    """Of the present or last life."""
    supervisor: bool


@record
class Counts:
    """The answer to COUNT."""

    specs: int
    active: int
    supervisors: int
    workers: int
