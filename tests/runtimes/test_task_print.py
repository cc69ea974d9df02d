"""What an async function prints is a part of what it says, where the whole program is ours."""

# ruff: noqa: T201 -- to print is what is tested

import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from contextvars import copy_context
from io import StringIO

import pytest
import trio

from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.task import TaskRuntime
from trio_supervisor.runtimes.task_print import LONGEST, prints_taken_in
from trio_supervisor.spec import ChildSpec, TaskSpec
from trio_supervisor.testing import ScriptedLaunch


@pytest.fixture
def stdout() -> StringIO:
    """What is printed by nobody in particular, within `redirect_stdout`."""
    return StringIO()


async def said_by(function: Callable[[], Awaitable[object]]) -> list[bytes]:
    said: list[bytes] = []

    def take(stream: Stream, chunk: bytes) -> None:
        if stream is Stream.STDOUT:
            said.append(chunk)

    launch = ScriptedLaunch("a", output=take)
    life = TaskRuntime(ChildSpec("a", TaskSpec(function))).life(launch)
    await life.start()
    await life.wait()
    return said


async def test_lines_come_whole_and_what_is_flushed_or_left_at_the_end_comes_too(stdout: StringIO) -> None:
    async def work() -> None:
        print("one", "line", 3)
        print("> ", end="", flush=True)
        sys.stdout.write("a\nb")
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout), prints_taken_in():
        assert await said_by(work) == [b"one line 3\n", b"> ", b"a\n", b"b", b""]

    assert stdout.getvalue() == ""


async def test_so_does_what_its_tasks_and_threads_print(stdout: StringIO) -> None:
    async def helper() -> None:
        print("in a task")
        await trio.lowlevel.checkpoint()

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(helper)
        await trio.to_thread.run_sync(print, "in a thread")
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout), prints_taken_in():
        assert await said_by(work) == [b"in a task\n", b"in a thread\n", b""]


async def test_what_others_print_goes_where_it_went(stdout: StringIO) -> None:
    async def work() -> None:
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout), prints_taken_in():
        await said_by(work)
        print("by nobody")
        assert sys.stdout.encoding == stdout.encoding
        with prints_taken_in():
            print("by nobody either")
    assert stdout.getvalue() == "by nobody\nby nobody either\n"


async def test_where_the_program_is_another_s_nothing_is_taken(stdout: StringIO) -> None:
    async def work() -> None:
        print("mine")
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout):
        assert await said_by(work) == [b""]
    assert stdout.getvalue() == "mine\n"


async def test_what_a_thread_prints_after_the_end_is_no_life_s(stdout: StringIO) -> None:
    go_on, done = trio.Event(), trio.Event()

    async def leftover() -> None:
        await go_on.wait()
        print("late")
        done.set()

    async def work() -> None:
        trio.lowlevel.spawn_system_task(leftover, context=copy_context())
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout), prints_taken_in():
        said = await said_by(work)
        go_on.set()
        await done.wait()

    assert said == [b""]
    assert stdout.getvalue() == "late\n"


async def test_a_line_that_does_not_end_takes_no_memory(stdout: StringIO) -> None:
    async def work() -> None:
        for _ in range(100):
            print("x" * (LONGEST // 10), end="")
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout), prints_taken_in():
        said = await said_by(work)

    assert b"".join(said) == b"x" * (LONGEST // 10) * 100
    assert max(map(len, said)) <= LONGEST * 2


async def test_what_is_wrong_to_write_is_wrong_as_ever(stdout: StringIO) -> None:
    wrong: list[BaseException] = []

    async def work() -> None:
        try:
            sys.stdout.write(b"bytes")  # type: ignore[arg-type]
        except TypeError as error:
            wrong.append(error)
        await trio.lowlevel.checkpoint()

    with redirect_stdout(stdout), prints_taken_in():
        await said_by(work)

    assert len(wrong) == 1
