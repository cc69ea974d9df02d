"""Trio's side: nothing waits but orders, and whatever is wrong with the file, things go on without it, said once."""

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from tests.journal.conftest import entry
from trio_supervisor.journal import journal as journal_module
from trio_supervisor.journal import writer
from trio_supervisor.journal.entries import Kind, Plain
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import DOWN, Order, down
from trio_supervisor.journal.reading import Reader
from trio_supervisor.journal.waiting import LIMIT
from trio_supervisor.spec import JournalLimits

GRACE = 20.0


class Said(list[str]):
    """What people were told."""

    async def see(self, text: str) -> None:
        with trio.fail_after(GRACE):
            while not any(text in each for each in self):
                await trio.sleep(0.01)


@asynccontextmanager
async def journal(path: str, said: list[str] | None = None, **options: bool | int) -> AsyncIterator[Journal]:
    """A journal that is closed at the end."""
    say: Callable[[str], None] = (said if said is not None else []).append
    made = Journal(path, JournalLimits(), say, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.aclose(GRACE)  # noqa: ASYNC102 -- it shields itself, and is bounded


def kinds(path: str) -> list[tuple[Kind, int | str | None]]:
    reader = Reader(path)
    try:
        return [
            (stored.entry.kind, stored.entry.generation or stored.entry.reason or stored.entry.state)
            for stored in reader.after()
        ]
    finally:
        reader.close()


def remove(path: str) -> None:
    """Take away the journal and all that belongs to it."""
    for name in os.listdir(os.path.dirname(path)):
        os.unlink(os.path.join(os.path.dirname(path), name))


BEGUN, ENDED = (Kind.RUN, "begun"), (Kind.RUN, "ended")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_AFTER", 0.01)
    monkeypatch.setattr(writer, "LONGEST_RETRY", 0.05)
    monkeypatch.setattr(writer, "LOOK_AGAIN_AFTER", 0.0)


async def test_what_is_noted_is_written_in_order_between_begin_and_end(path: str) -> None:
    async with journal(path) as it:
        for number in range(1, 2501):
            it.note(entry(number))

    assert os.listdir(os.path.dirname(path)) == ["journal.sqlite"]
    assert kinds(path) == [BEGUN, *((Kind.STATE, number) for number in range(1, 2501)), ENDED]


async def test_an_order_is_on_the_disk_with_what_is_to_be_restored_when_it_may_begin(path: str) -> None:
    async with journal(path) as it:
        it.note(entry(1))
        assert await it.order(Order("stop", "a", who="uid 1000", origin="socket"))

        assert kinds(path) == [BEGUN, (Kind.STATE, 1), (Kind.ORDER, "stop")]
        assert it.recall("a", DOWN) == down("stopped", "stopped by hand")
    async with journal(path) as it:
        assert (await it.loaded())["a", DOWN] == down("stopped", "stopped by hand")


@pytest.mark.parametrize(
    ("verb", "left"),
    [
        ("stop", down("stopped", "why")),
        ("hold", down("held", "why")),
        ("start", None),
        ("restart", None),
        ("resume", None),
        ("reset", None),
        ("remove", None),
        ("signal", down("stopped", "before")),
    ],
)
async def test_what_of_an_order_outlasts_the_run(path: str, verb: str, left: Plain) -> None:
    async with journal(path) as it:
        it.remember("a", DOWN, down("stopped", "before"))
        await it.order(Order(verb, "a", reason="why"))
    async with journal(path) as it:
        await it.loaded()
        assert it.recall("a", DOWN) == left


async def test_fresh_forgets_what_was_remembered_and_keeps_what_has_happened(path: str) -> None:
    async with journal(path) as it:
        it.remember("a", "usd", 1.5)
    async with journal(path, fresh=True) as it:
        assert await it.loaded() == {}
        it.remember("b", "usd", 2)
    async with journal(path) as it:
        assert await it.loaded() == {("b", "usd"): 2}
    assert kinds(path) == [BEGUN, ENDED] * 3


async def test_more_than_there_is_room_for_is_counted_and_said_and_no_value_and_no_order_is_lost(path: str) -> None:
    said: list[str] = []
    async with journal(path, said, limit=100) as it:
        for number in range(1, 1001):
            it.note(entry(number), {("a", "last"): number})
        assert await it.order(Order("hold", "a"))
    async with journal(path) as it:
        assert (await it.loaded())["a", "last"] == 1000
    assert len([each for each in said if "entries are lost" in each]) == 1
    found = kinds(path)
    assert (Kind.ORDER, "hold") in found
    lost = next(str(what) for kind, what in found if kind is Kind.LOST)
    kept = sum(kind is Kind.STATE for kind, _ in found)
    assert lost == f"{1000 - kept} entries were lost here: they came faster than the disk took them"


async def test_text_that_is_no_unicode_is_written_all_the_same(path: str) -> None:
    said: list[str] = []
    async with journal(path, said) as it:
        it.note(entry(1, agent=os.fsdecode(b"\xff")))
        it.note(entry(2))
    assert [kind for kind, _ in kinds(path)] == [Kind.RUN, Kind.STATE, Kind.STATE, Kind.RUN]
    assert said == []


# Trouble


@pytest.mark.parametrize("content", [b"no database " * 500, None, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_put_aside_and_a_new_one_begun(path: str, content: bytes | None) -> None:
    if content is None:
        Path(path).mkdir()
    else:
        Path(path).write_bytes(content)
    said = Said()
    async with journal(path, said) as it:
        assert await it.loaded() == {}
        assert await it.order(Order("hold", "a"))

    assert kinds(path) == [BEGUN, (Kind.ORDER, "hold"), ENDED]
    assert len(said) == 1
    assert said[0].endswith(f"it is put aside as {path}.damaged, and a new one is begun")
    if content is not None:
        assert Path(path + ".damaged").read_bytes() == content


async def test_one_that_is_damaged_while_it_is_written_to_is_begun_anew_with_all_values(path: str) -> None:
    said = Said()
    async with journal(path, said) as it:
        it.remember("a", "usd", 1.5)
        assert await it.order(Order("hold", "a"))
        remove(path)
        Path(path).write_bytes(b"no database " * 500)
        it.note(entry(1))
        await said.see("put aside")
        assert await it.order(Order("hold", "b"))
    async with journal(path) as it:
        memory = await it.loaded()
    assert memory["a", "usd"] == 1.5
    assert memory["a", DOWN] == memory["b", DOWN] == down("held", "held by hand")


async def test_one_that_was_removed_is_begun_anew_and_that_is_said(path: str) -> None:
    said = Said()
    async with journal(path, said) as it:
        assert await it.order(Order("hold", "a"))
        remove(path)
        assert await it.order(Order("hold", "b"))
    async with journal(path) as it:
        assert set(await it.loaded()) == {("a", DOWN), ("b", DOWN)}
    assert said == [f"journal {path}: the file was removed; a new one is begun"]


async def test_a_file_that_another_one_keeps_locked_is_waited_for_and_nothing_is_lost(path: str) -> None:
    async with journal(path):
        pass
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said = Said()
    async with journal(path, said) as it:
        it.note(entry(1))
        await said.see("database is locked: nothing is written until that works again; supervision goes on")
        with trio.fail_after(0.5):
            assert not await it.order(Order("hold", "a"))
        other.execute("COMMIT")
        await said.see("written to again")
    other.close()

    assert kinds(path) == [BEGUN, ENDED, BEGUN, (Kind.STATE, 1), (Kind.ORDER, "hold"), ENDED]
    assert len(said) == 2


class Unreadable:
    """Finds no module of the journal, as long as it is asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        """None for all others."""
        if name == "trio_supervisor.journal.store":
            raise self.error


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, os.strerror(errno.EMFILE)), ImportError("_sqlite3.so: Too many open files")]
)
async def test_what_it_needs_may_be_out_of_reach_for_a_while(
    path: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, finder = Said(), Unreadable(error)
    monkeypatch.delitem(sys.modules, "trio_supervisor.journal.store")
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    async with journal(path, said) as it:
        it.note(entry(1))
        await said.see("Too many open files: nothing is written until that works again; supervision goes on")
        sys.meta_path.remove(finder)
        await said.see("written to again")
    assert kinds(path)[1:-1] == [(Kind.STATE, 1)]


async def test_a_newer_file_is_left_alone(path: str) -> None:
    async with journal(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = Path(path).read_bytes()
    said = Said()
    async with journal(path, said) as it:
        assert await it.loaded() == {}
        it.note(entry(1))
        assert not await it.order(Order("hold", "a"))
        it.remember("a", "usd", 1)
        assert it.recall("a", "usd") == 1

    assert Path(path).read_bytes() == before
    assert len(said) == 1
    assert "a newer version has written it (schema 99, this one knows 1): nothing is written" in said[0]


async def test_a_directory_that_is_gone_is_said_once_and_the_end_does_not_wait(tmp_path: Path) -> None:
    said = Said()
    with trio.fail_after(GRACE):
        async with journal(str(tmp_path / "gone" / "journal.sqlite"), said) as it:
            it.note(entry(1))
            await said.see("No such file or directory")
            await trio.sleep(0.1)
    assert len(said) == 1


async def test_a_disk_that_is_stuck_holds_up_no_order_for_long(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with journal(path) as it:
        other = sqlite3.connect(path, isolation_level=None, timeout=GRACE)
        assert await it.order(Order("hold", "a"))
        monkeypatch.setattr(journal_module, "ORDER_PATIENCE", 0.05)
        other.execute("BEGIN IMMEDIATE")
        assert not await it.order(Order("hold", "b"))
        other.execute("COMMIT")
        other.close()
    assert [what for kind, what in kinds(path) if kind is Kind.ORDER] == ["hold", "hold"]


# Places


@asynccontextmanager
async def mounted(place: Path, *options: str) -> AsyncIterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", *options, "none", place], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb") as file, suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))


async def test_on_a_full_disk_things_go_on_and_all_is_written_when_there_is_room_again(tmp_path: Path) -> None:
    place = tmp_path / "full"
    async with mounted(place, "-o", "size=256k"):
        path, said = str(place / "journal.sqlite"), Said()
        async with journal(path, said) as it:
            assert await it.order(Order("hold", "a"))
            fill(place / "filler")
            for number in range(1, LIMIT // 10):
                it.note(entry(number))
            await said.see("full: nothing is written until that works again; supervision goes on")
            os.unlink(place / "filler")
            subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)
            await said.see("written to again")
        assert kinds(path)[2:-1] == [(Kind.STATE, number) for number in range(1, LIMIT // 10)]
        assert len(said) == 2


async def test_an_order_that_is_not_kept_is_told_so_and_tries_again_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_AFTER", GRACE)
    said, place = Said(), tmp_path / "gone"
    path = str(place / "journal.sqlite")
    async with journal(path, said) as it:
        it.note(entry(1))
        await said.see("nothing is written until that works again")
        assert not await it.order(Order("hold", "a"))
        assert it.trouble == f"journal {path}: No such file or directory"
        place.mkdir()
        with trio.fail_after(GRACE / 2):
            assert await it.order(Order("stop", "b"))
        assert it.trouble == ""
    assert kinds(path) == [BEGUN, (Kind.STATE, 1), (Kind.ORDER, "hold"), (Kind.ORDER, "stop"), ENDED]


async def test_a_read_only_directory_is_said_once(tmp_path: Path) -> None:
    place = tmp_path / "read-only"
    async with mounted(place):
        path, said = str(place / "journal.sqlite"), Said()
        async with journal(path) as it:
            it.remember("a", "usd", 1)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        async with journal(path, said) as it:
            it.note(entry(1))
            await said.see("Read-only file system: nothing is written until that works again")
            await trio.sleep(0.1)
        assert len(said) == 1
        assert kinds(path) == [BEGUN, ENDED]
