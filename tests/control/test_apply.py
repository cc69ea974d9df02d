"""Plan and apply, in the same process and through the socket alike: what changes, and what is never touched."""

import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field

from tests.control.trees import PATIENCE, Far, Near, forever, open_control, reached, stubborn
from trio_supervisor import (
    Backoff,
    ChildSpec,
    ContainerPolicy,
    Exec,
    Health,
    Intensity,
    Log,
    Readiness,
    Restart,
    Rpc,
    SignalStep,
    Stdio,
    container,
    process,
    supervisor,
    task,
)
from trio_supervisor.config.load import load_agent
from trio_supervisor.control.api import Action, AgentChange, Phase, Plan, State, Verb
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.embedding.specs import supervisor_spec
from trio_supervisor.errors import ChildStartError, ConfigError, ConflictError, NotKilledError, RequestError, SpecError

SLEEP = ["sleep", "1000"]


@define
class Tree:
    """A tree that runs, what is written, and a control."""

    local: LocalControl
    control: Near | Far
    written: Written
    before: dict[str, tuple[int, int | None]] = field(factory=dict)
    mistake: ConfigError | None = None

    async def read(self) -> Written:
        await trio.lowlevel.checkpoint()
        if self.mistake is not None:
            raise self.mistake
        return self.written

    async def read_agents(self, texts: Mapping[str, str]) -> dict[str, Written | ConfigError]:
        await trio.lowlevel.checkpoint()
        found: dict[str, Written | ConfigError] = {}
        for agent, text in texts.items():
            try:
                found[agent] = Written(load_agent(text, agent, directory="/", environ={}).spec)
            except ConfigError as error:
                found[agent] = error
        return found

    def write(self, *children: ChildSpec, **options: Any) -> None:
        """Write something else; and remember the lives of all."""
        self.written = Written(supervisor_spec(children, **options))
        self.before = self.lives()

    def lives(self) -> dict[str, tuple[int, int | None]]:
        return {one.agent: (one.generation, one.pid) for one in self.local.snapshot()}

    def states(self) -> dict[str, str]:
        return {one.agent: one.state.value for one in self.local.snapshot()}

    def untouched(self) -> set[str]:
        """Those that have the same life still."""
        return {agent for agent, life in self.lives().items() if self.before.get(agent) == life}

    async def plan(self) -> dict[str, str]:
        """Action and why, by agent."""
        found = await self.control.call("plan")
        assert isinstance(found, Plan)
        return _words(found.changes)

    async def apply(self) -> dict[str, str]:
        done = await self.control.call("apply")
        assert (done.verb, done.agent, done.phase) == (Verb.APPLY, "", Phase.DONE)
        return _words(done.changes)

    async def until(self, agent: str, *states: State) -> None:
        with trio.fail_after(PATIENCE):
            while self.local.agent(agent).state not in states:
                await trio.sleep(0.005)


def _words(changes: Iterable[AgentChange]) -> dict[str, str]:
    return {
        change.agent: " ".join(
            filter(None, (change.action.value, ",".join(change.because or change.fields), change.note))
        )
        for change in changes
    }


Open = Callable[..., AbstractAsyncContextManager[Tree]]


@pytest.fixture(params=["near", "far"])
def opened(request: pytest.FixtureRequest) -> Open:
    """Opens a tree, with a control to it."""

    @asynccontextmanager
    async def opened(*children: ChildSpec, **options: Any) -> AsyncIterator[Tree]:
        async with open_control(*children, **options) as local, reached(request.param, local) as control:
            tree = Tree(local, control, Written(supervisor_spec(children, **options)))
            local.read_by(Sources(tree.read, tree.read_agents))
            yield tree

    return opened


@pytest.fixture
def near() -> Open:
    """The same in this process only, for what the way makes no difference to."""

    @asynccontextmanager
    async def opened(*children: ChildSpec, **options: Any) -> AsyncIterator[Tree]:
        async with open_control(*children, **options) as local:
            tree = Tree(local, Near(local), Written(supervisor_spec(children, **options)))
            local.read_by(Sources(tree.read, tree.read_agents))
            yield tree

    return opened


