"""One life of a real process: its exit, its output, its signals."""

import os
import signal
import sys
import time

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.runtimes.contract import STEP, Heard, live, wait_bounded
from tests.runtimes.process_helpers import (
    descriptors,
    ended,
    eventually,
    has_children,
    is_alive,
    life_of,
    program,
    python,
    run,
    runtime_of,
    shell,
)
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import SpecError
from trio_supervisor.runtimes.base import OwnsPorts, RunsCommands, Stream
from trio_supervisor.runtimes.process import ProcessRuntime
from trio_supervisor.runtimes.process import life as life_module
from trio_supervisor.runtimes.process.pipe import CHUNK, LAST_WORDS, OutputPipe
from trio_supervisor.spec import ChildSpec, SignalStep, TaskSpec
from trio_supervisor.testing import ScriptedLaunch

pytestmark = pytest.mark.usefixtures("spawned")

BOTH_ENDED = {Stream.STDOUT: 1, Stream.STDERR: 1}


def test_a_child_that_is_no_process_is_refused() -> None:
    with pytest.raises(SpecError, match="child 'a': not a process"):
        ProcessRuntime(ChildSpec("a", TaskSpec("package.module:function")))


def test_a_life_can_do_more_than_the_four_verbs() -> None:
    life, _ = life_of("true")

    assert isinstance(life, OwnsPorts)
    assert isinstance(life, RunsCommands)


# How it ends


@pytest.mark.parametrize("code", [0, 1, 78, 255])
async def test_the_exit_code_is_told(code: int) -> None:
    exit, _ = await run(*shell(f"exit {code}"))

    assert exit == Exit(How.EXITED, code=code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1])
async def test_the_signal_that_ended_it_is_told(number: signal.Signals) -> None:
    exit, _ = await run(*shell(f"kill -{number.value} $$"))

    assert exit == Exit(How.SIGNALED, signal=number)


async def test_a_leader_that_is_killed_from_outside_is_noticed() -> None:
    life, _ = life_of("sleep", "300")
    await life.start()
    assert life.pid is not None

    os.kill(life.pid, signal.SIGKILL)

    assert await wait_bounded(life) == Exit(How.SIGNALED, signal=9)


async def test_an_exit_status_that_something_else_took_is_admitted(spawned: str) -> None:
    if spawned == "by the guardian":
        pytest.skip("nobody else can take it from the guardian")
    life, _ = life_of("true")
    await life.start()
    assert life.pid is not None
    # The status that is for the life.
    await trio.to_thread.run_sync(os.waitpid, life.pid, 0)

    exit = await wait_bounded(life)

    assert exit.how is How.EXITED
    assert exit.code is None
    assert "taken" in exit.detail
    assert not exit.clean


async def test_the_exit_code_is_right_even_if_sigchld_was_inherited_as_ignored() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        exit, _ = await run(*shell("exit 9"))
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert exit == Exit(How.EXITED, code=9)


async def test_the_pid_is_known_from_the_start_to_the_end() -> None:
    life, heard = life_of(*shell("echo $$; sleep 300"))

    assert life.pid is None
    await life.start()
    assert str(life.pid) == await heard.wait_line()
    await ended(life)
    assert life.pid is None


async def test_a_wait_that_was_cancelled_can_be_taken_up_again() -> None:
    life, heard = life_of("sleep", "300")
    await life.start()
    with trio.move_on_after(0.05) as scope:
        await life.wait()
    assert scope.cancelled_caught

    assert await ended(life) == Exit(How.SIGNALED, signal=9)
    assert heard.ends() == BOTH_ENDED


# How it is asked to end


async def test_asking_sends_the_signal_of_the_step() -> None:
    life, heard = life_of(*shell("trap 'echo got INT; exit 3' INT; echo ready; while :; do sleep 0.01; done"))
    await life.start()
    await heard.wait_line()

    await life.ask(SignalStep(signal.SIGINT))

    assert await wait_bounded(life) == Exit(How.EXITED, code=3)
    assert heard.said() == b"ready\ngot INT\n"


