"""The reactor: callbacks for descriptors, exits before output, nothing while nothing happens."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.runtimes.process_helpers import descriptors
from trio_supervisor.runtimes.reactor import BREATH, LONG_BREATH, MANY, Flow, Reactor, current_reactor, flow

MakePipe = Callable[[], tuple[int, int]]


@pytest.fixture
def make_pipe() -> Iterator[MakePipe]:
    with ExitStack() as closing:

        def make() -> tuple[int, int]:
            ends = os.pipe()
            for end in ends:
                os.set_blocking(end, False)
                closing.callback(os.close, end)
            return ends

        yield make


class Steps(trio.abc.Instrument):
    """Counts the steps of the reactor's tasks."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task.name.startswith("trio_supervisor ")


@contextmanager
def counted_steps() -> Iterator[Steps]:
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps
    finally:
        trio.lowlevel.remove_instrument(steps)


async def settled() -> None:
    """Until the reactor has done what there was to do."""
    await wait_all_tasks_blocked(0.02)


async def test_a_readable_descriptor_is_told_until_it_is_read(make_pipe: MakePipe) -> None:
    reader, writer = make_pipe()
    heard: list[bytes] = []
    current_reactor().watch_output(reader, lambda fd: heard.append(os.read(fd, 2)))

    os.write(writer, b"abcde")
    await settled()

    assert heard == [b"ab", b"cd", b"e"]


async def test_a_forgotten_descriptor_is_not_told(make_pipe: MakePipe) -> None:
    reader, writer = make_pipe()
    heard: list[int] = []
    reactor = current_reactor()
    reactor.watch_output(reader, heard.append)

    reactor.forget(reader)
    reactor.forget(reader)
    os.write(writer, b"x")
    await settled()

    assert heard == []


async def test_a_callback_may_forget_others_that_are_ready_too(make_pipe: MakePipe) -> None:
    reactor = current_reactor()
    readers: list[int] = []
    heard: list[int] = []

    def forget_all(fd: int) -> None:
        heard.append(fd)
        for reader in readers:
            reactor.forget(reader)

    for _ in range(5):
        reader, writer = make_pipe()
        os.write(writer, b"x")
        readers.append(reader)
        reactor.watch_output(reader, forget_all)
    await settled()

    assert len(heard) == 1


async def test_nothing_runs_while_nothing_happens(make_pipe: MakePipe) -> None:
    for _ in range(10):
        current_reactor().watch_output(make_pipe()[0], lambda fd: None)
        current_reactor().watch_exit(make_pipe()[0], lambda fd: None)
    await settled()

    with counted_steps() as steps:
        await trio.sleep(0.2)

    assert steps.count == 0


