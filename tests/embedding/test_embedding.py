"""The library as an embedding program uses it: real async functions in virtual time."""

import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

import trio_supervisor
from trio_supervisor import (
    UNLIMITED,
    Account,
    Budget,
    Call,
    CallError,
    ChildSpec,
    ChildStartError,
    CloseStdinStep,
    Exit,
    Health,
    How,
    HttpStep,
    Ignore,
    Inherit,
    LifeEnded,
    Limits,
    NeededError,
    Port,
    ProcessSpec,
    Quota,
    Rate,
    RestartLimitReached,
    SecretEnv,
    SecretFile,
    Shutdown,
    SignalStep,
    SpecError,
    State,
    StateChanged,
    Stdin,
    Supervisor,
    process,
    supervisor,
    task,
)
from trio_supervisor.engine.changing import Change


async def forever() -> None:
    await trio.sleep_forever()


async def crash() -> None:
    await trio.sleep(1)
    raise ValueError("no luck")


async def returns() -> None:
    await trio.sleep(1)


async def slow(*, task_status: trio.TaskStatus[str]) -> None:
    await trio.sleep(5)
    task_status.started("here I am")
    await trio.sleep_forever()


def test_the_public_names_are_these_and_all_are_there() -> None:
    assert all(getattr(trio_supervisor, name) is not None for name in trio_supervisor.__all__)
    assert set(dir(trio_supervisor)) == set(trio_supervisor.__all__)
    assert len(trio_supervisor.__all__) == 143
    with pytest.raises(AttributeError):
        trio_supervisor.nothing_of_this_name  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("trio", "httpx", "yaml", "cattrs")
    look = f"import sys, trio_supervisor; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