class TestPlan:
    async def test_what_is_as_it_is_written_is_kept(self, opened: Open) -> None:
        async with opened(task("a", forever), supervisor("team", task("b", forever))) as tree:
            assert await tree.plan() == {"a": "keep", "team": "keep", "team/b": "keep"}
            tree.write(task("a", forever), supervisor("team", task("b", forever)))
            assert await tree.apply() == {"a": "keep", "team": "keep", "team/b": "keep"}
            assert tree.untouched() == {"a", "team", "team/b"}

    async def test_each_kind_of_change_with_its_reason(self, opened: Open) -> None:
        kept, changed = process("kept", SLEEP), process("changed", SLEEP)
        async with opened(kept, changed, process("new-life", SLEEP), process("gone", SLEEP)) as tree:
            tree.write(
                kept,
                evolve(changed, backoff=Backoff(max=5), startup_crashes=3),
                process("new-life", ["sleep", "1001"], env={"X": "1"}, restart="transient"),
                process("come", SLEEP),
            )
            table = {
                "kept": "keep",
                "changed": "change backoff,startup_crashes",
                "new-life": "restart command,env",
                "come": "add",
                "gone": "remove",
            }
            assert await tree.plan() == table
            assert tree.lives() == tree.before

            assert await tree.apply() == table
            assert tree.untouched() == {"kept", "changed"}
            assert list(tree.states()) == ["kept", "changed", "new-life", "come"]
            assert tree.local.agent("new-life").generation == 2
            assert set((await tree.plan()).values()) == {"keep"}

    async def test_all_mistakes_come_at_once_and_nothing_moves(self, opened: Open) -> None:
        async with opened(process("a", SLEEP)) as tree:
            tree.write(process("a", ["sleep", "1"]))
            tree.mistake = ConfigError("f.yaml:1:2: one\nf.yaml:3:4: two")
            for verb in ("plan", "apply"):
                with pytest.raises(ConfigError, match=r"(?s)^f.yaml:1:2: one.f.yaml:3:4: two$"):
                    await tree.control.call(verb)
            assert tree.untouched() == {"a"}

    async def test_what_cannot_change_is_refused_whole(self, opened: Open) -> None:
        async with opened(process("a", SLEEP)) as tree:
            tree.write(process("a", ["sleep", "1"]), profile="otp")
            found = await tree.control.call("plan")
            assert found.refusals == (
                "supervisor: profile can't change while it runs: shut it down, and run the file again",
            )
            with pytest.raises(ConflictError, match="profile can't change"):
                await tree.control.call("apply")
            assert tree.untouched() == {"a"}

    async def test_a_tree_without_a_file(self) -> None:
        async with open_control(task("a", forever)) as control:
            with pytest.raises(ConflictError, match="runs no file"):
                await control.apply()


