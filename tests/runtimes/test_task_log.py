"""What an async function logs is a part of what it says."""

import logging
import threading
from collections.abc import Awaitable, Callable

import pytest
import trio

from trio_supervisor import SecretEnv, Selection, Supervisor, process, task
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.task import TaskRuntime
from trio_supervisor.spec import ChildSpec, TaskSpec
from trio_supervisor.testing import ScriptedLaunch

log = logging.getLogger("some.module")


async def said_by(function: Callable[[], Awaitable[object]]) -> list[tuple[Stream, str]]:
    said: list[tuple[Stream, str]] = []

    def take(stream: Stream, chunk: bytes) -> None:
        if chunk:
            said.append((stream, chunk.decode()))

    launch = ScriptedLaunch("a", output=take)
    life = TaskRuntime(ChildSpec("a", TaskSpec(function))).life(launch)
    await life.start()
    await life.wait()
    return said


async def test_a_record_comes_with_its_level_its_logger_and_its_traceback() -> None:
    async def work() -> None:
        log.warning("careful: %d", 3)
        try:
            raise ZeroDivisionError("by nothing")
        except ZeroDivisionError:
            log.exception("oops")
        await trio.lowlevel.checkpoint()

    said = await said_by(work)

    assert said[0] == (Stream.LOG, "WARNING some.module: careful: 3\n")
    assert said[1][1].startswith("ERROR some.module: oops\nTraceback ")
    assert said[1][1].endswith("ZeroDivisionError: by nothing\n")


async def test_so_does_one_of_a_task_or_thread_that_it_has_started() -> None:
    async def helper() -> None:
        log.error("in a task")
        await trio.lowlevel.checkpoint()

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(helper)
        await trio.to_thread.run_sync(log.error, "in a thread")
        await trio.lowlevel.checkpoint()

    assert [text for _, text in await said_by(work)] == [
        "ERROR some.module: in a task\n",
        "ERROR some.module: in a thread\n",
    ]


async def test_what_others_log_and_what_is_not_logged_at_all_is_none_of_it() -> None:
    async def work() -> None:
        log.debug("below the level")
        thread = threading.Thread(target=log.error, args=("of nobody's",))
        thread.start()
        await trio.to_thread.run_sync(thread.join)

    log.error("before")

    assert await said_by(work) == []


async def test_a_message_that_does_not_go_with_its_arguments_harms_nobody() -> None:
    async def work() -> None:
        log.error("%d and %d", 1)
        await trio.lowlevel.checkpoint()

    before = logging.raiseExceptions
    logging.raiseExceptions = False  # what the handlers of the test run would print
    try:
        ((_, text),) = await said_by(work)
    finally:
        logging.raiseExceptions = before

    assert text.startswith("ERROR some.module: '%d and %d' % (1,): TypeError")


async def test_handlers_get_the_records_as_ever_and_afterwards_all_is_as_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        log.error("said")
        await trio.lowlevel.checkpoint()

    before = logging.getLogRecordFactory()
    handlers = list(logging.getLogger().handlers)

    await said_by(work)

    assert [record.getMessage() for record in caplog.records] == ["said"]
    assert logging.getLogRecordFactory() is before
    assert logging.getLogger().handlers == handlers


async def test_each_task_child_has_its_own_and_secrets_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "hunter2-hunter2")

    async def leak() -> None:
        log.error("the key is hunter2-hunter2")
        await trio.sleep_forever()

    async def other() -> None:
        log.info("not at this level")
        log.error("nothing to hide")
        await trio.sleep_forever()

    secret = process("p", ["sleep", "100"], secrets={"KEY": SecretEnv("API_KEY")})
    async with Supervisor(secret, task("a", leak, depends_on=["p"]), task("b", other, depends_on=["p"])) as tree:
        await tree["a"].wait_ready()
        await tree["b"].wait_ready()
        texts = {
            name: [line.text for line in tree[name].output(selection=Selection(level="error"))] for name in ("a", "b")
        }

    assert texts == {
        "a": ["ERROR some.module: the key is [redacted]"],
        "b": ["ERROR some.module: nothing to hide"],
    }
