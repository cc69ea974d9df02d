"""Nothing of a tree outlives its leader: group, session, what is stopped, what has lost its first thread."""

import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.runtimes.contract import wait_bounded
from tests.runtimes.process_helpers import ended, eventually, is_alive, life_of, program, python, run, shell
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.process import tree
from trio_supervisor.system.procfs import process

pytestmark = pytest.mark.usefixtures("spawned")

FREEZER = Path("/sys/fs/cgroup/freezer")
"""Cgroup v1: what is frozen there can't be killed, which is the handiest way to something unkillable."""


async def test_a_group_that_its_leader_leaves_behind_is_swept_at_once() -> None:
    exit, heard = await run(*shell("sleep 300 & echo $!; exit 7"))

    assert exit == Exit(How.EXITED, code=7)
    assert not is_alive(int(await heard.wait_line()))


async def test_what_ignores_term_in_a_group_left_behind_is_swept_too() -> None:
    stubborn = " ".join(program("ignore_term.py"))

    exit, heard = await run(*shell(f"{stubborn} & echo $!; sleep 0.1"))

    assert exit.clean
    assert not is_alive(int(await heard.wait_line()))


async def test_a_kill_ends_the_whole_group() -> None:
    life, heard = life_of(*shell("sleep 300 & sleep 300 & echo $!; wait"))
    await life.start()
    grandchild = int(await heard.wait_line())

    assert await ended(life) == Exit(How.SIGNALED, signal=9)
    assert not is_alive(grandchild)


async def test_a_member_of_the_session_with_a_group_of_its_own_is_swept() -> None:
    exit, heard = await run(*shell("set -m; sleep 300 & echo $!; exit 0"))

    assert exit.clean
    assert not is_alive(int(await heard.wait_line()))


async def test_a_hundred_groups_in_a_session_are_swept() -> None:
    exit, heard = await run(*shell("set -m; for i in $(seq 100); do sleep 300 & echo $!; done; exit 0"))

    left_behind = [int(line) for line in heard.said().split()]
    assert exit.clean
    assert len(left_behind) == 100
    assert not any(map(is_alive, left_behind))


def thread_ids(pid: int) -> list[str]:
    """The threads of a process: one of a zombie, none of what does not exist."""
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


SYS_EXIT = {"x86_64": 60, "aarch64": 93}.get(platform.machine())
WITHOUT_FIRST_THREAD = f"""
import ctypes, os, threading, time
r, w = os.pipe()
if os.fork() == 0:
    os.setpgid(0, 0)
    def go_on():
        time.sleep(0.05)
        print(os.getpid(), flush=True)
        os.write(w, b"x")
        time.sleep(300)
    threading.Thread(target=go_on).start()
    ctypes.CDLL(None).syscall({SYS_EXIT}, 0)
os.read(r, 1)
"""


@pytest.mark.skipif(SYS_EXIT is None, reason="the number of the system call is not known here")
async def test_a_process_whose_first_thread_has_ended_is_no_zombie_and_is_swept() -> None:
    exit, heard = await run(*python(WITHOUT_FIRST_THREAD))

    member = int(await heard.wait_line())
    assert exit.clean
    assert not is_alive(member)
    assert len(thread_ids(member)) <= 1


async def test_many_trees_that_end_at_once_are_all_swept() -> None:
    async def one() -> None:
        life, heard = life_of(*shell("set -m; sleep 300 & echo $!; wait"))
        await life.start()
        members.append(int(await heard.wait_line()))
        await ended(life)

    members: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(one)

    assert len(members) == 30
    assert not any(map(is_alive, members))


async def test_an_end_without_rest_costs_no_look_at_all_processes(
    monkeypatch: pytest.MonkeyPatch, spawned: str
) -> None:
    if spawned == "by the supervisor":
        pytest.skip("without the guardian only a look tells that nobody has left the tree")

    async def refuse() -> None:
        await trio.lowlevel.checkpoint()
        raise AssertionError("all processes were looked at")

    monkeypatch.setattr(tree, "census", refuse)

    assert (await run("true"))[0].clean


