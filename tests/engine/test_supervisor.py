"""A supervisor with scripted children, in virtual time."""

import math

import pytest
import trio
from trio.testing import MockClock

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.policy import Backoff, Condition, Intensity, Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.probes.base import Answer
from trio_supervisor.spec import ChildSpec, Health, ProcessSpec, Readiness, SignalStep, SupervisorSpec, Tcp
from trio_supervisor.testing import Script, ScriptedLife, ScriptedWorld

GOOD = Answer(True, "fine")
BAD = Answer(False, "refused")


def child(name: str, **options: object) -> ChildSpec:
    return ChildSpec(id=name, run=ProcessSpec(command=(name,)), **options)  # type: ignore[arg-type]


def tree(*children: ChildSpec, **options: object) -> SupervisorSpec:
    return SupervisorSpec(children=children, **options)  # type: ignore[arg-type]


def started(world: ScriptedWorld, name: str) -> list[float]:
    return [at for at, who, what in world.events if who == name and what.startswith("started")]


def states(supervisor: Supervisor) -> dict[str, State]:
    return {name: record.state for name, record in supervisor.children.items()}


async def run_for(spec: SupervisorSpec, world: ScriptedWorld, seconds: float) -> Supervisor:
    supervisor = Supervisor(spec, world.world)
    async with supervisor.open():
        await trio.sleep(seconds)
    return supervisor


async def test_a_crashing_child_is_restarted_at_once_and_then_with_growing_delays(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=1)]})

    await run_for(tree(child("a")), world, 10)

    # 1 s of life each; delays 0, 0.5, 1, 2; the clock begins at 0
    assert started(world, "a") == [0, 1, 2.5, 4.5, 7.5]


async def test_the_jitter_is_drawn_outside_the_core(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=1)]}, draw=lambda: 0.0)

    await run_for(tree(child("a")), world, 3)

    assert started(world, "a") == [0, 1, 2.4]


async def test_at_the_limit_only_the_offender_is_held(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=0.1)]})
    spec = tree(child("a"), child("b"), intensity=Intensity(2, 60))
    supervisor = Supervisor(spec, world.world)

    async with supervisor.open():
        await trio.sleep(50)
        assert states(supervisor) == {"a": State.HELD, "b": State.READY}
        assert "restart limit" in supervisor.children["a"].reason

    assert len(started(world, "a")) == 3
    assert len(started(world, "b")) == 1


async def test_dependents_start_when_the_dependency_is_ready_and_stop_before_it(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"db": [Script(ready_after=3)], "api": [Script(stop_delay=2)]})
    spec = tree(child("api", depends_on={"db": Condition.READY}), child("db"))

    await run_for(spec, world, 10)

    assert world.events == [
        (0, "db", "started #1"),
        (3, "api", "started #1"),
        (10, "api", "asked to end by SIGTERM #1"),
        (12, "api", "ended (exit code 0) #1"),
        (12, "db", "asked to end by SIGTERM #1"),
        (12, "db", "ended (exit code 0) #1"),
        (12, "api", "closed"),
        (12, "db", "closed"),
    ]


async def test_a_child_that_ignores_the_stop_is_killed_after_its_grace(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(stop_delay=math.inf)]})

    await run_for(tree(child("a", stop=(SignalStep(wait=4),))), world, 1)

    assert [(at, what) for at, _, what in world.events][1:4] == [
        (1, "asked to end by SIGTERM #1"),
        (5, "killed #1"),
        (5, "ended (signal SIGKILL) #1"),
    ]


async def test_nobody_is_killed_who_has_ended(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    monkeypatch.setattr(ScriptedLife, "kill", lambda life: killed.append(str(life)))
    world = ScriptedWorld({"a": [Script(lifetime=1)]})

    await run_for(tree(child("a", restart=Restart.TEMPORARY), child("b")), world, 3)

    assert not killed, "each costs some system calls, in the end of a thousand"


async def test_children_stop_in_parallel_when_nothing_orders_them(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({name: [Script(stop_delay=3)] for name in "abc"})

    await run_for(tree(*map(child, "abc")), world, 1)

    assert [at for at, _, what in world.events if what.startswith("ended")] == [4, 4, 4]


async def test_the_stop_deadline_cuts_every_grace(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({name: [Script(stop_delay=math.inf)] for name in ("a", "b")})
    spec = tree(child("a"), child("b", depends_on={"a": Condition.STARTED}), stop_deadline=6)

    await run_for(spec, world, 1)

    assert [at for at, _, what in world.events if what.startswith("killed")] == [7, 7]


async def test_hurry_cuts_a_stop_that_is_under_way(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(stop_delay=math.inf)]})
    supervisor = Supervisor(tree(child("a")), world.world)

    async with supervisor.open():
        supervisor.stop("SIGINT")
        await trio.sleep(2)
        supervisor.hurry("SIGINT again")

    assert (2, "a", "killed #1") in world.events


async def test_a_child_that_is_never_ready_fails_its_start_at_the_deadline(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [BAD]})
    spec = tree(child("a", readiness=Readiness(Tcp("1"), deadline=20), restart=Restart.TEMPORARY))
    supervisor = Supervisor(spec, world.world)

    async with supervisor.open():
        await supervisor.wait()
        assert trio.current_time() == 20
        assert supervisor.children["a"].state is State.FAILED
        assert supervisor.children["a"].reason.startswith("not ready 20 s after its start")


async def test_readiness_is_asked_fast_at_first_and_then_at_its_period(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [BAD] * 4 + [GOOD]})

    await run_for(tree(child("a", readiness=Readiness(Tcp("1"), period=1))), world, 5)

    asked = [at for at, _, what in world.events if what == "asked"]
    # 0.1, then x1.5: 0.15, 0.225, 0.3375, 0.50625; then every second
    assert asked == pytest.approx([0.1, 0.25, 0.475, 0.8125, 1.31875, 2.31875, 3.31875, 4.31875])


