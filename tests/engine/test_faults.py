"""What goes wrong beside the children: a listener, a probe that can't be asked, a stranger on the port."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.engine.test_supervisor import BAD, GOOD, child, tree
from trio_supervisor.core.notices import Notice, StateChanged
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import Launch, Life, Ownership, Stream
from trio_supervisor.spec import Check, Health, Readiness, Tcp
from trio_supervisor.testing import Script, ScriptedLife, ScriptedRuntime, ScriptedWorld


async def test_a_mistake_in_a_listener_ends_the_supervisor_but_leaves_nobody_behind(autojump_clock: MockClock) -> None:
    world = ScriptedWorld()
    supervisor = Supervisor(tree(child("a"), child("b")), world.world)

    def fail_when_b_is_ready(_: str, notice: Notice) -> None:
        if isinstance(notice, StateChanged) and notice.child == "b" and notice.new is State.READY:
            raise ZeroDivisionError

    supervisor.listen(fail_when_b_is_ready)

    with pytest.RaisesGroup(ZeroDivisionError):
        await supervisor.run()
    ended = {who for _, who, what in world.events if what.startswith("ended")}
    assert ended == {who for _, who, what in world.events if what.startswith("started")} == {"a", "b"}
    assert [what for _, _, what in world.events[-2:]] == ["closed", "closed"]


async def test_a_question_that_cannot_be_put_is_said_once_and_counts_as_nothing(autojump_clock: MockClock) -> None:
    world = ScriptedWorld()
    asked = 0

    @asynccontextmanager
    async def open_probe(check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        async def ask() -> Answer:
            nonlocal asked
            asked += 1
            raise ProbeError("no such program: ping")

        yield OpenProbe(ask)

    spec = tree(child("a", health=Health(Tcp("1"), period=1, failures=1)))
    async with Supervisor(spec, changed(world.world, probe=open_probe)).open() as supervisor:
        await trio.sleep(5.5)
        assert supervisor.children["a"].state is State.READY

    assert asked == 5
    assert world.output == [("a", Stream.SUPERVISOR, b"health probe: no such program: ping\n")]


async def test_a_probe_that_cannot_be_opened_is_said_and_the_start_fails_at_its_deadline(
    autojump_clock: MockClock,
) -> None:
    world = ScriptedWorld()

    @asynccontextmanager
    async def open_probe(check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        raise ProbeError("'x y' is no host")
        yield

    spec = tree(child("a", readiness=Readiness(Tcp("1"), deadline=9), restart=Restart.TEMPORARY))
    async with Supervisor(spec, changed(world.world, probe=open_probe)).open() as supervisor:
        await supervisor.wait()
        assert trio.current_time() == 9
        assert supervisor.children["a"].state is State.FAILED

    assert world.output == [("a", Stream.SUPERVISOR, b"readiness probe: 'x y' is no host\n")]


class SharedPortLife(ScriptedLife):
    """A life whose port is answered by whoever `owners` names in turn."""

    owners: list[Ownership]

    async def owner(self, port: int) -> tuple[Ownership, str]:
        return self.owners.pop(0), "pid 7 (nginx)"


async def test_an_answer_counts_only_when_the_child_owns_the_port_and_a_failure_asks_anew(
    autojump_clock: MockClock,
) -> None:
    answers = [GOOD, GOOD, GOOD, BAD, GOOD, GOOD]
    owners = [Ownership.STRANGER, Ownership.OURS, Ownership.STRANGER, Ownership.UNKNOWN]
    world = ScriptedWorld()

    class Runtime(ScriptedRuntime):
        def life(self, launch: Launch) -> Life:
            life = SharedPortLife(Script(), launch, world.note)
            life.owners = owners
            return life

    @asynccontextmanager
    async def open_probe(check: Check, target: Target, timeout: float) -> AsyncIterator[OpenProbe]:
        async def ask() -> Answer:
            return answers.pop(0)

        yield OpenProbe(ask, port=80)

    notices: list[Notice] = []
    spec = tree(child("a", readiness=Readiness(Tcp("80"), period=1, failures=1)))
    other = changed(world.world, probe=open_probe, runtime=lambda spec: Runtime(spec.id, (), world.note))
    supervisor = Supervisor(spec, other)
    supervisor.listen(lambda _, notice: notices.append(notice))
    async with supervisor.open():
        while answers:
            await trio.sleep(0.1)

    # Stranger, ours (ready), not asked, failed (not ready), stranger, unknown (ready)
    assert owners == []
    assert [
        notice.new
        for notice in notices
        if isinstance(notice, StateChanged) and notice.new in (State.READY, State.RUNNING)
    ] == [
        State.RUNNING,
        State.READY,
        State.RUNNING,
        State.READY,
    ]


async def test_a_start_that_missed_its_deadline_tells_what_the_probe_said_last(autojump_clock: MockClock) -> None:
    world = ScriptedWorld(answers={"a": [Answer(False, "connection refused"), Answer(False, "HTTP 503")]})
    spec = tree(child("a", readiness=Readiness(Tcp("1"), deadline=3), restart=Restart.TEMPORARY))
    async with Supervisor(spec, world.world).open() as supervisor:
        await supervisor.wait()
        assert "not ready 3 s after its start; the last answer: HTTP 503" in supervisor.children["a"].reason


async def test_keyboard_interrupt_is_never_swallowed(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(stop_delay=1)]})

    with pytest.raises(KeyboardInterrupt):
        async with Supervisor(tree(child("a")), world.world).open():
            raise KeyboardInterrupt

    assert (1, "a", "closed") in world.events


async def test_a_life_that_goes_on_after_its_kill_is_told_and_never_followed_by_another(
    autojump_clock: MockClock,
) -> None:
    stuck = Script(stop_delay=math.inf, kill_delay=1000)
    world = ScriptedWorld({"a": [stuck]}, answers={"a": [BAD]})
    spec = tree(child("a", health=Health(Tcp("1"), period=5, failures=1), stop=()), child("b"))
    async with Supervisor(spec, world.world).open() as supervisor:
        await trio.sleep(14)
        assert supervisor.children["a"].state is State.STOPPING
        await trio.sleep(2)
        assert supervisor.children["a"].state is State.HELD
        assert supervisor.children["a"].reason.startswith("cannot be killed: it goes on 10 s after it was killed")
        assert supervisor.children["b"].state is State.READY

    assert sum(what.startswith("started") for _, who, what in world.events if who == "a") == 1


async def test_a_stop_does_not_wait_for_ever_for_what_cannot_be_killed(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"a": [Script(stop_delay=math.inf, kill_delay=1000)]})
    supervisor = Supervisor(tree(child("a", stop=())), world.world)
    async with supervisor.open():
        supervisor.stop("enough")
        await supervisor.wait()
        assert trio.current_time() == 10
        assert supervisor.children["a"].state is State.STOPPED
