"""The thread that writes the journal, and puts up with it when that can't be done. Blocking. Times are seconds.

It is a daemon: a disk that is stuck can't be interrupted, and must not hold up the end.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from trio_supervisor.journal.entries import Key, Plain
from trio_supervisor.journal.waiting import Waiting
from trio_supervisor.spec import JournalLimits

if TYPE_CHECKING:
    from trio_supervisor.journal.store import Store

LINGER = 0.05
"""So long others are waited for that can be written with the first; not where somebody waits for an order."""
RETRY_AFTER = 1.0
"""What could not be written is tried again after so long ..."""
LONGEST_RETRY = 60.0
"""... and ever more seldom, up to this."""
LOOK_AGAIN_AFTER = 1.0
"""At most so often it is looked whether the file is still there."""
DAMAGES = 3
"""So often in a run a damaged file is put aside; then nothing is written any more."""
ASIDE = ".damaged"
"""What a file is called, behind its name, that was put aside; there is one at a time."""

_PAUSE = 0.01  # Between two steps of pruning.


class Listeners:
    """Who is told what; all are called in the thread.

    `say`: what people should know. `remembered`: the values that the file holds; once, at the latest at the end.
    `renewed`: the file is a new one, though something was remembered before. `ended`: nothing is written any more.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        remembered: Callable[[dict[Key, Plain]], None],
        renewed: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.say = say
        self.remembered = remembered
        self.renewed = renewed
        self.ended = ended


