"""The file: what is written can be read, is kept within its limits, and is only ours to write."""

import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from tests.journal.conftest import Open, entry
from trio_supervisor.errors import JournalError
from trio_supervisor.journal.entries import Entry, Kind, account, row_of
from trio_supervisor.journal.reading import Reader
from trio_supervisor.journal.schema import MIGRATIONS, ForeignError, NewerError, migrate
from trio_supervisor.journal.store import PRUNED_AT_ONCE, Store
from trio_supervisor.spec import JournalLimits


def write(store: Store, *entries: Entry, durable: bool = False) -> None:
    store.write([row_of(each) for each in entries], {}, durable=durable)


def numbers(path: str) -> list[int | None]:
    reader = Reader(path)
    try:
        return [stored.entry.generation for stored in reader.after()]
    finally:
        reader.close()


def test_what_is_written_is_read_as_it_was_by_whoever_reads_while_it_is_open(path: str, open_store: Open) -> None:
    everything = Entry(
        1.5, Kind.EXIT, "team/a", 3, "ready", "backoff", "why\nnot", 2.5, 7, 11, 80, "exited", 3, 9, "uid 0", "socket"
    )
    write(open_store(), everything, Entry(2.0, Kind.RUN), durable=True)

    reader = Reader(path)
    assert [stored.entry for stored in reader.after()] == [everything, Entry(2.0, Kind.RUN)]
    assert [stored.seq for stored in reader.after()] == [1, 2]
    reader.close()


def test_the_order_is_that_of_the_numbers_also_when_the_clock_jumps_backwards(path: str, open_store: Open) -> None:
    write(open_store(), entry(1, at=5000.0), entry(2, at=10.0), entry(3, at=4000.0))

    assert numbers(path) == [1, 2, 3]


def test_what_one_run_after_the_other_writes_has_numbers_that_grow(path: str, open_store: Open) -> None:
    write(open_store(), entry(1))
    write(open_store(), entry(2))

    reader = Reader(path)
    assert [(stored.seq, stored.run) for stored in reader.after()] == [(1, 1), (2, 2)]
    reader.close()


def test_a_run_that_opens_it_again_is_still_the_same_run(path: str) -> None:
    first = Store(path, JournalLimits())
    assert first.begin_run(5.0)
    first.close()
    again = Store(path, JournalLimits())
    assert not again.begin_run(5.0)
    again.close()


def test_values_are_remembered_by_owner_and_name_and_forgotten_with_none(open_store: Open) -> None:
    store = open_store()
    store.write([], {("a", "usd"): (1.5, 1.0), ("a", "x"): ([1, {"b": None}], 1.0)}, durable=False)
    store.write([], {(account("a"), "usd"): (9, 2.0), ("a", "x"): (None, 2.0)}, durable=False)

    assert open_store().memory() == {("a", "usd"): 1.5, ("account:a", "usd"): 9}


def test_it_is_for_us_alone(path: str, open_store: Open) -> None:
    before = os.umask(0)
    try:
        write(open_store(), entry(1))
    finally:
        os.umask(before)

    for suffix in ("", "-wal", "-shm"):
        assert stat.S_IMODE(os.stat(path + suffix).st_mode) == 0o600


def test_a_path_with_odd_characters_is_a_path_like_others(tmp_path: Path) -> None:
    directory = tmp_path / "a?b#c %41 'd\" e:\n\u00e9" / os.fsdecode(b"\xff")
    directory.mkdir(parents=True)
    path = str(directory / "journal.sqlite")
    store = Store(path, JournalLimits())
    write(store, entry(1))

    assert numbers(path) == [1]
    store.close()
    assert sorted(os.listdir(directory)) == ["journal.sqlite"]


# Limits


def prune_all(store: Store) -> int:
    steps = 0
    while store.prune():
        steps += 1
    return steps


def test_what_is_too_old_is_removed_from_the_oldest_on_in_small_steps(path: str, open_store: Open) -> None:
    now = time.time()
    store = open_store(age=100.0)
    old = [entry(number, at=now - 200) for number in range(PRUNED_AT_ONCE + 10)]
    write(store, *old, entry(-1, at=now))

    assert prune_all(store) == 2
    assert numbers(path) == [-1]


