"""The exit codes of the command line, the same for every command."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trio_supervisor.errors import SupervisorError

DONE = 0
"""Everything is finished, or was stopped as asked."""
GAVE_UP = 1
"""Held or failed agents are left; a command was not done, or `wait` said no."""
USAGE = 2
"""The command line or the file is wrong."""
NO_SUPERVISOR = 3
"""No supervisor answers, another one holds what is needed, or there was none that has kept a journal."""
UNKNOWN_AGENT = 4
NOT_KILLED = 5
"""Something could not be killed."""


def code_of(error: "SupervisorError") -> int:
    """The exit code for an error."""
    from trio_supervisor.errors import (  # noqa: PLC0415
        AccessError,
        ConfigError,
        JournalError,
        LockedError,
        NoSupervisorError,
        NotKilledError,
        RequestError,
        SpecError,
        UnknownAgentError,
    )

    match error:
        case UnknownAgentError():
            return UNKNOWN_AGENT
        case LockedError() | NoSupervisorError() | JournalError():
            return NO_SUPERVISOR
        case AccessError() | ConfigError() | RequestError() | SpecError():
            return USAGE
        case NotKilledError():
            return NOT_KILLED
        case _:
            return GAVE_UP