class Writer:
    """Owns the file. `fresh`: what it remembers is forgotten first."""

    def __init__(
        self, path: str, limits: JournalLimits, waiting: Waiting, listeners: Listeners, *, fresh: bool = False
    ) -> None:
        self._path = path
        self._limits = limits
        self._waiting = waiting
        self._listeners = listeners
        self._fresh = fresh
        self._began = time.time()
        self._store: Store | None = None
        self._told_remembered = False
        self._looked_at = 0.0
        self._damages = 0
        self._said = ""
        self._retry_after = RETRY_AFTER
        self._more = False
        self._closing = threading.Event()
        self._given_up = False
        self.working = True
        """Whether what is given is written soon, as far as is known."""
        self.trouble = ""
        """Why it is not, with the file's path."""

    def start(self) -> None:
        """Begin, in a thread of its own."""
        threading.Thread(target=self._run, name="journal", daemon=True).start()

    def close(self) -> None:
        """End when nothing waits any more, or it can't be written; for Trio."""
        self._closing.set()
        self._waiting.hurry()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self.working = False
            self._tell_remembered({})
            self._listeners.ended()

    def _work(self) -> None:
        # Somebody waits for what is to be restored, and for nothing that is to be written.
        if os.path.lexists(self._path):
            self._try(self._open)
        else:
            self._tell_remembered({})
        while not self._given_up:
            self._pause()
            self._try(self._write)
            if self._closing.is_set() and (self._waiting.empty or not self.working):
                break
        if self._store is not None:
            with suppress(Exception):  # It was said before, or is of no importance any more.
                self._store.end_run()
            self._close()

    def _pause(self) -> None:
        if not self.working:
            self._waiting.wait_ordered(self._retry_after)
        elif self._more:
            self._waiting.wait(0.0, _PAUSE)
        else:
            self._waiting.wait(LINGER)

    def _write(self) -> None:
        store = self._open()
        batch = self._waiting.take()
        if batch:
            try:
                store.write(batch.rows, batch.values, durable=bool(batch.told))
            except UnicodeEncodeError:
                batch.make_unicode()
                store.write(batch.rows, batch.values, durable=bool(batch.told))
        # Before anybody is told that it is written, who may look then whether all is well.
        self._well()
        if batch:
            self._waiting.done()
        self._more = store.prune()

    def _open(self) -> "Store":
        if self._store is not None and not self._is_there(self._store):
            self._listeners.say(f"journal {self._path}: the file was removed; a new one is begun")
            self._close()
        if self._store is None:
            from trio_supervisor.journal.store import Store  # noqa: PLC0415 -- a run without a journal needs no SQLite

            store = Store(self._path, self._limits)
            try:
                self._begin(store)
            except BaseException:
                store.close()
                raise
            self._store = store
        return self._store

    def _begin(self, store: "Store") -> None:
        if self._fresh:
            store.forget_all()
            self._fresh = False
        renewed = self._told_remembered
        self._tell_remembered(store.memory())
        if store.begin_run(self._began) and renewed:
            self._listeners.renewed()

    def _is_there(self, store: "Store") -> bool:
        now = time.monotonic()
        if now - self._looked_at < LOOK_AGAIN_AFTER:
            return True
        self._looked_at = now
        return store.is_there

    def _tell_remembered(self, found: dict[Key, Plain]) -> None:
        if not self._told_remembered:
            self._told_remembered = True
            self._listeners.remembered(found)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    # Trouble

    def _well(self) -> None:
        if not self.working:
            self._listeners.say(f"journal {self._path}: written to again")
        self.working, self.trouble = True, ""
        self._retry_after = RETRY_AFTER

    def _try(self, step: Callable[[], object]) -> None:
        """Whatever is wrong with the file: supervision goes on without it."""
        try:
            self._try_to_store(step)
        except OSError as error:
            if self._is_unreadable():
                self._put_aside(error.strerror or str(error))
            else:
                self._give_up(error.strerror or str(error))
        except ImportError as error:
            # Without a descriptor to read it with, no module can be loaded; where there is none, there will be none.
            self._give_up(str(error), for_ever=isinstance(error, ModuleNotFoundError))
        except Exception as error:
            # What can't be written now can't be written later, and nothing that comes after it.
            self._give_up(f"{type(error).__name__}: {error}: nothing is written any more", for_ever=True)

    def _try_to_store(self, step: Callable[[], object]) -> None:
        from sqlite3 import Error  # noqa: PLC0415 -- a run without a journal needs no SQLite

        from trio_supervisor.journal.schema import ForeignError, NewerError  # noqa: PLC0415

        try:
            step()
        except NewerError as error:
            self._give_up(f"{error}: nothing is written, and nothing was restored", for_ever=True)
        except ForeignError as error:
            self._put_aside(str(error))
        except Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGED or (code in _CLOSED and self._is_unreadable()):
                self._put_aside(str(error))
            else:
                self._give_up(str(error))

    def _is_unreadable(self) -> bool:
        """Whether something is there that can't even be read: no journal, whatever it is."""
        return os.path.lexists(self._path) and not (os.path.isfile(self._path) and os.access(self._path, os.R_OK))

    def _put_aside(self, reason: str) -> None:
        self._close()
        self._damages += 1
        if self._damages > DAMAGES:
            self._give_up(f"{reason}, again: nothing is written any more", for_ever=True)
            return
        aside = self._path + ASIDE
        try:
            _move(self._path, aside)
        except OSError as error:
            self._give_up(f"{reason}; it can't be put aside: {error.strerror}")
            return
        self._listeners.say(f"journal {self._path}: {reason}; it is put aside as {aside}, and a new one is begun")
        self._tell_remembered({})
        self._waiting.hurry()

    def _give_up(self, reason: str, *, for_ever: bool = False) -> None:
        """Wait until it works again, if ever; said once for each reason."""
        self._close()
        self._tell_remembered({})
        text = self.trouble = f"journal {self._path}: {reason}"
        if not for_ever:
            text += ": nothing is written until that works again; supervision goes on"
        if self.working and text != self._said:
            self._listeners.say(text)
        elif not self.working:
            self._retry_after = min(self._retry_after * 2, LONGEST_RETRY)
        self._said, self.working, self._given_up = text, False, for_ever


_DAMAGED = frozenset({11, 26})
"""SQLITE_CORRUPT, SQLITE_NOTADB."""
_CLOSED = frozenset({3, 14})
"""SQLITE_PERM, SQLITE_CANTOPEN."""


def _move(path: str, aside: str) -> None:
    """Rename a file with those that belong to it; raises OSError."""
    try:
        os.replace(path, aside)
    except OSError as error:
        # What is there already may be a directory, or the other way round: neither replaces the other.
        if error.errno not in (errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
            raise
        aside += f".{time.time_ns()}"
        os.replace(path, aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(path + suffix, aside + suffix)
