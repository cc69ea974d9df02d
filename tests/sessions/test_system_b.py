"""Every behaviour of the interactive process manager that this takes over (B1 to B9, in the order of its description),
and every weakness of it that is ruled out (B-W1 to B-W12), each by one test that has its name.

| | there | here |
|---|---|---|
| B1 | a manager with a limit per agent, 5; ids | `SessionLimits.per_owner`; ids are random |
| B2 | start counts, refuses, names what can't be started | `Sessions.start`; the ended ones do not count |
| B3 | two streams, 1,000 lines each, the oldest dropped silently | one ring; what is dropped is told |
| B4 | a command for people | `SessionInfo.command` |
| B5 | write, with an error for each way to fail | `Session.write` |
| B6 | a read that takes both streams | `Session.read`, which takes nothing away |
| B7 | kill: the tree, with a grace | `Sessions.stop`, `Sessions.kill` |
| B8 | list: id, agent, command, alive, uptime | `Sessions.list`, with the exit |
| B9 | clean-up by age, and a count | `Sessions.clean_up`, `max_age`, `max_idle` |

More of each is in the other modules of this directory.
"""

import signal
import sys
import time

import pytest
import trio

from tests.sessions.talking import DEAF, ECHO, python, serving
from trio_supervisor import (
    EOF,
    ChildStartError,
    Exit,
    How,
    InputClosedError,
    OutputEndedError,
    SessionError,
    SessionLimitError,
    SessionLimits,
    Stream,
    Supervisor,
    UnknownSessionError,
)
from trio_supervisor.system.procfs import process


def is_alive(pid: int) -> bool:
    found = process(pid)
    return found is not None and found.alive


async def test_b1_five_sessions_of_an_owner_unless_said_otherwise() -> None:
    async with serving() as (_, sessions):
        ids = {(await sessions.start("agent", ["cat"])).id for _ in range(5)}
        with pytest.raises(SessionLimitError, match="has 5 live sessions, and may have 5"):
            await sessions.start("agent", ["cat"])
        assert len(ids) == 5


async def test_b2_a_start_gives_an_id_or_says_why_not() -> None:
    async with serving(SessionLimits(per_owner=1)) as (_, sessions):
        session = await sessions.start("agent", ECHO)
        assert sessions.info("agent", session.id).id == session.id
        with pytest.raises(SessionLimitError, match="owner 'agent' has 1 live sessions"):
            await sessions.start("agent", ECHO)
        with pytest.raises(ChildStartError, match="'no-such-program' not found on PATH"):
            await sessions.start("other", ["no-such-program"])


async def test_b3_both_streams_are_kept_within_a_limit_and_what_is_dropped_is_told() -> None:
    code = "import sys\nfor n in range(30000): print(n, file=(sys.stdout, sys.stderr)[n % 2])\nprint('end')"
    async with serving() as (_, sessions):
        session = await sessions.start("agent", [sys.executable, "-c", code])
        await session.wait_exit()
        said = session.read(since=session.cursor.parse("1"))
        assert {entry.stream for entry in said.entries} == {Stream.STDOUT, Stream.STDERR}
        assert said.dropped > 10_000
        assert said.data.endswith(b"end\n") or b"29999" in said.data


async def test_b4_the_command_is_shown_as_one_would_type_it() -> None:
    async with serving() as (_, sessions):
        await sessions.start("agent", ["sh", "-c", "cat; echo 'it is' over"])
        assert sessions.list("agent")[0].command == """sh -c 'cat; echo '"'"'it is'"'"' over'"""


async def test_b5_a_write_arrives_or_says_why_not() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ECHO)
        await session.write("line\n")
        await session.expect("got line")
        await session.close_stdin()
        with pytest.raises(InputClosedError, match=r"standard input is closed|does not run"):
            await session.write("more\n")
        with pytest.raises(UnknownSessionError, match="there is no session 'nope'"):
            sessions.attach("agent", "nope")


