"""A child that is an async function."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Launch, Life, Stream
from trio_supervisor.runtimes.task import TaskRuntime
from trio_supervisor.spec import ChildSpec, SignalStep, TaskSpec
from trio_supervisor.testing import ScriptedLaunch


class Told:
    """What a life has told."""

    def __init__(self) -> None:
        self.ready = 0
        self.output: list[tuple[Stream, bytes]] = []

    def launch(self) -> Launch:
        return ScriptedLaunch("a", output=lambda *chunk: self.output.append(chunk), ready=self._ready)

    def _ready(self, value: object = None) -> None:
        self.ready += 1


def runtime_of(task: str | Callable[..., Awaitable[object]], path: str | None = None) -> TaskRuntime:
    return TaskRuntime(ChildSpec("a", TaskSpec(task, path)))


async def live(life: Life) -> Exit:
    await life.start()
    return await life.wait()


async def test_a_return_is_a_clean_end() -> None:
    async def work() -> None:
        await trio.lowlevel.checkpoint()

    exit = await live(runtime_of(work).life(Told().launch()))

    assert exit == Exit(How.RETURNED)
    assert exit.clean


async def test_an_exception_is_the_exit_and_its_traceback_is_output() -> None:
    async def work() -> None:
        raise ZeroDivisionError("by nothing")

    told = Told()
    exit = await live(runtime_of(work).life(told.launch()))

    assert str(exit) == "raised ZeroDivisionError: by nothing"
    assert isinstance(exit.exception, ZeroDivisionError)
    assert told.output[0][0] is Stream.STDERR
    assert b"in work" in told.output[0][1]
    assert told.output[-1] == (Stream.STDERR, b"")


async def test_the_first_exception_of_a_group_is_named() -> None:
    async def fail() -> None:
        raise KeyError("x")

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)

    exit = await live(runtime_of(work).life(Told().launch()))

    assert exit.detail == "KeyError: 'x'"


@pytest.mark.parametrize("grouped", [False, True])
async def test_sys_exit_ends_the_child_only(grouped: bool) -> None:
    async def leave() -> None:
        sys.exit(3)

    async def work() -> None:
        if not grouped:
            await leave()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)

    exit = await live(runtime_of(work).life(Told().launch()))

    assert exit.detail == "SystemExit: 3"


async def interrupt() -> None:
    raise KeyboardInterrupt


async def test_keyboard_interrupt_is_not_the_child_s() -> None:
    with pytest.raises(KeyboardInterrupt):
        await live(runtime_of(interrupt).life(Told().launch()))


async def test_keyboard_interrupt_in_a_group_is_not_the_child_s_either() -> None:
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt)

    with pytest.RaisesGroup(KeyboardInterrupt):
        await live(runtime_of(work).life(Told().launch()))


async def test_asked_to_end_it_is_cancelled(autojump_clock: MockClock) -> None:
    cleaned_up = False

    async def work() -> None:
        nonlocal cleaned_up
        try:
            await trio.sleep_forever()
        finally:
            cleaned_up = True

    life = runtime_of(work).life(Told().launch())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ask_after, 5, life)
        exit = await live(life)

    assert exit.how is How.CANCELLED
    assert cleaned_up


async def _ask_after(seconds: float, life: Life) -> None:
    await trio.sleep(seconds)
    await life.ask(SignalStep())


async def test_an_error_while_it_is_cancelled_is_not_lost(autojump_clock: MockClock) -> None:
    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise OSError("disk full")

    life = runtime_of(work).life(Told().launch())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ask_after, 1, life)
        exit = await live(life)

    assert exit.detail == "OSError: disk full"


async def test_killed_before_its_start_it_never_gets_past_its_first_checkpoint() -> None:
    ran_on = False

    async def work() -> None:
        nonlocal ran_on
        await trio.lowlevel.checkpoint()
        ran_on = True

    life = runtime_of(work).life(Told().launch())
    life.kill()
    exit = await live(life)

    assert exit.how is How.CANCELLED
    assert not ran_on


async def test_a_function_that_takes_task_status_announces_its_readiness() -> None:
    async def work(*, task_status: trio.TaskStatus[int]) -> None:
        task_status.started(1)

    runtime, told = runtime_of(work), Told()
    await live(runtime.life(told.launch()))

    assert runtime.announces
    assert told.ready == 1


async def test_a_function_is_found_by_name_from_the_directory_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_agents_of_mine.py").write_text("class A:\n    @staticmethod\n    async def work(): pass\n")
    monkeypatch.setattr(sys, "path", list(sys.path))

    exit = await live(runtime_of("some_agents_of_mine:A.work", str(tmp_path)).life(Told().launch()))

    assert exit.how is How.RETURNED


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("json", "must be written package.module:function"),
        ("no_such_module_here:f", "importing 'no_such_module_here' raised ModuleNotFoundError"),
        ("json:no_such_function", "json has no async function 'no_such_function'"),
        ("json:dumps", "json has no async function 'dumps'"),
    ],
)
async def test_a_function_that_cannot_be_had_is_a_failed_start(name: str, words: str) -> None:
    life = runtime_of(name).life(Told().launch())

    with pytest.raises(StartError, match=words):
        await life.start()
