"""A child with a terminal of its own: its controlling one, of the right size, that types and talks as terminals do."""

import os
import signal
import sys

import pytest
import trio

from tests.runtimes.contract import Heard
from tests.runtimes.process_helpers import descriptors, ended, eventually, is_alive, python
from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import StepError
from trio_supervisor.runtimes.base import Interactive, Stream
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.runtimes.process.terminal import LONGEST_LINE
from trio_supervisor.spec import ChildSpec, CloseStdinStep, ProcessSpec, SendStep, Stdin, Window

pytestmark = [
    pytest.mark.usefixtures("spawned"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these terminals"),
]


async def in_terminal(
    *command: str, window: Window | None = None, user: str | None = None, env: dict[str, str] | None = None
) -> tuple[ProcessLife, Heard]:
    """A life that has started in a terminal."""
    heard = Heard()
    process = ProcessSpec(command, stdin=Stdin.PTY, window=window or Window(), user=user, env=env or {})
    life = ProcessRuntime(ChildSpec("agent", process)).life(heard.launch())
    await life.start()
    return life, heard


async def typed(life: ProcessLife, text: bytes) -> None:
    assert life.input is not None
    await life.input.write(text)


async def said(heard: Heard, text: bytes) -> None:
    with trio.fail_after(20):
        await heard.wait_said(text)


async def over(life: ProcessLife) -> Exit:
    with trio.fail_after(20):
        return await life.wait()


async def test_it_is_the_controlling_terminal_of_the_childs_session() -> None:
    code = """
import os
tty = os.open("/dev/tty", os.O_RDWR)
same = os.ttyname(0) == os.ttyname(1) == os.ttyname(2)
print(same, os.getsid(0) == os.getpid(), os.tcgetpgrp(tty) == os.getpgrp(), os.isatty(tty))
"""
    life, heard = await in_terminal(*python(code))

    assert (await over(life)).code == 0
    assert heard.said() == b"True True True True\r\n"
    assert heard.ends() == {Stream.STDOUT: 1}


async def test_it_has_its_size_and_kind_from_the_start_and_not_those_of_the_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "20")
    code = "import os; print(*os.get_terminal_size(), os.environ['TERM'], os.environ.get('COLUMNS'))"

    life, heard = await in_terminal(*python(code), window=Window(132, 43))
    await over(life)

    assert heard.said() == b"132 43 xterm-256color None\r\n"


async def test_what_the_spec_says_of_its_kind_wins() -> None:
    life, heard = await in_terminal("sh", "-c", "echo $TERM", env={"TERM": "vt100"})
    await over(life)

    assert heard.said() == b"vt100\r\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start children as another user")
async def test_who_runs_as_another_user_may_open_its_terminal_by_name() -> None:
    life, heard = await in_terminal("sh", "-c", "echo me > $(tty)", user="nobody")

    assert (await over(life)).code == 0
    assert heard.said() == b"me\r\n"


async def test_the_end_of_input_is_the_key_for_it_also_in_the_middle_of_a_line() -> None:
    for text in (b"one\n", b"one\ntwo"):
        life, heard = await in_terminal("cat")
        await typed(life, text)
        await life.ask(CloseStdinStep())

        assert (await over(life)).code == 0
        assert heard.said().endswith(text.replace(b"\n", b"\r\n").split(b"\n")[-1])
        assert heard.said().count(b"one") == 2  # the echo, and cat's


async def test_steps_of_a_stop_are_typed() -> None:
    life, heard = await in_terminal("sh", "-c", "read word; echo got $word")
    await life.ask(SendStep("quit\n"))

    assert (await over(life)).code == 0
    assert heard.said() == b"quit\r\ngot quit\r\n"


