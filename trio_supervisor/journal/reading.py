"""Reads a journal, while somebody writes to it or after that. Changes nothing, and never keeps the writer waiting.

Blocking. A read is over in a few milliseconds for each thousand entries, and no transaction outlasts it: one that stays
open would keep the write-ahead log from being used again.
"""

import os
import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from urllib.parse import quote

from trio_supervisor.errors import JournalError
from trio_supervisor.journal.entries import COLUMNS, Stored, entry_of
from trio_supervisor.journal.schema import ForeignError, NewerError, check

POLL = 0.2
"""Who follows looks so often (seconds) whether something was written: one read of one number."""
BUSY = 5.0
"""So long (seconds) a writer that keeps readers out is waited for."""

_AT_ONCE = 1000
_SELECT = f"SELECT seq, run, {', '.join(COLUMNS)} FROM events WHERE seq > ? AND at >= ?"
_OF_AGENT = " AND (agent = ? OR substr(agent, 1, ?) = ?)"


class Reader:
    """A journal, open for reading.

    Raises:
        JournalError: there is none, or it can't be read; why, in words. All methods may raise it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        if not os.path.exists(self._path):
            raise JournalError(f"no journal: {self._path} is not there")
        try:
            return self._connect("mode=ro")
        except sqlite3.OperationalError as error:
            # To read a write-ahead log takes a file beside it. In a directory that can't be written to nobody writes.
            with suppress(sqlite3.Error):
                return self._connect("immutable=1")
            raise JournalError(f"journal {self._path}: {error}") from None
        except (sqlite3.Error, ForeignError, NewerError) as error:
            raise JournalError(f"journal {self._path}: {error}") from None

    def _connect(self, how: str) -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(self._path))}?{how}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
        try:
            if check(connection) == 0:
                raise ForeignError("there is nothing in it yet")
        except BaseException:
            connection.close()
            raise
        self._inode = os.stat(self._path).st_ino
        return connection

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def after(self, seq: int = 0, *, since: float = 0.0, agent: str = "") -> Generator[Stored, None, None]:
        """What was written after a sequence number, in order, and not before the time `since` (seconds since the
        epoch); with `agent` only what is about it or in it.
        """
        while rows := self._rows(seq, since, agent):
            for row in rows:
                yield entry_of(row)
            seq = int(str(rows[-1][0]))
            if len(rows) < _AT_ONCE:
                return

    def last(self, count: int, *, agent: str = "") -> list[Stored]:
        """The last so many, in order."""
        return [entry_of(row) for row in reversed(self._rows(0, 0.0, agent, f" ORDER BY seq DESC LIMIT {count}"))]

    def follow(self, seq: int, *, since: float = 0.0, agent: str = "") -> Iterator[Stored]:
        """The same as `after`, and then all that comes, for ever. A file that was put aside is left for the new one."""
        version = -1
        while True:
            if self._is_replaced():
                with suppress(JournalError):  # The new one is not whole yet.
                    self._connection.close()
                    self._connection = self._open()
                    seq, version = 0, -1
            if version != (version := self._data_version()):
                for stored in self.after(seq, since=since, agent=agent):
                    seq = stored.seq
                    yield stored
            time.sleep(POLL)

    def knows(self, agent: str) -> bool:
        """Whether anything is about this agent, or in it."""
        return bool(self._rows(0, 0.0, agent, " LIMIT 1"))

    def agents(self) -> list[str]:
        """All that something is about."""
        rows = self._ask("SELECT DISTINCT agent FROM events WHERE agent != '' ORDER BY agent", ())
        return [str(row[0]) for row in rows]

    def _rows(self, seq: int, since: float, agent: str, end: str = "") -> list[tuple[object, ...]]:
        inner = f"{agent}/"
        of_agent = (agent, len(inner), inner) if agent else ()
        statement = _SELECT + (_OF_AGENT if agent else "") + (end or f" ORDER BY seq LIMIT {_AT_ONCE}")
        return self._ask(statement, (seq, since, *of_agent))

    def _ask(self, statement: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"journal {self._path}: {error}") from None

    def _data_version(self) -> int:
        # Another one's commit changes it (https://www.sqlite.org/pragma.html#pragma_data_version).
        return int(str(self._ask("PRAGMA data_version", ())[0][0]))

    def _is_replaced(self) -> bool:
        try:
            return os.stat(self._path).st_ino != self._inode
        except OSError:
            return False
