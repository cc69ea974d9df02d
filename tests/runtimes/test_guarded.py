"""The supervisor's side of the guardian: births, losses, replacement, the end; with real guardians."""

import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.runtimes.contract import live, start_cancelled_at, wait_bounded
from tests.runtimes.process_helpers import (
    descriptors,
    ended,
    eventually,
    is_alive,
    life_of,
    python,
    run,
    shell,
)
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import StartError
from trio_supervisor.guardian.launch import Guard, launch
from trio_supervisor.runtimes.process import guarded
from trio_supervisor.runtimes.process.births import begin, kill_lost
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.guarded import MOST_LOSSES, GuardedSpawner
from trio_supervisor.runtimes.process.guarding import open_guarded
from trio_supervisor.runtimes.process.local import LocalSpawner
from trio_supervisor.runtimes.process.outbox import Outbox
from trio_supervisor.runtimes.process.spawner import GuardianLostError
from trio_supervisor.spec import Window
from trio_supervisor.system import lineage, wire
from trio_supervisor.system.birth import IGNORABLE, Plan
from trio_supervisor.system.procfs import processes


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[GuardedSpawner, list[str]]]:
    """A guardian that runs, and what was told of it."""
    told: list[str] = []
    async with open_guarded(Guard(told.append)) as spawner:
        await run("true")
        yield spawner, told


def pid_of(spawner: GuardedSpawner) -> int:
    assert spawner.pid is not None
    return spawner.pid


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing, like one that waits for a processor."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def no_room() -> Iterator[None]:
    """Let this process open no more descriptors."""
    free = os.open(os.devnull, os.O_RDONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    os.close(free)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def lose(spawner: GuardedSpawner) -> None:
    """Kill the guardian, and return when that is noticed."""
    lost = pid_of(spawner)
    os.kill(lost, signal.SIGKILL)
    await eventually(lambda: spawner.pid != lost)


def without_cgroups(spawner: GuardedSpawner, told: list[str]) -> None:
    """As on a machine that lets us make none; else nothing can leave its tree."""
    spawner.cgroups.give_up("not in this test")
    told.clear()


def marked(instance: str) -> set[int]:
    """Who lives with the marker of a supervisor."""
    return {each.pid for each in lineage.carriers(processes(), instance)}


# The guardian is lost


async def test_a_guardian_that_is_killed_is_replaced_and_told_once() -> None:
    async with opened() as (spawner, told):
        lost = pid_of(spawner)

        os.kill(lost, signal.SIGKILL)
        await eventually(lambda: spawner.pid != lost)

        assert told == [f"the guardian (pid {lost}) has ended; pid {spawner.pid} has taken over"]
        assert (await run("true"))[0].clean
        await eventually(lambda: not os.path.exists(f"/proc/{lost}"))
    assert len(told) == 1


async def test_leaders_outlive_their_guardian_and_their_end_is_seen() -> None:
    async with opened() as (spawner, _):
        life, heard = life_of(*shell("echo ready; read nothing < /dev/zero; sleep 300"))
        killed, _ = life_of("sleep", "300")
        await life.start()
        await killed.start()
        await heard.wait_line()
        pid = life.pid
        assert pid is not None

        await lose(spawner)

        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        # Its parent is gone, and with that its status.
        assert (await wait_bounded(life)).how is How.EXITED
        await ended(killed)
        assert marked(spawner.instance) == set()


HEIR = """
import ctypes, os, signal, trio
from tests.runtimes.contract import wait_bounded
from tests.runtimes.process_helpers import eventually, life_of, shell
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process import orphans
from trio_supervisor.runtimes.process.guarding import open_guarded
from trio_supervisor.system.procfs import processes

def is_heir():
    answer = ctypes.c_int()
    ctypes.CDLL(None).prctl(37, ctypes.byref(answer), 0, 0, 0)  # PR_GET_CHILD_SUBREAPER
    return bool(answer.value)

def ours():
    return {each.pid for each in processes() if each.parent == os.getpid()}

async def main():
    async with open_guarded(Guard(lambda text: None, heir=True)) as spawner:
        life, heard = life_of(*shell("(read line < stray &); read line < gate; exit 7"))
        await life.start()
        await eventually(is_heir)
        pid, lost = life.pid, spawner.pid
        os.kill(lost, signal.SIGKILL)
        await eventually(lambda: spawner.pid != lost)
        await eventually(lambda: pid in ours() and len(ours()) == 3)
        # Nobody waits for the one that has left the tree.
        with open("stray", "w") as stray:
            print("go", file=stray, flush=True)
        await eventually(lambda: ours() == {pid, spawner.pid})
        with open("gate", "w") as gate:
            print("go", file=gate, flush=True)
        print((await wait_bounded(life)).code)

orphans.LEFT_LYING = 0.1
trio.run(main)
"""


async def test_the_heir_of_a_lost_guardian_knows_how_its_children_end_and_leaves_no_zombie(tmp_path: Path) -> None:
    for gate in ("gate", "stray"):
        os.mkfifo(tmp_path / gate)
    life, heard = life_of(*python(HEIR), env={"PYTHONPATH": ":".join(sys.path)}, cwd=str(tmp_path))

    exit = await live(life)

    assert exit.clean, heard.chunks
    assert heard.said() == b"7\n"


async def test_what_a_lost_guardian_had_told_before_is_not_lost() -> None:
    async with opened() as (spawner, _):
        life, _ = life_of(*shell("exit 7"))
        await life.start()
        guardian = pid_of(spawner)
        await eventually(lambda: not os.path.exists(f"/proc/{life.pid}"))
        with stopped(guardian):
            other, _ = life_of("sleep", "300")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.start)
                await wait_all_tasks_blocked()
                os.kill(guardian, signal.SIGKILL)

        assert await wait_bounded(life) == Exit(How.EXITED, code=7)
        await ended(other)


