"""The file of the journal, as the one thread sees it that writes to it. Blocking; raises sqlite3.Error and OSError.

`synchronous=NORMAL` with a write-ahead log: what is committed survives any end of this program at once, and a failure
of the power a few seconds later. What must survive that at once as well is written with `durable`.
"""

import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain

from trio_supervisor.journal.entries import COLUMNS, Key, Plain
from trio_supervisor.journal.schema import check, migrate
from trio_supervisor.spec import JournalLimits

BUSY = 0.5
"""So long (seconds) another writer is waited for; then it is tried again later."""
MOST_VALUES = 10_000
"""So many values are remembered; beyond that the oldest are forgotten."""
PRUNED_AT_ONCE = 2000
"""So many entries are removed in one step; it takes a few milliseconds."""

_AT_ONCE = 50  # Rows in one statement: SQLite before 3.32 takes 999 values, these are 850.
_LOOK_EVERY = 200  # Entries between two looks at age and size.
_WAL_BYTES = 4 << 20

_INSERT = f"INSERT INTO events (run, {', '.join(COLUMNS)}) VALUES "
_PLACES = f"({', '.join('?' * (len(COLUMNS) + 1))})"
_REMEMBER = "INSERT OR REPLACE INTO memory (owner, name, value, at) VALUES (?, ?, ?, ?)"


class Store:
    """One file, open for writing. `path` is absolute."""

    def __init__(self, path: str, limits: JournalLimits) -> None:
        self._path = path
        self._limits = limits
        self._unlooked = 0
        self._run = 0
        self._create()
        self._connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self._inode = os.stat(path).st_ino

    def _create(self) -> None:
        # For us alone: SQLite itself would ask the umask only, and its other files take their modes from this one.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))

    def _prepare(self) -> None:
        # First: one that is not ours to write to stays as it is.
        check(self._connection)
        self._ask("PRAGMA auto_vacuum = INCREMENTAL")
        self._ask("PRAGMA journal_mode = WAL")
        self._ask("PRAGMA synchronous = NORMAL")
        self._ask(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        migrate(self._connection)

    def memory(self) -> dict[Key, Plain]:
        """All values that are remembered."""
        rows = self._connection.execute("SELECT owner, name, value FROM memory").fetchall()
        found: dict[Key, Plain] = {}
        for owner, name, value in rows:
            with suppress(ValueError):  # Somebody else has written it; it is as good as unknown.
                found[owner, name] = json.loads(value)
        return found

    def begin_run(self, began: float) -> bool:
        """Number what is written from now on as the run that this process has begun then; whether it is new here."""
        values = (began, os.getpid())
        found = self._one("SELECT run FROM runs WHERE began = ? AND pid = ?", values)
        self._run = found or self._execute("INSERT INTO runs (began, pid) VALUES (?, ?)", values).lastrowid or 0
        return found is None

    def forget_all(self) -> None:
        """Remember nothing any more."""
        self._execute("DELETE FROM memory")

    def write(
        self, rows: Sequence[tuple[object, ...]], values: Mapping[Key, tuple[Plain, float]], *, durable: bool
    ) -> None:
        """Append entries and remember values (None: forget), all of it or nothing. `durable`: return when it is on the
        disk.
        """
        if durable:
            self._ask("PRAGMA synchronous = FULL")
        try:
            self._execute("BEGIN IMMEDIATE")
            try:
                self._insert(rows)
                self._remember(values)
                self._execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise
        finally:
            if durable:
                self._ask("PRAGMA synchronous = NORMAL")
        self._unlooked += len(rows)

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        # In few statements: each lets go of the interpreter, and to get it back from a busy one takes up to 5 ms.
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            self._execute(
                _INSERT + ", ".join([_PLACES] * len(part)), tuple(chain(*[(self._run, *row) for row in part]))
            )

    def _remember(self, values: Mapping[Key, tuple[Plain, float]]) -> None:
        for (owner, name), (value, at) in values.items():
            if value is None:
                self._execute("DELETE FROM memory WHERE owner = ? AND name = ?", (owner, name))
            else:
                self._execute(_REMEMBER, (owner, name, json.dumps(value), at))

    def end_run(self) -> None:
        """Note that the present run has ended in order."""
        self._execute("UPDATE runs SET ended = ? WHERE run = ?", (time.time(), self._run))

    def close(self) -> None:
        """Close it; what is written stays."""
        with suppress(sqlite3.Error):
            self._connection.close()

    @property
    def is_there(self) -> bool:
        """Whether the file still has its name: nobody would ever find what is written to one that was removed."""
        try:
            return os.stat(self._path).st_ino == self._inode
        except OSError:
            return False

    # Limits

    def prune(self) -> bool:
        """Remove some of what is too old or too much, if it is time to look; whether there may be more to remove."""
        if self._unlooked < _LOOK_EVERY and self._unlooked:
            return False
        removed = self._prune_old() or self._prune_most()
        if removed:
            self._unlooked = 0
            # A step at a time: all at once would hold up a reader, and whoever waits for an order to be written.
            self._connection.execute("PRAGMA incremental_vacuum(500)").fetchall()
        else:
            self._unlooked = 1
        return removed

    def _prune_old(self) -> bool:
        # From the oldest on and no further than the first that stays: the clock may have jumped, and the order is that
        # of the numbers.
        until = time.time() - self._limits.age
        found = self._one(
            "SELECT max(seq) FROM (SELECT seq, max(at) OVER (ORDER BY seq) AS latest FROM "
            "(SELECT seq, at FROM events ORDER BY seq LIMIT ?)) WHERE latest < ?",
            (PRUNED_AT_ONCE, until),
        )
        if found is None:
            return False
        self._remove(found)
        return True

    def _prune_most(self) -> bool:
        if self._limits.size is None or self.size <= self._limits.size:
            return False
        found = self._one("SELECT max(seq) FROM (SELECT seq FROM events ORDER BY seq LIMIT ?)", (PRUNED_AT_ONCE,))
        if found is None:
            return False
        self._remove(found)
        return True

    def _remove(self, until: int) -> None:
        self._execute("BEGIN IMMEDIATE")
        try:
            self._execute("DELETE FROM events WHERE seq <= ?", (until,))
            self._execute("DELETE FROM runs WHERE run < (SELECT coalesce(min(run), ?) FROM events)", (self._run,))
            self._execute(
                "DELETE FROM memory WHERE (owner, name) IN (SELECT owner, name FROM memory ORDER BY at DESC "
                "LIMIT -1 OFFSET ?)",
                (MOST_VALUES,),
            )
            self._execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise

    @property
    def size(self) -> int:
        """Bytes that are in use in the file, without what is free in it."""
        pages = int(self._ask("PRAGMA page_count")) - int(self._ask("PRAGMA freelist_count"))
        return pages * int(self._ask("PRAGMA page_size"))

    # SQLite

    def _execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _ask(self, pragma: str) -> str:
        row = self._connection.execute(pragma).fetchone()
        return str(row[0]) if row else ""

    def _one(self, statement: str, values: Sequence[object]) -> int | None:
        row = self._execute(statement, values).fetchone()
        return None if row is None or row[0] is None else int(row[0])