async def test_a_callback_that_raises_is_logged_and_the_others_go_on(
    make_pipe: MakePipe, caplog: pytest.LogCaptureFixture
) -> None:
    bad, bad_writer = make_pipe()
    good, good_writer = make_pipe()
    heard: list[bytes] = []
    current_reactor().watch_output(bad, lambda fd: [][fd])
    current_reactor().watch_output(good, lambda fd: heard.append(os.read(fd, 10)))

    with caplog.at_level(logging.ERROR):
        os.write(bad_writer, b"x")
        await settled()
        os.write(bad_writer, b"x")
        os.write(good_writer, b"still here")
        await settled()

    assert heard == [b"still here"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [IndexError]


async def test_an_exit_is_told_before_a_flood_is_over(make_pipe: MakePipe) -> None:
    told: list[str] = []

    def slowly(fd: int) -> None:
        os.read(fd, 10)
        told.append("output")
        time.sleep(0.002)
        if len(told) == 1:
            os.write(exit_writer, b"x")

    def exited(fd: int) -> None:
        current_reactor().forget(fd)
        told.append("exit")

    exit_reader, exit_writer = make_pipe()
    current_reactor().watch_exit(exit_reader, exited)
    for _ in range(100):
        reader, writer = make_pipe()
        os.write(writer, b"x")
        current_reactor().watch_output(reader, slowly)
    await settled()

    assert told.count("output") == 100
    assert told.index("exit") < 20


async def test_floods_take_turns(make_pipe: MakePipe) -> None:
    turns: list[int] = []

    def always(fd: int) -> None:
        turns.append(fd)
        if len(turns) == 300:
            for reader in readers:
                current_reactor().forget(reader)

    readers = []
    for _ in range(3):
        reader, writer = make_pipe()
        os.write(writer, b"x")
        readers.append(reader)
        current_reactor().watch_output(reader, always)
    await settled()

    assert [turns.count(reader) for reader in readers] == [100, 100, 100]


async def test_a_flood_is_let_gather_and_a_full_pipe_is_not(make_pipe: MakePipe, autojump_clock: MockClock) -> None:
    said = iter([Flow.FLOOD, Flow.FULL, Flow.FULL, None, None, Flow.FLOOD])
    at: list[float] = []
    reader, writer = make_pipe()
    start = trio.current_time()

    def read(fd: int) -> Flow | None:
        os.read(fd, 1)
        at.append(trio.current_time() - start)
        return next(said)

    current_reactor().watch_output(reader, read)
    os.write(writer, b"xxxxxx")
    await trio.sleep(1)

    assert at == [pytest.approx(each) for each in (0, *[BREATH] * 5)]


async def test_where_many_say_a_little_each_their_words_are_let_gather(
    make_pipe: MakePipe, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    start = trio.current_time()

    def read(fd: int) -> None:
        os.read(fd, 1)
        at.append(trio.current_time() - start)

    for _ in range(MANY):
        reader, writer = make_pipe()
        os.write(writer, b"xx")
        current_reactor().watch_output(reader, read)
    await trio.sleep(1)

    assert at == [pytest.approx(each) for each in [0.0] * MANY + [LONG_BREATH] * MANY]


@pytest.mark.parametrize(
    ("size", "capacity", "told"),
    [(100, 65536, None), (10_000, 65536, Flow.FLOOD), (32768, 65536, Flow.FULL), (500_000, 1 << 20, Flow.FLOOD)],
)
def test_what_a_read_tells_of_the_next(size: int, capacity: int, told: Flow | None) -> None:
    assert flow(size, capacity) is told


async def test_output_is_read_only_when_there_is_room_and_exits_do_not_wait_for_it(make_pipe: MakePipe) -> None:
    has_room = trio.Event()
    reader, writer = make_pipe()
    exit_reader, exit_writer = make_pipe()
    told: list[bytes] = []
    current_reactor().watch_output(reader, lambda fd: told.append(os.read(fd, 10)), has_room.wait)
    current_reactor().watch_exit(exit_reader, lambda fd: told.append(os.read(fd, 10)))

    os.write(writer, b"output")
    await settled()
    os.write(exit_writer, b"exit")
    await settled()
    assert told == [b"exit"]
    has_room.set()
    await settled()

    assert told == [b"exit", b"output"]


def test_each_run_has_its_own_reactor_and_leaves_no_descriptor() -> None:
    reactors: list[Reactor] = []

    async def use() -> None:
        reader, writer = os.pipe()
        told: list[bytes] = []
        current_reactor().watch_output(reader, lambda fd: told.append(os.read(fd, 1)))
        os.write(writer, b"x")
        await settled()
        assert told == [b"x"]
        assert current_reactor() is current_reactor()
        reactors.append(current_reactor())
        current_reactor().forget(reader)
        os.close(reader)
        os.close(writer)

    before = descriptors()
    for _ in range(3):
        trio.run(use)

    assert descriptors() == before
    assert len({id(reactor) for reactor in reactors}) == 3


def test_after_the_run_forgetting_is_harmless() -> None:
    async def use() -> Reactor:
        await trio.lowlevel.checkpoint()
        return current_reactor()

    trio.run(use).forget(0)
