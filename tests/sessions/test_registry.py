"""Sessions that are started for owners: how many, whose, for how long, and that nothing of them is left."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.sessions.talking import DEAF, ECHO, python, serving
from trio_supervisor import (
    EOF,
    CallError,
    ChildSpec,
    ChildStartError,
    EndedFor,
    Ending,
    Exit,
    How,
    InputClosedError,
    ProcessSpec,
    SecretEnv,
    SessionLimitError,
    SessionLimits,
    SpecError,
    Stream,
    Supervisor,
    SupervisorSpec,
    UnknownSessionError,
    WriterBusyError,
    process,
    supervisor,
)
from trio_supervisor.engine.supervisor import Supervisor as Engine
from trio_supervisor.output.ring import Ring
from trio_supervisor.sessions.registry import Registry
from trio_supervisor.testing import Script, ScriptedWorld

NOBODY = "there is no session '{}'"


# Who, and how many


async def test_a_session_is_a_temporary_child_of_the_tree_as_long_as_it_lives() -> None:
    async with serving() as (tree, sessions):
        session = await sessions.start("alice", ECHO, env={"A": "1"})
        spec = await tree.get_child_spec(session.id)
        assert isinstance(spec.run, ProcessSpec)
        assert (spec.restart.value, dict(spec.run.env)) == ("temporary", {"A": "1"})

        await session.write("hello\n")
        await session.expect("got hello\n")
        await session.close_stdin()
        assert (await session.wait_exit()).code == 0
        await until_empty(tree)
        # What it has said is there nevertheless, and so is its end.
        assert session.read(since=session.cursor.parse("1")).data == b"got hello\n"
        assert (await session.expect(EOF)).exit == Exit(How.EXITED, code=0)
        assert [(one.alive, one.exit) for one in sessions.list("alice")] == [(False, Exit(How.EXITED, code=0))]


async def test_the_limit_counts_live_ones_of_the_owner_only() -> None:
    async with serving(SessionLimits(per_owner=2, total=3)) as (_, sessions):
        first = await sessions.start("alice", ECHO)
        await sessions.start("alice", ECHO)
        with pytest.raises(SessionLimitError, match="owner 'alice' has 2 live sessions, and may have 2"):
            await sessions.start("alice", ECHO)
        await sessions.start("bob", ECHO)
        with pytest.raises(SessionLimitError, match="there are 3 live sessions, and may be 3"):
            await sessions.start("carol", ECHO)

        await first.close_stdin()
        await first.wait_exit()
        await sessions.start("alice", ECHO)


async def test_starts_at_the_same_time_do_not_slip_through_the_limit() -> None:
    async with serving(SessionLimits(per_owner=2)) as (_, sessions):
        refused: list[SessionLimitError] = []

        async def start() -> None:
            try:
                await sessions.start("alice", ECHO)
            except SessionLimitError as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(start)
        assert len(refused) == 8
        assert len(sessions.list("alice")) == 2


async def test_an_owner_sees_only_its_own_and_of_others_what_is_said_of_nobody() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("alice", ECHO)
        assert sessions.list("bob") == ()
        for id in (session.id, "0" * 32, "", "../a"):
            words = NOBODY.format(id).replace(".", r"\.")
            with pytest.raises(UnknownSessionError, match=words):
                sessions.attach("bob", id)
            with pytest.raises(UnknownSessionError, match=words):
                sessions.info("bob", id)
            for ask in (sessions.stop, sessions.kill, sessions.wait_exit):
                with pytest.raises(UnknownSessionError, match=words):
                    await ask("bob", id)
        assert sessions.info("alice", session.id).alive


async def test_ids_can_not_be_guessed() -> None:
    async with serving(SessionLimits(per_owner=20)) as (_, sessions):
        ids = [(await sessions.start("alice", ["cat"])).id for _ in range(20)]

    assert len(set(ids)) == 20
    assert all(len(id) == 32 for id in ids)
    assert len({id[0] for id in ids}) > 3


async def test_the_owner_comes_back_later_and_finds_what_was_said_meanwhile() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("alice", ECHO)
        with pytest.raises(WriterBusyError, match="alice writes"):
            sessions.attach("alice", session.id)
        await session.write("one\n")
        await session.expect("got one\n")
        session.detach()
        with pytest.raises(WriterBusyError, match="given up"):
            await session.write("two\n")

        with sessions.attach("alice", session.id, holder="alice at home") as again:
            assert again.read().data == b"got one\n"
            await again.write("two\n")
            await again.expect("got two")
            assert sessions.info("alice", session.id).writer == "alice at home"


async def test_a_list_tells_what_each_does() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("alice", ["sh", "-c", "read x; exit 3"], stdin="pty")
        (one,) = sessions.list("alice")
        assert (one.id, one.owner, one.command) == (session.id, "alice", "sh -c 'read x; exit 3'")
        assert (one.alive, one.exit, one.pid, one.writer) == (True, None, session.pid, "alice")
        assert 0 <= one.idle <= one.uptime < 60
        await session.write("\n")
        await session.wait_exit()
        (one,) = sessions.list("alice")
        assert (one.alive, one.exit, one.pid) == (False, Exit(How.EXITED, code=3), None)
        lived = one.uptime
        await trio.sleep(0.05)
        assert sessions.info("alice", session.id).uptime == lived


async def test_a_secret_in_a_command_is_hidden_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "correct-horse-battery")
    async with serving() as (_, sessions):
        command = ["sh", "-c", "cat; # correct-horse-battery"]
        await sessions.start("alice", command, secrets={"KEY": SecretEnv("THE_KEY")})
        assert "[redacted]" in sessions.list("alice")[0].command


# Starts


async def test_what_can_not_be_started_is_told_and_leaves_nothing() -> None:
    async with serving(SessionLimits(per_owner=1)) as (tree, sessions):
        for _ in range(3):
            with pytest.raises(ChildStartError, match="'/nonexistent/program' does not exist"):
                await sessions.start("alice", ["/nonexistent/program"])
        await until_empty(tree)
        assert sessions.list("alice") == ()


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async with serving() as (tree, sessions):
        for deadline in (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008):
            with trio.move_on_after(deadline):
                await sessions.start("alice", ["sleep", "600"])
                assert sessions.list("alice")
                await sessions.end("alice")
        await until_empty(tree)
        assert all(not one.alive for one in sessions.list("alice"))


async def test_one_that_ends_at_once_is_a_session_all_the_same() -> None:
    for profile in ("fleet", "otp"):
        async with Supervisor(profile=profile) as tree, tree.sessions() as sessions:
            for _ in range(5):
                with trio.fail_after(20):
                    session = await sessions.start("alice", ["sh", "-c", "echo hi; exit 9"])
                    assert (await session.expect(EOF)).before == b"hi\n"
                    assert (await session.wait_exit()).code == 9
                    assert (await sessions.wait_exit("alice", session.id)).code == 9
            await until_empty(tree)


@pytest.mark.parametrize("profile", ["fleet", "otp"])
@pytest.mark.parametrize("strategy", ["one_for_one", "simple_one_for_one"])
async def test_any_supervisor_without_a_template_can_have_them(profile: str, strategy: str) -> None:
    inner = supervisor("talks", profile=profile, strategy=strategy)
    with trio.fail_after(30):
        async with Supervisor(inner, strategy="one_for_all", profile=profile) as top:
            await top["talks"].wait_ready()
            async with top.inner("talks").sessions() as sessions:
                session = await sessions.start("alice", ECHO)
                assert session.child == f"talks/{session.id}"
                await session.write("x\n")
                await session.expect("got x")
                assert (await sessions.stop("alice", session.id)).code == 0


async def test_a_supervisor_with_a_template_can_not() -> None:
    async with Supervisor(template=process("x", ["true"]), strategy="simple_one_for_one") as tree:
        with pytest.raises(SpecError, match="without a template"):
            tree.sessions()


@pytest.mark.parametrize("wrong", [{"per_owner": 0}, {"max_age": 0.0}, {"max_quiet": -1}, {"keep": -1}])
def test_limits_that_can_not_be_right_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        SessionLimits(**wrong)  # type: ignore[arg-type]


# Ends


async def test_a_stop_is_in_order_and_a_kill_is_at_once() -> None:
    stubborn = python(
        "import signal, time; signal.signal(15, lambda *_: print('no'))\nprint('up')\nwhile 1: time.sleep(9)"
    )
    async with serving(SessionLimits(per_owner=9)) as (_, sessions):
        polite = await sessions.start("alice", ECHO)
        assert (await sessions.stop("alice", polite.id)).code == 0
        shell = await sessions.start("alice", ["bash", "--norc", "-i"], stdin="pty", env={"PS1": "ready$ "})
        await shell.expect(r"ready\$ ")
        begun = trio.current_time()
        await sessions.stop("alice", shell.id)
        assert trio.current_time() - begun < 4  # HUP; it ignores TERM
        deaf = await sessions.start("alice", stubborn)
        await deaf.expect("up")
        begun = trio.current_time()
        assert (await sessions.kill("alice", deaf.id)).signal == 9
        assert trio.current_time() - begun < 2
        assert (await sessions.kill("alice", deaf.id)).signal == 9


async def test_each_end_is_announced_once_with_the_last_words() -> None:
    async with serving() as (_, sessions), sessions.endings() as endings:
        one = await sessions.start("alice", ["sh", "-c", "echo last words; exit 5"])
        two = await sessions.start("bob", DEAF)
        told = [await endings.receive()]
        await two.expect("deaf\n")
        await sessions.kill("bob", two.id)
        told.append(await endings.receive())
        with pytest.raises(trio.WouldBlock):
            endings.receive_nowait()

    assert [(each.session.id, each.tail) for each in told] == [(one.id, b"last words\n"), (two.id, b"deaf\n")]
    assert [(each.session.exit or Exit(How.CANCELLED)).how for each in told] == [How.EXITED, How.SIGNALED]
    with pytest.raises((trio.EndOfChannel, trio.ClosedResourceError)):
        await endings.receive()


async def test_the_sessions_of_an_owner_that_is_gone_are_stopped() -> None:
    async with serving() as (_, sessions):
        for owner in ("alice", "alice", "bob"):
            await sessions.start(owner, ECHO)
        await sessions.end("alice")
        assert [one.alive for one in sessions.list("alice")] == [False, False]
        assert [one.alive for one in sessions.list("bob")] == [True]


async def test_leaving_the_block_stops_all_and_ends_what_waits() -> None:
    async with Supervisor() as tree:
        with trio.fail_after(30):
            async with tree.sessions() as sessions:
                session = await sessions.start("alice", ECHO)
                endings = sessions.endings()
            assert (await session.wait_exit()).code == 0
            assert isinstance(await endings.receive(), Ending)
            with pytest.raises(trio.EndOfChannel):
                await endings.receive()
            await until_empty(tree)
            with pytest.raises(CallError):
                await sessions.start("alice", ECHO)
            with pytest.raises(InputClosedError):
                await session.write("x")


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async with Supervisor() as tree:
        with pytest.raises(KeyError, match="mine"):  # noqa: PT012 -- the block is what it is about
            async with tree.sessions() as sessions:
                await sessions.start("alice", ECHO)
                raise KeyError("mine")


async def test_the_end_of_the_tree_is_the_end_of_its_sessions() -> None:
    with trio.fail_after(30):
        async with Supervisor() as tree, tree.sessions() as sessions:
            session = await sessions.start("alice", ECHO)
            tree.stop()
            assert (await session.expect(EOF)).exit is not None
            with pytest.raises(CallError):
                await sessions.start("alice", ECHO)
            assert sessions.list("alice")[0].alive is False


# Times, without waiting for them


@asynccontextmanager
async def scripted(limits: SessionLimits, *scripts: Script) -> AsyncIterator[tuple[ScriptedWorld, Registry]]:
    """Sessions that follow scripts; the first the first one, later ones the last."""
    world = ScriptedWorld()
    engine = Engine(SupervisorSpec(), world.world)
    async with engine.open(), Registry(engine, limits).opened() as sessions:
        yield world, sessions


def sleeper() -> ChildSpec:
    return ChildSpec("x", ProcessSpec(("sleep", "600")))


async def test_who_is_too_old_is_stopped_at_that_moment(autojump_clock: MockClock) -> None:
    async with scripted(SessionLimits(max_age=100)) as (_, sessions):
        begun = trio.current_time()
        await sessions.start_spec("alice", sleeper())
        await trio.sleep(50)
        later = await sessions.start_spec("alice", sleeper())
        await later.wait_exit()
        old, young = sessions.list("alice")

        assert trio.current_time() - begun == pytest.approx(150)
        assert (old.uptime, young.uptime) == (pytest.approx(100), pytest.approx(100))
        assert (old.ended_for, young.ended_for) == (EndedFor.AGE, EndedFor.AGE)


async def test_who_is_idle_is_stopped() -> None:
    async with serving(SessionLimits(max_idle=0.3)) as (_, sessions):
        idle = await sessions.start("alice", ["cat"])

        assert (await idle.wait_exit()).code == 0
        assert sessions.info("alice", idle.id).uptime >= 0.3
        assert sessions.info("alice", idle.id).ended_for is EndedFor.IDLE


async def test_who_is_written_to_or_says_something_is_not_idle(autojump_clock: MockClock) -> None:
    async with scripted(SessionLimits(max_idle=100)) as (_, sessions):
        session = await sessions.start_spec("alice", sleeper())
        record = sessions._record("alice", session.id)
        begun = trio.current_time()
        for _ in range(3):
            await trio.sleep(90)
            session._channel.lease.written_at = trio.current_time()
        assert sessions.info("alice", session.id).idle == 0
        await trio.sleep(90)
        ring = record.channel._ring = Ring()
        ring.append(Stream.STDOUT, b"here", 1)  # at a time of another clock, which is the same moment
        assert sessions.info("alice", session.id).idle == pytest.approx(0, abs=1)
        record.channel._ring = Ring()
        await session.wait_exit()

        assert trio.current_time() - begun == pytest.approx(3 * 90 + 100)


async def test_who_says_nothing_is_stopped_whatever_is_written_to_it(autojump_clock: MockClock) -> None:
    async with scripted(SessionLimits(max_idle=100, max_quiet=250)) as (_, sessions):
        session = await sessions.start_spec("alice", sleeper())
        begun = trio.current_time()
        for _ in range(3):
            await trio.sleep(80)
            session._channel.lease.written_at = trio.current_time()
        await session.wait_exit()

        assert trio.current_time() - begun == pytest.approx(250)
        assert sessions.info("alice", session.id).ended_for is EndedFor.QUIET


async def test_a_session_may_have_limits_of_its_own(autojump_clock: MockClock) -> None:
    limits = SessionLimits(max_age=100)
    async with scripted(limits) as (_, sessions):
        begun = trio.current_time()
        short = await sessions.start_spec("alice", sleeper(), limits.of_one(20, None, None))
        usual = await sessions.start_spec("alice", sleeper(), limits.of_one(None, 300, None))
        quiet = await sessions.start_spec("alice", sleeper(), limits.of_one(math.inf, None, 150))
        ends = []
        for session in (short, usual, quiet):
            await session.wait_exit()
            ends.append((trio.current_time() - begun, sessions.info("alice", session.id).ended_for))

    assert ends == [
        (pytest.approx(20), EndedFor.AGE),
        (pytest.approx(100), EndedFor.AGE),
        (pytest.approx(150), EndedFor.QUIET),
    ]


async def test_a_limit_of_its_own_is_given_at_the_start_and_checked() -> None:
    async with serving() as (_, sessions):
        quiet = await sessions.start("alice", ["cat"], max_quiet=0.3)
        await sessions.start("alice", ["cat"])

        await quiet.wait_exit()

        assert [each.ended_for for each in sessions.list("alice")] == [EndedFor.QUIET, None]
        with pytest.raises(SpecError, match="sessions: max_idle must be > 0, not 0"):
            await sessions.start("alice", ["cat"], max_idle=0)
        assert len(sessions.list("alice")) == 2


async def test_who_has_ended_is_forgotten_after_a_while_and_when_there_are_too_many(autojump_clock: MockClock) -> None:
    async with scripted(SessionLimits(keep_for=60, keep=2)) as (_, sessions):
        ids = []
        for _ in range(4):
            session = await sessions.start_spec("alice", sleeper())
            ids.append(session.id)
            await sessions.stop("alice", session.id)
            await trio.sleep(10)
        assert [one.id for one in sessions.list("alice")] == ids[2:]

        await trio.sleep(45)
        assert [one.id for one in sessions.list("alice")] == ids[3:]
        await trio.sleep(60)
        assert sessions.list("alice") == ()
        with pytest.raises(UnknownSessionError):
            sessions.attach("alice", ids[3], write=False)


async def test_a_clean_up_stops_the_old_ones_and_tells_which(autojump_clock: MockClock) -> None:
    async with scripted(SessionLimits()) as (_, sessions):
        old = await sessions.start_spec("alice", sleeper())
        await trio.sleep(100)
        await sessions.start_spec("bob", sleeper())

        assert await sessions.clean_up(max_age=math.inf) == ()
        assert await sessions.clean_up(max_age=50) == (old.id,)
        assert [one.alive for one in sessions.list("bob")] == [True]


async def test_why_it_was_ended_is_told_with_the_end_and_stays(autojump_clock: MockClock) -> None:
    async with scripted(SessionLimits()) as (_, sessions):
        endings = sessions.endings()
        aged, idle, asked, killed = [(await sessions.start_spec("alice", sleeper())).id for _ in range(4)]
        assert sessions.info("alice", asked).ended_for is None
        await sessions.stop("alice", asked)
        await sessions.kill("alice", killed)
        await trio.sleep(100)
        other = (await sessions.start_spec("bob", sleeper())).id
        sessions._record("alice", aged).channel.lease.written_at = trio.current_time()
        await sessions.clean_up(max_idle=50)
        await sessions.clean_up(max_age=50)
        await sessions.kill("alice", idle)
        await sessions.end("bob")

        expected = [
            (asked, EndedFor.ASKED),
            (killed, EndedFor.ASKED),
            (idle, EndedFor.IDLE),
            (aged, EndedFor.AGE),
            (other, EndedFor.ASKED),
        ]
        told = [(await endings.receive()).session for _ in expected]
        assert [(each.id, each.ended_for) for each in told] == expected
        assert sessions.info("alice", idle).ended_for is EndedFor.IDLE


async def test_who_ends_by_itself_was_not_ended() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("alice", ["true"])
        await session.wait_exit()
        await sessions.stop("alice", session.id)
        await sessions.kill("alice", session.id)
        assert sessions.info("alice", session.id).ended_for is None


async def test_nobody_writes_to_one_that_has_ended() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("alice", ["cat"])
        await session.close_stdin()
        await session.wait_exit()
        assert (session.writer, sessions.info("alice", session.id).writer) == ("", "")

        later = sessions.attach("alice", session.id, "w2")

        for each in (session, later):
            with pytest.raises(InputClosedError, match="it does not run"):
                await each.write("x")


async def test_ended_sessions_listen_to_nothing() -> None:
    async with serving(SessionLimits(per_owner=10)) as (tree, sessions):
        before = len(tree.engine._listeners)
        kept = [await sessions.start("alice", ["cat"]) for _ in range(5)]
        assert len(tree.engine._listeners) > before
        for session in kept:
            await session.write("said\n")
            await session.close_stdin()
            await session.wait_exit()
        await until_empty(tree)
        later = sessions.attach("alice", kept[0].id, "later")

        assert len(tree.engine._listeners) == before
        assert len(sessions.list("alice")) == 5
        assert (await later.expect("said\n")).before == b""
        assert (await later.expect(EOF)).exit == Exit(How.EXITED, code=0)
        assert (await kept[0].wait_exit()).code == 0
        for session in (later, *kept):
            session.detach()


async def test_nothing_runs_while_nothing_happens(autojump_clock: MockClock) -> None:
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += 1

    async with scripted(SessionLimits(max_age=1e6, max_idle=1e6)) as (_, sessions):
        for _ in range(5):
            await sessions.start_spec("alice", sleeper())
        await trio.sleep(1)
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(80_000)
        trio.lowlevel.remove_instrument(steps)

    assert steps.count <= 3


async def until_empty(tree: Supervisor) -> None:
    """Wait until the tree is rid of all."""
    with trio.fail_after(20):
        while tree.engine.children:
            await trio.sleep(0.005)