async def test_a_line_that_the_terminal_would_cut_is_refused_and_nothing_of_it_is_lost() -> None:
    life, heard = await in_terminal("sh", "-c", "stty -echo; echo go; wc -c")
    await said(heard, b"go")
    longest = b"x" * LONGEST_LINE

    with pytest.raises(StepError, match="at most 4095 bytes"):
        await life.ask(SendStep("y" + longest.decode()))
    await typed(life, longest + b"\n")
    with pytest.raises(OSError, match="at most 4095 bytes"):
        await typed(life, b"ab\n" + longest + b"y\n")
    await life.ask(CloseStdinStep())

    await over(life)
    assert int(heard.said().split()[-1]) == LONGEST_LINE + 1 + len(b"ab\n")


async def test_a_signal_from_the_keys_reaches_the_foreground_and_others_the_group() -> None:
    # A shell with job control gives each job a group of its own.
    life, heard = await in_terminal("bash", "--norc", "-i", env={"PS1": "$ ", "TERM": "dumb"})
    assert isinstance(life, Interactive)
    await typed(life, b"sleep 600 & echo bg=$!\n")
    await said(heard, b"\nbg=")
    await typed(life, b"bash -c 'trap \"echo interrupted; exit\" INT; echo waiting; while :; do sleep 0.1; done'\n")
    await said(heard, b"\nwaiting")

    await life.signal(signal.SIGINT)

    await said(heard, b"\ninterrupted")
    await typed(life, b"kill %1; trap 'echo one' USR1; echo $((40 + 2))\n")
    await said(heard, b"\n42")
    await life.signal(signal.SIGUSR1)
    await typed(life, b"\n")
    await said(heard, b"\none")
    await ended(life)


async def test_a_storm_of_sizes_is_told_and_the_last_one_wins() -> None:
    code = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})  # a handler could be interrupted by itself
print("ready", flush=True)
while True:
    signal.sigwait({signal.SIGWINCH})
    os.write(1, b"told %d %d\\n" % tuple(os.get_terminal_size()))
"""
    life, heard = await in_terminal(*python(code))
    await said(heard, b"ready\r\n")
    assert life.input is not None

    for columns in range(81, 581):
        life.input.resize(columns, columns // 2)

    await said(heard, b"told 580 290\r\n")
    assert heard.said().endswith(b"told 580 290\r\n")
    await ended(life)


async def test_bytes_come_as_they_are() -> None:
    data = b"a\0\0b\xff\xfe\xe2\x82"
    life, heard = await in_terminal(*python(f"import os; os.write(1, {data!r})"))
    await over(life)

    assert heard.said() == data


async def test_who_lets_go_of_its_terminal_and_opens_it_again_is_heard() -> None:
    code = """
import os, time
os.closerange(0, 3)
time.sleep(0.1)
os.write(os.open("/dev/tty", os.O_RDWR), b"here again")
"""
    life, heard = await in_terminal(*python(code))
    await over(life)

    assert heard.said() == b"here again"


async def test_the_end_does_not_wait_for_who_holds_the_terminal() -> None:
    # In a session of its own nobody hangs up on it, and it ignores the signal anyway.
    life, heard = await in_terminal(
        "sh", "-c", "setsid sh -c 'trap \"\" HUP TERM; echo pid $$; sleep 600 & wait' & read x; exit 3"
    )
    await said(heard, b"\n")
    holder = int(heard.said().split()[1])
    await typed(life, b"\n")

    assert (await over(life)).code == 3
    assert not is_alive(holder)


async def test_nothing_of_a_terminal_is_left_open() -> None:
    life, _ = await in_terminal("true")
    await over(life)
    before = descriptors()

    life, _ = await in_terminal("true")
    await over(life)

    await eventually(lambda: descriptors() <= before)


async def test_who_can_not_be_started_leaves_no_terminal_open() -> None:
    life, _ = await in_terminal("true")
    await over(life)
    before = descriptors()

    with pytest.raises(Exception, match="does not exist"):
        await in_terminal("/nonexistent/program")

    assert descriptors() <= before
