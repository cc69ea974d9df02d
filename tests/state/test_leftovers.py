"""What is found and killed after supervisor and guardian were killed at once, and what is left alone."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.runtimes.process_helpers import eventually
from tests.state.conftest import Leave
from tests.state.leavings import Family, Left, environment, leave_keeper, leave_lease, start_and_leave
from trio_supervisor.state.leftovers import Cleared, clear
from trio_supervisor.system import lease as leases
from trio_supervisor.system.lineage import carriers
from trio_supervisor.system.procfs import process, processes

LONG = 30.0
"""Patience that is never used up where all goes well."""
NOBODY = (2**22 + 1, 0, "agent", 1)
"""A leader that has ended: no process has such a number."""
_FEW_FORKS = -(1 << 23)
"""So few that numbers may have come round since."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lease"


@pytest.fixture
def instance() -> str:
    return uuid.uuid4().hex[:16]


def killed(cleared: Cleared) -> set[int]:
    assert not cleared.left
    return {one.pid for one in cleared.killed}


def pids(left: dict[str, Left], *names: str) -> set[int]:
    return {left[name].pid for name in names}


async def test_what_is_alive_is_killed_and_told_and_then_the_lease_is_empty(
    path: Path, instance: str, leave: Leave
) -> None:
    began = time.time()
    a = leave(Family("a"), instance)["a"]
    b = leave(Family("b"), instance)["b"]
    leave_lease(path, instance, a.born, b.born)

    cleared = await clear(path, LONG)

    assert {str(one) for one in cleared.killed} == {f"{a.pid} (sleep)", f"{b.pid} (sleep)"}
    assert not cleared.left
    assert began <= cleared.since <= time.time()
    assert a.now is None
    assert b.now is None
    assert await clear(path, LONG) == Cleared()


async def test_what_was_not_in_the_lease_yet_is_found_by_its_marker(path: Path, instance: str, leave: Leave) -> None:
    left = leave(Family("a"), instance)
    leave_lease(path, instance)

    assert killed(await clear(path, LONG)) == pids(left, "a")


async def test_what_double_forked_into_a_session_of_its_own_is_found_by_its_marker(
    path: Path, instance: str, leave: Leave
) -> None:
    daemon = Family("daemon", session=True)
    left = leave(Family("leader", (Family("between", (daemon,), ends=True),), ends=True), instance)
    leave_lease(path, instance, left["leader"].born)

    assert killed(await clear(path, LONG)) == pids(left, "daemon")


@pytest.mark.parametrize("ends", [False, True], ids=["leader alive", "leader ended"])
async def test_what_cleaned_its_environment_is_found_by_the_session_of_its_leader(
    path: Path, instance: str, leave: Leave, ends: bool
) -> None:
    member = Family("member", cleaned=True)
    left = leave(Family("leader", (Family("between", (member,), ends=True),), ends=ends))
    leave_lease(path, instance, left["leader"].born)

    assert killed(await clear(path, LONG)) == pids(left, "member", *([] if ends else ["leader"]))


async def test_who_is_in_the_session_of_a_marked_daemon_goes_with_it(path: Path, instance: str, leave: Leave) -> None:
    between = Family("between", (Family("member", cleaned=True),), ends=True)
    left = leave(Family("daemon", (between,)), instance)
    leave_lease(path, instance)

    assert killed(await clear(path, LONG)) == pids(left, "daemon", "member")


async def test_descendants_are_found_wherever_they_went(path: Path, instance: str, leave: Leave) -> None:
    grandchild = Family("grandchild", session=True, cleaned=True)
    left = leave(Family("leader", (Family("child", (grandchild,), session=True, cleaned=True),)))
    leave_lease(path, instance, left["leader"].born)

    assert killed(await clear(path, LONG)) == pids(left, "leader", "child", "grandchild")


@pytest.mark.slow
async def test_what_forks_without_end_is_outrun(path: Path, instance: str) -> None:
    # Bounded: where the test itself is killed, nobody ends it.
    storm = "echo $$; i=0; while [ $i -lt 3000 ]; do setsid -f sleep 60; i=$((i + 1)); done"
    leaders = [start_and_leave(["sh", "-c", storm], 1, environment(instance)) for _ in range(2)]
    leave_lease(path, instance)

    cleared = await clear(path, LONG)

    assert {int(line) for (line,) in leaders} <= killed(cleared)
    assert not [one for one in carriers(processes(), instance) if one.alive]


async def test_a_number_that_another_process_has_got_is_not_ours(path: Path, instance: str, leave: Leave) -> None:
    left = leave(Family("stranger", (Family("child", cleaned=True),)))
    leave_lease(path, instance, (left["stranger"].pid, left["stranger"].started - 1, "agent", 1, ""))

    assert killed(await clear(path, LONG)) == set()
    assert left["stranger"].now
    assert left["child"].now


async def test_who_is_older_than_the_recorded_leader_is_not_of_its_session(
    path: Path, instance: str, leave: Leave
) -> None:
    left = leave(Family("leader", (Family("member"),), ends=True))
    leave_lease(path, instance, (left["leader"].pid, left["member"].started + 1, "agent", 1, ""))

    assert killed(await clear(path, LONG)) == set()
    assert left["member"].now


async def test_strangers_in_a_session_are_left_alone_once_the_numbers_may_have_come_round(
    path: Path, instance: str, leave: Leave
) -> None:
    left = leave(Family("leader", (Family("member"),), ends=True))
    leave_lease(path, instance, left["leader"].born)
    set_forks(path, _FEW_FORKS)
    await eventually(lambda: process(left["leader"].pid) is None, within=30)

    assert killed(await clear(path, LONG)) == set()
    assert left["member"].now