async def test_b6_a_read_gives_both_streams_at_once_and_never_waits() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); print('go'); input()"
    async with serving() as (_, sessions):
        session = await sessions.start("agent", python(code))
        assert session.read().data is not None
        first = session.cursor.parse("1")
        while b"err" not in session.read(first).data or b"go\n" not in session.read(first).data:
            await trio.sleep(0.01)
        said = session.read(first)
        assert sorted(said.data.split()) == [b"err", b"go", b"out"]


async def test_b7_a_kill_ends_the_tree_and_of_an_unknown_one_it_says_so() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ["sh", "-c", "trap '' TERM; sleep 600 & echo pid $!; wait"])
        child = int((await session.expect(r"pid (\d+)\n")).groups[0] or 0)
        await sessions.kill("agent", session.id)
        assert not is_alive(child)
        with pytest.raises(UnknownSessionError):
            await sessions.kill("agent", "nope")


async def test_b8_a_list_tells_who_lives_and_since_when() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ["cat"])
        (one,) = sessions.list("agent")
        assert (one.id, one.owner, one.command, one.alive) == (session.id, "agent", "cat", True)
        assert 0 <= one.uptime < 60
        assert sessions.list("other") == ()


async def test_b9_the_old_ones_are_cleaned_up_by_whoever_asks_and_by_themselves() -> None:
    async with serving() as (_, sessions):
        old = await sessions.start("agent", ["cat"])
        assert await sessions.clean_up(max_age=600) == ()
        assert await sessions.clean_up(max_age=0) == (old.id,)
        assert sum(one.alive for one in sessions.list("agent")) == 0
    async with serving(SessionLimits(max_age=0.1)) as (_, sessions):
        assert (await (await sessions.start("agent", ["cat"])).wait_exit()).code == 0


# What it did wrong


async def test_w1_a_stuck_write_holds_up_nothing_else() -> None:
    async with serving() as (_, sessions), trio.open_nursery() as nursery:
        deaf = await sessions.start("agent", DEAF)
        told: list[SessionError] = []

        async def write() -> None:
            try:
                await deaf.write(bytes(10 << 20), timeout=600)
            except SessionError as error:
                told.append(error)

        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.fail_after(10):
            other = await sessions.start("agent", ECHO)
            await other.write("x\n")
            await other.expect("got x")
            assert len(sessions.list("agent")) == 2
            await sessions.clean_up(max_age=600)
            await sessions.kill("agent", deaf.id)
        while not told:
            await trio.sleep(0.01)


async def test_w2_who_has_exited_is_reaped_seen_as_dead_with_its_code_and_counts_no_more() -> None:
    async with serving() as (_, sessions):
        for code in range(8):
            session = await sessions.start("agent", ["sh", "-c", f"exit {code}"])
            pid = session.pid
            assert (await session.wait_exit()) == Exit(How.EXITED, code=code)
            assert pid is None or not is_alive(pid)
        assert [one.alive for one in sessions.list("agent")] == [False] * 8
        assert [(one.exit or Exit(How.CANCELLED)).code for one in sessions.list("agent")] == list(range(8))


async def test_w3_the_limit_holds_for_starts_at_the_same_time_and_for_all_owners_together() -> None:
    async with serving(SessionLimits(per_owner=3, total=5)) as (_, sessions):
        refused = 0

        async def start(owner: str) -> None:
            nonlocal refused
            try:
                await sessions.start(owner, ["cat"])
            except SessionLimitError:
                refused += 1

        async with trio.open_nursery() as nursery:
            for owner in ("a", "b", "c"):
                for _ in range(4):
                    nursery.start_soon(start, owner)
        assert refused == 7


async def test_w4_prompts_are_seen_streams_without_newlines_are_bounded_and_any_byte_is_welcome() -> None:
    code = (
        "import os\nos.write(1, b'\\xff\\xfe>>> '); os.read(0, 1)\n"
        "for n in range(80): os.write(1, b'x' * 65536)\nos.write(1, b'\\0\\xc3 end'); os.read(0, 1)"
    )
    async with serving() as (_, sessions):
        session = await sessions.start("agent", python(code))
        assert (await session.expect(">>> ")).before == b"\xff\xfe"
        await session.write("x")
        assert (await session.expect(rb"\0\xc3 end")).dropped > 0
        ring = session._channel.ring
        assert ring.size <= ring.limits.bytes + 70_000