async def test_members_of_the_session_that_were_killed_by_the_group_signal_do_not_spoil_the_exit() -> None:
    life, heard = life_of(*shell("sleep 300 & sleep 300 & sleep 300 & echo ready; wait"))
    await life.start()
    await heard.wait_line()
    assert life.pid is not None

    os.killpg(life.pid, signal.SIGTERM)

    assert await wait_bounded(life) == Exit(How.SIGNALED, signal=signal.SIGTERM)


# What can't be killed


@contextmanager
def freezer() -> Iterator[Path]:
    group = FREEZER / f"test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("needs a cgroup v1 freezer, and the right to use it")
    try:
        yield group
    finally:
        (group / "freezer.state").write_text("THAWED")
        until = 1000
        while (group / "cgroup.procs").read_text() and until:
            until -= 1
            os.sched_yield()
        group.rmdir()


def name_of(pid: int) -> str:
    found = process(pid)
    return "" if found is None else found.name


async def freeze(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))
    (group / "freezer.state").write_text("FROZEN")
    await eventually(lambda: (group / "freezer.state").read_text().strip() == "FROZEN")


async def test_a_leader_that_can_not_be_killed_is_named_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "KILL_PATIENCE", 0.2)
    with freezer() as group:
        life, heard = life_of("sleep", "300")
        await life.start()
        pid = life.pid
        assert pid is not None
        await freeze(group, pid)

        exit = await ended(life)

        assert exit == Exit(How.UNKILLABLE, detail=f"pids {pid} (sleep)")
        assert {stream.value: count for stream, count in heard.ends().items()} == {"stdout": 1, "stderr": 1}
        (group / "freezer.state").write_text("THAWED")
        # It ends after all, and leaves no zombie.
        await eventually(lambda: not os.path.exists(f"/proc/{pid}"))


async def test_a_member_that_can_not_be_killed_is_named_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "KILL_PATIENCE", 0.2)
    with freezer() as group:
        life, heard = life_of(*shell("set -m; sleep 300 & echo $!; wait"))
        await life.start()
        member = int(await heard.wait_line())
        await eventually(lambda: name_of(member) == "sleep")
        await freeze(group, member)

        exit = await ended(life)

        assert exit == Exit(How.UNKILLABLE, detail=f"pids {member} (sleep)")
        (group / "freezer.state").write_text("THAWED")
        await eventually(lambda: not is_alive(member))


async def test_double_forked_grandchildren_of_the_session_are_swept() -> None:
    life, heard = life_of(*shell("(sleep 300 & echo $!) ; sleep 300"))
    await life.start()
    orphan = int(await heard.wait_line())
    assert life.pid is not None
    os.kill(life.pid, signal.SIGKILL)

    assert await wait_bounded(life) == Exit(How.SIGNALED, signal=9)
    assert not is_alive(orphan)


async def test_the_leader_of_a_wrapper_tree_takes_its_group_along(tmp_path: Path) -> None:
    life, heard = life_of(*shell(f"sh -c 'sleep 300 & echo $! > {tmp_path}/pid; wait' & wait"))
    await life.start()
    await eventually(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text().strip()))

    await ended(life)

    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert heard.said() == b""


async def test_the_end_of_a_life_ends_nobody_of_another_one_with_the_same_name() -> None:
    # As in two trees of one program.
    ends, _ = life_of(*shell("setsid sleep 300 & sleep 0.2"))
    await ends.start()
    kept, _ = life_of("sleep", "300")
    await kept.start()

    exit = await wait_bounded(ends)

    assert exit.clean
    assert kept.pid is not None
    assert is_alive(kept.pid)
    assert await ended(kept) == Exit(How.SIGNALED, signal=9)
