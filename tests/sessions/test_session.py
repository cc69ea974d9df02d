"""Talking with a running child: who writes, who listens, what is waited for, and what happens when it ends."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from tests.sessions.talking import DEAF, ECHO, python, running
from trio_supervisor import (
    EOF,
    ChildStartError,
    Cursor,
    ExpectTimeoutError,
    How,
    InputClosedError,
    LineTooLongError,
    OutputEndedError,
    SecretEnv,
    SessionError,
    SpecError,
    Stream,
    Supervisor,
    WriterBusyError,
    WriteTimeoutError,
    process,
    task,
)
from trio_supervisor.system.procfs import process as process_of

BOTH = pytest.mark.parametrize("stdin", ["pipe", "pty"])
MIB = 1 << 20


def is_alive(pid: int) -> bool:
    found = process_of(pid)
    return found is not None and found.alive


# Expecting


@BOTH
async def test_a_prompt_without_a_newline_is_seen_while_the_child_waits(stdin: str) -> None:
    code = "name = input('Password: ')\nprint('hello', name)"
    async with running(python(code), stdin=stdin) as child:
        with child.attach() as session:
            prompt = await session.expect("Password: ")
            assert (prompt.text, prompt.before) == (b"Password: ", b"")
            await session.write("secret\n")
            answer = await session.expect(rb"hello (\w+)\r?\n")
            assert answer.groups == (b"secret",)


async def test_a_line_too_long_for_a_terminal_is_refused_and_the_input_stays_open() -> None:
    async with running(python("print('got', input())"), stdin="pty") as child:
        with child.attach() as session:
            with pytest.raises(LineTooLongError, match="at most 4095 bytes"):
                await session.write(b"x" * 5000 + b"\n")
            await session.write("short\n")
            await session.expect("got short")


async def test_a_match_over_all_that_a_child_has_said_is_found_while_it_lives_on() -> None:
    code = "print('BEGIN' + 'x' * 200_000 + 'END', flush=True)\ninput()"
    async with running(python(code), stdin="pipe") as child:
        with child.attach() as session, child.attach(write=False) as hurried:
            found = await session.expect("(?s)BEGIN.*END")
            assert len(found.text) == 200_008
            assert len((await hurried.expect("(?s)BEGIN.*END", timeout=0.2)).text) == 200_008


@BOTH
async def test_the_end_is_an_answer_of_its_own(stdin: str) -> None:
    async with running(python("print('bye'); exit(3)"), stdin=stdin) as child:
        with child.attach() as session, child.attach(write=False) as other:
            end = await session.expect(["never", EOF])
            assert (end.index, end.before.split(), end.text) == (1, [b"bye"], b"")
            assert end.exit is not None
            assert end.exit.code == 3

            with pytest.raises(OutputEndedError, match=r"exit code 3.*bye") as ended:
                await other.expect("never")
            assert ended.value.exit == end.exit
            # For good: again and again.
            assert (await session.expect(EOF)).exit == end.exit


async def test_what_was_said_before_the_end_is_found_also_afterwards() -> None:
    async with running(python("print('one two')")) as child:
        await child.wait_exit()
        with child.attach(write=False) as session:
            assert (await session.expect("one")).before == b""
            assert (await session.expect("two")).before == b" "
            with pytest.raises(OutputEndedError):
                await session.expect("one")


async def test_a_time_that_is_over_moves_nothing() -> None:
    async with running(python("print('so far', end=''); input()")) as child:
        with child.attach() as session:
            await session.expect("so")
            with pytest.raises(ExpectTimeoutError, match=r"within 0.2 s; the last it said: ' far'") as late:
                await session.expect("further", timeout=0.2)
            assert late.value.before == b" far"
            assert isinstance(late.value, TimeoutError)
            assert (await session.expect("far", timeout=0)).before == b" "


async def test_the_streams_can_be_told_apart() -> None:
    code = "import sys; print('mark', file=sys.stderr); print('plain'); print('mark'); input()"
    async with running(python(code)) as child:
        with child.attach() as session:
            found = await session.expect("mark", streams=[Stream.STDOUT])
            assert found.before == b"plain\n"


async def test_a_child_that_is_restarted_is_listened_to_in_its_next_life() -> None:
    code = "import os; print('life', os.environ['AGENT_GENERATION']); input(); exit(1)"
    async with running(python(code), restart="permanent") as child:
        with child.attach("alice") as session:
            await session.expect("life 1\n")
            await session.write("\n")
            assert (await session.expect(EOF)).exit is not None
            # The right to write outlasts the life.
            assert (await session.expect(r"life (\d)")).groups == ("2",)
            assert session.writer == "alice"
            await session.write("\n")
            with pytest.raises(OutputEndedError):
                await session.expect("life 3")
            assert (await session.expect(r"life (\d)")).groups == ("3",)


async def test_a_child_that_never_comes_is_no_hang() -> None:
    async with Supervisor(process("a", ["/nonexistent/program"], restart="temporary", stdin="pipe")) as tree:
        with trio.fail_after(20), tree["a"].attach() as session:
            assert (await session.expect(["x", EOF])).index == 1
            with pytest.raises(InputClosedError, match="it does not run"):
                await session.write("x")


async def test_a_flood_is_searched_and_nothing_is_lost_of_what_the_ring_keeps() -> None:
    code = "import os\nfor n in range(400): os.write(1, b'x' * 65536)\nos.write(1, b'\\nthe end> ')\ninput()"
    async with running(python(code)) as child:
        with child.attach() as session:
            found = await session.expect("the end> ")
            assert found.dropped > 0
            assert set(found.before) == {ord("x"), ord("\n")}


async def test_a_pattern_that_is_none_is_refused_at_once() -> None:
    async with running(DEAF) as child:
        with child.attach() as session, pytest.raises(SpecError, match="is not a regular expression"):
            await session.expect("(")


# Writing


@BOTH
async def test_who_writes_to_a_child_that_never_reads_is_told_how_much_was_taken_and_can_kill_it(stdin: str) -> None:
    async with running(DEAF, stdin=stdin) as child:
        with child.attach() as session:
            await session.expect("deaf")
            with pytest.raises(WriteTimeoutError, match=r"\d+ of 10485760 bytes were taken within 0.5 s") as late:
                await session.write(b"0123456789abcde\n" * (10 * MIB // 16), timeout=0.5)
            assert 4095 <= late.value.taken <= MIB

            with trio.fail_after(5):
                assert (await session.kill()).signal == signal.SIGKILL


@BOTH
async def test_a_kill_does_not_wait_for_a_write_that_hangs(stdin: str) -> None:
    async with running(DEAF, stdin=stdin) as child, trio.open_nursery() as nursery:
        session = child.attach()
        await session.expect("deaf")
        failures: list[InputClosedError] = []

        async def write() -> None:
            try:
                await session.write(b"0123456789abcde\n" * (10 * MIB // 16), timeout=600)
            except InputClosedError as error:
                failures.append(error)

        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked(0.1)
        with trio.fail_after(5):
            await session.kill()
        nursery.cancel_scope.deadline = trio.current_time() + 5
        while not failures:
            await trio.sleep(0.01)
        assert failures[0].taken > 0
        session.detach()


@BOTH
@pytest.mark.slow
async def test_ten_megabytes_arrive_whole_where_they_are_read(stdin: str) -> None:
    lines = b"0123456789abcde\n" * (10 * MIB // 16)
    script = python(
        "import sys, hashlib, os\nif os.isatty(0): os.system('stty -echo')\nprint('go')\n"
        "read = iter(lambda: sys.stdin.buffer.readline(), b'end\\n')\n"
        "print(hashlib.sha256(b''.join(read)).hexdigest())"
    )
    async with running(script, stdin=stdin) as child:
        with child.attach() as session:
            await session.expect("go")
            await session.write(lines)
            await session.write("end\n")
            await session.expect(hashlib.sha256(lines).hexdigest())


async def test_a_closed_input_is_told() -> None:
    async with running(ECHO) as child:
        with child.attach() as session:
            await session.write("x\n")
            await session.expect("got x")
            await session.close_stdin()
            assert (await session.wait_exit()).code == 0
            with pytest.raises(InputClosedError, match="a: it does not run"):
                await session.write("y\n")
            with pytest.raises(InputClosedError, match="a: it does not run"):
                await session.close_stdin()


async def test_an_input_that_the_child_has_closed_is_told() -> None:
    async with running(python("import os, time; os.close(0); print('closed'); time.sleep(600)")) as child:
        with child.attach() as session:
            await session.expect("closed")
            with pytest.raises(InputClosedError, match="it has closed its standard input"):
                await session.write("x")


async def test_a_child_without_input_can_be_listened_to() -> None:
    async with running(python("print('hello'); import time; time.sleep(600)"), stdin="null") as child:
        with child.attach() as session:
            await session.expect("hello")
            with pytest.raises(InputClosedError, match="null device: write stdin: pipe, or pty"):
                await session.write("x")


async def test_a_task_is_nothing_to_talk_to() -> None:
    async with Supervisor(task("a", trio.sleep_forever)) as tree:
        with tree["a"].attach() as session, pytest.raises(InputClosedError, match="no process"):
            await session.write("x")


# Writers and observers


async def test_the_second_writer_is_told_who_the_first_is_and_may_listen() -> None:
    async with running(ECHO) as child:
        with child.attach("alice") as alice:
            with pytest.raises(WriterBusyError, match="a: alice writes to it") as refused:
                child.attach("bob")
            assert refused.value.holder == "alice"
            with child.attach("bob", write=False) as bob:
                with pytest.raises(WriterBusyError, match="this session only reads"):
                    await bob.write("x")
                with pytest.raises(WriterBusyError):
                    await bob.signal(signal.SIGINT)
                with pytest.raises(WriterBusyError):
                    bob.resize(80, 24)
                with pytest.raises(WriterBusyError):
                    await bob.kill()
                await alice.write("hello\n")
                await bob.expect("got hello")
        with child.attach("bob") as bob:
            await bob.write("again\n")
            await bob.expect("got again")


async def test_a_probe_that_asks_keeps_others_from_writing_meanwhile() -> None:
    async with Supervisor(process("a", ECHO, stdin="pipe", stop="kill")) as tree:
        with tree.engine.lease("a").take("probe"), pytest.raises(WriterBusyError, match="probe writes to it"):
            tree["a"].attach("alice")
        tree["a"].attach("alice").detach()


async def test_who_is_driven_away_in_the_middle_of_a_write_is_told() -> None:
    async with running(DEAF) as child, trio.open_nursery() as nursery:
        alice = child.attach("alice")
        told: list[WriterBusyError] = []
        await alice.expect("deaf")

        async def write() -> None:
            try:
                await alice.write(bytes(MIB))
            except WriterBusyError as error:
                told.append(error)

        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked(0.05)
        bob = child.attach("bob", force=True)
        await trio.testing.wait_all_tasks_blocked(0.05)

        assert "the right to write is lost; 65536 bytes were taken" in str(told[0])
        assert bob.writer == "bob"
        assert not alice.writes


@pytest.mark.parametrize("lost_by", ["force", "detach"])
async def test_who_has_lost_the_right_to_write_can_do_nothing_any_more_that_the_child_notices(lost_by: str) -> None:
    async with running(python("import os; print(*os.get_terminal_size()); input()"), stdin="pty") as child:
        alice = child.attach("alice")
        await alice.expect("80 24")
        pid = alice.pid or 0
        if lost_by == "force":
            bob = child.attach("bob", force=True)
        else:
            alice.detach()
            bob = child.attach("bob")
        with bob:
            with pytest.raises(WriterBusyError, match="bob writes to it now"):
                alice.resize(100, 30)
            with pytest.raises(WriterBusyError, match="bob writes to it now"):
                await alice.signal(signal.SIGINT)
            with pytest.raises(WriterBusyError, match="bob writes to it now"):
                await alice.kill()
            assert is_alive(pid)
            await bob.write("\n")
            assert (await bob.wait_exit()).code == 0


async def test_to_detach_is_not_to_kill_and_the_next_one_gets_what_was_said() -> None:
    async with running(ECHO) as child:
        with child.attach() as first:
            await first.write("one\n")
            await first.expect("got one\n")
        with child.attach() as second, child.attach(write=False, replay=1) as late:
            assert second.read().data == b"got one\n"
            assert late.read().data == b"got one\n"
            with child.attach(write=False, replay=False) as later:
                await second.write("two\n")
                assert (await later.expect("got (.*)\n")).groups == ("two",)
                assert (await second.expect("got (.*)\n")).groups == ("two",)


async def test_who_waits_in_a_session_that_is_detached_is_told() -> None:
    async with running(ECHO) as child, trio.open_nursery() as nursery:
        session = child.attach()
        told: list[SessionError] = []

        async def wait(call: Callable[[], Awaitable[object]]) -> None:
            try:
                await call()
            except SessionError as error:
                told.append(error)

        nursery.start_soon(wait, lambda: session.expect("never"))
        nursery.start_soon(wait, session.wait_exit)
        nursery.start_soon(wait, session.__anext__)
        await trio.testing.wait_all_tasks_blocked(0.05)
        session.detach()
        await trio.testing.wait_all_tasks_blocked(0.05)

        assert [str(each) for each in told] == ["a: the session is detached"] * 3


async def test_many_sessions_leave_nothing_with_the_tree() -> None:
    async with running(ECHO) as child:
        for _ in range(100):
            child.attach().detach()
        engine = child._engine

        assert (len(engine._listeners), len(engine._at_end), len(engine._leases)) == (0, 0, 1)


async def test_an_observer_that_leaves_in_the_middle_disturbs_nobody() -> None:
    code = "import sys\nfor n in range(20000): print(n)\nprint('done'); sys.stdin.read()"
    async with running(python(code)) as child, trio.open_nursery() as nursery:
        reading = trio.Event()

        async def observe(scope: trio.CancelScope) -> None:
            with scope, child.attach(write=False) as session:
                async for _ in session:
                    reading.set()

        scopes = [trio.CancelScope() for _ in range(5)]
        for scope in scopes:
            nursery.start_soon(observe, scope)
        await reading.wait()
        for scope in scopes[:4]:
            scope.cancel()
        with child.attach() as session:
            await session.expect("done")
        scopes[4].cancel()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(child._engine._listeners) == 0


async def test_a_reader_that_stops_reading_holds_up_nobody_and_is_told_what_it_missed() -> None:
    code = "import os\nfor n in range(1000): os.write(1, b'x' * 9999 + b'\\n')\nos.write(1, b'done\\n'); input()"
    async with running(python(code)) as child:
        with child.attach(write=False) as slow, child.attach() as quick:
            first = slow.read()
            await quick.expect("done")
            assert first.dropped == 0
            said = slow.read()
            assert said.dropped > 500
            assert child.ring.size <= child.ring.limits.bytes + 70_000


async def test_reading_goes_on_at_its_own_cursor_and_takes_nothing_from_others() -> None:
    async with running(ECHO) as child:
        with child.attach() as session:
            await session.write("one\ntwo\n")
            found = await session.expect("got o")
            assert session.read(since=found.next).data.startswith(b"ne\n")
            await session.expect("two")
            assert session.read().data == b"\n"
            assert session.read().data == b""
            session.cursor = found.next
            assert session.read().data == b"ne\ngot two\n"


async def test_following_ends_with_the_life() -> None:
    async with running(python("print('one'); input(); print('two')")) as child:
        with child.attach() as session:
            heard = b""
            async for said in session:
                heard += said.data
                if heard == b"one\n":
                    await session.write("\n")
            assert heard == b"one\ntwo\n"


async def test_who_follows_slowly_gets_one_life_at_a_time() -> None:
    code = "import os; print('life', os.environ['AGENT_GENERATION']); input(); exit(1)"
    async with running(python(code), restart="permanent") as child:
        with child.attach() as writer, child.attach(write=False) as slow:
            await writer.expect("life 1\n")
            await writer.write("\n")
            await writer.expect(EOF)
            await writer.expect("life 2\n")
            assert [said.data async for said in slow] == [b"life 1\n"]

            await writer.write("\n")
            await writer.expect(EOF)
            assert [said.data async for said in slow] == [b"life 2\n"]


# The end


async def test_each_waiter_is_told_the_end_once_late_ones_too() -> None:
    async with running(python("input(); exit(7)")) as child:
        told: list[int | None] = []
        session = child.attach()

        async def wait() -> None:
            told.append((await session.wait_exit()).code)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await session.write("\n")
        await wait()
        assert told == [7] * 11
        session.detach()


async def test_who_never_lived_has_no_end() -> None:
    async with Supervisor(
        process("a", ["true"], depends_on=["b"], restart="temporary"), process("b", ["/none"], restart="temporary")
    ) as tree:
        with trio.fail_after(20), tree["a"].attach(write=False) as session, pytest.raises(ChildStartError):
            await session.wait_exit()


@BOTH
async def test_the_end_does_not_wait_for_a_grandchild_that_holds_the_output(stdin: str) -> None:
    code = (
        "import subprocess, sys, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "held = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print('holder', held.pid)\ninput()\nexit(4)"
    )
    async with running(python(code), stdin=stdin) as child:
        with child.attach() as session:
            holder = int((await session.expect(r"holder (\d+)\r?\n")).groups[0] or 0)
            await session.write("\n")
            with trio.fail_after(10):
                assert (await session.wait_exit()).code == 4
            assert not is_alive(holder)


async def test_a_kill_takes_the_whole_tree() -> None:
    script = "setsid sh -c 'trap \"\" TERM HUP; echo pid $$; sleep 600 & wait' & wait"
    async with running(["sh", "-c", script]) as child:
        with child.attach() as session:
            grandchild = int((await session.expect(r"pid (\d+)\n")).groups[0] or 0)
            assert (await session.kill()).how is How.SIGNALED
            assert not is_alive(grandchild)


async def test_a_signal_interrupts_and_is_no_stop() -> None:
    code = """
