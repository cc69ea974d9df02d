"""Errors on the wire: `{"error": {"kind", "message", ...}}` under an HTTP status, and back to the same exceptions."""

from trio_supervisor.control.wire.forms import Form, exit_form
from trio_supervisor.control.wire.reader import Reader
from trio_supervisor.control.wire.records import exit_of
from trio_supervisor.core.answers import Answer
from trio_supervisor.errors import (
    AccessError,
    CallError,
    ChildStartError,
    ConfigError,
    ConflictError,
    JournalError,
    NeededError,
    NoSupervisorError,
    NotKilledError,
    RequestError,
    SpecError,
    SupervisorError,
    TooManyRequestsError,
    UnknownAgentError,
    UnknownOperationError,
)
from trio_supervisor.record import record

_STATUS: dict[type[SupervisorError], int] = {
    UnknownAgentError: 404,
    UnknownOperationError: 404,
    JournalError: 404,
    RequestError: 400,
    SpecError: 400,
    ConfigError: 400,
    ConflictError: 409,
    NeededError: 409,
    NotKilledError: 409,
    ChildStartError: 409,
    CallError: 409,
    AccessError: 403,
    TooManyRequestsError: 429,
    NoSupervisorError: 503,
}
STATUSES = {
    400: "a value can't be right; the message names it",
    401: "no token, or a wrong one",
    403: "it may not be asked: by this token, or from there",
    404: "there is no such agent, operation or path",
    405: "the path is right, the method is not",
    409: "it can't be done as things are; the message says what is in the way",
    413: "the body is too large",
    421: "this server is not known under that name",
    426: "this path is for WebSockets",
    429: "too much is asked at a time",
    503: "the supervisor ends",
}


class TooLargeError(RequestError):
    """The body of a request is larger than is read."""


@record
class Problem:
    """An answer that says why something was not done."""

    status: int
    form: Form


def problem_of(error: SupervisorError) -> Problem:
    """An error as an answer."""
    if isinstance(error, TooLargeError):
        return request_problem(413, str(error))
    return Problem(_STATUS.get(type(error), 409), {"error": fault_of(error)})


def fault_of(error: SupervisorError) -> Form:
    """What is said of an error."""
    form: dict[str, object] = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, ChildStartError):
        form |= {"agent": error.child, "exit": exit_form(error.exit)}
    if isinstance(error, CallError):
        form |= {"agent": error.child, "answer": error.answer.value}
    if isinstance(error, NeededError):
        form |= {"agent": error.child, "users": list(error.users)}
    return form


def request_problem(status: int, message: str) -> Problem:
    """What is wrong with a request as such."""
    return Problem(status, {"error": {"kind": RequestError.__name__, "message": message}})


def access_problem(status: int, message: str) -> Problem:
    """Why somebody may not ask."""
    return Problem(status, {"error": {"kind": AccessError.__name__, "message": message}})


def error_of(data: object) -> SupervisorError:
    """An answer as the error that it was."""
    form = Reader(Reader(data).get("error", dict))
    kind, message = form.get("kind", str), form.get("message", str)
    if kind == ChildStartError.__name__:
        child, exit = form.get("agent", str), form.maybe("exit", dict)
        return ChildStartError(child, None if exit is None else exit_of(exit), message.removeprefix(f"{child}: "))
    if kind == CallError.__name__:
        return CallError(form.get("agent", str), form.word("answer", Answer))
    if kind == NeededError.__name__:
        return NeededError(form.get("agent", str), form.each("users", str), message)
    made = next((each for each in _STATUS if each.__name__ == kind), SupervisorError)
    return made(message)