async def test_a_session_with_one_marked_member_is_ours_however_many_forks_there_were(
    path: Path, instance: str, leave: Leave
) -> None:
    left = leave(Family("leader", (Family("marked"), Family("cleaned", cleaned=True)), ends=True), instance)
    leave_lease(path, instance, left["leader"].born)
    set_forks(path, _FEW_FORKS)

    assert killed(await clear(path, LONG)) == pids(left, "marked", "cleaned")


def set_forks(path: Path, forks: int) -> None:
    """Have the lease say that so many processes had been started when its instance began."""
    first, head, *rest = path.read_text().split("\n")
    fields = head.split("\t")
    fields[3] = str(forks)
    path.write_text("\n".join([first, "\t".join(fields), *rest]))


async def test_the_lease_of_another_boot_kills_nobody(path: Path, instance: str, leave: Leave) -> None:
    left = leave(Family("a"), instance)
    leave_lease(path, instance, left["a"].born)
    path.write_text(path.read_text().replace(leases.numbering(), "another boot"))

    assert await clear(path, LONG) == Cleared()
    assert left["a"].now


async def test_a_torn_line_at_the_end_takes_nothing_along(path: Path, instance: str, leave: Leave) -> None:
    a = leave(Family("a"))["a"]
    leave_lease(path, instance, a.born)
    with path.open("a") as file:
        file.write(f"gone\t{a.pid}\t{a.started}")

    assert killed(await clear(path, LONG)) == {a.pid}


async def test_no_lease_or_an_empty_one_means_that_nothing_is_left(path: Path) -> None:
    assert await clear(path, LONG) == Cleared()

    path.touch()

    assert await clear(path, LONG) == Cleared()


async def test_it_waits_for_a_guardian_that_is_still_at_work(path: Path, instance: str, leave: Leave) -> None:
    a = leave(Family("a"), instance)["a"]
    keeper = leave_keeper(path, instance, 0, a.born)

    try:
        with trio.move_on_after(0.3) as scope:
            await clear(path, LONG)

        assert scope.cancelled_caught
        assert a.now
    finally:
        os.kill(keeper, signal.SIGKILL)
    assert killed(await clear(path, LONG)) == {a.pid}


@pytest.mark.slow
async def test_a_guardian_that_hangs_is_killed_too(path: Path, instance: str, leave: Leave) -> None:
    a = leave(Family("a"), instance)["a"]
    keeper = leave_keeper(path, instance, signal.SIGSTOP, a.born)

    try:
        cleared = await clear(path, 3.0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)

    assert killed(cleared) == {a.pid, keeper}


async def test_we_and_who_started_us_are_spared_whatever_the_lease_says(
    path: Path, instance: str, leave: Leave
) -> None:
    a = leave(Family("a"), instance)["a"]
    own = [Left(one.pid, one.started).born for one in processes() if one.pid in (os.getpid(), os.getppid())]
    leave_lease(path, instance, *own, a.born)

    assert killed(await clear(path, LONG)) == {a.pid}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as another user")
async def test_what_cannot_be_killed_is_told_and_stays_in_the_lease(instance: str) -> None:
    pid = int(start_and_leave(["sh", "-c", "echo $$; exec sleep 600"], 1, user=1)[0])
    other = process(pid)
    assert other is not None
    directory = Path(f"/tmp/test-of-lease-{instance}")
    directory.mkdir()
    path = directory / "lease"
    try:
        leave_lease(path, instance, Left(pid, other.started).born)
        for one in (directory, path):
            os.chown(one, 65534, -1)
        os.seteuid(65534)
        try:
            cleared = await clear(path, 0.2)
        finally:
            os.seteuid(0)

        assert [one.pid for one in cleared.left] == [pid]
        assert not cleared.killed
        assert path.read_bytes()
    finally:
        os.kill(pid, signal.SIGKILL)
        path.unlink(missing_ok=True)
        directory.rmdir()


@pytest.fixture
def cgroup() -> Iterator[str]:
    """A cgroup v2 of our own."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        path = Path(root, f"test-{uuid.uuid4().hex[:8]}")
        with suppress(OSError):
            path.mkdir()
            if (path / "cgroup.kill").exists():
                yield str(path)
                with suppress(FileNotFoundError):
                    path.rmdir()
                return
            path.rmdir()
    pytest.skip("there is no cgroup v2 that can be written to")


def enter(cgroup: str, pid: int) -> None:
    Path(cgroup, "cgroup.procs").write_text(str(pid))


async def test_what_bears_nothing_any_more_is_found_by_its_cgroup_which_is_removed(
    path: Path, instance: str, leave: Leave, cgroup: str
) -> None:
    inner = f"{cgroup}/inner"
    os.mkdir(inner)
    a, b = leave(Family("a"))["a"], leave(Family("b"))["b"]
    enter(cgroup, a.pid)
    enter(inner, b.pid)
    leave_lease(path, instance, (*NOBODY, cgroup))

    assert killed(await clear(path, LONG)) == {a.pid, b.pid}
    assert not os.path.exists(cgroup)


async def test_a_cgroup_that_we_are_in_ourselves_does_not_take_us_along(
    path: Path, instance: str, leave: Leave, cgroup: str
) -> None:
    a = leave(Family("a"))["a"]
    enter(cgroup, a.pid)
    leave_lease(path, instance, (*NOBODY, cgroup))
    own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    enter(cgroup, os.getpid())
    try:
        assert killed(await clear(path, LONG)) == {a.pid}
    finally:
        enter(os.path.dirname(cgroup) + own.removeprefix("0::"), os.getpid())
