"""Real cgroups: who is born in one does not get out of it, and its ceilings hold."""

import os
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
import trio

from tests.runtimes.cgroup_helpers import a_slice, born
from tests.runtimes.process_helpers import is_alive, python, shell
from trio_supervisor.system.cgroup import Cgroup, destroy
from trio_supervisor.system.cgroup_places import members
from trio_supervisor.system.cgroup_slice import Slice

ESCAPES = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(300)
    os._exit(0)
os.wait()
os.write(1, b"%d\\n" % os.getpid())
time.sleep(300)
"""
"""A leader that ignores TERM, with a double-forked child in a session of its own; each says its number."""


def two_numbers(process: "subprocess.Popen[bytes]") -> list[int]:
    """What `ESCAPES` says."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(2)]


def make(cgroups: Slice, *, memory: int | None = None, pids: int | None = None, count: bool = False) -> Cgroup:
    made = cgroups.make("agent", 1, memory=memory, pids=pids, counted=count)
    assert made is not None
    return made


def emptied(cgroup: Cgroup) -> bool:
    """Wait for the events to tell that it is empty, at most 10 s."""
    events = cgroup.open_events()
    assert events is not None
    try:
        until = time.monotonic() + 10
        while events.populated() and time.monotonic() < until:
            select.select([events.fileno()], [], [], until - time.monotonic())
        return not events.populated()
    finally:
        events.close()


def all_dead(pids: list[int]) -> bool:
    """Wait for that, at most 10 s: who dies leaves its group some steps of the kernel before it is a zombie."""
    until = time.monotonic() + 10
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.001)
    return not any(map(is_alive, pids))


def test_a_kill_reaches_what_has_left_session_and_parents_and_ignores_signals() -> None:
    with a_slice("tree") as cgroups, born(cgroup := make(cgroups), *python(ESCAPES)) as process:
        found = two_numbers(process)
        assert cgroup.populated()
        assert all(map(is_alive, found))

        cgroup.kill()

        assert emptied(cgroup)
        assert all_dead(found)
        assert process.wait(10) == -signal.SIGKILL
        assert cgroup.remove()
        assert not any(os.path.exists(path) for path in cgroup.directories)


