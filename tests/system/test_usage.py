"""What trees use: whose a process is, among many trees at once, and what it costs."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trio_supervisor.system import lineage
from trio_supervisor.system.lineage import VARIABLE, owner_finder, token
from trio_supervisor.system.procfs import Process, cpu_ticks, process
from trio_supervisor.system.usage import Grove, _owned, measure

BEYOND = 1 << 23
"""No process has a number above this (PID_MAX_LIMIT is 1 << 22), so nobody has an environment there."""


def one(pid: int, *, parent: int = 1, session: int = 0, group: int = 0, started: int = 100) -> Process:
    return Process(
        BEYOND + pid, "x", "S", BEYOND + parent, BEYOND + (group or pid), BEYOND + (session or pid), 1, started
    )


def grove(leader: int, *, started: int = 100) -> Grove:
    return Grove(BEYOND + leader, started, f"x:{leader}:1:{leader}", None)


def owners(groves: list[Grove], living: list[Process]) -> dict[int, int]:
    return {each.pid - BEYOND: index for each, index in _owned(groves, living)}


def test_by_session_group_and_parentage() -> None:
    living = [
        one(10),
        one(11, parent=10, session=10),
        one(12, parent=11),
        one(13, parent=12),
        one(20),
        one(21, parent=1, group=20),
        one(30),
        one(31, parent=30),
    ]
    assert owners([grove(10), grove(20)], living) == {10: 0, 11: 0, 12: 0, 13: 0, 20: 1, 21: 1}


def test_a_number_that_is_somebody_elses_by_now_and_who_is_older_than_all_leaders() -> None:
    living = [one(10, started=300), one(11, parent=10, started=300), one(5, session=20, started=50), one(20)]
    assert owners([grove(10), grove(20)], living) == {20: 1}


def test_who_is_gone_uses_nothing() -> None:
    (used,) = measure([grove(10)])
    assert (used.cpu, used.memory, used.processes) == (0, 0, 0)
    assert measure([]) == []
    assert cpu_ticks(BEYOND + 1) == 0


@contextmanager
def spawned(marker: str, code: str) -> Iterator[Grove]:
    child = subprocess.Popen(
        ["sh", "-c", code], env={**os.environ, VARIABLE: marker}, start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        found = process(child.pid)
        assert found is not None
        yield Grove(child.pid, found.started, marker, None)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_a_daemon_is_found_by_its_marker_and_cpu_time_grows() -> None:
    marker = token(lineage.new_instance(), "a", 1, 1)
    other = token(lineage.new_instance(), "b", 1, 1)
    code = "(setsid sh -c 'sleep 3; :' &) ; echo up; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 60"
    with spawned(marker, code) as ours, spawned(other, "echo up; exec sleep 60") as theirs:
        assert owner_finder({marker: "a", other: "b"})(ours.leader) == "a"
        until = time.monotonic() + 20
        while (used := measure([ours, theirs]))[0].cpu < 0.05:
            assert time.monotonic() < until
            time.sleep(0.02)
    assert used[0].processes in (2, 3)
    assert used[0].memory > used[1].memory > 0
    assert used[1].processes == 1


@pytest.mark.parametrize("marker", ["nobody:a:1:1"])
def test_no_marker_is_nobodys(marker: str) -> None:
    assert owner_finder({marker: 1})(os.getpid()) is None
