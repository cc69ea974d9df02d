"""The latest events, for readers at their own pace."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_supervisor.control.api import Event, Gap, State, StateChanged
from trio_supervisor.control.history import Follower, History, Pages


def _add(history: History, count: int = 1) -> None:
    for _ in range(count):
        change = StateChanged("a", 1, State.READY, State.STOPPING, "")
        history.add(Event(history.last + 1, 0.0, change, None, 0.0, None, None))


def _numbers(history: History, after: int) -> list[int]:
    return [event.seq for event in history.read(after).events]


def test_numbers_grow_from_one_run_to_the_next() -> None:
    first = History()
    _add(first, 5)
    second = History()
    assert second.last >= first.last - 5
    assert first.last > 1_000_000_000_000


def test_it_keeps_the_latest_and_tells_of_a_gap() -> None:
    history = History(limit=3)
    before = history.last
    _add(history, 3)
    assert (_numbers(history, 0), history.read(0).gap) == ([before + 1, before + 2, before + 3], False)
    assert (_numbers(history, before), history.read(before).gap) == ([before + 1, before + 2, before + 3], False)

    _add(history)
    assert history.read(before).gap
    assert history.read(0).gap
    assert (_numbers(history, before + 1), history.read(before + 1).gap) == (
        [before + 2, before + 3, before + 4],
        False,
    )
    assert (_numbers(history, history.last), history.read(history.last).gap) == ([], False)
    assert history.read(history.last + 1).gap


async def test_a_slow_follower_is_told_what_is_the_case_and_goes_on_from_there(autojump_clock: MockClock) -> None:
    history = History(limit=3)
    seen: list[int | Gap] = []

    async def follow() -> None:
        async for event in Follower(Pages(history, history.last, tuple, follow=True)):
            seen.append(event if isinstance(event, Gap) else event.seq)
            await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await wait_all_tasks_blocked()
        first = history.last + 1
        _add(history)
        await trio.sleep(1)
        _add(history, 5)
        await trio.sleep(20)
        _add(history)
        await trio.sleep(20)
        history.close()

    assert seen == [first, Gap(first + 5, ()), first + 6]
    assert history.closed