async def test_a_birth_under_way_when_the_guardian_dies_is_begun_again() -> None:
    async with opened() as (spawner, told):
        life, _ = life_of("sleep", "300")
        guardian = pid_of(spawner)
        with stopped(guardian):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.start)
                await wait_all_tasks_blocked()
                os.kill(guardian, signal.SIGKILL)

        assert len(told) == 1
        assert marked(spawner.instance) == {life.pid}
        await ended(life)


async def test_what_was_not_born_yet_when_the_guardian_died_does_not_live(tmp_path: Path) -> None:
    # Its birth stops on the way into its cgroup: at a pipe that nobody reads yet.
    gate = tmp_path / "cgroup.procs"
    os.mkfifo(gate)
    async with opened() as (spawner, _):
        guardian = pid_of(spawner)
        marker = lineage.token(spawner.instance, "agent", 1, 1)
        plan = Plan("/bin/sleep", ("sleep", "300"), {lineage.VARIABLE: marker}, join=(str(gate),), umask=0o22)
        newborn = begin(spawner, "agent", 1, plan)
        await eventually(lambda: any(each.parent == guardian for each in processes()))
        unborn = next(each.pid for each in processes() if each.parent == guardian)

        os.kill(guardian, signal.SIGKILL)
        with pytest.raises(GuardianLostError):
            await newborn.birth.wait()
        await kill_lost(marker, newborn.has_nobody)

        newborn.close()
        assert not is_alive(unborn)


@pytest.mark.parametrize("window", [None, Window()], ids=["pipes", "a terminal"])
async def test_what_has_not_loaded_its_program_yet_is_waited_for_and_killed(window: Window | None) -> None:
    marker = lineage.token(lineage.new_instance(), "agent", 1, 1)
    script = f"echo on the way; sleep 0.3; {lineage.VARIABLE}={marker} exec sleep 300"
    plan = Plan("/bin/sh", ("sh", "-c", script), {"PATH": os.environ["PATH"]}, terminal=window is not None)
    newborn = begin(LocalSpawner(), "agent", 1, plan, window=window)
    leader = await newborn.birth.wait()

    with trio.fail_after(10):
        await kill_lost(marker, newborn.has_nobody)
        await leader.wait()

    assert leader.take_exit(spare_group=False) == Exit(How.SIGNALED, signal=9)
    leader.close()
    newborn.close()


async def test_after_too_many_losses_there_is_no_guardian_and_processes_still_work() -> None:
    async with opened() as (spawner, told):
        life, _ = life_of("sleep", "300")
        await life.start()
        for _ in range(MOST_LOSSES + 1):
            await lose(spawner)

        assert spawner.pid is None
        assert told[-1] == f"the guardian has ended {MOST_LOSSES + 1} times: from now on there is none"
        assert len(told) == MOST_LOSSES + 1
        assert (await run(*shell("exit 3")))[0] == Exit(How.EXITED, code=3)
        await ended(life)


async def test_a_guardian_that_can_not_be_launched_now_is_launched_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    told: list[str] = []
    async with open_guarded(Guard(told.append)) as spawner:
        with monkeypatch.context() as patch:
            patch.setattr(guarded, "launch", refuse)
            with pytest.raises(StartError, match="out of processes"):
                await run("true")

        assert (await run("true"))[0].clean
        assert spawner.pid is not None
    assert told == []


