"""All exceptions that this package raises on purpose.

    SupervisorError
    ├── ConfigError            the author of the file: every mistake of it, with line and column
    ├── UnknownAgentError      the caller: an agent is named that is not there
    ├── SpecError              the author of a spec in Python: a value that can't be right
    ├── StartError             the owner of the child: it can't be started (program missing, port taken, ...)
    │   └── ChildStartError    the caller: this child of a tree did not start, and why
    ├── StepError              the author of a stop: one of its steps can't be taken, and why
    ├── HookError              the author of a hook: it could not be called, or has failed, and why
    ├── ChildError             the owner of the child: how it ended, where there is no exception of its own
    ├── RestartLimitReached    the embedding program: a tree gave up; a group of its children's last exceptions
    ├── CallError              the caller: what a supervisor answered instead of doing it
    ├── SessionError           the caller: a session can't do what it is asked for
    │   ├── UnknownSessionError    there is no such session, or it is somebody else's
    │   ├── SessionLimitError      an owner, or all together, have as many live ones as they may
    │   ├── WriterBusyError        somebody else writes, or one may only read; `holder` names who writes
    │   ├── InputClosedError       there is nothing to write to (any more); `taken` bytes were
    │   ├── LineTooLongError       a terminal would cut it; `taken` bytes of what is before it were written
    │   ├── WriteTimeoutError      the child did not read in time; `taken` bytes were
    │   ├── ExpectTimeoutError     what was expected was not said in time; `before` is what was
    │   └── OutputEndedError       the child has ended instead; `exit` says how
    ├── ConflictError          the caller: a command that can't be done as things are, and why
    │   ├── NotKilledError     something of a child is still there although it was killed
    │   └── NeededError        others depend on what is to be removed; `users` names them
    ├── RequestError           the caller: a command whose own values can't be right
    │   └── UnknownOperationError  a command is asked about that was never given, or is long over
    ├── TooManyRequestsError   the caller: more is asked at a time than is served; again a little later
    ├── AccessError            the caller: it shows no token, a wrong one, or one that lets only observe
    ├── NoSupervisorError      the caller: no supervisor answers where one was asked
    ├── ProbeError             the author of the probe: it can't be asked at all (which says nothing of the child)
    ├── LockedError            the caller: something is held by another supervisor
    └── JournalError           the caller: there is no journal, or none that can be read

Raised not by this package but by an async function that is a child, to say how it ends:

    Shutdown                   a clean end with a value
    Ignore                     before it has started: there is nothing to do

Mistakes in calling this package raise builtins (`TypeError`, `ValueError`). The crash of a child is a fact, not an
exception.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trio_supervisor.core.answers import Answer
    from trio_supervisor.core.exits import Exit


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

    def __init__(self, message: str = "", *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again
        """Whether it may help to try once more; else the child is held."""


class ChildStartError(StartError):
    """A child of a tree did not start; with a supervisor, `exit.exception` tells of the child within it."""

    def __init__(self, child: str, exit: "Exit | None", reason: str = "") -> None:
        super().__init__(f"{child}: {reason or exit or 'did not start'}")
        self.child = child
        self.exit = exit


class StepError(SupervisorError):
    """A step of a stop can't be taken; the message says why in words. The next one follows."""


