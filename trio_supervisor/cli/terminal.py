"""The terminal that one sits at, taken for an agent that one is attached to, and given back as it was in every case."""

import os
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Self

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_WAKING = (signal.SIGWINCH, signal.SIGCONT)


class Interrupted(BaseException):
    """A signal asks for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Terminal:
    """Standard input and output. A context manager; within it signals wake who waits for `wakeups`."""

    def __init__(self) -> None:
        self.is_one = os.isatty(0) and os.isatty(1)
        self.wakeups = -1
        """To wait for changes of the size with."""
        self._writing = -1
        self._before: list[object] | None = None
        self._raw = False
        self._handlers: dict[signal.Signals, object] = {}
        self._undo: Callable[[], bytes] = bytes

    def __enter__(self) -> Self:
        if os.isatty(0):
            with suppress(termios.error):
                self._before = termios.tcgetattr(0)
        self.wakeups, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._end)
        for number in _WAKING:
            self._handlers[number] = signal.signal(number, self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing may come between: what asks for the end once more waits until the terminal is given back.
        for number in (*_ENDING, signal.SIGINT):
            before = signal.signal(number, signal.SIG_IGN)
            self._handlers.setdefault(number, before)
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as it was
        os.close(self.wakeups)
        os.close(self._writing)

    def make_raw(self, undo: Callable[[], bytes]) -> None:
        """Hand on every key as it is pressed. `undo` is asked in the end what takes back what was switched on."""
        self._raw, self._undo = True, undo
        with suppress(termios.error):
            tty.setraw(0, termios.TCSADRAIN)

    def again(self) -> None:
        """Take in the wakeups: after a pause, the shell has had the terminal, and has set it as it likes."""
        with suppress(BlockingIOError):
            while os.read(self.wakeups, 4096):
                pass
        if self._raw:
            with suppress(termios.error):
                tty.setraw(0, termios.TCSADRAIN)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        found = os.get_terminal_size(1)
        return max(1, found.columns), max(1, found.lines)

    def say(self, text: str) -> None:
        """Tell the person something, in a line of its own."""
        end = "\r\n" if self._raw else "\n"
        sys.stderr.write(f"{end if self._raw else ''}[{text}]{end}")
        sys.stderr.flush()

    def _give_back(self) -> None:
        if self._raw:
            with suppress(OSError):
                os.write(1, self._undo() + b"\r\n")
        if self._before is not None:
            with suppress(termios.error):
                # At once: a terminal that takes no more output must not hold up the end.
                termios.tcsetattr(0, termios.TCSANOW, self._before)  # type: ignore[arg-type] # as it was got
        self._raw = False

    def _end(self, number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        with suppress(BlockingIOError):
            os.write(self._writing, b"\0")