async def test_where_no_guardian_can_run_that_is_told_and_processes_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    told: list[str] = []
    async with open_guarded(Guard(told.append)):
        assert (await run("true"))[0].clean
    assert "there is no Python interpreter" in told[0]
    assert "if this supervisor is killed, its agents live on" in told[0]
    assert [text.partition(":")[0] for text in told[1:]] in ([], ["no cgroups for the agents"])


async def test_what_could_not_be_killed_in_the_end_is_more_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def finish(spawner: GuardedSpawner) -> tuple[list[str], list[str]]:
        return [], ["containers (unix:///engine.sock: timed out)"]

    monkeypatch.setattr(GuardedSpawner, "finish", finish)
    told: list[str] = []
    async with open_guarded(Guard(told.append, not_killed=lambda: told.append("so it is"))):
        pass
    assert told == ["could not be killed: containers (unix:///engine.sock: timed out)", "so it is"]


# Much at a time


async def test_an_environment_of_more_than_200_kb_is_handed_over() -> None:
    async with opened():
        life, heard = life_of(*shell("env | wc -c"), env={f"BIG_{n}": "x" * 100_000 for n in range(4)})

        assert (await live(life)).clean
        assert int(heard.said()) > 400_000


@pytest.mark.slow
async def test_hundreds_of_births_wait_for_a_guardian_that_is_stopped() -> None:
    async with opened() as (spawner, told):
        before = descriptors()
        said: dict[int, bytes] = {}

        async def one(number: int) -> None:
            said[number] = (await run("echo", str(number)))[1].said()

        async with trio.open_nursery() as nursery:
            with stopped(pid_of(spawner)):
                for number in range(300):
                    nursery.start_soon(one, number)
                await wait_all_tasks_blocked(0.1)
                assert said == {}

        assert said == {number: f"{number}\n".encode() for number in range(300)}
        assert descriptors() == before
        assert told == []


async def test_births_that_wait_when_the_guardian_dies_are_begun_again_and_keep_no_descriptors() -> None:
    async with opened() as (spawner, _):
        before = descriptors()
        exits: list[Exit] = []

        async def one() -> None:
            exits.append((await run("true"))[0])

        guardian = pid_of(spawner)
        with stopped(guardian):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(one)
                await wait_all_tasks_blocked(0.1)
                os.kill(guardian, signal.SIGKILL)

        assert exits == [Exit(How.EXITED, code=0)] * 100
        assert len(descriptors()) == len(before)


async def test_what_has_no_room_is_sent_later_and_in_order() -> None:
    ours, theirs = wire.pair()
    ours.setblocking(False)
    before = descriptors()
    outbox = Outbox(ours)

    for number in range(2000):
        outbox.send(("forget", number), (0,) if number % 100 == 0 else ())
    waiting = len(descriptors() - before)
    received = []
    for _ in range(2000):
        await trio.lowlevel.wait_readable(theirs)
        message, fds = wire.receive(theirs) or ((), [])
        received.append(message)
        for fd in fds:
            os.close(fd)

    assert received == [("forget", number) for number in range(2000)]
    assert waiting > 0
    await eventually(lambda: descriptors() == before)
    ours.close()
    theirs.close()


IN_FLIGHT = """
import os, resource, sys, trio
from trio_supervisor.runtimes.process.outbox import Outbox
from trio_supervisor.system import wire

async def main():
    ours, theirs = wire.pair()
    ours.setblocking(False)
    outbox = Outbox(ours)
    for number in range(60):
        outbox.send(("x", number), (0, 1, 2))
        if number == 20:
            resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    numbers = []
    with trio.fail_after(30):
        while len(numbers) < 60:
            await trio.lowlevel.wait_readable(theirs)
            message, fds = wire.receive(theirs)
            numbers.append(message[1])
            list(map(os.close, fds))
    print(numbers == list(range(60)))

resource.setrlimit(resource.RLIMIT_NOFILE, (40, 400))
os.setgroups([]); os.setgid(54321); os.setuid(54321)
trio.run(main)
"""


async def test_too_many_descriptors_under_way_are_sent_later() -> None:
    life, heard = life_of(*python(IN_FLIGHT), env={"PYTHONPATH": ":".join(sys.path)})

    exit = await live(life)

    assert exit.clean, heard.chunks
    assert heard.said() == b"True\n"


# No room for descriptors


