"""Out of memory as an end of its own: what speaks for it, and how sure it is."""

import os
import subprocess

import pytest

from tests.runtimes.cgroup_helpers import a_slice, born
from tests.runtimes.process_helpers import python
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.process.oom import Evidence, MachineCounter, in_words, judge_exit, kills_since
from trio_supervisor.system.memory import kills_everywhere, resident

KILLED = Exit(How.SIGNALED, signal=9)
LIMIT = Evidence(limit=2 * 2**30, limit_reached=True, own_kills=1, kills_everywhere=1)
MEANWHILE = "the kernel has killed 3 for want of memory on this machine meanwhile"


@pytest.mark.parametrize(
    ("exit", "evidence", "words"),
    [
        (KILLED, LIMIT, "out of memory: memory limit 2 GiB"),
        (Exit(How.EXITED, code=137), LIMIT, "out of memory: memory limit 2 GiB (exit code 137)"),
        (Exit(How.EXITED, code=1), LIMIT, "out of memory: memory limit 2 GiB (exit code 1)"),
        (Exit(How.EXITED, code=0), LIMIT, "exit code 0"),
        (Exit(How.UNKILLABLE, detail="pid 5"), LIMIT, "cannot be killed: pid 5"),
        (
            KILLED,
            Evidence(limit=2**30, own_kills=1, kills_everywhere=1),
            "out of memory: the kernel killed it when memory ran out",
        ),
        (KILLED, Evidence(own_kills=2), "out of memory: the kernel killed it when memory ran out"),
        (KILLED, Evidence(own_kills=0, kills_everywhere=3), "signal SIGKILL"),
        (KILLED, Evidence(kills_everywhere=3), f"signal SIGKILL ({MEANWHILE})"),
        (KILLED, Evidence(), "signal SIGKILL"),
        (Exit(How.SIGNALED, signal=11), Evidence(kills_everywhere=3), "signal SIGSEGV"),
        (Exit(How.EXITED, code=137), Evidence(kills_everywhere=3), "exit code 137"),
        (KILLED, Evidence(killed_by_us=True, limit=2**30, limit_reached=True, own_kills=1), "signal SIGKILL"),
        (KILLED, Evidence(killed_by_us=True, kills_everywhere=1), "signal SIGKILL"),
    ],
)
def test_a_kill_that_nobody_sent_is_named_by_what_the_kernel_has_counted(
    exit: Exit, evidence: Evidence, words: str
) -> None:
    judged = judge_exit(exit, evidence)

    assert str(judged) == words
    assert (judged.code, judged.signal) == (exit.code, exit.signal)


def test_the_counter_of_the_machine_is_read_once_for_many_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    now, kills = 0.0, 5
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("trio_supervisor.runtimes.process.oom.kills_everywhere", lambda: kills)
    counter = MachineCounter()
    assert counter.at_start() == 5

    kills = 7
    now = 0.99
    assert counter.at_start() == 5
    now = 1.0
    assert counter.at_start() == 7
    assert kills_since(5) == 2


@pytest.mark.parametrize(("before", "now"), [(None, 3), (3, None)])
def test_a_machine_that_does_not_count_has_killed_nobody(
    monkeypatch: pytest.MonkeyPatch, before: int | None, now: int | None
) -> None:
    monkeypatch.setattr("trio_supervisor.runtimes.process.oom.kills_everywhere", lambda: now)

    assert kills_since(before) == 0


def test_the_machine_counts_every_kill_for_want_of_memory() -> None:
    before = kills_everywhere()
    if before is None:
        pytest.skip("this kernel does not tell")
    with a_slice("memory") as cgroups:
        cgroup = cgroups.make("agent", 1, memory=64 * 2**20)
        assert cgroup is not None
        with born(cgroup, *python("x = b'x' * (200 * 2**20)")) as process:
            process.wait(30)

    assert kills_since(before) >= 1


def test_memory_of_a_process_is_what_it_has_touched() -> None:
    code = "x = b'x' * (50 * 2**20); print(flush=True); input()"
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        size = resident(process.pid)
        process.kill()

    assert 50 * 2**20 < size < 200 * 2**20


def test_memory_is_told_of_what_may_not_be_looked_into_and_is_0_of_what_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = open

    def refusing(path: str, mode: str = "r", buffering: int = -1) -> object:
        if path.endswith("smaps_rollup"):
            raise PermissionError
        return real(path, mode, buffering)

    monkeypatch.setattr("builtins.open", refusing)

    assert resident(os.getpid()) > 2**20
    assert resident(2**22 + 1) == 0


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (64 * 2**20, "64 MiB"), (3 * 2**29, "1.5 GiB"), (2**50, "1024 TiB")],
)
def test_bytes_are_told_in_the_largest_unit(size: int, words: str) -> None:
    assert in_words(size) == words
