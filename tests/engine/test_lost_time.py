"""Nobody runs for a while (SIGSTOP, a suspended machine): nothing that children did not do then counts as failed."""

import trio
from trio.testing import MockClock

from tests.engine.test_supervisor import BAD, GOOD, child, started, tree
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.spec import Health, Readiness, Tcp
from trio_supervisor.testing import Script, ScriptedWorld


def asked(world: ScriptedWorld) -> list[float]:
    return [at for at, _, what in world.events if what == "asked"]


async def test_a_question_that_was_under_way_is_no_answer_and_is_put_again_at_once(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld(answers={"a": [100.0, GOOD]})
    spec = tree(child("a", health=Health(Tcp("1"), period=10, timeout=2, failures=1)))

    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(11)
        mock_clock.jump(30)
        await trio.sleep(5)
        assert asked(world) == [10, 41]
        assert supervisor.children["a"].state is State.READY

    assert len(started(world, "a")) == 1


async def test_who_is_asked_again_and_is_as_late_again_has_failed(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld(answers={"a": [100.0]})
    spec = tree(child("a", health=Health(Tcp("1"), period=10, timeout=2, failures=1), restart=Restart.TEMPORARY))

    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(11)
        mock_clock.jump(30)
        await trio.sleep(1.9)
        assert asked(world) == [10, 41]
        assert supervisor.children["a"].state is State.READY
        await trio.sleep(0.2)
        assert supervisor.children["a"].state is State.FAILED


async def test_a_question_that_was_too_long_under_way_by_less_has_failed(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld(answers={"a": [100.0]})
    spec = tree(child("a", health=Health(Tcp("1"), period=10, timeout=2, failures=1), restart=Restart.TEMPORARY))

    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(11)
        mock_clock.jump(1.2)
        await supervisor.wait()

    assert asked(world) == [10]


async def test_a_start_is_not_too_late_by_time_in_which_nobody_ran(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld(answers={"a": [BAD]})
    spec = tree(child("a", readiness=Readiness(Tcp("1"), period=1000, deadline=20), restart=Restart.TEMPORARY))

    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(15)
        mock_clock.jump(15)
        await trio.sleep(9)
        assert supervisor.children["a"].state is State.RUNNING
        await supervisor.wait()
        assert trio.current_time() == 40
        assert supervisor.children["a"].state is State.FAILED


async def test_the_whole_stop_is_not_too_late_by_time_in_which_nobody_ran(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld({"a": [Script(stop_delay=64)]})
    supervisor = Supervisor(tree(child("a"), stop_deadline=30), world.world)

    async with supervisor.open():
        supervisor.stop("enough")
        await trio.sleep(5)
        mock_clock.jump(57)

    assert [(at, what) for at, _, what in world.events][-2:] == [(64, "ended (exit code 0) #1"), (64, "closed")]


async def test_a_delay_before_a_start_is_over_when_it_is(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    world = ScriptedWorld({"a": [Script(lifetime=1)] * 4 + [Script()]})

    async with Supervisor(tree(child("a")), world.world).open():
        await trio.sleep(6)
        mock_clock.jump(60)
        await trio.sleep(1)

    assert started(world, "a")[-2:] == [4.5, 66]