async def test_asking_reaches_grandchildren() -> None:
    script = """
import subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", '''
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye from the grandchild", flush=True), sys.exit()))
print("ready", flush=True)
time.sleep(300)
'''])
sys.exit(grandchild.wait())
"""
    life, heard = life_of(*python(f"import signal; signal.signal(signal.SIGTERM, lambda *_: None)\n{script}"))
    await life.start()
    await heard.wait_line()

    await life.ask(STEP)

    assert (await wait_bounded(life)).clean
    assert heard.said() == b"ready\nbye from the grandchild\n"


async def test_what_ignores_being_asked_goes_on_until_it_is_killed() -> None:
    life, heard = life_of(*program("ignore_term.py"))
    await life.start()
    await heard.wait_line()

    await life.ask(STEP)
    await heard.wait_said(b"ignored 15\n")
    assert life.pid is not None
    assert is_alive(life.pid)

    assert await ended(life) == Exit(How.SIGNALED, signal=9)


async def test_what_is_stopped_by_a_signal_can_still_be_asked_to_end() -> None:
    life, _ = life_of("sleep", "300")
    await life.start()
    assert life.pid is not None
    os.kill(life.pid, signal.SIGSTOP)

    await life.ask(STEP)

    assert await wait_bounded(life) == Exit(How.SIGNALED, signal=signal.SIGTERM)


# What it says


async def test_the_streams_are_kept_apart() -> None:
    _, heard = await run(*shell("echo out; echo err >&2"))

    assert heard.said(Stream.STDOUT) == b"out\n"
    assert heard.said(Stream.STDERR) == b"err\n"


async def test_every_byte_comes_through() -> None:
    _, heard = await run(*python("import os; os.write(1, bytes(range(256)) * 1000)"))

    assert heard.said() == bytes(range(256)) * 1000


async def test_output_is_heard_while_it_runs() -> None:
    life, heard = life_of(*shell("printf 'no newline'; sleep 300"))
    await life.start()

    with trio.fail_after(10):
        await heard.wait_said(b"no newline")

    await ended(life)


async def test_nothing_is_lost_of_what_exits_at_once() -> None:
    said = [(await run("echo", str(number)))[1].said() for number in range(50)]

    assert said == [f"{number}\n".encode() for number in range(50)]


async def test_a_full_pipe_at_the_exit_is_read_to_its_end() -> None:
    # One write of less than the pipe holds, and then the end at once.
    _, heard = await run(*python("import os; os.write(1, b'x' * 60000); os.write(2, b'y' * 60000); os._exit(0)"))

    assert (len(heard.said(Stream.STDOUT)), len(heard.said(Stream.STDERR))) == (60000, 60000)


@pytest.mark.parametrize("newlines", ["0", "1"])
async def test_a_flood_comes_through_and_ends(newlines: str) -> None:
    life, heard = life_of(*program("flood.py", "20"), env={"NL": newlines})

    assert (await live(life)).clean
    assert len(heard.said()) == 20 * 1024 * 1024