async def test_readiness_ends_at_once_when_the_child_exits(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=2, exit=Exit(How.EXITED, code=7))]}, answers={"a": [BAD]})
    spec = tree(child("a", readiness=Readiness(Tcp("1"), deadline=60), restart=Restart.TEMPORARY))
    supervisor = Supervisor(spec, world.world)

    async with supervisor.open():
        await supervisor.wait()

    assert trio.current_time() == 2


async def test_three_failed_probes_restart_the_child_and_count_as_one_restart(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [BAD, GOOD, BAD, BAD, BAD, GOOD]})
    supervisor = await run_for(tree(child("a", health=Health(Tcp("1"), period=10))), world, 95)

    assert [what for _, _, what in world.events if what != "asked"] == [
        "started #1",
        "asked to end by SIGTERM #1",
        "ended (exit code 0) #1",
        "started #2",
        "asked to end by SIGTERM #2",
        "ended (exit code 0) #2",
        "closed",
    ]
    assert started(world, "a") == [0, 50]
    assert supervisor.children["a"].restarts == 1


async def test_a_probe_that_does_not_answer_in_time_has_failed(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [9.0]})
    spec = tree(child("a", health=Health(Tcp("1"), period=10, timeout=2, failures=1), restart=Restart.TEMPORARY))
    supervisor = Supervisor(spec, world.world)

    async with supervisor.open():
        await supervisor.wait()
        assert trio.current_time() == 12
        assert "no answer within 2 s" in supervisor.children["a"].reason


async def test_losing_readiness_moves_the_state_and_restarts_nothing(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [GOOD, BAD, BAD, BAD, GOOD]})
    notices: list[StateChanged] = []
    supervisor = Supervisor(tree(child("a", readiness=Readiness(Tcp("1"), period=1))), world.world)
    supervisor.listen(lambda _, notice: notices.append(notice) if isinstance(notice, StateChanged) else None)

    async with supervisor.open():
        await trio.sleep(6)

    assert [notice.new for notice in notices[:5]] == [
        State.WAITING,
        State.STARTING,
        State.RUNNING,
        State.READY,
        State.RUNNING,
    ]
    assert notices[5].new is State.READY
    assert len(started(world, "a")) == 1


async def test_a_failed_start_is_retried_and_says_why(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(start_error="no such program"), Script()]})
    notices: list[StateChanged] = []
    supervisor = Supervisor(tree(child("a")), world.world)
    supervisor.listen(lambda _, notice: notices.append(notice) if isinstance(notice, StateChanged) else None)

    async with supervisor.open():
        await trio.sleep(1)

    assert any("cannot be started: no such program" in notice.reason for notice in notices)
    assert started(world, "a") == [0]
    assert supervisor.children["a"].restarts == 1


async def test_at_most_so_many_starts_at_a_time(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({name: [Script(ready_after=2)] for name in "abcde"})

    await run_for(tree(*map(child, "abcde"), max_parallel_starts=2), world, 10)

    assert [started(world, name)[0] for name in "abcde"] == [0, 0, 2, 2, 4]


async def test_a_stop_during_a_slow_start_waits_for_nothing(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(start_delay=100)]})

    await run_for(tree(child("a")), world, 1)

    assert trio.current_time() == 1
    assert started(world, "a") == []


async def test_wait_returns_when_every_child_is_at_rest(autojump_clock: MockClock) -> None:
    done = Script(lifetime=3, exit=Exit(How.EXITED, code=0))
    world = ScriptedWorld({"a": [done], "b": [Script(lifetime=5)]})
    spec = tree(child("a", restart=Restart.TRANSIENT), child("b", restart=Restart.TEMPORARY))
    supervisor = Supervisor(spec, world.world)

    async with supervisor.open():
        await supervisor.wait()
        assert trio.current_time() == 5
        assert states(supervisor) == {"a": State.FINISHED, "b": State.FAILED}


async def test_cancelled_from_outside_it_still_stops_its_children_in_order(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"db": [Script(stop_delay=1)], "api": [Script(stop_delay=2)]})
    spec = tree(child("db"), child("api", depends_on={"db": Condition.STARTED}))

    with trio.move_on_after(5) as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(Supervisor(spec, world.world).run)

    assert scope.cancelled_caught
    assert [event for event in world.events if "ended" in event[2]] == [
        (7, "api", "ended (exit code 0) #1"),
        (8, "db", "ended (exit code 0) #1"),
    ]


async def test_an_exception_of_the_block_comes_out_as_it_is_after_the_stop(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(stop_delay=1)]})

    with pytest.raises(ZeroDivisionError):
        async with Supervisor(tree(child("a")), world.world).open():
            raise ZeroDivisionError

    assert world.events[-1] == (1, "a", "closed")


async def test_a_supervisor_runs_once(autojump_clock: MockClock) -> None:
    supervisor = await run_for(tree(child("a")), ScriptedWorld(), 1)

    with pytest.raises(RuntimeError, match="runs once"):
        await supervisor.run()


async def test_the_backoff_begins_anew_after_healthy_time(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(lifetime=1)] * 3 + [Script(lifetime=70), Script(lifetime=1)]})
    spec = tree(child("a", backoff=Backoff(reset_after=60)))

    await run_for(spec, world, 80)

    # restarts after 0, 0.5 and 1 s; after 70 s of health the next is immediate again, then 0.5
    assert started(world, "a") == [0, 1, 2.5, 4.5, 74.5, 76.0, 78]