class TestLiving:
    """From the opening of a tree to its end."""

    async def test_leaving_the_block_stops_the_tree(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", forever)) as tree:
            child = tree["a"]
            await child.wait_ready()

        assert child.state is State.STOPPED

    async def test_wait_returns_when_nothing_is_left_to_run(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", returns, restart="transient")) as tree:
            await tree.wait()
            assert trio.current_time() == 1

    async def test_real_processes_and_the_example_of_the_readme(self) -> None:
        async with Supervisor(strategy="rest_for_one", intensity=(5, 60)) as tree:
            agent = await tree.start_child(process("researcher", ["sleep", "0.05"], port="auto", restart="temporary"))
            await tree.start_child(task("poller", trio.lowlevel.checkpoint, restart="transient"))
            assert agent.snapshot().port is not None
            await tree.wait()

        assert agent.state is State.FINISHED

    async def test_a_tree_is_a_task_of_a_nursery(self, autojump_clock: MockClock) -> None:
        tree = Supervisor(task("a", slow), profile="otp")
        async with trio.open_nursery() as nursery:
            assert await nursery.start(tree.run) is tree
            assert trio.current_time() == 5
            tree.stop()

        assert tree.snapshot()[0].state is State.STOPPED

    async def test_stopped_before_all_is_started_is_no_error(self, autojump_clock: MockClock) -> None:
        tree = Supervisor(task("a", slow), profile="otp")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nursery.start, tree.run)
            await trio.sleep(1)
            tree.stop()

        assert trio.current_time() == 1

    async def test_functions_are_decorated(self, autojump_clock: MockClock) -> None:
        tree = Supervisor()

        @tree.task(restart="transient")
        async def poll_mail() -> None:
            await trio.sleep(3)

        async with tree:
            await tree["poll-mail"].wait_exit()
            assert trio.current_time() == 3
            with pytest.raises(RuntimeError):
                tree.task()(forever)

    async def test_a_first_start_that_fails_is_raised_with_the_child_within(self, autojump_clock: MockClock) -> None:
        inner = supervisor("inner", task("ok", forever), task("bad", "no_such_module:main"), profile="otp")
        with pytest.raises(ChildStartError, match="no_such_module") as caught:
            async with Supervisor(inner, profile="otp"):
                raise AssertionError("never reached")

        assert caught.value.child == "inner"
        assert caught.value.exit is not None
        assert isinstance(caught.value.exit.exception, ChildStartError)
        assert caught.value.exit.exception.child == "bad"


class TestGivingUp:
    """The limit escalates out of the top."""

    async def test_the_block_is_cancelled_and_the_last_exceptions_are_raised(self, autojump_clock: MockClock) -> None:
        with pytest.raises(RestartLimitReached) as caught:
            async with Supervisor(task("a", crash), task("b", forever), profile="otp"):
                await trio.sleep(60)

        assert trio.current_time() == 2
        assert [repr(error) for error in caught.value.exceptions] == ["ValueError('no luck')"]

    async def test_wait_raises_it_too(self, autojump_clock: MockClock) -> None:
        tree = Supervisor(task("a", crash), profile="otp")
        seen: list[BaseException] = []

        async def watch() -> None:
            try:
                await tree.wait()
            except RestartLimitReached as error:
                seen.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            with pytest.raises(RestartLimitReached):
                async with tree:
                    await trio.sleep_forever()

        assert len(seen) == 1

    async def test_wait_within_the_block_and_the_end_of_the_block_are_one_failure(
        self, autojump_clock: MockClock
    ) -> None:
        tree = Supervisor(task("a", crash), profile="otp")

        with pytest.raises(RestartLimitReached) as caught:
            async with tree:
                await tree.wait()

        assert [repr(error) for error in caught.value.exceptions] == ["ValueError('no luck')"]

    async def test_an_exception_of_the_block_is_not_lost_beside_it(self, autojump_clock: MockClock) -> None:
        gave_up = pytest.RaisesGroup(ValueError, check=lambda group: isinstance(group, RestartLimitReached))
        with pytest.RaisesGroup(gave_up, KeyError):
            async with Supervisor(task("a", crash), profile="otp"):
                try:
                    await trio.sleep(60)
                finally:
                    raise KeyError("the block's own")

    async def test_an_exception_of_the_block_alone_comes_as_it_is(self, autojump_clock: MockClock) -> None:
        with pytest.raises(KeyError):
            async with Supervisor(task("a", forever)):
                raise KeyError

    async def test_a_fleet_holds_the_offender_instead(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", crash), task("b", forever), intensity=(1, 60)) as tree:
            await trio.sleep(30)
            assert [each.state for each in tree.snapshot()] == [State.HELD, State.READY]

    async def test_a_limit_reached_is_no_clean_end_to_a_fleet(self, autojump_clock: MockClock) -> None:
        inner = supervisor("inner", task("a", crash), profile="otp", own={"restart": "transient"})
        async with Supervisor(inner) as tree:
            await trio.sleep(3.5)
            assert tree["inner"].snapshot().restarts == 1

    async def test_keyboard_interrupt_in_a_child_is_never_swallowed(self, autojump_clock: MockClock) -> None:
        async def interrupted() -> None:
            await trio.sleep(1)
            raise KeyboardInterrupt

        inner = supervisor("inner", task("a", interrupted), task("b", forever))
        with pytest.raises(KeyboardInterrupt):
            async with Supervisor(inner, task("c", forever)) as tree:
                await trio.sleep(60)

        assert tree["c"].state is State.STOPPED


class TestCalls:
    """start_child and its kin."""

    async def test_what_a_child_announces_is_the_info_of_its_handle(self, autojump_clock: MockClock) -> None:
        async with Supervisor(profile="otp") as tree:
            assert (await tree.start_child(task("a", slow))).info == "here I am"
            assert trio.current_time() == 5

    async def test_refusals_and_failures_are_exceptions(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", forever), profile="otp") as tree:
            with pytest.raises(CallError, match="already_started"):
                await tree.start_child(task("a", forever))
            with pytest.raises(CallError, match="not_found"):
                await tree.terminate_child("nobody")
            with pytest.raises(CallError, match="running"):
                await tree.delete_child("a")
            with pytest.raises(ChildStartError, match="no_such_module"):
                await tree.start_child(task("b", "no_such_module:main"))
            with pytest.raises(SpecError, match="template"):
                await tree.start_child()
            assert [row.child for row in await tree.which_children()] == ["a"]

    async def test_the_life_of_a_child_by_calls(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", forever), profile="otp") as tree:
            await tree.terminate_child("a")
            assert (await tree.count_children()).active == 0
            await tree.restart_child("a")
            assert (await tree.count_children()).active == 1
            assert (await tree.get_child_spec("a")).id == "a"
            await tree.terminate_child("a")
            await tree.delete_child("a")
            assert await tree.which_children() == ()

    async def test_a_child_that_has_nothing_to_do_is_no_failure(self, autojump_clock: MockClock) -> None:
        async def idle(*, task_status: trio.TaskStatus[None]) -> None:
            raise Ignore

        async with Supervisor(profile="otp") as tree:
            handle = await tree.start_child(task("a", idle))
            assert (handle.ignored, handle.state) == (True, State.STOPPED)
            gone = await tree.start_child(task("b", idle, restart="temporary"))
            assert (gone.ignored, gone.state) == (True, State.REMOVED)

    async def test_instances_of_a_template(self, autojump_clock: MockClock) -> None:
        spec = task("worker", forever, restart="temporary")
        async with Supervisor(strategy="simple_one_for_one", template=spec, max_children=2) as tree:
            names = [(await tree.start_child()).id for _ in range(2)]
            assert names == ["worker-1", "worker-2"]
            with pytest.raises(CallError, match="max_children"):
                await tree.start_child()

    async def test_after_the_end_calls_are_refused(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", forever)) as tree:
            pass
        with pytest.raises(CallError, match="shutting down"):
            await tree.restart_child("a")

    async def test_calls_to_an_inner_supervisor(self, autojump_clock: MockClock) -> None:
        async with Supervisor(supervisor("team", task("a", forever)), profile="otp") as tree:
            team = tree.inner("team")
            assert (await team.start_child(task("b", forever))).path == "team/b"
            assert [each.agent for each in tree.snapshot()] == ["team", "team/a", "team/b"]
            assert tree["team/b"].state is State.READY


class TestHandles:
    """One child."""

    async def test_hold_and_resume(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", forever), task("b", forever), strategy="one_for_all") as tree:
            a, b = tree["a"], tree["b"]
            await b.hold("maintenance")
            await a.restart()
            assert (a.state, b.state, b.snapshot().reason) == (State.READY, State.HELD, "maintenance")
            await b.resume()
            assert b.state is State.READY

    @pytest.mark.parametrize("profile", ["fleet", "otp"])
    async def test_restart_stop_and_remove(self, autojump_clock: MockClock, profile: str) -> None:
        async with Supervisor(task("a", forever), profile=profile) as tree:
            a = tree["a"]
            await a.wait_ready()
            await a.restart()
            assert a.snapshot().generation == 2
            await a.stop()
            assert a.state is State.STOPPED
            with pytest.raises(ChildStartError):
                await a.wait_ready()
            await a.restart()
            await a.remove()
            assert a.state is State.REMOVED

    async def test_wait_exit_tells_how_a_life_ended(self, autojump_clock: MockClock) -> None:
        async def done() -> None:
            await trio.sleep(2)
            raise Shutdown("enough")

        async with Supervisor(task("a", done, restart="transient")) as tree:
            assert await tree["a"].wait_exit() == Exit(How.SHUT_DOWN, value="enough")
            assert tree["a"].state is State.FINISHED
            assert (await tree["a"].wait_exit()).how is How.SHUT_DOWN

    async def test_a_start_that_takes_too_long_has_failed(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", slow, start_timeout=2, restart="temporary")) as tree:
            with pytest.raises(ChildStartError, match="not ready 2 s after its start"):
                await tree["a"].wait_ready()

    async def test_bound_children_go_down_and_come_back_together(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("db", forever), task("api", forever, binds_to=["db"])) as tree:
            await tree["api"].wait_ready()
            await tree["db"].restart()
            await tree["api"].wait_ready()
            assert tree["api"].snapshot().generation == 2

    async def test_who_is_needed_is_not_removed_without_force(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("db", forever), task("api", forever, depends_on=["db"])) as tree:
            db = tree["db"]
            await tree["api"].wait_ready()
            with pytest.raises(NeededError, match="db: needed by api"):
                await db.remove()
            assert db.state is State.READY
            await db.remove(force=True)
            assert (db.state, tree["api"].state) == (State.REMOVED, State.READY)


async def test_events_tell_everything_in_order_and_end_with_the_tree(autojump_clock: MockClock) -> None:
    tree = Supervisor(supervisor("team", task("a", returns, restart="temporary")))
    events = tree.events()
    async with tree:
        await trio.sleep(2)

    notices = [(event.supervisor, event.notice) async for event in events]
    states = [notice.new.value for path, notice in notices if path == "team" and isinstance(notice, StateChanged)]
    assert states == ["waiting", "starting", "ready", "finished"]
    assert sum(isinstance(notice, LifeEnded) for _, notice in notices) == 2


async def test_a_reader_of_events_that_has_gone_disturbs_nobody(autojump_clock: MockClock) -> None:
    async with Supervisor(task("a", forever)) as tree:
        tree.events().close()
        await tree["a"].restart()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Supervisor(strategy="one_for_some"), "strategy must be one of"),
        (lambda: Supervisor(intensity=(-1, 5)), "intensity"),
        (lambda: Supervisor(task("a", forever), task("a", forever)), "another one of this id"),
        (lambda: Supervisor(task("a", forever, restart="temporary", significant=True)), "significant"),
        (lambda: Supervisor(task("a", forever), strategy="simple_one_for_one"), "template"),
        (lambda: Supervisor(template=task("a", forever)), "template"),
        (lambda: task("a", forever, stop="gently"), "stop must be"),
        (lambda: task("a", forever, port="high"), "port"),
        (lambda: task("a b", forever), "id"),
        (lambda: process("a", ["x"], stdin="tty"), "stdin must be one of null, pipe, pty"),
        (lambda: process("a", ["x"], stdin="pipe", window=(80, 24)), "no terminal without stdin='pty'"),
        (lambda: process("a", ["x"], window=(80, 24)), "no terminal without stdin='pty'"),
        (lambda: process("a", ["x"], inherit_env="some"), "inherit_env must be one of all, minimal, none"),
        (lambda: process("a", ["x"], inherit_env=["*A"]), "inherit_env: "),
        (lambda: process("a", ["x"], preset="https"), "preset must be one of a2a, acp, agentcore, .*, not .https.$"),
        (lambda: process("a", ["x"], preset="acp", stdin="null"), "close_stdin and send need stdin: pipe"),
        (lambda: process("a", ["x"], listen=True), "listen needs a port"),
        (lambda: process("a", ["x"], env={"A": "b"}, secrets={"A": SecretEnv("X")}), "is in env too"),
        (lambda: process("a", ["x"], secrets={"AGENT_ID": SecretEnv("X")}), "no name that a variable"),
        (lambda: process("a", ["x"], user=-1), "user must be within 0 to"),
        (lambda: process("a", ["x"], group=" "), "group must be a name or a number"),
        (lambda: process("a", ["x"], backoff=0), "backoff must be a Backoff"),  # type: ignore[arg-type]
        (lambda: process("a", ["x"], umask=0o1000), "umask must be within"),
        (lambda: process("a", ["x"], workspace="x/../y"), "workspace must be a path without"),
        (lambda: SecretEnv(""), "can't be the name of a variable"),
        (lambda: Limits(memory=2**63), "more than any system has"),
        (lambda: Limits(rlimits={"core": 2**63}), "write unlimited"),
        (lambda: HttpStep("http://"), "stop: http 'http://': must be a path"),
        (lambda: HttpStep("/bye", method="A B"), "stop: http: 'A B' is not a method"),
    ],
)
def test_a_value_that_can_not_be_right_is_refused_at_once(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError, match=message):
        make()


def test_a_process_has_all_that_its_spec_has() -> None:
    limits = Limits(memory=2**30, rlimits={"core": UNLIMITED})

    spec = process(
        "a",
        ["x"],
        cwd="/",
        env={"A": "b"},
        inherit_env=["PATH", "LC_*"],
        secrets={"B": SecretFile("/run/b")},
        stdin="pipe",
        user="nobody",
        group=65534,
        umask=0o22,
        nice=5,
        oom_score_adj=100,
        limits=limits,
        stop=(CloseStdinStep(wait=1.0),),
        port=80,
        listen=True,
    )

    assert spec == ChildSpec(
        "a",
        ProcessSpec(
            ("x",),
            cwd="/",
            env={"A": "b"},
            inherit_env=("PATH", "LC_*"),
            secrets={"B": SecretFile("/run/b")},
            stdin=Stdin.PIPE,
            user="nobody",
            group=65534,
            umask=0o22,
            nice=5,
            oom_score_adj=100,
            limits=limits,
        ),
        stop=(CloseStdinStep(wait=1.0),),
        port=Port(80, 80),
        listen="127.0.0.1",
    )
    assert process("a", "x | y") == ChildSpec("a", ProcessSpec(("x | y",), shell=True))
    assert process("a", ["x"], inherit_env="none").run == ProcessSpec(("x",), inherit_env=Inherit.NONE)


def test_a_preset_gives_what_is_not_given() -> None:
    by_preset = process("a", ["x"], preset="mcp-stdio")
    own = process("a", ["x"], preset="mcp-stdio", stop=3.0)

    assert by_preset.stop == (CloseStdinStep(wait=2.0), SignalStep(wait=5.0))
    assert by_preset.run == own.run == ProcessSpec(("x",), stdin=Stdin.PIPE)
    assert own.stop == (SignalStep(wait=3.0),)
    assert process("a", ["x"], preset="mcp-stdio", stdin="null", stop="kill").stop == ()


class TestMistakes:
    """What is written wrong is said, not swallowed."""

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: task("a", forever, restrat="permanent"), "no option 'restrat'; did you mean 'restart'"),  # type: ignore[call-arg]
            (lambda: process("a", ["x"], limit=Limits()), "no option 'limit'; did you mean 'limits'"),  # type: ignore[call-arg]
            (lambda: task("a", forever, stdin="pipe"), "no option 'stdin'"),  # type: ignore[call-arg]
            (lambda: Supervisor(foo=1), "no option 'foo'"),  # type: ignore[call-arg]
            (lambda: task("a", forever, depends_on="db"), "depends_on must be several names"),
            (lambda: task("a", forever, binds_to="db"), "binds_to must be several names"),
        ],
    )
    def test_an_option_that_cannot_be_right_is_refused(self, make: Callable[[], object], words: str) -> None:
        with pytest.raises(SpecError, match=words):
            make()

    def test_the_decorator_needs_its_parentheses(self) -> None:
        with pytest.raises(TypeError, match="parentheses"):
            Supervisor().task(forever)  # type: ignore[arg-type]

    async def test_a_restart_after_the_end_does_not_hang(self, autojump_clock: MockClock) -> None:
        async with Supervisor(task("a", forever)) as tree:
            handle = tree["a"]
        with trio.fail_after(5), pytest.raises(ChildStartError, match="stopped"):
            await handle.restart()


async def test_keyboard_interrupt_of_a_permanent_task_starts_nothing_again(autojump_clock: MockClock) -> None:
    runs = 0

    async def interrupted() -> None:
        nonlocal runs
        runs += 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with Supervisor(task("a", interrupted), task("b", forever)):
            await trio.sleep(60)

    assert runs == 1
    assert trio.current_time() == 0


@pytest.mark.parametrize("deep", [False, True])
async def test_who_is_interrupted_has_the_others_stopped_in_order_and_not_cancelled(
    autojump_clock: MockClock, deep: bool
) -> None:
    ends: list[tuple[float, str]] = []

    def tidy(name: str, seconds: float) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(seconds)
                ends.append((trio.current_time(), name))

        return run

    async def interrupted() -> None:
        await trio.sleep(1)
        raise KeyboardInterrupt

    children = (task("a", tidy("a", 2)), task("b", interrupted), task("c", tidy("c", 3)))
    with pytest.raises(KeyboardInterrupt):
        async with Supervisor(*([supervisor("team", *children, profile="otp")] if deep else children), profile="otp"):
            await trio.sleep(60)

    # The last that was started is the first to be stopped, and each is waited for.
    assert ends == [(4, "c"), (6, "a")]


async def test_the_spec_of_a_template_is_had_by_its_id(autojump_clock: MockClock) -> None:
    template = task("worker", forever)
    async with Supervisor(strategy="simple_one_for_one", template=template) as tree:
        assert await tree.get_child_spec("worker") is template
        with pytest.raises(CallError):
            await tree.get_child_spec("nobody")


async def test_what_was_said_within_a_supervisor_is_closed_with_it_and_can_still_be_read() -> None:
    async def say() -> None:
        logging.getLogger("x").error("here")
        await trio.sleep_forever()

    async with Supervisor(supervisor("team", task("fixed", forever))) as tree:
        await tree["team"].wait_ready()
        dynamic = await tree.inner("team").start_child(task("dynamic", say))
        fixed = tree["team/fixed"]
        await dynamic.wait_ready()
        ring = dynamic.ring

        await tree["team"].restart()
        after_restart = (ring.closed, fixed.ring.closed)
        await tree["team"].remove()

        assert after_restart == (True, False)
        assert [entry.data for entry in ring.read().entries] == [b"ERROR x: here\n"]
        assert fixed.ring.closed


class TestLimits:
    """What is said of a child, in Python."""

    async def test_busy_progress_activity_and_costs(self, autojump_clock: MockClock) -> None:
        limits = Limits(idle=100.0, progress=200.0)
        async with Supervisor(task("a", forever, limits=limits, budget=Budget(usd=Rate(5, 3600)))) as tree:
            handle = tree["a"]
            await handle.wait_ready()
            async with handle.busy(), handle.busy():
                await trio.sleep(150)
                handle.report_progress()
                await trio.sleep(150)
            for _ in range(5):
                handle.report_activity()
                await trio.sleep(50)
            assert handle.snapshot().generation == 1
            handle.report_cost(5)
            await trio.sleep(1)
            assert (handle.state, handle.snapshot().next_at) == (State.HELD, None)
            await handle.resume()
            assert handle.snapshot().generation == 2

    async def test_of_a_child_that_was_never_started_costs_count_all_the_same(self, autojump_clock: MockClock) -> None:
        waits = task("b", forever, depends_on={"a": "finished"}, budget=Budget(usd=Rate(5, 3600)))
        async with Supervisor(task("a", slow, restart="transient"), waits) as tree:
            handle = tree["b"]
            handle.report_cost(9)
            handle.report_progress()
            handle.report_activity()
            async with handle.busy():
                await trio.sleep(1)
            assert handle.state is State.HELD

    async def test_accounts_and_quotas_are_options(self, autojump_clock: MockClock) -> None:
        said = [True]

        async def agent() -> None:
            if said.pop() if said else False:
                logging.getLogger(__name__).error("usage limit reached")
            await trio.sleep_forever()

        accounts = {"team": Account(quota=(Quota("limit reached", wait=60),))}
        async with Supervisor(
            task("a", agent, account="team"),
            task("b", forever, account="team", quota=["x", Quota("y")]),
            accounts=accounts,
        ) as tree:
            await trio.sleep(1)
            assert {one.state for one in tree.snapshot()} == {State.HELD}
            await trio.sleep(61)
            assert {one.state for one in tree.snapshot()} == {State.READY}

    def test_a_task_has_no_ceilings(self) -> None:
        with pytest.raises(SpecError, match="which a task is not"):
            task("a", forever, limits=Limits(pids=5))

    @pytest.mark.parametrize(
        "options", [{"account": "a b"}, {"startup_crashes": -1}, {"same_exits": -1}, {"quota": "("}]
    )
    def test_values_that_can_not_be_right(self, options: dict[str, Any]) -> None:
        with pytest.raises(SpecError):
            task("a", forever, **options)

    async def test_what_is_typed_is_activity(self) -> None:
        cat = process("cat", ["sleep", "600"], stdin="pipe", limits=Limits(idle=3600.0))
        async with Supervisor(cat) as tree:
            handle = tree["cat"]
            await handle.wait_ready()
            life = tree.engine.life("cat")
            assert life is not None
            before = life.ears.seen("cat", 1, 0).active_at
            await handle.attach("somebody").write("hello\n")
            assert life.ears.seen("cat", 1, 0).active_at > before


async def test_a_task_with_probes_added_meanwhile_is_ended_in_order_by_a_cancellation_from_outside(
    autojump_clock: MockClock,
) -> None:
    """Its runtime was made when it had none, and its function was all of its life."""
    ends: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            ends.append("cleaned up")

    async def fine() -> None:
        await trio.lowlevel.checkpoint()

    with trio.CancelScope() as outside:
        async with Supervisor(task("a", work)) as tree:
            await tree["a"].wait_ready()
            watched = task("a", work, health=Health(Call(fine)))
            tree.engine.change(Change(evolve(tree.engine.spec, children=(watched,)), at_once=(watched,)))
            await tree["a"].restart()
            await tree["a"].wait_ready()
            await trio.sleep(20)
            assert ends == ["cleaned up"]
            outside.cancel()
    assert ends == ["cleaned up"] * 2
    last = tree.engine.children["a"].last_exit
    assert last is not None
    assert last.how is How.CANCELLED