import time
while True:
    try:
        print("wait")
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted")
"""
    async with running(python(code)) as child:
        with child.attach() as session:
            await session.expect("wait\n")
            await session.signal(signal.SIGINT)
            await session.expect("interrupted\nwait\n")
            assert is_alive(session.pid or 0)


# Terminals and bytes


async def test_the_size_of_a_terminal_is_set_by_who_writes() -> None:
    code = """
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"size %d %d\\n" % tuple(os.get_terminal_size())))
print(*os.get_terminal_size())
while True:
    signal.pause()
"""
    async with running(python(code), stdin="pty", window=(100, 30)) as child:
        with child.attach() as session:
            await session.expect("100 30")
            for rows in range(1, 200):
                session.resize(2 * rows, rows)
            await session.expect(r"size 398 199\r\n")
            with pytest.raises(ValueError, match="within 1 to 65535"):
                session.resize(0, 24)


async def test_bytes_of_all_kinds_go_through_a_terminal_in_both_directions() -> None:
    code = "import os, tty; tty.setraw(0); os.write(1, b'raw'); os.write(1, os.read(0, 99)); os.write(1, b'.')"
    data = bytes(range(32)) + b"\0\xff\xfe\xe2\x82"
    async with running(python(code), stdin="pty") as child:
        with child.attach() as session:
            await session.expect("raw")
            await session.write(data)
            assert (await session.expect([EOF])).before == data + b"."


@BOTH
async def test_a_secret_is_hidden_in_a_session_also_over_the_borders_of_chunks(
    stdin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "correct-horse-battery")
    code = (
        "import os, time\nkey = os.environ['KEY'].encode()\n"
        "for n in range(len(key)): os.write(1, key[n:n + 1]); time.sleep(0.01)\n"
        "os.write(1, b' over\\n'); input()"
    )
    async with running(python(code), stdin=stdin, secrets={"KEY": SecretEnv("THE_KEY")}) as child:
        with child.attach() as session:
            said = (await session.expect("over")).before
            assert said.endswith(b"[redacted] ")
            assert b"horse" not in said
            # What is typed is echoed by a terminal, and hidden too.
            await session.write("correct-horse-battery\n")
            assert b"horse" not in (await session.expect(EOF)).before


async def test_a_session_is_of_no_cost_to_who_has_none(tmp_path: Path) -> None:
    code = """
import sys, trio_supervisor.cli.main, trio_supervisor.wiring, trio_supervisor.runtimes.process
print([name for name in sys.modules if "sessions" in name or name.endswith((".writing", ".terminal"))])
"""
    loaded = await trio.run_process([sys.executable, "-c", code], capture_stdout=True, cwd=tmp_path, env=os.environ)
    assert loaded.stdout == b"[]\n"


async def test_a_dear_pattern_on_one_long_line_holds_up_nobody() -> None:
    """`[^\\n]*q` on 60 KiB without a line end costs seconds of the processor, as each place is a beginning."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await trio.lowlevel.checkpoint()
            longest = max(longest, time.thread_time() - before)

    code = "print('x' * 60_000, end='')\nimport time\ntime.sleep(600)"
    async with running(python(code)) as child:
        with child.attach(replay=True) as session:
            await session.expect("x{1000}")
            session.cursor = Cursor(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tick)
                with pytest.raises(ExpectTimeoutError):
                    await session.expect(r"[^\n]*q", timeout=0.5)
                nursery.cancel_scope.cancel()

    assert longest < 0.15