async def test_a_birth_whose_answer_finds_no_room_for_its_descriptor_has_failed_and_nothing_lives() -> None:
    async with opened() as (spawner, _):
        life, _ = life_of("sleep", "300")
        caught: list[str] = []

        async def start() -> None:
            with pytest.raises(StartError) as error:
                await life.start()
            caught.append(str(error.value))

        before = descriptors()
        async with trio.open_nursery() as nursery:
            with stopped(pid_of(spawner)):
                nursery.start_soon(start)
                await wait_all_tasks_blocked()
            with no_room():
                await eventually(lambda: bool(caught))

        assert "out of file descriptors" in caught[0]
        await eventually(lambda: marked(spawner.instance) == set())
        assert descriptors() == before
        assert (await run("true"))[0].clean


async def test_an_end_that_comes_when_there_are_no_descriptors_is_told_when_there_are() -> None:
    async with opened() as (spawner, told):
        without_cgroups(spawner, told)
        # It holds the pipes open: no descriptor becomes free by the end of the leader.
        life, heard = life_of(*shell("setsid sh -c 'echo $$; exec sleep 300' & wait"))
        await life.start()
        escaped = int(await heard.wait_line())
        over = trio.Event()

        async def wait() -> None:
            await life.wait()
            over.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            with no_room():
                assert life.pid is not None
                os.kill(life.pid, signal.SIGKILL)
                await trio.sleep(0.3)
                assert not over.is_set()

        assert not is_alive(escaped)


# A start that is cancelled, or killed, in the middle


async def test_a_start_that_is_cancelled_at_any_step_loses_nothing() -> None:
    async with opened() as (spawner, _):
        step, fired = 0, True
        while fired:
            step += 1
            fired = await start_cancelled_at(step, life_of("sleep", "300")[0])
            assert marked(spawner.instance) == set()

        assert step >= 2


@pytest.mark.parametrize("lost", [False, True], ids=["which goes on", "which dies"])
async def test_a_start_that_is_cancelled_while_the_guardian_is_stopped_loses_nothing(lost: bool) -> None:
    async with opened() as (spawner, _):
        life, _ = life_of("sleep", "300")
        guardian = pid_of(spawner)
        with stopped(guardian):
            with trio.move_on_after(0.1) as scope:
                await life.start()
            assert scope.cancelled_caught
            if lost:
                os.kill(guardian, signal.SIGKILL)

        life.kill()

        assert (await wait_bounded(life)).how in (How.CANCELLED, How.SIGNALED)
        assert marked(spawner.instance) == set()


async def test_a_life_that_is_killed_in_the_middle_of_its_birth_does_not_live() -> None:
    async with opened() as (spawner, _):
        life, _ = life_of("sleep", "300")
        async with trio.open_nursery() as nursery:
            with stopped(pid_of(spawner)):
                nursery.start_soon(life.start)
                await wait_all_tasks_blocked()
                life.kill()

        assert await wait_bounded(life) == Exit(How.SIGNALED, signal=9)


# The end

# It ends when the other one has another environment: before, that one could be found by it.
ESCAPE = """
import os, resource
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        if UNTAGGED:
            resource.setrlimit(resource.RLIMIT_RTTIME, (-1, -1))
        os.execve("/bin/sleep", ["sleep", "300"], {})
    os._exit(0)
os.close(writing)
os.read(reading, 1)
os.wait()
"""


async def test_what_has_left_all_trees_is_killed_at_the_end_and_named() -> None:
    async with opened() as (spawner, told):
        without_cgroups(spawner, told)
        assert (await run(*python("UNTAGGED = True" + ESCAPE)))[0].clean
        guardian = pid_of(spawner)

        def found() -> list[int]:
            return [each.pid for each in processes() if each.parent == guardian and each.name == "sleep"]

        await eventually(lambda: bool(found()))
        (escaped,) = found()
    assert told == [f"killed what had left all trees: {escaped} (sleep)"]
    assert not is_alive(escaped)


async def test_what_has_left_its_session_and_its_environment_is_found_by_its_tag() -> None:
    async with opened() as (spawner, told):
        without_cgroups(spawner, told)
        life, heard = life_of(*python("UNTAGGED = False" + ESCAPE + "print('out', flush=True)"))

        assert (await live(life)).clean

        assert heard.said() == b"out\n"
        assert [each for each in processes() if each.parent == pid_of(spawner) and each.name == "sleep"] == []
    assert told == []