class TestInPlace:
    async def test_probes_begin_and_end_and_change_in_the_same_life(self, near: Open, tmp_path: Path) -> None:
        good, asked = tmp_path / "good", tmp_path / "asked"
        good.touch()
        check = Exec(("sh", "-c", f"echo x >> {asked}; test -e {good}"))
        plain = process("a", SLEEP)
        async with near(plain) as tree:
            tree.write(evolve(plain, readiness=Readiness(check, period=0.02, timeout=5, failures=1, jitter=0)))
            assert await tree.apply() == {"a": "change readiness"}
            with trio.fail_after(PATIENCE):
                while not asked.exists():
                    await trio.sleep(0.01)
            good.unlink()
            await tree.until("a", State.RUNNING)

            tree.write(evolve(plain, readiness=Readiness(check, period=0.03, timeout=5, failures=1, jitter=0)))
            assert await tree.apply() == {"a": "change readiness.period"}
            good.touch()
            await tree.until("a", State.READY)

            tree.write(plain)
            await tree.apply()
            size = asked.stat().st_size
            assert tree.untouched() == {"a"}
            await trio.sleep(0.2)
            # One may have been under way.
            assert asked.stat().st_size <= size + 2

    async def test_what_is_explained_is_what_is_in_force(self, near: Open) -> None:
        plain = process("a", SLEEP, intensity=Intensity(3, 60))
        async with near(plain) as tree:
            tree.write(evolve(plain, intensity=Intensity(7, 60), restart=Restart.TRANSIENT))
            await tree.apply()
            rules = {ground.rule.value: ground.text for ground in tree.local.explain("a").standing}
            assert rules["restart"].startswith("transient")
            assert any(dict(one.numbers).get("restarts") == 7 for one in tree.local.explain("a").standing)

    async def test_a_probe_over_standard_input_needs_a_life_that_is_asked_so_from_the_beginning(
        self, near: Open
    ) -> None:
        plain = process("a", ["cat"], stdin="pipe")
        async with near(plain) as tree:
            asked = evolve(plain, health=Health(Stdio(Rpc.ACP), period=60, timeout=5))
            tree.write(asked)
            assert await tree.apply() == {"a": "restart health"}
            tree.write(evolve(asked, health=Health(Stdio(Rpc.ACP), period=50, timeout=5)))
            assert await tree.plan() == {"a": "change health.period"}

    async def test_what_containers_may_have_is_of_the_next_run(self, near: Open) -> None:
        async with near(process("a", SLEEP)) as tree:
            tree.write(process("a", SLEEP), containers=ContainerPolicy(images=("one",)))
            found = await tree.plan()
            assert found[""].startswith("change containers")
            assert "next run" in found[""]

    async def test_a_container_that_only_the_next_run_allows_is_refused_with_what_to_do(self, near: Open) -> None:
        async with near(process("a", SLEEP), containers=ContainerPolicy(images=("one",))) as tree:
            wider = ContainerPolicy(images=("one", "two"))
            tree.write(process("a", SLEEP), container("box", "two"), containers=wider)
            plan = await tree.local.plan()
            assert len(plan.refusals) == 1
            with pytest.raises(ConflictError) as refused:
                await tree.local.apply()

            assert str(refused.value) == (
                "box: container: image 'two' is not allowed (containers: images: one) in this run; what the file has "
                "for 'containers' counts for the next one: shut it down, and run the file again"
            )
            assert tree.states() == {"a": "ready"}

    async def test_whoever_adds_a_container_is_held_to_the_policy_of_the_tree(self, near: Open) -> None:
        policy = ContainerPolicy(images=("good",), deny_mounts=())
        async with near(process("a", SLEEP), containers=policy) as tree:
            for text in ("{container: {image: bad}}", "{agents: {b: {container: {image: bad}}}}"):
                with pytest.raises(SpecError, match="image 'bad' is not allowed"):
                    await tree.local.register("box", text)
            tree.write(process("a", SLEEP), container("box", "bad"), containers=policy)
            with pytest.raises(SpecError, match="image 'bad' is not allowed"):
                await tree.local.apply()
            text = "{container: {image: good, ports: ['{port}:80'], mounts: ['/etc:/x:ro']}, port: 18998}"
            await tree.local.register("box", text, start=False)
            assert tree.states()["box"] == "stopped"

    async def test_a_new_health_probe_ends_a_life_that_is_not_well(self, near: Open) -> None:
        plain = process("a", SLEEP)
        async with near(plain) as tree:
            check = Health(Exec(("false",)), period=0.02, timeout=5, failures=2, jitter=0)
            tree.write(evolve(plain, health=check))
            await tree.apply()
            with trio.fail_after(PATIENCE):
                while tree.local.agent("a").generation == 1:
                    await trio.sleep(0.01)

    async def test_the_stop_that_is_written_last_is_taken(self, near: Open) -> None:
        script = "trap 'exit 7' USR1; echo trapped; while :; do sleep 0.05; done"
        slow = process("a", ["sh", "-c", script], restart="temporary")
        async with near(slow) as tree:
            stop = (SignalStep(signal.SIGUSR1, wait=9),)
            tree.write(process("a", ["sh", "-c", script], restart="temporary", stop=stop))
            assert await tree.apply() == {"a": "change stop"}
            with trio.fail_after(PATIENCE):
                while not any(line.text == "trapped" for line in await tree.control.logs("a")):
                    await trio.sleep(0.01)
            await tree.control.call("stop", "a")
            exit = tree.local.agent("a").last_exit
            assert exit is not None
            assert exit.code == 7

    async def test_a_supervisor_changes_in_place_and_its_next_life_has_its_new_children(self, opened: Open) -> None:
        async with opened(supervisor("team", task("a", forever))) as tree:
            team = supervisor("team", task("a", forever), task("b", forever), strategy="one_for_all", intensity=(9, 9))
            tree.write(team)
            assert await tree.apply() == {
                "team": "change supervisor.strategy,supervisor.intensity",
                "team/a": "keep",
                "team/b": "add",
            }
            assert tree.untouched() == {"team", "team/a"}

            await tree.control.call("restart", "team")
            await tree.until("team", State.READY)
            assert tree.states() == {"team": "ready", "team/a": "ready", "team/b": "ready"}

    async def test_a_supervisor_of_another_profile_begins_anew(self, near: Open) -> None:
        async with near(supervisor("team", task("a", forever)), task("b", forever)) as tree:
            tree.write(supervisor("team", task("a", forever), profile="otp"), task("b", forever))
            assert await tree.apply() == {
                "team": "restart supervisor.profile",
                "team/a": "restart with its supervisor",
                "b": "keep",
            }
            assert (tree.lives()["team"][0], tree.lives()["b"][0]) == (2, 1)

    async def test_dependencies_may_turn_round(self, near: Open) -> None:
        async with near(task("a", forever, depends_on=["b"]), task("b", forever)) as tree:
            tree.write(task("a", forever), task("b", forever, depends_on=["a"]))
            assert await tree.apply() == {"a": "change depends_on", "b": "change depends_on"}
            assert tree.untouched() == {"a", "b"}

    async def test_they_may_turn_round_with_a_new_life_of_one(self, near: Open) -> None:
        async with near(process("a", SLEEP, depends_on=["b"]), process("b", SLEEP)) as tree:
            tree.write(process("a", ["sleep", "999"]), process("b", SLEEP, depends_on=["a"]), task("c", forever))
            await tree.apply()
            assert tree.lives()["a"][0] == 2
            assert tree.states() == {"a": "ready", "b": "ready", "c": "ready"}

    async def test_who_is_replaced_waits_for_what_comes_with_it(self, near: Open) -> None:
        async with near(process("w", SLEEP), task("z", forever)) as tree:
            states: list[State] = []
            tree.local.listen(lambda event: states.append(event.change.new) if event.change.child == "w" else None)
            late = process("db", ["sh", "-c", "sleep 0.1; echo up; exec sleep 1000"], readiness=Readiness(Log("up")))
            tree.write(process("w", ["sleep", "999"], depends_on={"db": "ready"}), task("z", forever), late)
            assert await tree.apply() == {"w": "restart command", "z": "keep", "db": "add"}
            assert tree.states() == {"w": "ready", "z": "ready", "db": "ready"}
            assert State.FAILED not in states
            assert tree.lives()["w"][0] == 2

    async def test_who_waits_in_vain_is_told_with_what_was_refused(self, near: Open) -> None:
        async with near(process("w", SLEEP)) as tree:
            tree.write(
                process("w", ["sleep", "999"], depends_on=["db"]),
                process("db", ["no-such-program"], restart="temporary"),
            )
            with pytest.raises(ConflictError) as caught:
                await tree.apply()
            assert "db: failed: cannot be started" in str(caught.value)
            assert "w: failed: dependency 'db' is failed" in str(caught.value)

    async def test_who_is_bound_to_one_that_comes_begins_with_it(self, near: Open) -> None:
        async with near(process("v", SLEEP)) as tree:
            tree.write(process("v", SLEEP, binds_to=["db"]), task("db", forever))
            assert await tree.apply() == {"v": "restart binds_to", "db": "add"}
            assert (tree.states(), tree.lives()["v"][0]) == ({"v": "ready", "db": "ready"}, 2)
            tree.write(process("v", SLEEP, binds_to=["other"]), task("other", forever))
            assert await tree.apply() == {"v": "restart binds_to", "other": "add", "db": "remove"}
            assert (tree.states(), tree.lives()["v"][0]) == ({"v": "ready", "other": "ready"}, 3)

    async def test_one_that_comes_takes_the_port_of_one_that_is_replaced(self, near: Open) -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port: int = found.getsockname()[1]
        async with near(process("w", SLEEP, port=port)) as tree:
            tree.write(process("x", SLEEP, port=port), process("w", SLEEP, depends_on=["x"]))
            assert await tree.apply() == {"x": "add", "w": "restart port"}
            assert tree.states() == {"x": "ready", "w": "ready"}


