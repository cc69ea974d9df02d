"""What a tree or an agent has come to, as an exit code."""

from collections.abc import Iterable
from signal import Signals

from trio_supervisor.cli.exit_codes import DONE, GAVE_UP, NOT_KILLED
from trio_supervisor.control.api import Exit, How, Snapshot, State


def of_tree(snapshots: Iterable[Snapshot], *, asked: bool) -> int:
    """The exit code of a whole tree that has ended; `asked`: somebody asked for the end."""
    snapshots = tuple(snapshots)
    if any(one.last_exit is not None and one.last_exit.how is How.UNKILLABLE for one in snapshots):
        return NOT_KILLED
    if not asked and any(one.state in (State.FAILED, State.HELD) for one in snapshots):
        return GAVE_UP
    return DONE


def of_exit(exit: Exit | None) -> int:
    """The exit code of one life, as a shell would give it."""
    if exit is None:
        return GAVE_UP
    match exit.how:
        case How.EXITED:
            return GAVE_UP if exit.code is None else exit.code
        case How.SIGNALED:
            return 128 + (exit.signal or 0)
        case How.KILLED | How.OUT_OF_MEMORY:
            return 128 + Signals.SIGKILL
        case How.RETURNED | How.SHUT_DOWN | How.IGNORED:
            return DONE
        case How.RAISED | How.CANCELLED | How.GAVE_UP | How.SPAWN_FAILED:
            return GAVE_UP
        case How.UNKILLABLE:
            return NOT_KILLED
