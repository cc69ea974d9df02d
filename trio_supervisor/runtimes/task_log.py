"""What an async function logs, as a part of what this child says: records of `logging` made in its tasks and threads.

They are taken where records are made, not by a handler of the root logger: `logging.basicConfig` in the function would
find that one and do nothing. Handlers get the records as ever.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from copy import copy

import trio

Take = Callable[[bytes], None]

_voice: "ContextVar[Voice | None]" = ContextVar("trio_supervisor.task_log", default=None)
_FORMAT = logging.Formatter("%(levelname)s %(name)s: %(message)s")


class Voice:
    """One life that says something, in Trio's thread or in another one; `take` is called by Trio."""

    __slots__ = ("_take", "_taking", "_thread", "_token")

    def __init__(self, take: Take) -> None:
        self._take: Take | None = take
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()
        self._taking = False

    def say(self, data: bytes) -> None:
        """Take it in, in any thread."""
        if threading.get_ident() == self._thread:
            self._say(data)
        else:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._say, data)

    def close(self) -> None:
        """The life is over; what a thread of it says from now on is not its own any more."""
        self._take = None

    def _say(self, data: bytes) -> None:
        # Who takes it may say something himself, which must not come back.
        if self._take is None or self._taking:
            return
        self._taking = True
        try:
            self._take(data)
        finally:
            self._taking = False


class Logged:
    """Have `take` called, by Trio, with each record that is made inside, in this task and all that it starts."""

    __slots__ = ("_before", "_voice")

    def __init__(self, take: Take) -> None:
        self._voice = Voice(take)

    def __enter__(self) -> None:
        self._before: Token[Voice | None] = _voice.set(self._voice)
        _factory.begin()

    def __exit__(self, *_error: object) -> None:
        _factory.end()
        _voice.reset(self._before)
        self._voice.close()


class _Factory:
    """Stands in for the record factory as long as a life needs it."""

    def __init__(self) -> None:
        self._users = 0
        self._lock = threading.Lock()  # Trio may run in several threads.
        self._before: Callable[..., logging.LogRecord] = logging.LogRecord

    def begin(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = logging.getLogRecordFactory()
                logging.setLogRecordFactory(self._make)

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            # Another one may have put his own round it, which calls it further on.
            if not self._users and logging.getLogRecordFactory() == self._make:
                logging.setLogRecordFactory(self._before)

    def _make(self, *args: object, **options: object) -> logging.LogRecord:
        record = self._before(*args, **options)
        voice = _voice.get()
        if voice is not None and record.msg:
            voice.say(_text(record).encode(errors="backslashreplace") + b"\n")
            # For who shows what children say, and so shows it already. No name that anybody's `extra` may have.
            record._of_supervised_task = True
        return record


_factory = _Factory()


def _text(record: logging.LogRecord) -> str:
    try:
        # A copy: the formatter leaves its traces, which the other handlers would find.
        return _FORMAT.format(copy(record))
    except Exception as error:
        # The message does not go with its arguments: told in its place, as `logging` does it on standard error.
        return f"{record.levelname} {record.name}: {record.msg!r} % {record.args!r}: {type(error).__name__}: {error}"
