"""What the end of a supervisor is: to its own supervisor an exit, to the embedding program an exception or nothing."""

from collections.abc import Mapping

from trio_supervisor.core.child import Child
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.notices import Cause, TreeEnding
from trio_supervisor.errors import ChildError, ChildStartError, RestartLimitReached


def error_of(ending: TreeEnding | None, children: Mapping[str, Child]) -> ChildStartError | RestartLimitReached | None:
    """What a supervisor that has ended so raises; None if its end is no failure."""
    if ending is None:
        return None
    match ending.cause:
        case Cause.START_FAILED:
            return ChildStartError(ending.child, ending.exit, ending.reason.removeprefix(f"{ending.child}: "))
        case Cause.LIMIT:
            return RestartLimitReached(ending.reason, _last_exceptions(ending, children))
        case Cause.ASKED | Cause.AUTO_SHUTDOWN | Cause.KILLED:
            return None


def exit_of(ending: TreeEnding | None, children: Mapping[str, Child]) -> Exit:
    """The end of a supervisor as the end of a life."""
    error = error_of(ending, children)
    match ending.cause if ending else Cause.ASKED:
        case Cause.ASKED:
            return Exit(How.CANCELLED)
        case Cause.START_FAILED:
            return Exit(How.SPAWN_FAILED, detail=str(error), exception=error)
        case Cause.LIMIT:
            return Exit(How.GAVE_UP, detail=ending.reason if ending else "", exception=error)
        case Cause.AUTO_SHUTDOWN:
            return Exit(How.SHUT_DOWN)
        case Cause.KILLED:
            return Exit(How.KILLED)


def _last_exceptions(ending: TreeEnding, children: Mapping[str, Child]) -> list[Exception]:
    """The offender's last exception first, then those of the others in start order; never empty."""
    failures = {ending.child: ending.exit} if ending.exit else {}
    for name, child in children.items():
        if child.last_failure is not None:
            failures.setdefault(name, child.last_failure)
    return [_exception(name, exit) for name, exit in failures.items()] or [
        ChildStartError(ending.child, None, ending.reason)
    ]


def _exception(child: str, exit: Exit) -> Exception:
    if isinstance(exit.exception, Exception):
        return exit.exception
    error = ChildError(child, exit)
    error.__cause__ = exit.exception
    return error
