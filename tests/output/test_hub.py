"""The hub: what arrives there, who hears of it, and when."""

import math
import time

import trio
import trio.testing
from trio.testing import MockClock

from trio_supervisor.output.hub import PARTIAL_AFTER, Block, Hub, Record, Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR


def heard(records: list[Record]) -> list[tuple[str, Stream, bytes]]:
    return [(record.child, record.stream, record.block.data) for record in records]


async def test_a_chunk_reaches_every_listener_as_one_record() -> None:
    hub = Hub()
    first: list[Record] = []
    second: list[Record] = []
    before = time.time()

    with hub.listening(first.append), hub.listening(second.append):
        hub.sink("a")(OUT, b"one\ntwo\n")

    assert first == second
    assert heard(first) == [("a", OUT, b"one\ntwo")]
    assert before <= first[0].at <= time.time()


async def test_who_has_stopped_listening_hears_nothing_more() -> None:
    hub = Hub()
    records: list[Record] = []

    with hub.listening(records.append):
        pass
    hub.sink("a")(OUT, b"one\n")

    assert records == []


async def test_streams_and_children_do_not_mix_their_lines() -> None:
    hub = Hub()
    records: list[Record] = []
    a, b = hub.sink("a"), hub.sink("b")

    with hub.listening(records.append):
        a(OUT, b"a-out ")
        a(ERR, b"a-err ")
        b(OUT, b"b-out ")
        a(ERR, b"!\n")
        b(OUT, b"!\n")
        a(OUT, b"!\n")

    assert heard(records) == [("a", ERR, b"a-err !"), ("b", OUT, b"b-out !"), ("a", OUT, b"a-out !")]


async def test_a_partial_line_is_passed_on_after_its_time_and_not_before(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    hub = Hub()
    told: list[tuple[float, Block]] = []
    start = trio.current_time()
    await nursery.start(hub.run)

    with hub.listening(lambda record: told.append((trio.current_time() - start, record.block))):
        hub.sink("a")(OUT, b">>")
        await trio.sleep(0.06)
        hub.sink("a")(OUT, b"> ")
        await trio.sleep(1)
        hub.sink("a")(OUT, b"x")
        hub.sink("b")(OUT, b"y")
        await trio.sleep(1)

    assert [(round(at, 6), block) for at, block in told] == [
        (PARTIAL_AFTER, Block(b">>> ", open=True)),
        (1.16, Block(b"x", begun=True, open=True)),
        (1.16, Block(b"y", open=True)),
    ]


async def test_a_line_that_gets_its_end_in_time_is_never_shown_in_parts(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    hub = Hub()
    records: list[Record] = []
    await nursery.start(hub.run)

    with hub.listening(records.append):
        for _ in range(5):
            hub.sink("a")(OUT, b"beginning ")
            await trio.sleep(0.07)
            hub.sink("a")(OUT, b"end\n")
    await trio.sleep(1)

    assert [record.block for record in records] == [Block(b"beginning end")] * 5


async def test_a_partial_line_that_follows_whole_lines_has_its_own_time(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    hub = Hub()
    told: list[float] = []
    start = trio.current_time()
    await nursery.start(hub.run)

    with hub.listening(lambda _: told.append(round(trio.current_time() - start, 6))):
        hub.sink("a")(OUT, b"a")
        await trio.sleep(0.09)
        hub.sink("a")(OUT, b"\nb")
        await trio.sleep(1)

    assert told == [0.09, 0.09 + PARTIAL_AFTER]


async def test_partial_lines_from_before_the_task_runs_are_passed_on(autojump_clock: MockClock) -> None:
    hub = Hub()
    records: list[Record] = []
    hub.sink("a")(OUT, b"early")

    with hub.listening(records.append):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()

    assert heard(records) == [("a", OUT, b"early")]


async def test_nothing_is_timed_while_no_partial_line_is_pending(nursery: trio.Nursery) -> None:
    hub = Hub()
    await nursery.start(hub.run)
    hub.sink("a")(OUT, b"partial")
    await trio.testing.wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().seconds_to_next_deadline <= PARTIAL_AFTER

    await trio.sleep(PARTIAL_AFTER + 0.05)
    await trio.testing.wait_all_tasks_blocked()

    assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf


async def test_the_end_of_a_stream_ends_its_line_and_another_life_begins_a_new_one() -> None:
    hub = Hub()
    records: list[Record] = []
    sink = hub.sink("a")

    with hub.listening(records.append):
        sink(OUT, b"last words")
        sink(OUT, b"")
        sink(OUT, b"hello\n")

    assert [record.block for record in records] == [Block(b"last words"), Block(b"hello")]


async def test_flush_passes_all_partial_lines_on_at_once() -> None:
    hub = Hub()
    records: list[Record] = []

    with hub.listening(records.append):
        hub.sink("a")(OUT, b"a")
        hub.sink("b")(ERR, b"b")
        hub.flush()
        hub.flush()

    assert heard(records) == [("a", OUT, b"a"), ("b", ERR, b"b")]


async def test_a_child_that_is_forgotten_ends_its_lines_and_leaves_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    hub = Hub()
    records: list[Record] = []
    await nursery.start(hub.run)

    with hub.listening(records.append):
        hub.sink("a")(OUT, b"a")
        hub.forget("a")
        hub.forget("a")
        await trio.sleep(1)

    assert [record.block for record in records] == [Block(b"a")]
    assert not hub._voices
    assert not hub._due


async def test_room_is_asked_of_every_listener_that_has_any() -> None:
    hub = Hub()
    asked: list[str] = []

    async def first() -> None:
        asked.append("first")

    async def second() -> None:
        asked.append("second")

    with hub.listening(lambda _: None, first), hub.listening(lambda _: None), hub.listening(lambda _: None, second):
        await hub.room()
    await hub.room()

    assert asked == ["first", "second"]
