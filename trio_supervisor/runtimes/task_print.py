"""What an async function prints, as a part of what this child says: what its tasks and threads write to `sys.stdout`.

Only where the whole program is ours (`run`): there something stands in for `sys.stdout` as long as the tree lasts, and
looks at each write whose it is. Lines are handed on when they are over, so that no secret is cut by how they are put
together. Standard error is left alone: the handlers of `logging` write there what is taken already (`task_log`).
"""

import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TextIO

from trio_supervisor.runtimes.task_log import Take, Voice

LONGEST = 65536
"""Characters; of a line that is longer its beginning is handed on."""

_printer: "ContextVar[_Printer | None]" = ContextVar("trio_supervisor.task_print", default=None)


class _Printer:
    """One life that prints."""

    def __init__(self, take: Take) -> None:
        self._voice = Voice(take)
        self._line = ""
        self.closed = False

    def write(self, text: str) -> None:
        # A thread of it may print between the two: as everywhere, a line can be cut then, but nothing is lost.
        line = self._line + text
        end = len(line) if len(line) > LONGEST else line.rfind("\n") + 1
        self._line = line[end:]
        if end:
            self._voice.say(line[:end].encode(errors="backslashreplace"))

    def flush(self) -> None:
        line, self._line = self._line, ""
        if line:
            self._voice.say(line.encode(errors="backslashreplace"))

    def close(self) -> None:
        self.flush()
        self.closed = True
        self._voice.close()


class _Stdout(io.TextIOBase):
    """Stands in for `sys.stdout`. What is no life's goes where it went before."""

    def __init__(self, before: TextIO) -> None:
        self._before = before

    def write(self, text: str) -> int:
        printer = _of_a_life()
        if printer is None:
            return self._before.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        printer.write(text)
        return len(text)

    def flush(self) -> None:
        printer = _of_a_life()
        if printer is None:
            self._before.flush()
        else:
            printer.flush()

    def isatty(self) -> bool:
        return _of_a_life() is None and self._before.isatty()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        # `buffer` and `fileno` are the real ones: who wants bytes or a descriptor goes past us.
        return getattr(self._before, name)

    def fileno(self) -> int:
        return self._before.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override] # of the base class it is an attribute
        return self._before.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override] # the same
        return self._before.errors


_taken_in: list[_Stdout] = []
"""What stands in for `sys.stdout` now."""
_NOT_TAKEN_IN = nullcontext()


@contextmanager
def prints_taken_in() -> Iterator[None]:
    """While the block lasts, have what lives print told to those who `printed` names."""
    before = sys.stdout
    ours = _Stdout(before)
    sys.stdout = ours
    _taken_in.append(ours)
    try:
        yield
    finally:
        _taken_in.remove(ours)
        # Another one may have put his own round it, which writes to it further on.
        if sys.stdout is ours:
            sys.stdout = before


def printed(take: Take) -> AbstractContextManager[None]:
    """Have `take` called, by Trio, with what is printed inside, in this task and all that it starts; where prints are
    taken in at all.
    """
    return _printed(take) if _taken_in else _NOT_TAKEN_IN


@contextmanager
def _printed(take: Take) -> Iterator[None]:
    printer = _Printer(take)
    before = _printer.set(printer)
    try:
        yield
    finally:
        _printer.reset(before)
        printer.close()


def _of_a_life() -> _Printer | None:
    printer = _printer.get()
    return None if printer is None or printer.closed else printer
