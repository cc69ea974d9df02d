"""The ceilings of a life: what the kernel does not hold is measured, warned of, and acted on."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.runtimes.cgroup_helpers import a_slice, born
from tests.runtimes.process_helpers import is_alive, kill, python, shell
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.runtimes.process import sampling
from trio_supervisor.runtimes.process.sampling import FIRST, PERIOD, Ceilings, Sample, not_held
from trio_supervisor.spec import Limits
from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.cgroup_slice import Slice
from trio_supervisor.system.procfs import Process, processes

MIB = 2**20
KILLED = Exit(How.SIGNALED, signal=9)
LEADER = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=1)
worker.wait()
input()
"""
"""A leader with a worker that runs what the argument says, and that it outlives."""


def allocating(size: int) -> str:
    return f"x = b'x' * {size}; print(flush=True); import time; time.sleep(300)"


class Heard:
    """A life's ceilings, and what came of them."""

    def __init__(self, limits: Limits, cgroup: Cgroup | None = None, leader: int = 0) -> None:
        self.said: list[str] = []
        self.soft: list[str] = []
        self.kills: list[str] = []
        self.looks = 0
        self.something = trio.Event()
        self._leader = leader
        self.ceilings = Ceilings(limits, cgroup, self.members, self.said.append, self._reached, self._kill)

    async def members(self) -> list[Process]:
        self.looks += 1
        await trio.lowlevel.checkpoint()
        return [one for one in processes() if self._leader and one.session == self._leader]

    def _reached(self, reason: str) -> None:
        self.soft.append(reason)
        self.something.set()

    def _kill(self, reason: str) -> None:
        self.kills.append(reason)
        if self._leader:
            os.killpg(self._leader, signal.SIGKILL)
        self.something.set()