class HookError(SupervisorError):
    """A hook could not be called, or has failed; the message says why in words."""

    def __init__(self, message: str, *, again: bool = False, pause: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        """Whether it may help to try once more."""
        self.pause = pause
        """So many seconds are to pass before that, at the least."""


class ChildError(SupervisorError):
    """How a child ended that is no Python function and has no exception of its own."""

    def __init__(self, child: str, exit: "Exit") -> None:
        super().__init__(f"{child}: {exit}")
        self.child = child
        self.exit = exit


class RestartLimitReached(ExceptionGroup[Exception], SupervisorError):  # noqa: N818 -- the fixed name
    """A tree gave up because children had to be restarted too often; the exceptions are their last ones."""

    def derive(self, excs: Sequence[Exception], /) -> "RestartLimitReached":  # type: ignore[override]
        """A group of the same kind, as `split` and `subgroup` need it."""
        return RestartLimitReached(self.message, excs)


class CallError(SupervisorError):
    """A supervisor did not do what it was called for; `answer` is OTP's word for the reason."""

    def __init__(self, child: str, answer: "Answer") -> None:
        super().__init__(f"{child}: {answer.value}")
        self.child = child
        self.answer = answer


class Shutdown(Exception):  # noqa: N818 - no error
    """Raised by an async function that is a child: a clean end, with a value (OTP's `{shutdown, Term}`)."""

    def __init__(self, value: object = None) -> None:
        super().__init__(*(() if value is None else (value,)))
        self.value = value


class Ignore(Exception):  # noqa: N818 - no error
    """Raised by an async function that is a child, before it has started: there is nothing to do; it is no failure."""


class SessionError(SupervisorError):
    """A session can't do what it is asked for."""


class UnknownSessionError(SessionError):
    """There is no such session. Of one that belongs to somebody else the same is said."""

    def __init__(self, session: str) -> None:
        super().__init__(f"there is no session {session!r}")


class SessionLimitError(SessionError):
    """No more sessions may be live at a time; those that have ended do not count."""


class WriterBusyError(SessionError):
    """One writes at a time, and it is not the caller; `holder` is the name of who does, empty if nobody does."""

    def __init__(self, child: str, holder: str, words: str = "") -> None:
        super().__init__(f"{child}: {words or f'{holder} writes to it'}")
        self.child = child
        self.holder = holder


class InputClosedError(SessionError):
    """There is nothing to write to: no life, no input, or it was closed after `taken` bytes were written."""

    def __init__(self, child: str, words: str, taken: int = 0) -> None:
        super().__init__(f"{child}: {words}" + (f"; {taken} bytes were taken" if taken else ""))
        self.child = child
        self.taken = taken


class LineTooLongError(SessionError, ValueError):
    """A line that a terminal would cut was not written, only the first `taken` bytes. The input is open as before."""

    def __init__(self, child: str, words: str, taken: int) -> None:
        super().__init__(f"{child}: {words}" + (f"; {taken} bytes were taken" if taken else ""))
        self.child = child
        self.taken = taken


class WriteTimeoutError(SessionError, TimeoutError):
    """The child did not read in time: only the first `taken` of `size` bytes were written."""

    def __init__(self, child: str, taken: int, size: int, seconds: float) -> None:
        super().__init__(f"{child} does not read: {taken} of {size} bytes were taken within {seconds:g} s")
        self.child = child
        self.taken = taken
        self.size = size


def _last_said(before: bytes) -> str:
    return (
        f"; the last it said: {before[-80:].decode('utf-8', 'backslashreplace')!r}" if before else "; it said nothing"
    )


class ExpectTimeoutError(SessionError, TimeoutError):
    """What was expected was not said in time. `before` is what was said; it can be read, or expected, again."""

    def __init__(self, child: str, before: bytes, seconds: float) -> None:
        super().__init__(f"{child} did not say what was expected within {seconds:g} s{_last_said(before)}")
        self.child = child
        self.before = before


class OutputEndedError(SessionError):
    """The child ended before it said what was expected. `before` is what it said, `exit` how it ended, if known."""

    def __init__(self, child: str, before: bytes, exit: "Exit | None") -> None:
        super().__init__(f"{child} has ended ({exit or 'gone'}){_last_said(before)}")
        self.child = child
        self.before = before
        self.exit = exit


class ProbeError(SupervisorError):
    """A probe can't be asked; this is no failure of the child."""


class ConflictError(SupervisorError):
    """A command can't be done, or will not be any more, as things are; the message says what is in the way."""


class NotKilledError(ConflictError):
    """Something of a child is still there although it was killed; the message names what."""


class NeededError(ConflictError):
    """Others depend on a child that is to be removed, and could not be started again; `users` has their paths."""

    def __init__(self, child: str, users: Sequence[str], message: str = "") -> None:
        names = ", ".join(users)
        super().__init__(
            message
            or f"{child}: needed by {names}, which could not be started again without it: remove {names} first, "
            f"or {child} with force"
        )
        self.child = child
        self.users = tuple(users)


class RequestError(SupervisorError, ValueError):
    """A command holds a value that can't be right; the message names it, and what would be."""


class UnknownOperationError(RequestError):
    """A command is asked about that was never given, or is long over."""


class TooManyRequestsError(SupervisorError):
    """More is asked at a time than is served."""


class AccessError(SupervisorError):
    """Who asks may not: no token, a wrong one, one that lets only observe, or from a place that nobody may ask from."""


class NoSupervisorError(SupervisorError):
    """No supervisor answers where one was asked, or it has ended before it did."""


class LockedError(SupervisorError):
    """Another supervisor holds what is needed."""


class JournalError(SupervisorError):
    """There is no journal, or it can't be read; the message says which one and why."""