async def test_trio_sleeps_until_a_group_is_empty() -> None:
    with a_slice("tree") as cgroups, born(cgroup := make(cgroups), *shell("echo; sleep 300")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        events = cgroup.open_events()
        assert events is not None
        seen = [events.populated()]
        cgroup.kill()

        with trio.fail_after(10):
            while events.populated():
                await trio.lowlevel.wait_readable(events.fileno())
        seen.append(events.populated())
        events.close()

        assert seen == [True, False]


async def test_no_event_comes_while_nothing_happens() -> None:
    with a_slice("tree") as cgroups, born(cgroup := make(cgroups), *python(ESCAPES)) as process:
        two_numbers(process)
        events = cgroup.open_events()
        assert events is not None
        assert events.populated()

        with trio.move_on_after(0.1) as scope:
            await trio.lowlevel.wait_readable(events.fileno())
        events.close()

        assert scope.cancelled_caught


def test_a_group_with_somebody_in_it_is_not_removed() -> None:
    with a_slice("tree") as cgroups, born(cgroup := make(cgroups), *python(ESCAPES)) as process:
        two_numbers(process)

        assert not cgroup.remove()
        assert cgroup.populated()


def test_one_is_over_when_nobody_lives_in_it_and_what_is_empty_in_it_stays_as_long_as_somebody_does() -> None:
    with a_slice("tree") as cgroups:
        cgroup = make(cgroups)
        assert cgroup.tree is not None
        with born(cgroup, *python(ESCAPES)) as process:
            two_numbers(process)
            os.mkdir(cgroup.tree + "/empty")

            assert not cgroup.is_over()

            assert os.path.exists(cgroup.tree + "/empty")
            cgroup.kill()
            assert emptied(cgroup)
            assert cgroup.is_over()
            os.rmdir(cgroup.tree + "/empty")
            assert cgroup.is_over()
            assert not os.path.exists(cgroup.tree)


def test_what_has_counted_something_is_over_and_can_still_be_asked() -> None:
    with a_slice("memory") as cgroups:
        cgroup = make(cgroups, memory=2**30)
        with born(cgroup, *shell("true")) as process:
            process.wait(10)

            assert cgroup.is_over()

            assert all(map(os.path.exists, cgroup.directories))


def test_groups_that_the_child_has_made_in_its_own_go_with_it() -> None:
    with a_slice("tree") as cgroups:
        cgroup = make(cgroups)
        assert cgroup.tree is not None
        os.makedirs(cgroup.tree + "/inner/innermost")
        inner = Cgroup(tree=cgroup.tree + "/inner/innermost")
        with born(inner, *python(ESCAPES)) as process:
            two_numbers(process)
            assert cgroup.populated()
            assert not cgroup.remove()

            assert destroy(cgroup.tree, patience=10)

        assert not os.path.exists(cgroup.tree)


def test_what_is_gone_already_counts_as_destroyed_and_removed() -> None:
    with a_slice("tree") as cgroups:
        cgroup = make(cgroups)
        assert cgroup.remove()

        assert cgroup.remove()
        assert not cgroup.populated()
        assert destroy(cgroup.directories[0])
        cgroup.kill()


def test_who_can_not_be_killed_keeps_its_group_and_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_slice("tree") as cgroups, born(cgroup := make(cgroups), *python(ESCAPES)) as process:
        two_numbers(process)
        with monkeypatch.context() as powerless:
            powerless.setattr("trio_supervisor.system.cgroup.kill", lambda path: None)

            assert not destroy(cgroup.directories[0], patience=0.1)

        assert cgroup.populated()


@pytest.mark.parametrize("controller", ["memory", "pids"])
def test_a_group_of_version_1_alone_is_killed_and_removed_as_well(controller: str) -> None:
    with a_slice(controller) as cgroups:
        full = make(cgroups, memory=2**30, pids=50)
        path = getattr(full, controller)
        if path == full.tree:
            pytest.skip("version 2 has the controller")
        alone = Cgroup(**{controller: path})
        with born(alone, *python(ESCAPES)) as process:
            found = two_numbers(process)
            assert set(found) <= set(members(path))
            assert alone.populated()
            assert alone.open_events() is None

            assert destroy(path, patience=10)

            assert all_dead(found)


def test_who_is_over_its_memory_is_killed_and_the_kernel_has_counted_it() -> None:
    with a_slice("memory") as cgroups:
        cgroup = make(cgroups, memory=64 * 2**20)
        assert (cgroup.memory_kills(), cgroup.memory_ran_out()) == (0, False)
        with born(cgroup, *python("x = b'x' * (200 * 2**20)")) as process:
            code = process.wait(30)

            assert code == -signal.SIGKILL
            assert cgroup.memory_kills() == 1
            assert cgroup.memory_ran_out()


def test_the_memory_that_is_used_is_told() -> None:
    code = "x = b'x' * (50 * 2**20); print(flush=True); input()"
    with a_slice("memory") as cgroups:
        cgroup = make(cgroups, count=True)
        with born(cgroup, "sh", "-c", 'sleep 300 | exec "$@"', "sh", *python(code)) as process:
            assert process.stdout is not None
            process.stdout.readline()
            used = cgroup.memory_used()

        assert used is not None
        assert 50 * 2**20 < used < 200 * 2**20


@pytest.mark.parametrize(
    ("files", "v2"),
    [
        ({"memory.current": "900\n", "memory.stat": "anon 5\ninactive_file 300\nactive_file 100\n"}, True),
        ({"memory.usage_in_bytes": "900\n", "memory.stat": "inactive_file 7\ntotal_inactive_file 300\n"}, False),
    ],
)
def test_the_contents_of_files_that_nobody_asks_for_do_not_count(
    tmp_path: Path, files: dict[str, str], v2: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert Cgroup(tree=str(tmp_path) if v2 else None, memory=str(tmp_path)).memory_used() == 600


@pytest.mark.parametrize(
    ("local", "all_below", "kills", "ran_out"),
    [
        ("oom 0\noom_kill 0\n", "oom 0\noom_kill 0\n", 0, False),
        ("oom 1\noom_kill 0\n", "oom 1\noom_kill 3\n", 3, True),  # its ceiling; who was killed sits further below
        ("oom 0\noom_kill 1\n", "oom 0\noom_kill 1\n", 1, False),  # the machine's memory
        ("oom 0\noom_kill 0\n", "oom 1\noom_kill 1\n", 0, False),  # a ceiling that the child has set for a part of it
    ],
)
def test_version_2_tells_whose_ceiling_it_was(
    tmp_path: Path, local: str, all_below: str, kills: int, ran_out: bool
) -> None:
    (tmp_path / "memory.events.local").write_text(local)
    (tmp_path / "memory.events").write_text(all_below)
    cgroup = Cgroup(tree=str(tmp_path), memory=str(tmp_path))

    assert (cgroup.memory_kills(), cgroup.memory_ran_out()) == (kills, ran_out)


def test_one_process_too_many_is_refused_and_the_kernel_has_counted_it() -> None:
    code = """
import os
pids = []
try:
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            os.read(0, 1)
            os._exit(0)
        pids.append(pid)
except BlockingIOError:
    print(len(pids), "children")
for pid in pids:
    os.kill(pid, 9)
"""
    with a_slice("pids") as cgroups:
        cgroup = make(cgroups, pids=8)
        with born(cgroup, "sh", "-c", 'sleep 300 | exec "$@"', "sh", *python(code)) as process:
            assert process.stdout is not None

            # The shell, sleep and the program itself are the other three.
            assert process.stdout.readline() == b"5 children\n"
            assert cgroup.pids_refused() == 1


def test_a_group_of_the_tree_alone_counts_nothing() -> None:
    with a_slice("tree") as cgroups:
        cgroup = make(cgroups)

        assert len(cgroup.directories) == 1
        assert cgroup.memory_used() is None
        assert (cgroup.memory_kills(), cgroup.memory_ran_out(), cgroup.pids_refused()) == (0, False, 0)
