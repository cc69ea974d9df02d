"""The three probes of a life in the engine: who is asked when, how many at a time, and which answers are none."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.engine.test_supervisor import BAD, GOOD, child, run_for, started, tree
from trio_supervisor.core.notices import Judged, Notice, StatusTold
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.lanes import HEAVY, QUICK, SLOW, Lane
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.record import changed
from trio_supervisor.spec import Check, Exec, Health, Readiness, Startup, Tcp
from trio_supervisor.testing import Script, ScriptedWorld

TCP = Tcp("1")


def asked(world: ScriptedWorld, role: str) -> list[float]:
    return [at for at, _, what in world.events if what == f"asked for {role}"]


# Who is asked when


async def test_nothing_else_is_asked_until_the_startup_probe_has_succeeded(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a.startup": [BAD, BAD, GOOD, BAD], "a.readiness": [BAD, GOOD], "a.health": [GOOD]})
    spec = child("a", startup=Startup(TCP, period=1), readiness=Readiness(TCP), health=Health(TCP, period=2))

    supervisor = await run_for(tree(spec), world, 6)

    assert asked(world, "startup") == pytest.approx([0.1, 0.25, 0.475], abs=1e-6), "fast, and never again"
    assert asked(world, "readiness")[:2] == pytest.approx([0.575, 0.725], abs=1e-6)
    assert asked(world, "health") == pytest.approx([2.475, 4.475], abs=1e-6), "a period after its success"
    assert supervisor.children["a"].restarts == 0


async def test_a_startup_probe_that_never_succeeds_is_bounded_by_its_deadline(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [BAD]})
    spec = child("a", startup=Startup(TCP, deadline=7), readiness=Readiness(TCP), restart=Restart.TEMPORARY)

    supervisor = await run_for(tree(spec), world, 10)

    assert supervisor.children["a"].state is State.FAILED
    assert supervisor.children["a"].reason.startswith("not ready 7 s after its start; the last answer: refused")


async def test_the_first_question_can_be_delayed(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a.startup": [BAD, GOOD], "a.health": [GOOD]})
    spec = child("a", startup=Startup(TCP, initial_delay=3), health=Health(TCP, period=10, initial_delay=1))

    await run_for(tree(spec), world, 16)

    assert asked(world, "startup") == pytest.approx([3, 3.1], abs=1e-6)
    assert asked(world, "health") == pytest.approx([4.1, 14.1], abs=1e-6)


async def test_pauses_are_jittered_by_what_is_drawn_outside(autojump_clock: MockClock) -> None:
    draws: Iterator[float] = iter([0.0, 1.0, 0.5] + [0.5] * 50)
    world = ScriptedWorld(answers={"a.health": [GOOD]}, draw=lambda: next(draws))

    await run_for(tree(child("a", health=Health(TCP, period=10, jitter=0.2))), world, 31)

    assert asked(world, "health") == pytest.approx([8, 20, 30])


async def test_periods_of_less_than_a_second_are_kept(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a.health": [GOOD]})

    await run_for(tree(child("a", health=Health(TCP, period=0.05, timeout=0.05, jitter=0))), world, 1.01)

    assert len(asked(world, "health")) == 20


async def test_no_question_is_put_before_the_one_before_is_over(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a.health": [2.5]})

    await run_for(tree(child("a", health=Health(TCP, period=1, timeout=4, jitter=0))), world, 9)

    assert asked(world, "health") == pytest.approx([1, 3.5, 6, 8.5])


# What is told


async def test_edges_are_told_once_with_the_time_of_the_first_failure(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [BAD, BAD, GOOD, GOOD, BAD, GOOD]})
    supervisor = Supervisor(tree(child("a", health=Health(TCP, period=10))), world.world)
    told: list[tuple[float, str, float]] = []

    def listen(_: str, notice: Notice) -> None:
        if isinstance(notice, Judged):
            told.append((trio.current_time(), notice.judgement.value, notice.since))

    supervisor.listen(listen)
    async with supervisor.open():
        await trio.sleep(75)

    assert told == [
        (10, "suspect", 10),
        (30, "recovered", 10),
        (50, "suspect", 50),
        (60, "recovered", 50),
    ]


async def test_a_life_may_notify_and_is_given_more_time(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(stop_delay=25)]}, answers={"a": [BAD]})
    supervisor = Supervisor(tree(child("a", startup=Startup(TCP, deadline=10)), stop_deadline=100), world.world)
    statuses: list[str] = []
    supervisor.listen(lambda _, notice: statuses.append(notice.status) if isinstance(notice, StatusTold) else None)

    async with supervisor.open():
        await trio.sleep(5)
        life = supervisor.life("a")
        assert life is not None
        life.notified({"STATUS": "loading\x1b[31m\nmodel", "EXTEND_TIMEOUT_USEC": "20000000", "X_AGENT_Y": "1"})
        await trio.sleep(15)
        assert supervisor.children["a"].state is State.RUNNING, "20 s from the 5th on"

        supervisor.stop("enough")
        await trio.sleep(5)
        life.notified({"EXTEND_TIMEOUT_USEC": "30000000"})

    assert statuses == ["loading model"]
    assert not [what for _, _, what in world.events if what == "killed #1"], "it took 25 s of the 10 it had"


async def test_the_main_process_is_no_matter_of_the_child(autojump_clock: MockClock) -> None:
    world = ScriptedWorld()
    supervisor = Supervisor(tree(child("a")), world.world)
    async with supervisor.open():
        await trio.sleep(1)
        life = supervisor.life("a")
        assert life is not None
        for _ in range(2):
            life.notified({"MAINPID": "7"})

    (said,) = [chunk for _, _, chunk in world.output if b"MAINPID" in chunk]
    assert said == b"MAINPID=7 is ignored: its main process is the one that was started\n"


# Time in which nobody ran


async def test_all_timers_due_at_once_after_a_suspend_are_not_as_many_failures(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld(answers={f"a{n}": [GOOD, BAD, GOOD] for n in range(50)})
    spec = tree(*(child(f"a{n}", health=Health(TCP, period=10, failures=1, jitter=0)) for n in range(50)))

    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(15)
        mock_clock.jump(3600)  # the network is not there yet when the machine wakes up: each first answer is bad
        await trio.sleep(25)
        assert {each.state for each in supervisor.children.values()} == {State.READY}
        assert {each.restarts for each in supervisor.children.values()} == {0}

    assert all(len(started(world, f"a{n}")) == 1 for n in range(50))


async def test_a_failure_after_the_void_one_counts(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld(answers={"a": [GOOD, BAD]})
    spec = tree(child("a", health=Health(TCP, period=10, failures=1, jitter=0), restart=Restart.TEMPORARY))

    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(15)
        mock_clock.jump(3600)
        await trio.sleep(1)
        assert supervisor.children["a"].state is State.READY
        await trio.sleep(10)
        assert supervisor.children["a"].state is State.FAILED


# How many at a time


class Crowd:
    """Probes that take their time; counts who is under way."""

    def __init__(self, seconds: float, hung: int = 0, *, heavy: bool = False) -> None:
        self.seconds = seconds
        self.hung = hung
        self.heavy = heavy
        self.under_way: Counter[str] = Counter()
        self.most = 0
        self.answered: Counter[str] = Counter()
        self.at: list[tuple[float, str]] = []

    @asynccontextmanager
    async def open(self, check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        async def ask() -> Answer:
            assert not self.under_way[target.child], "one at a time"
            self.under_way[target.child] += 1
            self.most = max(self.most, self.under_way.total())
            try:
                await trio.sleep(1000 if int(target.child.removeprefix("a")) < self.hung else self.seconds)
            finally:
                self.under_way[target.child] -= 1
            self.answered[target.child] += 1
            self.at.append((trio.current_time(), target.child))
            return GOOD

        yield OpenProbe(ask, heavy=self.heavy)


async def probe_crowd(crowd: Crowd, agents: int, seconds: float, health: Health) -> Supervisor:
    world = changed(ScriptedWorld().world, probe=crowd.open)
    spec = tree(*(child(f"a{n}", health=health) for n in range(agents)), max_parallel_starts=agents)
    supervisor = Supervisor(spec, world)
    async with supervisor.open():
        await trio.sleep(seconds)
    return supervisor


async def test_a_thousand_agents_are_asked_each_second_a_lane_at_a_time(autojump_clock: MockClock) -> None:
    crowd = Crowd(0.01)

    await probe_crowd(crowd, 1000, 5.5, Health(TCP, period=1, timeout=5, jitter=0))

    assert crowd.most == QUICK
    assert set(crowd.answered.values()) == {5}, "nobody is left out, and nobody is asked twice"
    assert crowd.answered.total() == 5000


async def test_first_come_first_served(autojump_clock: MockClock) -> None:
    crowd = Crowd(0.01)

    await probe_crowd(crowd, 3 * QUICK, 1.5, Health(TCP, period=1, timeout=5, jitter=0))

    rounds = Counter(round((at - 1) / 0.01) for at, _ in crowd.at)
    assert rounds == {1: QUICK, 2: QUICK, 3: QUICK}


async def test_those_that_hang_make_nobody_else_wait(autojump_clock: MockClock) -> None:
    crowd = Crowd(0.01, hung=QUICK)
    health = Health(TCP, period=1, timeout=3, failures=1000, jitter=0)

    await probe_crowd(crowd, QUICK + 200, 60.5, health)

    quick = [count for name, count in crowd.answered.items()]
    assert len(quick) == 200
    assert min(quick) >= 56, "only the first round was shared with them"
    assert crowd.most <= QUICK + SLOW


async def test_who_waits_for_a_place_has_its_whole_time(autojump_clock: MockClock) -> None:
    crowd = Crowd(0.9)
    supervisor = await probe_crowd(crowd, 3 * QUICK, 10.5, Health(TCP, period=1, timeout=1, failures=1, jitter=0))

    assert {each.state for each in supervisor.children.values()} == {State.STOPPED}
    assert {each.restarts for each in supervisor.children.values()} == {0}


async def test_of_questions_that_start_a_process_there_are_few(autojump_clock: MockClock) -> None:
    crowd = Crowd(0.5, heavy=True)

    await probe_crowd(crowd, 100, 8, Health(Exec(("x",)), period=1, timeout=1, failures=1, jitter=0))

    assert crowd.most == HEAVY


async def test_a_place_is_given_back_whoever_is_cancelled() -> None:
    lane = Lane(2)

    async def hold(seconds: float) -> None:
        async with lane.place():
            await trio.sleep(seconds)

    for cancel_after in (0, 0.001, 0.005):
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(hold, 1)
            with trio.move_on_after(cancel_after):
                await trio.sleep_forever()
            nursery.cancel_scope.cancel()
        assert lane.taken == 0
    assert lane.most == 2


async def test_an_answer_that_says_busy_makes_the_child_busy_until_another_one_does_not(
    autojump_clock: MockClock,
) -> None:
    """As AgentCore's HealthyBusy: healthy, and hands off (no idle limit runs)."""
    busy, idle = Answer(True, "HealthyBusy", busy=True), Answer(True, "Healthy", busy=False)
    world = ScriptedWorld(answers={"a.health": [busy, busy, idle]})
    supervisor = Supervisor(tree(child("a", health=Health(TCP, period=1, jitter=0))), world.world)
    seen: list[bool] = []
    async with supervisor.open():
        for _ in range(4):
            await trio.sleep(1.1 if not seen else 1)
            life = supervisor.life("a")
            assert life is not None
            seen.append(life.busy)

    assert seen == [True, True, False, False]
    assert supervisor.children["a"].restarts == 0
