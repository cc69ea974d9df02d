"""No test of a runtime may leave a process behind, or see the locks of supervisors that run on this machine."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtimes.process_helpers import bearing, is_alive, kill


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail when a process that descends from the test is alive after it; they are known by a variable of their own."""
    marker = uuid.uuid4().hex
    monkeypatch.setenv("TEST_OF_RUNTIME", marker)
    yield
    left = [pid for pid in bearing(marker) if is_alive(pid) and pid != os.getpid()]
    for pid in left:
        kill(pid)
    assert not left, f"left behind: pids {left}"


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "runtime"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