async def test_a_flood_delays_neither_the_exit_of_a_sibling_nor_its_own_kill() -> None:
    floods = [life_of(*program("flood.py"))[0] for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for flood in floods:
            await flood.start()
            nursery.start_soon(flood.wait)
        with trio.fail_after(5):
            exit, heard = await run("echo", "quick")
            for flood in floods:
                flood.kill()

    assert exit.clean
    assert heard.said() == b"quick\n"


async def test_a_child_that_closes_its_streams_goes_on_quietly() -> None:
    life, heard = life_of(*python("import os, time; os.close(1); os.close(2); time.sleep(300)"))
    await life.start()
    await eventually(lambda: heard.ends() == BOTH_ENDED)

    begun = time.process_time()
    await trio.sleep(0.3)
    busy = time.process_time() - begun
    await ended(life)

    assert busy < 0.1
    assert heard.ends() == BOTH_ENDED


ESCAPE = """
import os, sys, time
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    os.write(w, b"x")
    while sys.argv[1:]:
        os.write(1, b"x" * 4096)
    time.sleep(300)
os.read(r, 1)
"""


@pytest.mark.parametrize("arguments", [(), ("flood",)], ids=["silent", "flooding"])
async def test_what_escaped_and_holds_the_output_open_is_swept_and_delays_no_exit(arguments: tuple[str, ...]) -> None:
    life, heard = life_of(*python(ESCAPE, *arguments))
    await life.start()

    with trio.fail_after(5):
        exit = await life.wait()

    assert exit.clean
    assert not is_alive(int(await heard.wait_line()))
    assert heard.ends() == BOTH_ENDED


async def test_a_listener_that_raises_stops_neither_the_reading_nor_the_life(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()

    def refuse(stream: Stream, chunk: bytes) -> None:
        raise ZeroDivisionError

    launch = ScriptedLaunch(output=refuse, room=heard.launch().room)
    life = runtime_of(program("flood.py", "1")).life(launch)

    assert (await live(life)).clean
    assert {record.exc_info[0] for record in caplog.records if record.exc_info} == {ZeroDivisionError}


async def test_a_listener_without_room_slows_the_child_down() -> None:
    heard = Heard()
    has_room = trio.Event()
    launch = ScriptedLaunch(output=heard.launch().output, room=has_room.wait)
    life = runtime_of(program("flood.py", "1")).life(launch)

    async with trio.open_nursery() as nursery:
        await life.start()
        nursery.start_soon(life.wait)
        await wait_all_tasks_blocked(0.2)
        assert heard.said() == b""
        assert life.pid is not None
        has_room.set()

    assert len(heard.said()) == 1024 * 1024


async def test_a_listener_without_room_holds_up_no_end_and_loses_no_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life_module, "LAST_WORDS_PATIENCE", 0.1)
    heard = Heard()
    launch = ScriptedLaunch(output=heard.launch().output, room=trio.sleep_forever)
    # More than one read takes.
    last_words = "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 19); os.write(1, b'x' * (1 << 19))"
    life = runtime_of(python(last_words)).life(launch)

    with trio.fail_after(10):
        assert (await live(life)).clean

    assert len(heard.said()) == 1 << 19
    assert heard.ends() == BOTH_ENDED


async def test_a_pipe_that_is_always_full_is_finished_nevertheless() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    read = 0

    def refill(chunk: bytes) -> None:
        nonlocal read
        read += len(chunk)
        if chunk:
            os.write(writer, chunk)

    pipe = OutputPipe(reader, refill)
    os.write(writer, b"x" * CHUNK)
    await pipe.finish()

    os.close(writer)
    assert not pipe.open
    assert read == LAST_WORDS


# Many of them


async def test_two_hundred_at_once() -> None:
    results: dict[int, tuple[Exit, bytes]] = {}

    async def one(number: int) -> None:
        exit, heard = await run("echo", str(number))
        results[number] = (exit, heard.said())

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(one, number)

    assert results == {number: (Exit(How.EXITED, code=0), f"{number}\n".encode()) for number in range(200)}


async def test_three_hundred_lives_leave_no_descriptor_thread_or_zombie() -> None:
    await run("true")
    before, threads = descriptors(), len(os.listdir("/proc/self/task"))

    for _ in range(300):
        await run("true")

    assert descriptors() == before
    # Fewer is fine: an idle thread of Trio's may have come to its end meanwhile.
    assert len(os.listdir("/proc/self/task")) <= threads
    assert not has_children()


async def test_failed_and_killed_lives_leave_no_descriptor_either() -> None:
    async def some() -> None:
        life, _ = life_of("no-such-program")
        with pytest.raises(Exception, match="not found"):
            await life.start()
        life, _ = life_of(*shell("sleep 300 & exec sleep 300"))
        await life.start()
        await ended(life)

    await some()
    before = descriptors()
    for _ in range(10):
        await some()

    assert descriptors() == before


def test_lives_can_follow_in_several_trio_runs(spawned: str) -> None:
    if spawned == "by the guardian":
        pytest.skip("who opens it ends it: see test_guarded.py")
    before = descriptors()

    exits = [trio.run(run, sys.executable, "-c", f"exit({code})")[0].code for code in range(3)]

    assert exits == [0, 1, 2]
    assert descriptors() == before
