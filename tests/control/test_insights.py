"""What can be seen of a tree in depth, in the same process and through the socket alike."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio

from tests.control.conftest import Open
from tests.control.trees import (
    PATIENCE,
    cat,
    crash,
    forever,
    in_thread,
    open_control,
    reached,
    serving,
    some,
)
from trio_supervisor import (
    A2A,
    Call,
    Exec,
    Health,
    Http,
    Log,
    Notify,
    Readiness,
    Startup,
    process,
    remote,
    supervisor,
    task,
)
from trio_supervisor.control.api import Event, State
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.control.decisions import MOST_DECISIONS
from trio_supervisor.control.explaining import in_words
from trio_supervisor.control.insights import EndpointChange, Node, Role
from trio_supervisor.control.wire.insights import explanation_form
from trio_supervisor.errors import ConflictError, UnknownAgentError
from trio_supervisor.record import changed


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not holds():
            await trio.sleep(0.01)


async def good() -> None:
    """A probe that finds all well."""


async def bad() -> bool:
    """A probe that finds that it is not."""
    return False


class TestExplain:
    """Why it is as it is."""

    async def test_a_crash_loop_that_is_held(self, opened: Open) -> None:
        async with opened(task("a", crash, intensity=(1, 60))) as (local, control):
            await until(lambda: local.agent("a").state is State.HELD)
            found = await control.call("explain", "a")

            assert found.agent.state is State.HELD
            assert found.outlook == "it stays down until somebody resumes it"
            last = found.decisions[-1].change
            assert last.new is State.HELD
            rules = {ground.rule.value: ground.text for ground in last.grounds}
            assert rules["intensity"] == "1 of 1 restarts within 1 min used"
            standing = [ground for ground in found.standing if ground.rule.value == "intensity"]
            assert dict(standing[-1].numbers) == {"used": 1, "restarts": 1, "within": 60, "shared": False}

    async def test_it_is_the_same_near_and_far(self, opened: Open) -> None:
        inner = supervisor("team", task("x", forever), strategy="one_for_all", at_limit="escalate")
        waits = task("w", forever, depends_on={"gone": "ready"})
        gone = process("gone", ["false"], restart="temporary", readiness=Readiness(Exec(("false",)), deadline=60))
        async with opened(inner, gone, waits) as (local, control):
            await until(lambda: local.agent("w").state is State.FAILED)
            for agent in ("team", "team/x", "gone", "w"):
                near, far = local.explain(agent), await control.call("explain", agent)
                assert [(each.rule, each.text) for each in far.standing] == [
                    (each.rule, each.text) for each in near.standing
                ]
                assert json.loads(as_json(far))["decisions"] == json.loads(as_json(near))["decisions"]
                assert far.outlook == near.outlook
            assert local.explain("w").outlook == (
                "it starts by itself as soon as that changes: dependency 'gone' is failed"
            )
            assert "in it: 0 of 5 restarts within 1 min used (of all children together); over that: escalate" in [
                ground.text for ground in local.explain("team").standing
            ]

    async def test_what_a_probe_asks_and_what_an_account_has_left(self, opened: Open) -> None:
        probed = task("a", forever, health=Health(Call(good), period=0.05), account="paid")
        async with opened(probed) as (local, control):
            await until(lambda: "good" in str(local.explain("a").standing))
            texts = [ground.text for ground in (await control.call("explain", "a")).standing]
            assert texts[0].startswith("call good every 0.05 s: good")

    async def test_a_stop_that_takes_its_time_tells_its_step(self, opened: Open) -> None:
        deaf = process("p", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"])
        async with opened(deaf) as (local, control):
            with trio.fail_after(PATIENCE):
                while not await control.logs("p"):
                    await trio.sleep(0.01)
            await control.call("stop", "p", wait=False)
            await until(lambda: bool(local.explain("p").standing[0].rule.value == "stop"))
            found = await control.call("explain", "p")
            assert found.standing[0].text.startswith("step 1 of 1: SIGTERM to the group, ")
            assert found.standing[0].text.endswith(" of 10 s; then the kill")
            assert found.outlook == "it is being stopped; then it stays down"
            local.hurry("enough")

    async def test_nobody_and_what_is_forgotten(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            with pytest.raises(UnknownAgentError):
                await control.call("explain", "nobody")
            assert len(local.explain("team/planner").decisions) == 1
            for _ in range(MOST_DECISIONS):
                await local.restart("a")
            assert len(local.explain("a").decisions) == MOST_DECISIONS
            await local.remove("team")
            await local.remove("a")
            assert (local._decisions.of("team"), local._decisions.of("team/planner")) == ((), ())
            assert set(local._decisions._of) == {"b"}


class TestTree:
    """The tree with its rules."""

    async def test_supervisors_strategies_limits_and_dependencies(self, opened: Open) -> None:
        inner = supervisor("team", task("x", forever), task("y", forever, depends_on={"x": "ready"}), at_limit="pause")
        far = remote("far", "http://127.0.0.1:9/", health=Health(Http("/"), period=60))
        async with opened(inner, process("p", ["sleep", "60"]), strategy="rest_for_one") as (local, control):
            await local.add(far, wait=False)
            await until(lambda: local.tree()[-1].agent == "far")
            nodes: tuple[Node, ...] = await control.call("tree")
            assert nodes == local.tree()
            assert [(node.agent, node.kind) for node in nodes] == [
                ("", "supervisor"),
                ("team", "supervisor"),
                ("team/x", "task"),
                ("team/y", "task"),
                ("p", "process"),
                ("far", "remote"),
            ]
            top, team, _, y, p, _ = nodes
            assert (top.strategy, top.at_limit, top.state) == ("rest_for_one", "hold", None)
            assert team.intensity is not None
            assert (team.at_limit, team.intensity.shared, team.intensity.restarts) == ("pause", True, 5)
            assert [(need.agent, need.condition, need.met) for need in y.needs] == [("team/x", "ready", True)]
            assert [(use.used, use.restarts, use.shared) for use in p.limits] == [(0, 5, False)]

    async def test_a_limit_without_an_end(self, opened: Open) -> None:
        async with opened(task("a", forever), intensity=(3, float("inf"))) as (_, control):
            nodes = await control.call("tree")
            assert nodes[1].limits[0].within == float("inf")


class TestProbe:
    """Asked now; nothing follows."""

    async def test_all_or_one_and_the_thresholds_stay_as_they_are(self, opened: Open) -> None:
        seldom = Health(Call(bad), failures=1, period=600.0, initial_delay=600.0)
        probed = task("a", forever, startup=Startup(Call(good)), health=seldom)
        async with opened(probed) as (local, control):
            await until(lambda: local.agent("a").state is State.READY)
            found = await control.call("probe", "a")
            assert [(one.probe, one.ok, one.what) for one in found] == [
                (Role.STARTUP, True, "call good"),
                (Role.HEALTH, False, "call bad"),
            ]
            (only,) = await control.call("probe", "a", Role.HEALTH)
            assert only.ok is False
            assert 0 <= only.seconds < PATIENCE
            one = local.agent("a")
            assert (one.state, one.failing_since, one.generation) == (State.READY, None, 1)

    async def test_what_a_child_says_by_itself_is_what_is_known(self, opened: Open) -> None:
        said = process("p", ["sh", "-c", "echo ready now; exec sleep 60"], readiness=Readiness(Log("ready now")))
        silent = process("q", ["sleep", "60"], readiness=Readiness(Notify(), deadline=60), health=Health(Notify()))
        async with opened(said) as (local, control):
            (answer,) = await control.call("probe", "p")
            assert (answer.ok, answer.detail, answer.what) == (True, "it says: ready now", "log ready now")
            (again,) = await control.call("probe", "p")
            assert again.ok
        async with open_control(task("a", forever)) as local, reached("near", local) as control:
            await local.add(silent, wait=False)
            await until(lambda: local.snapshot()[-1].state is State.RUNNING)
            found = await control.call("probe", "q")
            assert [(one.ok, one.detail) for one in found] == [
                (False, "it has not said READY=1 yet"),
                (False, "it has not said WATCHDOG=1 yet"),
            ]

    async def test_who_can_not_be_asked(self, opened: Open) -> None:
        fails = process("p", ["true"], restart="temporary", health=Health(Exec(("true",))))
        lost = task("odd", forever, health=Health(Http("http://127.0.0.1:{port}/"), period=600))
        async with opened(task("a", forever), fails, lost) as (local, control):
            with pytest.raises(ConflictError, match="a has no probe: write readiness or health"):
                await control.call("probe", "a")
            with pytest.raises(ConflictError, match="p has no startup probe; it has: health"):
                await control.call("probe", "p", Role.STARTUP)
            await until(lambda: local.agent("p").state is State.FINISHED)
            with pytest.raises(ConflictError, match="p is finished: a probe needs a life of it that is started"):
                await control.call("probe", "p")
            with pytest.raises(UnknownAgentError):
                await control.call("probe", "nobody")
            (answer,) = await control.call("probe", "odd")
            assert answer.ok is None
            assert "port" in answer.detail

    async def test_a_client_that_goes_away_ends_its_question(self) -> None:
        asked = trio.Event()
        gone = trio.Event()

        async def hang() -> None:
            asked.set()
            try:
                await trio.sleep_forever()
            finally:
                gone.set()

        probed = task("a", forever, health=Health(Call(hang), period=600, timeout=600))
        async with open_control(probed) as local, serving(local) as path:
            with trio.move_on_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    stream = await trio.open_unix_socket(str(path))
                    await stream.send_all(b"POST /v1/agents/a/probe HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                    await asked.wait()
                    await stream.aclose()
                    await gone.wait()
                    nursery.cancel_scope.cancel()
            assert gone.is_set()


class TestUsage:
    """CPU time and memory of whole trees of processes."""

    async def test_of_a_tree_of_processes_and_of_a_supervisor_the_sum(self, opened: Open) -> None:
        # A daemon that has left session and parent is found too, and what has ended counts once it was waited for.
        burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
        busy = process("busy", ["sh", "-c", f"(setsid sleep 60 &); ({burn}); echo done; exec sleep 60"])
        async with opened(supervisor("team", busy, task("t", forever)), process("gone", ["true"])) as (_, control):
            with trio.fail_after(PATIENCE):
                while not await control.logs("team/busy"):
                    await trio.sleep(0.01)
            found = {one.agent: one for one in await control.call("measured")}
            used = found["team/busy"].usage
            assert used is not None
            assert used.processes == 2
            assert used.memory_bytes > 50_000
            assert 0.01 < used.cpu_seconds < PATIENCE
            assert found["team"].usage is not None
            assert found["team"].usage.processes == 2
            assert found["team/t"].usage is None
            assert (await control.call("snapshot"))[0].usage is None

    async def test_many_are_measured_by_one_look(self) -> None:
        async with open_control(*[process(f"p{n}", ["sleep", "60"]) for n in range(20)]) as local:
            found = await local.measured()
            assert [one.usage is not None and one.usage.processes for one in found] == [1] * 20


class TestEndpoints:
    """Which are ready, and where."""

    async def test_what_is_ready_comes_and_goes(self, opened: Open) -> None:
        web = process("web", ["sleep", "60"], port="auto", protocol="openai")
        async with opened(web, *some()) as (local, control):
            (one,) = await control.call("endpoints")
            assert (one.agent, one.protocol, one.generation) == ("web", "openai", 1)
            assert one.url == f"http://127.0.0.1:{one.port}"
            assert changed(one, since=0.0) == changed(local.endpoints()[0], since=0.0)
            await control.call("stop", "web")
            assert await control.call("endpoints") == ()

    async def test_the_changes_begin_with_what_is_there(self) -> None:
        web = process("web", ["sleep", "60"], port="auto")
        async with open_control(web, task("a", forever)) as local, serving(local) as path:
            seen: list[EndpointChange] = []

            def read() -> None:
                with Client(path).endpoint_changes() as changes:
                    for change in changes:
                        seen.append(change)
                        if len(seen) == 3:
                            return

            async with trio.open_nursery() as nursery:
                nursery.start_soon(in_thread, read)
                await until(lambda: len(seen) == 1)
                await local.restart("web")
            told = [(change.ready, change.endpoint.agent, change.endpoint.generation) for change in seen]
            assert told == [(True, "web", 1), (False, "web", 1), (True, "web", 2)]

    async def test_a_slow_reader_gets_the_last_news_and_the_end(self) -> None:
        web = process("web", ["sleep", "60"], port="auto")
        async with open_control(web) as local, local.endpoint_changes() as changes:
            for _ in range(3):
                await local.restart("web")
            assert [(each.ready, each.endpoint.generation) for each in [await anext(changes)]] == [(True, 4)]
            await local.shutdown()
            assert [each.ready async for each in changes] == [False]
            async with local.endpoint_changes() as late:
                assert [each async for each in late] == []
        assert local._readers_of_endpoints == set()


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (Http("/health?token=secret"), "http /health"),
        (Exec(("check", "--key", "secret")), "exec check"),
        (A2A(), "a2a"),
        (Call("package.module:check"), "call package.module:check"),
        (Log(fail="in use"), "log"),
        (Http("/" + "x" * 100), f"http /{'x' * 59}..."),
    ],
)
def test_how_a_probe_asks(check: Any, words: str) -> None:
    assert in_words(check) == words


async def test_decisions_of_a_fault_are_no_steps(opened: Open) -> None:
    async with opened(*some(), cat()) as (local, control):
        await control.call("hold", "cat", reason="for now")
        await control.call("resume", "cat")
        decisions: tuple[Event, ...] = (await control.call("explain", "cat")).decisions
        assert [event.change.new.value for event in decisions] == [
            "ready",
            "stopping",
            "held",
            "waiting",
            "ready",
        ]
        assert json.dumps(explanation_form(local.explain("cat")))


async def test_an_agent_called_like_a_question_is_found() -> None:
    inner = supervisor("team", task("explain", forever))
    async with open_control(inner) as local, reached("far", local) as control:
        assert (await control.call("agent", "team/explain")).agent == "team/explain"
        assert (await control.call("explain", "team/explain")).agent.agent == "team/explain"
        assert (await control.call("explain", "team")).agent.agent == "team"