async def test_w5_readers_take_nothing_from_one_another_and_the_last_words_outlive_a_kill() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", DEAF)
        await session.expect("deaf\n")
        with sessions.attach("agent", session.id, write=False) as other:
            assert other.read().data == session.read(session.cursor.parse("1")).data == b"deaf\n"
        await sessions.kill("agent", session.id)
        with sessions.attach("agent", session.id, write=False) as late:
            (entry,) = [each for each in late.read().entries if each.data.strip()]
        assert (entry.data.strip(), entry.generation, entry.stream) == (b"deaf", 1, Stream.STDOUT)
        assert abs(entry.at - time.time()) < 60


@pytest.mark.parametrize("stdin", ["pipe", "pty"])
async def test_w6_an_input_can_be_ended(stdin: str) -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ["cat"], stdin=stdin)
        await session.write("all\n")
        await session.close_stdin()
        assert (await session.wait_exit()).code == 0


async def test_w7_keys_of_the_supervisor_are_not_inherited_and_there_are_directories_groups_and_terminals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THE_SUPERVISORS_KEY", "secret")
    code = "import os; print(os.environ.get('THE_SUPERVISORS_KEY'), os.getcwd(), os.getpgrp() == os.getpid())"
    async with serving() as (_, sessions):
        session = await sessions.start("agent", python(code), inherit_env="minimal", cwd="/", stdin="pty")
        assert (await session.expect(EOF)).before == b"None / True\r\n"


async def test_w8_a_stop_delivers_its_signal_and_no_descendant_survives_or_delays_it() -> None:
    script = """
trap 'echo asked; exit 0' TERM
sleep 600 & setsid sleep 600 &
echo pids $(jobs -p)
while :; do sleep 0.1; done
"""
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ["bash", "-c", script], stop=5.0)
        groups = (await session.expect(r"pids (\d+) (\d+)\n")).groups
        begun = trio.current_time()
        await sessions.stop("agent", session.id)
        assert b"asked" in (await session.expect(EOF)).before
        assert not any(is_alive(int(pid or 0)) for pid in groups)
        quick = await sessions.start("agent", ["sleep", "600"], stop=5.0)
        begun = trio.current_time()
        assert (await sessions.stop("agent", quick.id)).signal == signal.SIGTERM
        assert trio.current_time() - begun < 2.5


async def test_w9_ids_are_random_and_of_another_owner_nothing_is_told() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ECHO)
        errors = []
        for id in (session.id, "f" * len(session.id)):
            with pytest.raises(UnknownSessionError) as refused:
                sessions.attach("other", id)
            errors.append(str(refused.value).replace(id, "ID"))
        assert errors[0] == errors[1]
        assert len(session.id) == 32


async def test_w10_sessions_end_with_their_owner_with_their_block_and_with_the_tree() -> None:
    async with Supervisor() as tree:
        async with tree.sessions() as sessions:
            first, second = await sessions.start("a", ["cat"]), await sessions.start("b", ["cat"])
            pids = [first.pid or 0, second.pid or 0]
            await sessions.end("a")
            assert [is_alive(pid) for pid in pids] == [False, True]
        assert not is_alive(pids[1])


async def test_w11_nothing_is_cut_off_silently_and_errors_have_types_and_fields() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", ["sh", "-c", "printf 'last words'; exit 4"])
        with pytest.raises(OutputEndedError) as ended:
            await session.expect("never")
        assert (ended.value.before, ended.value.exit) == (b"last words", Exit(How.EXITED, code=4))
        with pytest.raises(InputClosedError) as closed:
            await session.write("x")
        assert (closed.value.child, closed.value.taken) == (session.id, 0)


async def test_w12_arguments_are_a_list_that_no_shell_sees() -> None:
    async with serving() as (_, sessions):
        session = await sessions.start("agent", [sys.executable, "-c", "print({}, '$HOME; `true`')"])
        assert (await session.expect(EOF)).before == b"{} $HOME; `true`\n"
