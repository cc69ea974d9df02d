"""What a control does, in the same process and through the socket alike."""

import signal
import time
from typing import Any

import pytest
import trio

from tests.control.conftest import Open
from tests.control.trees import Near, cat, crash, forever, open_control, some, stubborn
from trio_supervisor import process, supervisor, task
from trio_supervisor.control.api import Event, Gap, Heard, How, Phase, State, Verb
from trio_supervisor.errors import (
    CallError,
    ChildStartError,
    ConflictError,
    NeededError,
    RequestError,
    UnknownAgentError,
    UnknownOperationError,
)
from trio_supervisor.output.selection import Selection
from trio_supervisor.record import changed

_STRANGE = ["x", "", "/a", "a/", "a//b", "team/x", "../a", "a/../b", "A" * 5000, "a\0", "ä", "%61"]


class TestLooking:
    """What is the case, what has happened, what was said."""

    async def test_the_tree_as_it_is(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            found = await control.call("snapshot")

            assert [one.agent for one in found] == ["a", "b", "team", "team/planner"]
            near = local.snapshot()
            assert [changed(one, since=0.0) for one in found] == [changed(one, since=0.0) for one in near]
            assert all(abs(one.since - other.since) < 0.1 for one, other in zip(found, near, strict=True))

    async def test_one_child_and_the_end_of_its_last_life(self, opened: Open) -> None:
        async with opened(*some(), process("p", ["sh", "-c", "exit 3"], restart="temporary")) as (_, control):
            assert (await control.call("agent", "team/planner")).state is State.READY
            with trio.fail_after(20):
                while (one := await control.call("agent", "p")).state is not State.FAILED:
                    await trio.sleep(0.01)

            assert (one.state, one.last_exit.code, one.pid) == (State.FAILED, 3, None)

    @pytest.mark.parametrize("name", _STRANGE)
    async def test_no_such_child(self, opened: Open, name: str) -> None:
        async with opened(*some()) as (_, control):
            for verb in ("agent", "stop", "restart", "remove", "reset"):
                if name or verb != "agent":
                    with pytest.raises((UnknownAgentError, RequestError)) as caught:
                        await control.call(verb, name)
                    assert len(str(caught.value)) < 300

    async def test_what_was_perhaps_meant(self, opened: Open) -> None:
        async with opened(*some()) as (_, control):
            with pytest.raises(UnknownAgentError, match="'team/planer'; did you mean 'team/planner'"):
                await control.call("agent", "team/planer")

    async def test_events_have_numbers_one_after_the_other_and_can_be_read_from_any(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            await control.call("restart", "a")
            found = await control.events(0)

            assert all(isinstance(event, Event) for event in found)
            numbers = [event.seq for event in found]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert isinstance(found[-1], Event)
            assert found[-1].change.new is State.READY
            assert [event.seq for event in await control.events(numbers[3])] == numbers[4:]
            assert await control.events(numbers[-1]) == []
            assert local.snapshot()[0].generation == 2

    async def test_a_number_of_another_run_is_a_gap_with_what_is_the_case(self, opened: Open) -> None:
        async with opened(*some()) as (_, control):
            last = (await control.events(0))[-1].seq

            for after in (1, last + 1, last + 10**9):
                (gap,) = await control.events(after)
                assert isinstance(gap, Gap)
                assert gap.seq == last
                assert [one.agent for one in gap.agents] == ["a", "b", "team", "team/planner"]

    async def test_what_children_have_said_in_the_order_of_time(self, opened: Open) -> None:
        said = "for i in 1 2 3; do echo $0$i; sleep 0.05; done"
        processes = [process(name, ["sh", "-c", said, name], restart="temporary") for name in ("x", "y")]
        async with opened(*processes) as (local, control):
            with trio.fail_after(20):
                await local.wait()
            merged = await control.logs()

            assert sorted(line.text for line in merged) == ["x1", "x2", "x3", "y1", "y2", "y3"]
            assert [line.at for line in merged] == sorted(line.at for line in merged)
            assert [line.text for line in await control.logs("x")] == ["x1", "x2", "x3"]
            assert [line.text for line in await control.logs("x", since=2)] == ["x2", "x3"]
            assert [line.text for line in await control.logs(tail=1)] in (["x3", "y3"], ["y3", "x3"])

    async def test_the_level_of_a_line_is_what_it_says_itself(self, opened: Open) -> None:
        said = """echo '{"level":"fatal"}'; echo plain"""
        async with opened(process("x", ["sh", "-c", said], restart="temporary")) as (local, control):
            with trio.fail_after(20):
                await local.wait()
            assert [line.level for line in await control.logs("x")] == ["critical", None]

    async def test_only_what_is_not_older_than_a_time(self, opened: Open) -> None:
        async with opened(cat(), cat("dog")) as (_, control):
            for text in ("old", "new"):
                begun = time.time()
                for name in ("cat", "dog"):
                    await control.call("send", name, f"{text} {name}\n".encode(), expect=f"{name}\n")
            chosen: Any = {"selection": Selection(grep="n")} if isinstance(control, Near) else {"grep": "n"}
            for options in ({}, {"tail": 5}, chosen):
                found = await control.logs(since_time=begun, **options)
                assert [line.text for line in found] == ["new cat", "new dog"]
            assert await control.logs("cat", since_time=time.time() + 60) == []

    async def test_of_a_supervisor_is_of_all_in_it_and_of_nobody_unknown(self, opened: Open) -> None:
        inner = supervisor("team", process("x", ["echo", "hello"], restart="temporary"))
        async with opened(inner, process("y", ["echo", "no"], restart="temporary")) as (_, control):
            with trio.fail_after(20):
                while not (found := await control.logs("team")):
                    await trio.sleep(0.01)

            assert [(line.agent, line.text) for line in found] == [("team/x", "hello")]
            with pytest.raises(UnknownAgentError):
                await control.logs("nobody")
            with pytest.raises(RequestError, match="since"):
                await control.logs("team", "y", since=3)


class TestCommands:
    """Each returns when its effect is there."""

    async def test_restart_begins_a_new_life(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            done = await control.call("restart", "team/planner")

            assert (done.verb, done.phase, done.generation) == (Verb.RESTART, Phase.DONE, 2)
            assert local.agent("team/planner").state is State.READY

    async def test_stop_and_start_again_and_again(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            for _ in range(2):
                await control.call("stop", "a")
                assert local.agent("a").state is State.STOPPED
            for _ in range(2):
                assert (await control.call("start", "a", reason="needed")).generation == 2
                assert local.agent("a").state is State.READY

    async def test_hold_and_resume(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            await control.call("hold", "a", reason="it is late")
            assert (local.agent("a").state, local.agent("a").reason) == (State.HELD, "it is late")

            await control.call("resume", "a")
            assert local.agent("a").state is State.READY
            assert (await control.call("resume", "a")).generation == 2

    async def test_remove_and_its_words_can_still_be_read(self, opened: Open) -> None:
        async with opened(cat(), *some()) as (local, control):
            await control.call("send", "cat", b"hello\n")
            with trio.fail_after(20):
                while not await control.logs("cat"):
                    await trio.sleep(0.01)
            await control.call("remove", "cat")

            assert [one.agent for one in local.snapshot()] == ["a", "b", "team", "team/planner"]
            assert [line.text for line in await control.logs("cat")] == ["hello"]
            with pytest.raises(UnknownAgentError):
                await control.call("start", "cat")

    async def test_who_is_needed_is_not_removed_without_force(self, opened: Open) -> None:
        user, bound = task("user", forever, depends_on=["db"]), task("bound", forever, binds_to=["db"])
        async with opened(task("db", forever), user, bound) as (local, control):
            with pytest.raises(NeededError, match="db: needed by user, bound, which could not be started") as caught:
                await control.call("remove", "db")
            assert caught.value.users == ("user", "bound")
            assert [one.agent for one in local.snapshot()] == ["db", "user", "bound"]

            done = await control.call("remove", "db", force=True)
            assert done.warnings == (
                "user depends on db: it runs on if it is up, and can't be started until db is back",
                "bound is bound to db: it goes down with it, and can't be started until db is back",
            )
            assert local.agent("user").state is State.READY
            with pytest.raises(ChildStartError, match="dependency 'db' is removed"):
                await control.call("restart", "user")
            with pytest.raises(ChildStartError, match="dependency 'db' is removed"):
                await control.call("start", "bound")

    async def test_who_goes_itself_needs_nobody(self, opened: Open) -> None:
        async with opened(task("db", forever), task("user", stubborn, depends_on=["db"])) as (local, control):
            assert (await control.call("remove", "user", wait=False)).phase is Phase.PENDING
            assert (await control.call("remove", "db")).warnings == ()
            await control.call("remove", "user") if local.snapshot() else None
            assert local.snapshot() == ()

    async def test_a_start_that_fails_says_how(self, opened: Open) -> None:
        async with opened(process("p", ["/no/such/program"], restart="temporary")) as (_, control):
            with pytest.raises(ChildStartError, match=r"p: failed: cannot be started: .*/no/such/program") as caught:
                await control.call("start", "p")
            assert caught.value.child == "p"
            assert caught.value.exit is not None
            assert caught.value.exit.how is How.SPAWN_FAILED

    async def test_reset_forgets_restarts(self, opened: Open) -> None:
        async with opened(task("a", crash, restart="permanent", intensity=(2, 60))) as (local, control):
            with trio.fail_after(20):
                while local.agent("a").state is not State.HELD:
                    await trio.sleep(0.01)
            assert local.agent("a").restarts > 0

            await control.call("reset", "a")

            assert (local.agent("a").restarts, local.agent("a").state) == (0, State.HELD)

    async def test_a_signal_is_no_request_to_end(self, opened: Open) -> None:
        trap = process("p", ["sh", "-c", "trap 'echo caught' USR1; echo set; while :; do sleep 0.05; done"])
        async with opened(trap) as (local, control):
            with trio.fail_after(20):
                while not await control.logs("p"):
                    await trio.sleep(0.01)
                await control.call("signal", "p", signal.SIGUSR1)
                while "caught" not in [line.text for line in await control.logs("p")]:
                    await trio.sleep(0.01)
            assert (local.agent("p").state, local.agent("p").generation) == (State.READY, 1)

    async def test_who_can_not_be_talked_to(self, opened: Open) -> None:
        no_input = process("deaf", ["sleep", "60"])
        async with opened(task("a", forever), no_input, cat()) as (_, control):
            with pytest.raises(ConflictError, match="a is no process, so text can't reach it"):
                await control.call("send", "a", b"x")
            with pytest.raises(ConflictError, match="deaf: its standard input is the null device; write stdin: pipe"):
                await control.call("send", "deaf", b"x")
            await control.call("stop", "cat")
            with pytest.raises(ConflictError, match="cat is stopped: a signal needs a life of it; start it first"):
                await control.call("signal", "cat", signal.SIGHUP)

    async def test_an_answer_that_is_expected_is_what_it_says_after_that(self, opened: Open) -> None:
        asks = 'echo "no 7"; while read x; do echo "you said $x"; echo "in all $((x * 7)) pieces"; done'
        quiz = process("quiz", ["sh", "-c", asks], stdin="pipe", restart="temporary")
        async with opened(quiz) as (_, control):
            with trio.fail_after(20):
                while not await control.logs("quiz"):
                    await trio.sleep(0.01)
            done = await control.call("send", "quiz", b"6\n", expect=r"in all (\d+)")
            assert done.heard == Heard("in all 42", "you said 6\n", ("42",))
            assert (await control.call("operation", done.id)).heard == done.heard
            with pytest.raises(ConflictError, match=r"quiz did not say what was expected within 0\.1 s"):
                await control.call("send", "quiz", b"1\n", expect="never", timeout=0.1)
            with pytest.raises(RequestError, match="expect"):
                await control.call("send", "quiz", b"1\n", expect="(")

    async def test_one_that_ends_gives_no_answer(self, opened: Open) -> None:
        reader = process("p", ["sh", "-c", "read x; exit 3"], stdin="pipe", restart="temporary")
        async with opened(reader) as (_, control):
            with pytest.raises(ConflictError, match=r"p has ended \(exit code 3\); it said nothing"):
                await control.call("send", "p", b"x\n", expect="anything")

    async def test_who_asks_is_not_disturbed_by_who_sends(self, opened: Open) -> None:
        async with opened(cat()) as (_, control):
            given = await control.call("send", "cat", b"question\n", expect="answer\n", wait=False)
            later = await control.call("send", "cat", b"answer\n", wait=0.05)
            assert later.phase is Phase.PENDING
            assert (await control.call("operation", given.id)).phase is Phase.PENDING

    async def test_scale_replicas(self, opened: Open) -> None:
        async with opened(task("w-1", forever), task("w-2", forever), task("x", forever)) as (local, control):
            await control.call("scale", "w", 4)
            assert [one.agent for one in local.snapshot()] == ["w-1", "w-2", "x", "w-3", "w-4"]
            assert all(one.state is State.READY for one in local.snapshot())

            await control.call("scale", "w", 1)
            assert [one.agent for one in local.snapshot()] == ["w-1", "x"]
            with pytest.raises(ConflictError, match="replicas must be 1 to 1000, not 0"):
                await control.call("scale", "w", 0)
            with pytest.raises(UnknownAgentError, match="there is no agent 'x' with replicas"):
                await control.call("scale", "x", 2)

    async def test_who_depends_on_replicas_depends_on_those_that_are_left(self, opened: Open) -> None:
        user = task("user", forever, depends_on={"w-1": "ready", "w-2": "ready"}, binds_to=["w-2"])
        last = task("last", forever, depends_on=["w-3"])
        async with opened(*(task(f"w-{n}", forever) for n in (1, 2, 3)), user, last) as (local, control):
            with pytest.raises(NeededError, match="w-3: needed by last"):
                await control.call("scale", "w", 1)
            assert [one.agent for one in local.snapshot()] == ["w-1", "w-2", "w-3", "user", "last"]
            await control.call("remove", "last")
            await control.call("scale", "w", 1)

            assert local.agent("user").generation == 1
            await control.call("restart", "user")
            found = {one.agent: (one.state, one.generation) for one in local.snapshot()}
            assert found == {"w-1": (State.READY, 1), "user": (State.READY, 2)}

    async def test_scale_instances_of_a_template(self, opened: Open) -> None:
        pool = supervisor("pool", strategy="simple_one_for_one", template=task("w", forever))
        async with opened(pool) as (local, control):
            await control.call("scale", "pool", 2)
            assert [one.agent for one in local.snapshot()] == ["pool", "pool/w-1", "pool/w-2"]
            await control.call("scale", "pool", 0)
            assert [one.agent for one in local.snapshot()] == ["pool"]

    async def test_shutdown_waits_until_all_is_down(self, opened: Open) -> None:
        async with opened(task("a", stubborn), task("b", forever)) as (local, control):
            asked: list[bool] = []
            local.on_shutdown(lambda: asked.append(True))

            assert (await control.call("shutdown", reason="enough")).phase is Phase.DONE

            assert [one.state for one in local.snapshot()] == [State.STOPPED, State.STOPPED]
            assert local.snapshot()[0].reason.startswith("enough")
            assert asked == [True]
            with pytest.raises(ConflictError, match="a: nothing is started any more: enough"):
                await control.call("start", "a")
            assert (await control.call("stop", "a")).phase is Phase.DONE

    async def test_who_is_in_a_supervisor_that_does_not_run_is_not_started_by_itself(self, opened: Open) -> None:
        async with opened(supervisor("team", task("x", forever))) as (local, control):
            await control.call("stop", "team")
            with pytest.raises(ConflictError, match="team/x: its supervisor team does not run: start that"):
                await control.call("start", "team/x")
            await control.call("start", "team")
            # It is up as soon as it runs; those in it come up then.
            with trio.fail_after(20):
                while local.agent("team/x").state is not State.READY:
                    await trio.sleep(0.01)


class TestOperations:
    """Commands that are not waited for, that meet each other, that come too late."""

    async def test_without_waiting_it_names_what_is_awaited_and_can_be_asked_about(self, opened: Open) -> None:
        async with opened(task("a", stubborn)) as (local, control):
            given = await control.call("stop", "a", wait=False)
            assert given.phase is Phase.PENDING
            later = await control.call("stop", "a", wait=0.05)

            assert later.id == given.id
            assert later.awaits == "a, now stopping: stopped by hand"
            assert (await control.call("operation", given.id)).phase is Phase.PENDING
            await control.call("stop", "a")
            assert (await control.call("operation", given.id)).phase is Phase.DONE
            assert local.agent("a").state is State.STOPPED
            with pytest.raises(UnknownOperationError, match="there is no operation 99"):
                await control.call("operation", 99)

    async def test_two_that_restart_at_once_get_one_new_life(self, opened: Open) -> None:
        async with opened(task("a", stubborn)) as (local, control):
            done = []
            async with trio.open_nursery() as nursery:
                for _ in range(2):

                    async def restart() -> None:
                        done.append(await control.call("restart", "a"))

                    nursery.start_soon(restart)

            assert len({one.id for one in done}) == 1
            assert (local.agent("a").generation, local.agent("a").state) == (2, State.READY)

    async def test_a_restart_of_a_certain_life_can_be_repeated(self, opened: Open) -> None:
        async with opened(*some()) as (local, control):
            for _ in range(3):
                await control.call("restart", "a", generation=1)
            assert local.agent("a").generation == 2
            with pytest.raises(ConflictError, match="a has had 2 lives, so none with number 7"):
                await control.call("restart", "a", generation=7)

    async def test_who_wants_the_opposite_takes_the_place(self, opened: Open) -> None:
        async with opened(task("a", stubborn)) as (local, control):
            given = await control.call("stop", "a", wait=False)
            await control.call("start", "a")

            assert local.agent("a").state is State.READY
            lost = await control.call("operation", given.id)
            assert (lost.phase, lost.error) == (Phase.FAILED, "a: stop has given way to start (operation 2)")

    async def test_who_is_being_removed_is_not_started(self, opened: Open) -> None:
        async with opened(task("a", stubborn), task("b", forever)) as (local, control):
            given = await control.call("remove", "a", wait=False)
            again = await control.call("remove", "a", wait=False)
            with pytest.raises(ConflictError, match="a is being removed"):
                await control.call("start", "a")

            assert again.id == given.id
            with trio.fail_after(20):
                while len(local.snapshot()) > 1:
                    await trio.sleep(0.01)

    @pytest.mark.parametrize("wait", [-1, float("nan")])
    async def test_no_time_to_wait(self, opened: Open, wait: float) -> None:
        async with opened(*some()) as (local, control):
            with pytest.raises(RequestError, match="wait must be true, false or seconds >= 0"):
                await control.call("restart", "a", wait=wait)
            assert local.agent("a").generation == 1


async def test_a_child_can_be_added_below_a_supervisor() -> None:
    async with open_control(*some()) as control:
        done = await control.add(task("coder", forever), under="team")

        assert (done.agent, control.agent("team/coder").state) == ("team/coder", State.READY)
        with pytest.raises(CallError, match="already_started"):
            await control.add(task("coder", forever), under="team")
        with pytest.raises(UnknownAgentError, match="there is no supervisor 'b'"):
            await control.add(task("coder", forever), under="b")
        assert (await control.add(task("z", forever))).agent == "z"


async def test_there_is_something_to_run_while_a_command_keeps_the_last_one_down() -> None:
    async with open_control(task("a", forever)) as control:
        await control.stop("a")
        with trio.move_on_after(0.1) as scope:
            await control.wait()
        assert scope.cancelled_caught

        await control.start("a")
        control.end("enough")
        with trio.fail_after(20):
            await control.wait()