async def test_a_guardian_that_is_stopped_still_kills_what_is_left() -> None:
    async with opened() as (spawner, told):
        without_cgroups(spawner, told)
        assert (await run(*python("UNTAGGED = True" + ESCAPE)))[0].clean
        guardian = pid_of(spawner)
        os.kill(guardian, signal.SIGSTOP)
    assert told[0].startswith("killed what had left all trees")
    assert not os.path.exists(f"/proc/{guardian}")


async def test_a_guardian_that_is_killed_at_the_end_leaves_nothing_either() -> None:
    async with opened() as (spawner, _):
        life, heard = life_of(*shell("setsid sh -c 'echo $$; exec sleep 300' & wait"))
        await life.start()
        escaped = int(await heard.wait_line())
        os.kill(pid_of(spawner), signal.SIGKILL)
    assert not is_alive(escaped)
    await ended(life)


async def test_all_blocks_of_a_run_share_a_guardian_that_ends_with_the_last() -> None:
    before = descriptors()
    async with opened() as (outer, _):
        guardian = pid_of(outer)
        async with opened() as (inner, _):
            assert inner is outer
        assert is_alive(guardian)
        assert (await run("true"))[0].clean
    assert not os.path.exists(f"/proc/{guardian}")
    assert isinstance(current_spawner(), LocalSpawner)
    # The reactor, which lasts as long as the run, has two.
    assert len(descriptors() - before) <= 2


def test_runs_that_follow_each_other_have_guardians_of_their_own_and_leave_nothing() -> None:
    async def one() -> int:
        async with opened() as (spawner, told):
            guardian = pid_of(spawner)
        assert told == []
        return guardian

    before = descriptors()

    guardians = [trio.run(one) for _ in range(3)]

    assert len(set(guardians)) == 3
    assert not any(os.path.exists(f"/proc/{guardian}") for guardian in guardians)
    assert descriptors() == before


# The guardian itself


def switches(pid: int) -> int:
    """How often a process has gone to sleep."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary"))


async def test_the_guardian_ignores_all_signals_that_can_be_ignored() -> None:
    async with opened() as (spawner, told):
        guardian = pid_of(spawner)
        for number in IGNORABLE:
            os.kill(guardian, number)

        assert (await run(*shell("exit 3")))[0] == Exit(How.EXITED, code=3)
        assert spawner.pid == guardian
        assert told == []


async def test_the_guardian_is_small_and_sleeps_while_nothing_happens() -> None:
    async with opened() as (spawner, _):
        life, _ = life_of("sleep", "300")
        await life.start()
        for _ in range(20):
            await run("true")
        guardian = pid_of(spawner)
        await trio.sleep(0.2)

        before = switches(guardian)
        await trio.sleep(1)
        after = switches(guardian)
        memory = Path(f"/proc/{guardian}/smaps_rollup").read_text()
        pss_kib = next(int(line.split()[1]) for line in memory.splitlines() if line.startswith("Pss:"))
        await ended(life)

        assert after == before
        assert pss_kib < 12 * 1024


async def test_the_guardian_has_no_descriptors_of_its_children() -> None:
    async with opened() as (spawner, _):
        before = descriptors(pid_of(spawner))
        lives = [life_of("sleep", "300")[0] for _ in range(10)]
        for life in lives:
            await life.start()

        await eventually(lambda: descriptors(pid_of(spawner)) == before)

        for life in lives:
            await ended(life)


def test_a_guardian_without_supervisor_ends_within_moments() -> None:
    launched = launch()
    launched.link.close()

    until = trio.run(_wait_for_end, launched.pidfd)

    assert until
    os.waitpid(launched.pid, 0)
    os.close(launched.pidfd)


async def _wait_for_end(pidfd: int) -> bool:
    with trio.move_on_after(10) as limit:
        await trio.lowlevel.wait_readable(pidfd)
    return not limit.cancelled_caught


KILLED = """
import os, signal, sys, trio
from tests.runtimes.process_helpers import life_of, shell
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process.guarding import open_guarded

async def main():
    async with open_guarded(Guard(print)) as spawner:
        life, heard = life_of(*shell("trap '' TERM; setsid sleep 300 & echo $!; sleep 300"))
        await life.start()
        print(spawner.pid, life.pid, await heard.wait_line(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


async def test_when_the_supervisor_is_killed_its_guardian_leaves_nothing() -> None:
    life, heard = life_of(*python(KILLED), env={"PYTHONPATH": ":".join(sys.path)})
    await life.start()
    everybody = [int(pid) for pid in (await heard.wait_line()).split()]

    await eventually(lambda: not any(map(is_alive, everybody)), within=20)

    assert len(everybody) == 3
    assert await wait_bounded(life) == Exit(How.SIGNALED, signal=9)