class TestFile:
    """Which one is meant."""

    async def test_another_one_than_it_runs_is_refused(self, opened: Open) -> None:
        async with opened(task("a", forever)) as tree:
            tree.local.read_by(Sources(tree.read, tree.read_agents, path="/somewhere/supervisor.yaml"))
            tree.write()
            for call in ("plan", "apply"):
                with pytest.raises(RequestError, match=r"runs /somewhere/supervisor\.yaml, not /else\.yaml"):
                    await tree.control.call(call, file="/else.yaml")
            assert tree.states() == {"a": "ready"}
            await tree.control.call("apply", file="/somewhere/../somewhere/supervisor.yaml")
            assert tree.states() == {}


class TestPeople:
    """What somebody has asked for stays."""

    async def test_who_is_stopped_or_held_stays_so_and_starts_as_it_is_written(self, opened: Open) -> None:
        async with opened(process("a", SLEEP), process("b", SLEEP), process("c", SLEEP)) as tree:
            await tree.control.call("stop", "a")
            await tree.control.call("hold", "b", reason="it is late")
            tree.write(process("a", ["cat"], stdin="pipe"), process("b", ["sleep", "2000"]), process("c", SLEEP))
            table = await tree.apply()

            note = "and stays so: from its next start on"
            assert table == {
                "a": f"change command,stdin is stopped, {note}",
                "b": f"change command is held, {note}",
                "c": "keep",
            }
            assert tree.states() == {"a": "stopped", "b": "held", "c": "ready"}
            await tree.control.call("start", "a")
            await tree.control.call("send", "a", b"hello\n")
            with trio.fail_after(PATIENCE):
                while [line.text for line in await tree.control.logs("a")] != ["hello"]:
                    await trio.sleep(0.01)

    async def test_who_has_failed_and_is_written_anew_begins_anew(self, near: Open) -> None:
        async with near(
            process("a", ["false"], restart="temporary"), process("b", ["true"], restart="temporary")
        ) as tree:
            await tree.until("a", State.FAILED)
            await tree.until("b", State.FINISHED)
            tree.write(process("a", SLEEP, restart="temporary"), process("b", ["true"], restart="temporary"))
            assert await tree.apply() == {"a": "restart command", "b": "keep"}
            assert tree.states() == {"a": "ready", "b": "finished"}

    async def test_who_was_added_at_run_time_is_left_alone_until_it_is_written(self, near: Open) -> None:
        async with near(task("a", forever)) as tree:
            await tree.local.add(process("x", SLEEP))
            tree.write(task("a", forever))
            assert await tree.apply() == {"a": "keep", "x": "keep added at run time, not in the file"}

            tree.write(process("x", SLEEP), task("a", forever))
            assert await tree.apply() == {"x": "keep", "a": "keep"}
            assert tree.untouched() == {"a", "x"}
            tree.write(task("a", forever))
            assert await tree.apply() == {"a": "keep", "x": "remove"}

    async def test_replicas_are_as_many_as_are_written(self, near: Open) -> None:
        def replicas(count: int) -> list[ChildSpec]:
            return [process(f"web-{number}", SLEEP) for number in range(1, count + 1)]

        async with near(*replicas(2)) as tree:
            await tree.local.scale("web", 4)
            tree.write(*replicas(3))
            assert await tree.apply() == {
                "web-1": "keep",
                "web-2": "keep",
                "web-3": "keep",
                "web-4": "remove added by scale",
            }
            assert tree.untouched() == {"web-1", "web-2", "web-3"}

    async def test_who_was_removed_comes_back_as_it_is_written(self, near: Open) -> None:
        async with near(task("a", forever), task("b", stubborn)) as tree:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tree.control.call, "remove", "b")
                await tree.until("b", State.STOPPING)
                tree.write(task("a", forever), task("b", stubborn))
                assert await tree.apply() == {"a": "keep", "b": "add"}
            assert tree.states() == {"a": "ready", "b": "ready"}

    async def test_who_depends_on_one_that_goes_is_in_the_way(self, near: Open) -> None:
        async with near(task("a", forever), task("b", forever)) as tree:
            await tree.local.add(task("x", forever, depends_on=["b"]))
            tree.write(task("a", forever))
            with pytest.raises(
                ConflictError, match="x, which was added at run time, depends on b, which is not written"
            ):
                await tree.apply()
            assert tree.untouched() == {"a", "b", "x"}


