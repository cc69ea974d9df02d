"""Journals on their own: one that is open, and what it has said."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trio_supervisor.journal.entries import Entry, Kind
from trio_supervisor.journal.store import Store
from trio_supervisor.spec import JournalLimits

Open = Callable[..., Store]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the journal is."""
    return str(tmp_path / "journal.sqlite")


@pytest.fixture
def open_store(path: str) -> Iterator[Open]:
    """Opens stores at `path`, and closes them after the test."""
    stores: list[Store] = []

    def make(**limits: float | int | None) -> Store:
        store = Store(path, JournalLimits(**limits))  # type: ignore[arg-type]
        stores.append(store)
        store.begin_run(float(len(stores)))
        return store

    yield make
    for store in stores:
        store.close()


def entry(number: int, at: float | None = None, agent: str = "a") -> Entry:
    """An entry that can be told from others."""
    return Entry(
        time.time() if at is None else at,
        Kind.STATE,
        agent,
        number,
        "starting",
        "ready",
        f"reason {number}",
        restarts=0,
    )
