"""The end of a life without the secrets that its words may hold."""

import traceback
from collections.abc import Callable

from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import StartError
from trio_supervisor.record import changed


def redacted(exit: Exit, redact: Callable[[str], str]) -> Exit:
    """The same end; what holds a secret, in its words or its exception, is made anew without it, or left out."""
    if (detail := redact(exit.detail)) != exit.detail:
        exit = changed(exit, detail=detail)
    if exit.value is not None and (value := redact(str(exit.value))) != str(exit.value):
        exit = changed(exit, value=value)
    if exit.exception is not None and _holds_secret(exit.exception, redact):
        exit = changed(exit, exception=_made_anew(exit.exception, redact))
    return exit


def _holds_secret(error: BaseException, redact: Callable[[str], str]) -> bool:
    """Whether it is shown by the exception, or by one that it holds or comes from."""
    shown = "".join(traceback.format_exception(error))
    return redact(shown) != shown


def _made_anew(error: BaseException, redact: Callable[[str], str]) -> BaseException | None:
    # Others can't be made from words alone. Without an exception the words of the exit are told, which are clean.
    return StartError(redact(str(error)), again=error.again) if type(error) is StartError else None
