"""The tables of the journal, their version, and the way from each version to the next."""

import sqlite3

APPLICATION = 0x54524A4C
"""Says whose file it is (`PRAGMA application_id`)."""

MIGRATIONS = (
    """
    CREATE TABLE runs (
        run INTEGER PRIMARY KEY AUTOINCREMENT,
        began REAL NOT NULL,
        ended REAL,
        pid INTEGER NOT NULL
    );
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        agent TEXT NOT NULL,
        generation INTEGER,
        old TEXT,
        state TEXT,
        reason TEXT NOT NULL,
        next_at REAL,
        restarts INTEGER,
        pid INTEGER,
        port INTEGER,
        how TEXT,
        code INTEGER,
        signal INTEGER,
        who TEXT,
        origin TEXT
    );
    CREATE TABLE memory (
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (owner, name)
    ) WITHOUT ROWID;
    """,
)
"""The n-th brings a file of version n (0: an empty one) to version n + 1."""

VERSION = len(MIGRATIONS)


class NewerError(Exception):
    """The file was written by a newer version of this program."""


class ForeignError(Exception):
    """The file is no journal."""


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring a file to the present version, each step whole or not at all.

    Raises:
        NewerError: it is newer than this program; nothing was changed.
        ForeignError: it is somebody else's.
    """
    while (found := check(connection, len(migrations))) < len(migrations):
        steps = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {found + 1};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {migrations[found]} {steps} COMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise


def check(connection: sqlite3.Connection, known: int = VERSION) -> int:
    """The version of a file; raises NewerError, ForeignError."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if owner != APPLICATION and (tables or version):
        raise ForeignError("it is no journal of this program")
    if version > known:
        raise NewerError(f"a newer version has written it (schema {version}, this one knows {known})")
    return version