def test_a_clock_that_was_set_back_removes_nothing_that_is_behind_something_young(path: str, open_store: Open) -> None:
    now = time.time()
    store = open_store(age=100.0)
    write(store, entry(1, at=now), *[entry(2, at=now - 500)] * 300)

    assert prune_all(store) == 0
    assert len(numbers(path)) == 301


def test_a_file_that_is_too_large_is_made_smaller_on_the_disk_too(path: str, open_store: Open) -> None:
    store = open_store(size=1 << 20)
    for _ in range(20):
        write(store, *[entry(number, time.time()) for number in range(1000)])
    assert store.size > 1 << 20

    assert prune_all(store) > 2

    assert store.size <= 1 << 20
    store.close()
    assert os.path.getsize(path) < 1.5 * (1 << 20)
    assert numbers(path)[-1] == 999


def test_without_limits_nothing_is_removed(path: str, open_store: Open) -> None:
    store = open_store(age=float("inf"), size=None)
    write(store, *[entry(number, at=0.0) for number in range(1000)])

    assert prune_all(store) == 0
    assert len(numbers(path)) == 1000


# Versions


def test_a_file_of_an_older_version_is_brought_to_the_present_one_step_by_step(path: str, open_store: Open) -> None:
    write(open_store(), entry(1))
    connection = sqlite3.connect(path)
    migrate(connection, (*MIGRATIONS, "ALTER TABLE events ADD COLUMN more TEXT;", "CREATE TABLE other (x);"))

    assert connection.execute("SELECT generation, more FROM events").fetchall() == [(1, None)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 2,)
    connection.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(path: str, open_store: Open) -> None:
    write(open_store(), entry(1))
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, "CREATE TABLE other (x); CREATE TABLE events (x);"))

    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'other'").fetchone() == (0,)
    connection.close()


def test_a_newer_file_is_refused_and_left_as_it_is(path: str, open_store: Open) -> None:
    open_store().close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(NewerError, match=r"schema 99, this one knows 1"):
        Store(path, JournalLimits())
    with pytest.raises(JournalError, match="a newer version has written it"):
        Reader(path)


def test_a_database_of_somebody_else_is_refused(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    with pytest.raises(ForeignError):
        Store(path, JournalLimits())
    with pytest.raises(JournalError, match="it is no journal of this program"):
        Reader(path)


# Reading


def test_a_reader_chooses_by_agent_with_what_is_in_it_and_by_time(path: str, open_store: Open) -> None:
    write(
        open_store(),
        entry(1, 10.0, "team"),
        entry(2, 20.0, "team/a"),
        entry(3, 30.0, "team-b"),
        entry(4, 40.0, "team/a/b"),
    )

    reader = Reader(path)
    assert [stored.seq for stored in reader.after(agent="team")] == [1, 2, 4]
    assert [stored.seq for stored in reader.after(agent="team", since=20.0)] == [2, 4]
    assert [stored.seq for stored in reader.after(2)] == [3, 4]
    assert [stored.seq for stored in reader.last(2, agent="team")] == [2, 4]
    assert (reader.knows("team/a"), reader.knows("tea")) == (True, False)
    assert reader.agents() == ["team", "team-b", "team/a", "team/a/b"]
    reader.close()


def test_a_reader_leaves_no_transaction_open_so_that_the_log_is_used_again(path: str, open_store: Open) -> None:
    store = open_store()
    write(store, *[entry(number) for number in range(2000)])
    reader = Reader(path)
    next(reading := reader.after())
    for _ in range(40):
        write(store, *[entry(number) for number in range(1000)])

    assert os.path.getsize(path + "-wal") < 8 << 20
    reading.close()
    reader.close()


def test_what_is_no_journal_or_not_there_is_said(path: str) -> None:
    with pytest.raises(JournalError, match="is not there"):
        Reader(path)
    Path(path).write_bytes(b"something else " * 1000)
    with pytest.raises(JournalError, match="not a database"):
        Reader(path)
    Path(path).write_bytes(b"")
    with pytest.raises(JournalError, match="nothing in it yet"):
        Reader(path)


def test_a_kind_of_a_later_version_is_read_too(path: str, open_store: Open) -> None:
    store = open_store()
    store.write([(1.0, "new kind", "a", None, None, "x", "", *([None] * 9))], {}, durable=False)

    reader = Reader(path)
    assert [stored.entry.kind for stored in reader.after()] == [Kind.STATE]
    reader.close()
