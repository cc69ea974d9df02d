"""The lease: what it says after its writer has ended anyhow, and while it writes."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trio_supervisor.system import lease as leases
from trio_supervisor.system.lease import Lease, came_round, forks, numbering, read


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lease")


def fails(error: OSError) -> None:
    raise AssertionError(error)


def alive(path: str) -> set[tuple[int, int]]:
    found = read(path)
    assert found is not None
    return {(one.pid, one.started) for one in found.living}


def test_it_says_who_lives_and_of_which_run(path: str) -> None:
    began = time.time()
    lease = Lease(path, "i1", "/cgroups/base", fails)

    lease.born(100, 5, "team/a", 1)
    lease.born(200, 6, "b c", 3, "/cgroups/base/b")
    lease.born(300, 7, "c", 1)
    lease.gone(100, 5)

    left = read(path)
    assert left is not None
    assert (left.instance, left.cgroup, left.numbering, left.keeper) == (
        "i1",
        "/cgroups/base",
        numbering(),
        os.getpid(),
    )
    assert began <= left.since <= time.time()
    one, other = left.living
    assert (one.pid, one.started, one.child, one.generation, one.cgroup) == (200, 6, "b c", 3, "/cgroups/base/b")
    assert (other.pid, other.cgroup) == (300, "")
    lease.close()


def test_after_an_orderly_end_it_says_nothing(path: str) -> None:
    lease = Lease(path, "i1", "", fails)
    lease.born(100, 5, "a", 1)

    lease.close()

    assert read(path) is None


def test_of_two_lives_with_one_number_only_the_one_that_is_gone_is_forgotten(path: str) -> None:
    lease = Lease(path, "i1", "", fails)
    lease.born(100, 5, "a", 1)
    lease.born(100, 9, "b", 1)

    lease.gone(100, 5)
    lease.gone(100, 5)

    assert alive(path) == {(100, 9)}
    lease.close()


def test_the_next_guardian_of_an_instance_goes_on_where_one_was_killed(path: str) -> None:
    first = Lease(path, "i1", "/base", fails)
    first.born(100, 5, "a", 1)
    before = read(path)

    second = Lease(path, "i1", "/base", fails)
    second.born(200, 6, "b", 1)
    first.close()  # it was not dead yet, and does no harm

    after = read(path)
    assert alive(path) == {(100, 5), (200, 6)}
    assert before is not None
    assert after is not None
    assert after.since == before.since
    second.close()


def test_another_instance_begins_anew(path: str) -> None:
    first = Lease(path, "i1", "", fails)
    first.born(100, 5, "a", 1)

    second = Lease(path, "i2", "", fails)

    assert alive(path) == set()
    first.close()
    second.close()


def test_one_that_was_replaced_never_takes_its_place_back(path: str) -> None:
    told: list[OSError] = []
    first = Lease(path, "i1", "", told.append)
    second = Lease(path, "i2", "", fails)
    second.born(200, 6, "b", 1)

    for number in range(2000):
        first.born(100, number, "a", 1)
        first.gone(100, number)

    assert alive(path) == {(200, 6)}
    assert len(told) == 1
    first.close()
    second.close()


def test_wherever_it_is_torn_off_the_whole_lines_count(path: str) -> None:
    lease = Lease(path, "i1", "", fails)
    lease.born(1234, 5678, "a", 1)
    lease.born(12345, 6789, "b", 1, "/cgroups/b")
    lease.gone(1234, 5678)
    whole = Path(path).read_bytes()
    lease.close()

    for length in range(len(whole)):
        Path(path).write_bytes(whole[:length])
        found = read(path)

        facts = whole[:length].count(b"\n") - 2
        pids = None if found is None else [one.pid for one in found.living]
        assert pids == (None if facts < 0 else [[], [1234], [1234, 12345], [12345]][facts])


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe\\d\t\t\t",
        b"born",
        b"born\t5\t6",
        b"born\tx\t6\t1\ta\t",
        b"born\t0\t0\t1\tthe kernel\t",
        b"born\t1\t0\t1\tthe first process\t",
        b"born\t-7\t0\t1\ta\t",
        b"gone",
        b"gone\t100",
        b"gone\t100\t5\t1",
        b"GONE\t100\t5",
    ],
)
def test_lines_that_are_no_facts_are_passed_over(path: str, garbage: bytes) -> None:
    lease = Lease(path, "i1", "", fails)
    lease.born(100, 5, "a", 1)
    with open(path, "ab") as file:
        file.write(garbage + b"\n")
    lease.born(200, 6, "b", 1)

    assert alive(path) == {(100, 5), (200, 6)}
    lease.close()


@pytest.mark.parametrize(
    "head", [b"", b"\n\n", b"trio-supervisor lease 2\n", b"\0" * 50 + b"\n", b"trio-supervisor lease 1\na\tb\n"]
)
def test_what_is_no_lease_says_nothing(path: str, head: bytes) -> None:
    Path(path).write_bytes(head + b"born\t100\t5\t1\ta\t\n")

    assert read(path) is None


def test_what_is_not_there_says_nothing(path: str) -> None:
    assert read(path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_somebody_else_has_written_says_nothing(path: str) -> None:
    lease = Lease(path, "i1", "", fails)
    os.chown(path, 65534, -1)

    assert read(path) is None
    lease.close()


def test_tabs_and_ends_of_lines_in_a_name_do_not_take_the_numbers_along(path: str) -> None:
    lease = Lease(path, "i1", "", fails)

    lease.born(100, 5, "a\tb\ngone\t100\t5", 1, "/c\n\udc80")

    assert alive(path) == {(100, 5)}
    lease.close()


def test_it_stays_short_however_long_the_run_is(path: str) -> None:
    lease = Lease(path, "i1", "", fails)
    lease.born(100, 5, "a", 1)

    for number in range(5000):
        lease.born(200, number, "b", number)
        lease.gone(200, number)

    assert alive(path) == {(100, 5)}
    assert Path(path).read_bytes().count(b"\n") <= 1100
    assert os.listdir(os.path.dirname(path)) == ["lease"]
    lease.close()


_CHURN = """
import sys
from trio_supervisor.system import lease as leases
leases._NEEDLESS_LINES = 10
lease = leases.Lease(sys.argv[1], sys.argv[2], "", lambda error: sys.exit(str(error)))
for number in range(3):
    lease.born(100 + number, 5, "a", 1)