class TestNames:
    async def test_another_name_is_another_agent_and_gets_the_port(self, near: Open) -> None:
        async with near(process("old", SLEEP, port=47811)) as tree:
            tree.write(process("new", SLEEP, port=47811))
            assert await tree.apply() == {"new": "add", "old": "remove"}
            assert [(one.agent, one.port) for one in tree.local.snapshot()] == [("new", 47811)]

    async def test_case_alone_makes_another_name(self, near: Open) -> None:
        async with near(process("Web", SLEEP)) as tree:
            tree.write(process("web", SLEEP))
            assert await tree.apply() == {"web": "add", "Web": "remove"}
            assert list(tree.states()) == ["web"]

    async def test_who_differs_only_in_case_is_not_added(self, near: Open) -> None:
        async with near(process("Web", SLEEP)) as tree:
            with pytest.raises(SpecError, match="'Web', which differs only in case"):
                await tree.local.add(process("wEB", SLEEP))


class TestBadTimes:
    async def test_while_it_restarts(self, opened: Open) -> None:
        async with opened(task("a", stubborn), process("b", SLEEP)) as tree:
            await tree.control.call("restart", "a", wait=False)
            await tree.until("a", State.STOPPING)
            tree.write(process("a", SLEEP), process("b", SLEEP))
            assert (await tree.apply())["a"] == "restart task -> command"
            assert tree.lives()["a"][0] == 2
            assert tree.local.agent("a").pid is not None

    async def test_in_the_end_nothing_is_applied(self, opened: Open) -> None:
        async with opened(task("a", stubborn)) as tree:
            tree.local.end("it is late")
            await tree.until("a", State.STOPPING)
            tree.write(task("a", forever))
            with pytest.raises(ConflictError, match="it is late"):
                await tree.control.call("apply")

    async def test_the_end_breaks_it_off(self, near: Open) -> None:
        async with near(task("a", stubborn)) as tree:
            tree.write(task("a", forever), task("b", forever))
            given = await tree.control.call("apply", wait=False)
            await tree.until("a", State.STOPPING)
            tree.local.end("it is late")
            with pytest.raises(ConflictError):
                await tree.control.call("outcome", given.id)
            assert tree.local.agent("a").generation == 1

    async def test_the_same_twice_at_once_is_one(self, opened: Open) -> None:
        async with opened(task("a", stubborn)) as tree:
            tree.write(task("a", forever))
            found = []

            async def apply() -> None:
                found.append(await tree.control.call("apply"))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(apply)
                nursery.start_soon(apply)
            assert found[0].id == found[1].id
            assert tree.lives()["a"][0] == 2

    async def test_another_one_takes_its_place(self, opened: Open) -> None:
        async with opened(task("a", stubborn), task("b", stubborn)) as tree:
            tree.write(task("a", stubborn), task("c", forever))
            first = await tree.control.call("apply", wait=False)
            assert first.phase is Phase.PENDING
            assert "b" in first.awaits.split(", ")[:2]
            tree.write(task("a", forever), task("d", forever))
            await tree.apply()

            with pytest.raises(ConflictError, match=r"apply has given way to apply \(operation 2\)"):
                await tree.control.call("outcome", first.id)
            assert tree.states() == {"a": "ready", "d": "ready"}

    async def test_who_does_not_start_is_told_and_the_others_are_as_they_are_written(self, opened: Open) -> None:
        async with opened(process("a", SLEEP), process("b", SLEEP)) as tree:
            tree.write(process("a", ["/no/such"]), process("b", ["sleep", "1001"]))
            with pytest.raises(ChildStartError, match="a: backoff: cannot be started: '/no/such' does not exist"):
                await tree.control.call("apply")
            assert tree.states()["b"] == "ready"
            tree.write(process("a", ["/no/such"]), process("b", ["sleep", "1001"]), process("c", ["/nor/such"]))
            tree.write(process("a", ["/not/this"]), process("c", ["/nor/that"]))
            with pytest.raises(ConflictError, match=r"(?s)a: .*\nc: |c: .*\na: "):
                await tree.control.call("apply")
            assert (await tree.control.call("operation", 2)).phase is Phase.FAILED

    async def test_a_child_that_will_not_end_gets_no_second_life(
        self, near: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("trio_supervisor.engine.stopping.KILL_PATIENCE", 0.1)
        let_go = trio.Event()

        async def deaf() -> None:
            with trio.CancelScope(shield=True):
                await let_go.wait()

        async with near(task("a", deaf, stop=0.05), task("b", forever)) as tree:
            tree.write(task("a", forever), task("b", forever), task("c", forever))
            try:
                with pytest.raises(NotKilledError, match=r"a: .*goes on"):
                    await tree.control.call("apply")
                assert tree.states() == {"a": "held", "b": "ready", "c": "ready"}
            finally:
                let_go.set()

    async def test_the_last_one_may_be_another_one(self, near: Open) -> None:
        async with near(task("a", stubborn)) as tree:
            ended = trio.Event()

            async def wait() -> None:
                await tree.local.wait()
                ended.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                tree.write(task("b", forever))
                await tree.apply()
                assert not ended.is_set()
                assert tree.states() == {"b": "ready"}
                nursery.cancel_scope.cancel()

    async def test_plans_are_values(self) -> None:
        assert Plan((AgentChange("a", Action.KEEP),)).idle
        assert not Plan((AgentChange("a", Action.ADD),)).idle