@contextmanager
def session(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that leads its session; in the end it is killed with its session, and all of that is gone."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()
            for member in processes():
                if member.session == process.pid:
                    kill(member.pid)


def wait_line(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline()


async def watched(heard: Heard) -> None:
    """Watch until something is done, at most 20 s."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heard.ceilings.watch)
            await heard.something.wait()
            nursery.cancel_scope.cancel()


class TestWithoutCgroup:
    async def test_of_a_kill_by_nobody_it_is_told_what_the_kernel_did_on_the_machine(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sampling, "kills_since", lambda _before: 2)
        ceilings = Heard(Limits()).ceilings

        exit = ceilings.judge(KILLED, killed_by_us=False)

        assert exit.detail == "the kernel has killed 2 for want of memory on this machine meanwhile"
        assert ceilings.judge(KILLED, killed_by_us=True) == KILLED
        assert ceilings.judge(Exit(How.SIGNALED, signal=11), killed_by_us=False).detail == ""

    async def test_a_tree_over_its_memory_is_killed_and_that_is_out_of_memory(self) -> None:
        with session(*python(LEADER, allocating(100 * MIB))) as process:
            wait_line(process)
            heard = Heard(Limits(memory=64 * MIB), leader=process.pid)

            await watched(heard)

            assert process.wait(10) == -9
            exit = heard.ceilings.judge(KILLED, killed_by_us=True)
            assert exit.how is How.OUT_OF_MEMORY
            assert str(exit).endswith(" of 64 MiB (sampled)")
            assert heard.kills == [str(exit)]
            assert heard.said == [f"{exit}; killing it"]

    async def test_a_tree_over_its_soft_ceiling_is_asked_to_be_restarted_and_lives_on(self) -> None:
        with session(*python(LEADER, allocating(100 * MIB))) as process:
            wait_line(process)
            heard = Heard(Limits(memory_soft=64 * MIB, memory=2**40), leader=process.pid)

            await watched(heard)

            assert is_alive(process.pid)
            assert len(heard.soft) == 1
            assert heard.soft[0].startswith("memory_soft: ")
            assert heard.soft[0].endswith(" of 64 MiB")
            assert heard.kills == []

    async def test_a_tree_with_too_many_processes_is_killed(self) -> None:
        with session(*shell("for i in 1 2 3 4 5 6; do sleep 300 & done; echo; wait")) as process:
            wait_line(process)
            heard = Heard(Limits(pids=5), leader=process.pid)

            await watched(heard)

            assert process.wait(10) == -9
            exit = heard.ceilings.judge(KILLED, killed_by_us=True)
            assert exit.how is How.KILLED
            assert str(exit) == "killed: 7 processes and threads, 5 are allowed (sampled)"

    async def test_threads_count_as_the_kernel_counts_them(self) -> None:
        code = (
            "import threading, time\n"
            "for _ in range(6): threading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n"
            "print(flush=True); time.sleep(300)"
        )
        with session(*python(code)) as process:
            wait_line(process)
            heard = Heard(Limits(pids=6), leader=process.pid)

            await watched(heard)

            assert "7 processes and threads" in heard.kills[0]


class TestWithCgroup:
    async def test_where_one_process_of_several_was_killed_the_rest_follows(self) -> None:
        with a_slice("memory") as cgroups:
            limits = Limits(memory=64 * MIB)
            cgroup = cgroups.make("agent", 1, memory=limits.memory)
            assert cgroup is not None
            heard = Heard(limits, cgroup)
            command = ("sh", "-c", 'sleep 300 | exec "$@"', "sh", *python(LEADER, "x = b'x' * (200 << 20)"))
            with born(cgroup, *command):
                await watched(heard)

            assert heard.kills == ["out of memory: memory limit 64 MiB"]
            assert heard.looks == 0

    async def test_a_kill_by_the_kernel_between_two_samples_is_named_too(self) -> None:
        with a_slice("memory") as cgroups:
            limits = Limits(memory=64 * MIB)
            cgroup = cgroups.make("agent", 1, memory=limits.memory)
            assert cgroup is not None
            heard = Heard(limits, cgroup)
            with born(cgroup, *python("x = b'x' * (200 << 20)")) as process:
                code = process.wait(30)

                exit = heard.ceilings.judge(Exit(How.SIGNALED, signal=-code), killed_by_us=False)

            assert str(exit) == "out of memory: memory limit 64 MiB"

    async def test_the_soft_ceiling_is_measured_in_the_cgroup(self) -> None:
        with a_slice("memory") as cgroups:
            cgroup = cgroups.make("agent", 1, counted=True)
            assert cgroup is not None
            heard = Heard(Limits(memory_soft=64 * MIB), cgroup)
            with born(cgroup, *python(allocating(100 * MIB))) as process:
                wait_line(process)

                await watched(heard)

            assert len(heard.soft) == 1
            assert heard.looks == 0

    async def test_a_ceiling_of_processes_costs_no_sample_and_refusals_are_told_at_the_end(self) -> None:
        with a_slice("pids") as cgroups:
            cgroup = cgroups.make("agent", 1, pids=2)
            assert cgroup is not None
            heard = Heard(Limits(pids=2), cgroup)
            code = "import os\nfor _ in range(3):\n try: os.fork() or os._exit(0)\n except BlockingIOError: pass"
            with born(cgroup, *python(code)) as process:
                process.wait(30)
                await heard.ceilings.watch()  # returns at once

                exit = heard.ceilings.judge(Exit(How.EXITED, code=0), killed_by_us=False)

            assert exit == Exit(How.EXITED, code=0)
            assert not heard.ceilings.needed
            assert heard.said == ["limits: pids: a process or thread was refused 2 times: 2 at most"]


class TestWeigh:
    def test_a_warning_comes_once_at_nine_tenths(self) -> None:
        heard = Heard(Limits(memory=100 * MIB))

        for amount in (80, 89, 91, 95, 80, 99, 100):
            heard.ceilings.weigh(Sample(amount * MIB))

        assert heard.said == ["memory: 91 MiB of 100 MiB; over that it is killed"]
        assert heard.kills == []

    def test_a_restart_is_asked_for_once(self) -> None:
        heard = Heard(Limits(memory_soft=50 * MIB))

        for amount in (50, 51, 90):
            heard.ceilings.weigh(Sample(amount * MIB))

        assert heard.soft == ["memory_soft: 51 MiB of 50 MiB"]

    def test_what_the_kernel_holds_is_warned_of_but_not_killed(self) -> None:
        heard = Heard(Limits(memory=100 * MIB), Cgroup(memory="/nowhere"))

        heard.ceilings.weigh(Sample(101 * MIB))

        assert len(heard.said) == 1
        assert heard.kills == []

    def test_nothing_is_known_of_what_could_not_be_measured(self) -> None:
        heard = Heard(Limits(memory=1, memory_soft=None, pids=1))

        heard.ceilings.weigh(Sample())

        assert (heard.said, heard.soft, heard.kills) == ([], [], [])

    def test_what_ended_otherwise_than_by_the_kill_keeps_its_exit(self) -> None:
        heard = Heard(Limits(memory=10))
        heard.ceilings.weigh(Sample(11))

        assert heard.ceilings.judge(Exit(How.EXITED, code=0), killed_by_us=True) == Exit(How.EXITED, code=0)
        left = Exit(How.UNKILLABLE, detail="pids 3")
        assert heard.ceilings.judge(left, killed_by_us=True) == left


class TestTimes:
    async def test_the_first_sample_comes_soon_and_the_next_ones_in_periods(self, autojump_clock: MockClock) -> None:
        heard = Heard(Limits(pids=10))

        with trio.move_on_after(FIRST + 10 * PERIOD + PERIOD / 2):
            await heard.ceilings.watch()

        assert heard.looks == 11

    @pytest.mark.parametrize("limits", [Limits(), Limits(rlimits={"nofile": 100})])
    async def test_without_ceilings_there_is_nothing_to_watch(self, limits: Limits) -> None:
        heard = Heard(limits)

        with trio.fail_after(5):
            await heard.ceilings.watch()

        assert not heard.ceilings.needed
        assert heard.looks == 0


class TestWhatIsToldOfCeilings:
    def test_where_there_is_no_controller_people_are_told_why(self) -> None:
        none = Slice("x", {})
        none.prepare()

        text = not_held(Limits(memory=1, pids=2), none)

        assert text.startswith("limits: memory, pids: sampled every 2 s, not held by the kernel: no cgroup controller")

    @pytest.mark.parametrize("limits", [Limits(), Limits(memory_soft=5), Limits(rlimits={"nofile": 10})])
    def test_what_asks_for_no_hard_ceiling_is_not_told_anything(self, limits: Limits) -> None:
        none = Slice("x", {})
        none.prepare()

        assert not_held(limits, none) == ""

    def test_what_the_kernel_holds_needs_no_words(self) -> None:
        with a_slice("memory", "pids") as cgroups:
            assert not_held(Limits(memory=2**30, pids=10), cgroups) == ""

    def test_a_system_without_proc_can_not_even_sample(self, monkeypatch: pytest.MonkeyPatch) -> None:
        none = Slice("x", {})
        none.prepare()
        monkeypatch.setattr("sys.platform", "darwin")

        assert not_held(Limits(memory=1), none) == "limits: memory: not held on this system, and not sampled"