print("up", flush=True)
number = 0
while True:
    number += 1
    lease.born(200, number, "b", 1)
    lease.gone(200, number)
"""


@pytest.mark.slow
def test_who_reads_at_any_moment_or_after_a_kill_at_any_moment_misses_nobody(path: str) -> None:
    steady = {(100, 5), (101, 5), (102, 5)}

    for instance in ("i1", "i2", "i3", "i4", "i5"):
        with subprocess.Popen([sys.executable, "-c", _CHURN, path, instance], stdout=subprocess.PIPE) as writer:
            try:
                assert writer.stdout is not None
                assert writer.stdout.readline() == b"up\n"
                for _ in range(200):
                    assert alive(path) >= steady
            finally:
                writer.send_signal(signal.SIGKILL)
        assert alive(path) >= steady
        assert len(alive(path)) <= 4


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """As on a full disk: a write beyond that fails, in part or in whole."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_once_and_nobody_is_missing_when_there_is_room_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_RETRY_AFTER", 0.0)
    told: list[OSError] = []
    lease = Lease(path, "i1", "", told.append)
    lease.born(100, 5, "a", 1)

    with no_file_over(os.stat(path).st_size + 10):
        for number in range(20):
            lease.born(200 + number, 6, "b", 1)
        lease.gone(200, 6)
        meanwhile = alive(path)
    lease.born(300, 7, "c", 1)

    assert len(told) == 1
    assert meanwhile == {(100, 5)}
    assert alive(path) == {(100, 5), (300, 7), *((200 + number, 6) for number in range(1, 20))}
    lease.close()


def test_a_directory_that_is_gone_is_told_and_the_lease_lies_there_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_RETRY_AFTER", 0.0)
    told: list[OSError] = []
    lease = Lease(str(tmp_path / "state" / "lease"), "i1", "", told.append)
    lease.born(100, 5, "a", 1)
    (tmp_path / "state").mkdir()

    lease.born(200, 6, "b", 1)

    assert [type(error) for error in told] == [FileNotFoundError]
    assert alive(str(tmp_path / "state" / "lease")) == {(100, 5), (200, 6)}
    lease.close()


def test_numbers_come_round_only_after_many_forks() -> None:
    now = forks()

    assert now > 0
    assert not came_round(now)
    assert came_round(now - (1 << 23))
    assert came_round(-1)
