"""What one of the four systems that this project starts from does with its container backend ("C"), and each of its
faults there: numbers as in its description. Whole trees, an engine that does what the test says, and virtual time.
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.containers.scripted import ScriptedEngine
from trio_supervisor import (
    Backoff,
    ChildSpec,
    ChildStartError,
    ContainerPolicy,
    ContainerSpec,
    Exec,
    Exit,
    Health,
    How,
    Idle,
    Lifetime,
    Limits,
    SignalStep,
    SpecError,
    State,
    Supervisor,
    container,
)
from trio_supervisor.engine.changing import Change
from trio_supervisor.runtimes.base import RuntimeFactory, Stream
from trio_supervisor.runtimes.container import ContainerRuntime
from trio_supervisor.runtimes.container.engine import EngineError, Phase

BROKEN = EngineError("the engine has stumbled", 500)
NO_PAUSE = Backoff(initial=0.1, max=0.1, jitter=0)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(images=("bb:1", "agent:1"))


def factory(engine: ScriptedEngine, policy: ContainerPolicy) -> RuntimeFactory:
    return lambda spec: ContainerRuntime(spec, policy, connect=lambda _: engine)


@asynccontextmanager
async def tree_of(
    *children: ChildSpec, engine: ScriptedEngine, policy: ContainerPolicy | None = None
) -> AsyncIterator[Supervisor]:
    """A tree whose containers that engine runs; nothing is left of them in the end."""
    runtimes: dict[type, RuntimeFactory] = {ContainerSpec: factory(engine, policy or ContainerPolicy())}
    async with Supervisor(*children, runtimes=runtimes, guardian=False) as tree:
        for child in children:
            await until(tree, child.id, State.READY)
        yield tree
    assert engine.containers == {}


def box(id: str = "box", *command: str, **options: object) -> ChildSpec:
    given = {"engine": "unix:///scripted", "backoff": NO_PAUSE, **options}
    return container(id, "bb:1", command=command or ("sleep",), **given)  # type: ignore[arg-type]


async def until(tree: Supervisor, id: str, state: State) -> None:
    with trio.fail_after(60):
        while tree[id].snapshot().state is not state:
            await trio.sleep(0.05)


# Its behaviours, 3 to 8


async def test_3_a_start_has_its_labels_its_image_and_its_environment(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(engine=engine) as tree:
        await tree.start_child(container("c", "agent:1", command=["sleep"], env={"TASK": "x"}, engine="unix:///s"))
        form = engine.only.plan.form

        assert form["Image"] == "agent:1"
        assert "TASK=x" in form["Env"]  # type: ignore[operator]
        assert form["Labels"]["trio-supervisor.agent"] == "c"  # type: ignore[index]


async def test_4_5_a_stop_asks_and_a_removal_leaves_nothing(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box(), engine=engine) as tree:
        one = engine.only
        await tree["box"].stop()
        assert one.signals == [signal.SIGTERM]
        assert (tree["box"].snapshot().state, engine.containers) == (State.STOPPED, {})

        await tree["box"].start()
        await tree["box"].remove()
        assert engine.containers == {}
        assert await tree.which_children() == ()


async def test_4_of_two_stops_at_once_both_are_answered_after_the_effect(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(box(), engine=engine) as tree:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(tree["box"].stop)
        assert engine.containers == {}


async def test_7_8_idle_and_old_ones_are_restarted_which_is_no_failure(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    idle = box("idle", limits=Limits(idle=Idle(3600.0)))
    old = box("old", limits=Limits(lifetime=Lifetime(7200.0, variance=0.0)))
    async with tree_of(idle, old, engine=engine) as tree:
        await trio.sleep(3700)
        assert (tree["idle"].snapshot().generation, tree["old"].snapshot().generation) == (2, 1)
        await trio.sleep(3600)
        assert tree["old"].snapshot().generation == 2
        assert tree["old"].snapshot().restarts == 0


# Its faults


async def test_w1_what_the_spec_says_of_restarts_and_limits_is_done(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(box(intensity=(3, 60.0)), engine=engine) as tree:
        for generation in range(1, 5):
            await until(tree, "box", State.READY)
            assert tree["box"].snapshot().generation == generation
            engine.end(engine.only.plan.name, 1)
            await trio.sleep(0.2)
        await until(tree, "box", State.HELD)
        assert "restart limit" in tree["box"].snapshot().reason


async def test_w2_a_first_start_is_no_restart(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box(), engine=engine) as tree:
        assert "AGENT_RESTART_COUNT=0" in engine.only.plan.form["Env"]  # type: ignore[operator]
        assert tree["box"].snapshot().restarts == 0
        engine.end(engine.only.plan.name, 1)
        await trio.sleep(1)
        assert tree["box"].snapshot().restarts == 1
        assert "AGENT_RESTART_COUNT=1" in engine.only.plan.form["Env"]  # type: ignore[operator]


@pytest.mark.parametrize("verb", ["create", "start", "Attach"])
async def test_w3_a_slow_start_keeps_nobody_waiting(
    engine: ScriptedEngine, verb: str, autojump_clock: MockClock
) -> None:
    async with tree_of(box("quick"), engine=engine) as tree:
        engine.hanging.add(verb)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.start_child, box("slow"))
            await trio.sleep(1)
            assert tree["slow"].snapshot().state is State.STARTING
            with trio.fail_after(1):
                await tree["quick"].stop()
            engine.release()


async def test_w3_a_slow_kill_keeps_nobody_waiting(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box("slow"), box("quick"), engine=engine) as tree:
        engine.hanging.add("signal")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree["slow"].stop)
            await trio.sleep(0.5)
            assert tree["slow"].snapshot().state is State.STOPPING
            assert tree["quick"].snapshot().state is State.READY
            engine.release()


@pytest.mark.parametrize("verb", ["create", "start", "Attach"])
async def test_w4_who_gives_up_waiting_for_a_start_leaves_no_state_without_a_way_out(
    engine: ScriptedEngine, verb: str, autojump_clock: MockClock
) -> None:
    async with tree_of(engine=engine) as tree:
        engine.hanging.add(verb)
        with trio.move_on_after(1):
            await tree.start_child(box())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree["box"].remove)
            await trio.sleep(1)
            engine.release()
        assert engine.containers == {}


async def test_w5_a_kill_that_fails_is_a_state_and_is_tried_again(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(box(stop=(SignalStep(wait=1.0),)), engine=engine) as tree:
        engine.failing["signal"] = BROKEN
        await tree["box"].stop()
        snapshot = tree["box"].snapshot()
        assert snapshot.state is State.STOPPED
        assert "cannot be killed" in snapshot.reason
        assert snapshot.last_exit is not None
        assert snapshot.last_exit.how is How.UNKILLABLE
        assert "the engine has stumbled" in snapshot.last_exit.detail
        assert len(engine.containers) == 1

        engine.failing.clear()
        await trio.sleep(60)
        assert engine.containers == {}
        await tree["box"].start()
        await until(tree, "box", State.READY)


async def test_w6_how_it_ended_is_known(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    children = (box(restart="temporary"), box("oom", restart="temporary", memory=1 << 26))
    async with tree_of(*children, engine=engine) as tree:
        engine.end(engine.of("box").plan.name, 3)
        engine.end(engine.of("oom").plan.name, 137, out_of_memory=True)
        await until(tree, "box", State.FAILED)
        await until(tree, "oom", State.FAILED)

        assert tree["box"].snapshot().last_exit == Exit(How.EXITED, code=3)
        exit = tree["oom"].snapshot().last_exit
        assert exit is not None
        assert (exit.how, exit.code) == (How.OUT_OF_MEMORY, 137)


async def test_w7_no_time_limit_but_those_of_the_spec(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box(), engine=engine) as tree:
        await trio.sleep(30 * 86400)
        assert tree["box"].snapshot().state is State.READY
        assert tree["box"].snapshot().generation == 1


async def test_w8_who_says_something_is_not_idle_and_age_counts_from_the_start(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    limits = Limits(idle=Idle(3600.0), lifetime=Lifetime(20000.0, variance=0.0))
    async with tree_of(engine=engine) as tree:
        await trio.sleep(15000)
        await tree.start_child(box(limits=limits))
        for _ in range(9):
            await trio.sleep(2000)
            engine.say(engine.only.plan.name, Stream.STDOUT, b"still at it\n")
        assert tree["box"].snapshot().generation == 1
        await trio.sleep(2100)
        assert tree["box"].snapshot().generation == 2


async def test_w9_a_new_life_never_begins_beside_the_old_one(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box(stop=(SignalStep(wait=5.0),)), engine=engine) as tree:
        engine.only.deaf = True
        most = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree["box"].restart)
            for _ in range(100):
                running = [each for each in engine.containers.values() if each.phase is Phase.RUNNING]
                most = max(most, len(running), len(engine.containers))
                await trio.sleep(0.1)
        assert most == 1
        assert tree["box"].snapshot().generation == 2


async def test_what_is_left_of_a_life_keeps_one_by_another_spec_from_starting(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(box(), engine=engine) as tree:
        first, other = engine.only, box("box", "sleep", "longer")
        tree.engine.change(Change(evolve(tree.engine.spec, children=(other,)), later=(other,)))
        engine.failing["remove"] = BROKEN
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_try_to, tree["box"].restart)
            await trio.sleep(100)
            # Another runtime makes the lives by now; what the one before has left is its, too.
            assert list(engine.containers.values()) == [first]
            assert "of a life before can't be removed yet" in tree["box"].snapshot().reason
            engine.failing.clear()
        await tree["box"].reset()
        await tree["box"].restart()
        assert engine.only.command == ("sleep", "longer")


async def test_w10_why_a_start_failed_is_kept_and_how_long_a_stop_may_take_is_the_specs(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(box(stop=(SignalStep(wait=42.0),)), engine=engine) as tree:
        engine.only.deaf = True
        begun = trio.current_time()
        await tree["box"].stop()
        assert 42 <= trio.current_time() - begun < 43

        engine.failing["create"] = BROKEN
        with pytest.raises(ChildStartError, match="the engine has stumbled"):
            await tree.start_child(box("other", restart="temporary"))
        await tree["box"].remove()


async def test_w11_a_workspace_of_the_spec_is_mounted(engine: ScriptedEngine, tmp_path: Path) -> None:
    # In real time: links in a mount are resolved in a thread, for which no virtual time waits.
    (tmp_path / "work").mkdir(mode=0o700)
    async with tree_of(box(mounts=[f"{tmp_path}/work:/place"]), engine=engine):
        (mounted,) = engine.only.plan.form["HostConfig"]["Mounts"]  # type: ignore[index]
        assert mounted == {"Type": "bind", "Source": f"{tmp_path}/work", "Target": "/place", "ReadOnly": False}


async def test_a_start_that_fails_after_it_was_made_leaves_nothing_and_is_tried_again(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    async with tree_of(engine=engine) as tree:
        engine.failing["start"] = BROKEN
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_try, tree)
            await trio.sleep(0.3)
            assert engine.containers == {}
            engine.failing.clear()
        await until(tree, "box", State.READY)


async def _try_to(restart: Callable[[], Awaitable[None]]) -> None:
    with suppress(ChildStartError):
        await restart()


async def _try(tree: Supervisor) -> None:
    try:
        await tree.start_child(box())
    except ChildStartError:
        return


# Its backend


async def test_what_nobody_asked_for_is_kept_from_it(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box(memory=512 << 20, cpus=1.0, read_only=True, tmpfs=["/tmp:size=256m"]), engine=engine):
        host = engine.only.plan.form["HostConfig"]
        assert isinstance(host, dict)

        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["PidsLimit"] == 256
        assert host["NetworkMode"] == "none"
        assert host["RestartPolicy"] == {"Name": "no"}
        assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (512 << 20, 512 << 20, 10**9)
        assert host["ReadonlyRootfs"] is True
        assert host["Tmpfs"] == {"/tmp": "size=256m"}
        assert "Privileged" not in host


@pytest.mark.parametrize(
    "wrong",
    [
        container("other", "evil.example/bb:1"),
        container("other", "bb:1", env={"LD_PRELOAD": "x"}),
        container("other", "bb:1", mounts=["/var/run/docker.sock:/x"]),
    ],
    ids=["image", "variable", "mount"],
)
async def test_the_same_policy_holds_on_every_way_in(
    engine: ScriptedEngine, wrong: ChildSpec, autojump_clock: MockClock
) -> None:
    policy = ContainerPolicy(images=("bb",))
    # From the beginning, and while it runs.
    with pytest.raises(SpecError, match="not allowed"):
        async with Supervisor(wrong, containers=policy, guardian=False):
            pass
    async with Supervisor(containers=policy, guardian=False) as tree:
        with pytest.raises((SpecError, ChildStartError), match="not allowed"):
            await tree.start_child(wrong)
    assert engine.asked.total() == 0


async def test_a_mount_that_is_refused_at_a_start_holds_at_once(engine: ScriptedEngine, tmp_path: Path) -> None:
    # In real time: links in a mount are resolved in a thread, for which no virtual time waits.
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "work")
    async with tree_of(box(mounts=[f"{tmp_path}/link:/x"]), engine=engine) as tree:
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("/etc")
        engine.end(engine.only.plan.name, 1)
        await until(tree, "box", State.HELD)

        snapshot = tree["box"].snapshot()
        assert (snapshot.generation, engine.asked["create"]) == (2, 1)
        assert "which leads to /etc is not allowed: it is /etc (containers: deny_mounts)" in snapshot.reason


async def test_a_flood_is_kept_within_bounds(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    async with tree_of(box(), engine=engine) as tree:
        for _ in range(64):
            engine.say(engine.only.plan.name, Stream.STDOUT, b"x" * 65535 + b"\n")
        await trio.sleep(1)
        ring = tree["box"].ring
        assert ring.limits.bytes <= 1 << 20
        assert ring.first > 0


async def test_w13_two_supervisors_at_one_engine_leave_each_other_alone(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    """C's reaper removes whatever it does not know. Real engines: test_containers_left."""
    async with tree_of(box("mine"), engine=engine) as tree:
        await engine.create(engine.only.plan.__class__("stranger", "bb:1", {"Image": "bb:1", "Labels": {"x": "y"}}))
        await tree["mine"].restart()
        assert "stranger" in engine.containers
        del engine.containers["stranger"]


async def test_an_unhealthy_one_is_killed_before_it_is_started_again(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    health = Health(Exec(("false",)), period=1.0, failures=2, jitter=0)
    async with tree_of(box(health=health), engine=engine) as tree:
        first = engine.only
        await trio.sleep(3)
        assert first.phase is Phase.OVER
        assert tree["box"].snapshot().generation >= 2
        assert len(engine.containers) == 1
