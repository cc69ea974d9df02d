"""OTP's supervisor reports: when which one is due, and what it says (rules 34, 37 and 48 to 51)."""

import signal as signals
from enum import Enum

from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.notices import Context, Report
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.core.tree import Tree


class Ending(Enum):
    """The end of a life in OTP's words."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    SHUTDOWN_VALUE = "{shutdown,Term}"
    KILLED = "killed"
    OTHER = "other"


def ending(exit: Exit, *, asked: bool, success: tuple[int, ...] = (0,)) -> Ending:
    """The exit reason that OTP would name; `asked`: the child was being stopped; `success`: good exit codes."""
    match exit.how:
        case How.RETURNED:
            return Ending.NORMAL
        case How.CANCELLED | How.GAVE_UP:
            return Ending.SHUTDOWN
        case How.SHUT_DOWN:
            return Ending.SHUTDOWN if exit.value is None else Ending.SHUTDOWN_VALUE
        case How.KILLED | How.OUT_OF_MEMORY:
            return Ending.KILLED
        case How.SIGNALED if exit.signal == signals.SIGKILL:
            return Ending.KILLED
        case How.EXITED | How.SIGNALED if asked:
            # A process has no better way to say that it ended because it was asked to.
            return Ending.SHUTDOWN
        case How.EXITED if exit.code in success:
            return Ending.NORMAL
        case _:
            return Ending.OTHER


def _as_asked(exit: Exit, by: frozenset[int]) -> bool:
    """Whether a process ended by SIGKILL or one of the signals, or with an exit code that is no failure after them.

    A program that handles a signal may exit with 128 more, as a shell tells it. Where somebody else has taken the exit
    status, nothing speaks against it.
    """
    by |= {signals.SIGKILL}
    if exit.how is How.SIGNALED:
        return exit.signal in by
    return exit.code is None or exit.code == 0 or exit.code - 128 in by


def is_failure(child: Child, exit: Exit) -> bool:
    """Whether this is a bad end of the present life; to end as asked is none, by force or not."""
    match ending(exit, asked=child.state is State.STOPPING, success=child.policy.exit_codes.success):
        case Ending.NORMAL | Ending.SHUTDOWN_VALUE:
            return False
        case Ending.SHUTDOWN:
            # OTP asks no more of a process that was being stopped than that it ended.
            return exit.how in (How.EXITED, How.SIGNALED) and not _as_asked(exit, child.policy.stop_signals)
        case Ending.KILLED:
            return child.cause is not StopCause.ASKED
        case Ending.OTHER:
            return True


def words_of_stop(child: Child, reason: str, exit: Exit) -> str:
    """Why a child that was to be stopped is down, with its exit; says so if that is not as asked."""
    ended_itself = exit.how in (How.EXITED, How.SIGNALED, How.RAISED)
    badly = "ended badly: " if ended_itself and not child.pending and is_failure(child, exit) else ""
    return f"{reason} ({badly}{exit})"


def is_stop_error(tree: Tree, child: Child, exit: Exit) -> bool:
    """Whether a child that was being stopped, or was found dead, ended otherwise than it should."""
    match ending(exit, asked=child.pending is None):
        case Ending.SHUTDOWN:
            # Of who is killed without being asked, OTP expects no `shutdown`, unless it came by itself and need not
            # come back.
            by_itself = exit.how in (How.SHUT_DOWN, How.GAVE_UP)
            return child.policy.brutal_kill and by_itself and child.policy.restart is Restart.PERMANENT
        case Ending.KILLED:
            return not child.policy.brutal_kill
        case Ending.NORMAL:
            return child.policy.restart is Restart.PERMANENT
        case Ending.SHUTDOWN_VALUE:
            return child.policy.restart is Restart.PERMANENT and not (
                tree.policy.dynamic and tree.policy.template is None
            )
        case Ending.OTHER:
            return True


def tell_progress(tree: Tree, child: Child, *, by_hand: bool) -> None:
    """A start is over."""
    child.known = child.generation
    if not tree.policy.dynamic:
        tree.say(Report(Context.PROGRESS, child.id, child.generation, by_hand=by_hand))


def tell_end(tree: Tree, child: Child, exit: Exit, *, bad: bool) -> None:
    """A life is over that nobody had asked to end; a clean end is told of a permanent child only."""
    if bad or child.policy.restart is Restart.PERMANENT:
        context = Context.CHILD_TERMINATED if child.was_ready else Context.START_ERROR
        tree.say(Report(context, child.id, child.known, exit))


def tell_start_error(tree: Tree, child: Child, exit: Exit) -> None:
    """A start has failed that nobody had asked for."""
    tree.say(Report(Context.START_ERROR, child.id, child.known, exit))


def tell_stop(tree: Tree, child: Child, exit: Exit) -> None:
    """A stop is over, or the child was found dead before it; afterwards OTP knows no process."""
    if is_stop_error(tree, child, exit):
        tree.say(Report(Context.SHUTDOWN_ERROR, child.id, child.known, exit))
    child.known = None


def tell_limit(tree: Tree, child: Child) -> None:
    """The supervisor gives up because of this child."""
    tree.say(Report(Context.SHUTDOWN, child.id, child.known))
