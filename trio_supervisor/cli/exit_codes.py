"""The exit codes of the command line, the same for every command."""

DONE = 0
"""Everything is finished, or was stopped as asked."""
GAVE_UP = 1
"""Held or failed agents are left."""
USAGE = 2
"""The command line or the file is wrong."""
NO_SUPERVISOR = 3
"""Another supervisor holds what is needed, or there was none that has kept a journal."""
UNKNOWN_AGENT = 4
NOT_KILLED = 5
"""Something could not be killed."""
