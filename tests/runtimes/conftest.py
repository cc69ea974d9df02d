"""No test of a runtime may leave a process behind, or see the locks of supervisors that run on this machine."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtimes.process_helpers import bearing, is_alive, kill
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process import current, sampling
from trio_supervisor.runtimes.process.guarded import GuardedSpawner


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


@pytest.fixture(autouse=True)
def _alone_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs beside, other tests too, may be killed for want of memory; of that a SIGKILL would tell."""
    monkeypatch.setattr(sampling, "kills_since", lambda _before: 0)


@pytest.fixture(params=["by the guardian", "by the supervisor"])
def spawned(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _nothing_is_left: None) -> Iterator[str]:
    """Who spawns the processes of the test, once each."""
    made: list[GuardedSpawner] = []
    told: list[str] = []

    def make_guarded() -> GuardedSpawner:
        made.append(GuardedSpawner(Guard(told.append)))
        return made[-1]

    if request.param == "by the guardian":
        monkeypatch.setattr(current, "LocalSpawner", make_guarded)
    yield request.param
    for spawner in made:
        end_guardian(spawner)
    assert not told


def end_guardian(spawner: GuardedSpawner) -> None:
    """What the end of a supervisor does, after the end of the Trio run."""
    guardian = spawner._guardian
    if guardian is not None:
        guardian.link.close()
        os.close(guardian.pidfd)
        os.waitpid(guardian.pid, 0)
