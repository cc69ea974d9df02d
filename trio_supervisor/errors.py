"""All exceptions that this package raises on purpose.

    SupervisorError
    ├── ConfigError            the author of the file: every mistake of it, with line and column
    ├── UnknownAgentError      the caller: an agent is named that is not there
    ├── SpecError              the author of a spec in Python: a value that can't be right
    ├── StartError             the owner of the child: it can't be started (program missing, port taken, ...)
    ├── ProbeError             the author of the probe: it can't be asked at all (which says nothing of the child)
    └── LockedError            the caller: something is held by another supervisor

Mistakes in calling this package raise builtins (`TypeError`, `ValueError`). The crash of a child is a fact, not an
exception.
"""


class SupervisorError(Exception):
    """Base of all."""


class ConfigError(SupervisorError):
    """A configuration that can't be used; `str()` is the whole report for a person."""


class UnknownAgentError(SupervisorError):
    """Agents are named that are not there; the message has a line for each, and what was perhaps meant."""


class SpecError(SupervisorError, ValueError):
    """A spec written in Python holds a value that can't be right."""


class StartError(SupervisorError):
    """A child can't be started; the message says why in words for its owner."""


class ProbeError(SupervisorError):
    """A probe can't be asked; this is no failure of the child."""


class LockedError(SupervisorError):
    """Another supervisor holds what is needed."""
