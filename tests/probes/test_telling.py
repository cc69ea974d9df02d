"""What a life says, searched for lines: across chunks, in partial lines, in both streams, from the beginning on."""

import pytest
import trio
from trio.testing import MockClock

from trio_supervisor.core.facts import Role
from trio_supervisor.spec import Log, LogStream
from trio_supervisor.telling import LONGEST_LINE, PARTIAL_AFTER, Notifications, Search, Telling, seconds


def search(log: str | None = "ready", fail: str | None = None, stream: LogStream = LogStream.BOTH) -> Search:
    return Search(Log(log, fail, stream), lambda text: text.replace("{port}", "8080"))


async def found(it: Search) -> list[tuple[str, bool]]:
    """All that is found so far, and in partial lines, as (line, whether it is a failure)."""
    news = []
    with trio.move_on_after(PARTIAL_AFTER * 2):
        while True:
            one = await it.next()
            news.append((one.line, one.failure))
    return news


@pytest.mark.parametrize(
    ("chunks", "line"),
    [
        ([b"booting\nready to serve\nmore\n"], "ready to serve"),
        ([b"booting\nrea", b"dy\n"], "ready"),
        ([b"r", b"e", b"a", b"d", b"y", b"\n"], "ready"),
        ([b"not yet\nready"], "ready"),
        ([b"ready\r\n"], "ready"),
        ([b"\x1b[32mre\x1b[1mady\x1b[0m\n"], "ready"),
        ([b"\x1b[3", b"2mready\n"], "ready"),
        ([b"x" * (LONGEST_LINE + 10) + b"ready"], "x" * 10 + "ready"),
        ([b"last words: ready", b""], "last words: ready"),
        ([b"\xff\xfe ready\n"], "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} ready"),
    ],
)
async def test_a_line_is_found_however_it_comes(autojump_clock: MockClock, chunks: list[bytes], line: str) -> None:
    it = search()
    for chunk in chunks:
        it.take("out", chunk, error=False)

    assert await found(it) == [(line, False)]


async def test_what_came_before_anybody_asked_is_not_missed(autojump_clock: MockClock) -> None:
    it = search()
    it.take("out", b"ready\n" + b"chatter\n" * 100_000, error=False)

    assert await found(it) == [("ready", False)]


async def test_lines_of_two_streams_are_not_mixed_up(autojump_clock: MockClock) -> None:
    it = search()
    it.take("out", b"rea", error=False)
    it.take("err", b"dy\n", error=True)
    it.take("out", b"lly?\n", error=False)

    assert await found(it) == []


@pytest.mark.parametrize(("stream", "hits"), [(LogStream.STDOUT, "out"), (LogStream.STDERR, "err")])
async def test_a_stream_can_be_chosen(autojump_clock: MockClock, stream: LogStream, hits: str) -> None:
    it = search(stream=stream)
    for name in ("out", "err"):
        it.take(name, f"ready on {name}\n".encode(), error=name == "err")

    assert await found(it) == [(f"ready on {hits}", False)]


async def test_a_partial_line_is_looked_at_when_it_rests_and_found_once(autojump_clock: MockClock) -> None:
    it = search("login:")
    begun = trio.current_time()
    it.take("out", b"login: ", error=False)

    news = await it.next()
    assert (news.line, trio.current_time() - begun) == ("login: ", pytest.approx(PARTIAL_AFTER))

    it.take("out", b"me, and login: again\nnothing\n", error=False)
    assert await found(it) == []


async def test_a_partial_line_that_says_nothing_yet_is_looked_at_again_as_a_whole(autojump_clock: MockClock) -> None:
    it = search("^ready$")
    it.take("out", b"rea", error=False)
    assert await found(it) == []

    it.take("out", b"dy\n", error=False)
    assert await found(it) == [("ready", False)]


async def test_a_failure_goes_before_a_success_in_the_same_line(autojump_clock: MockClock) -> None:
    it = search("listening", "EADDRINUSE")
    it.take("out", b"EADDRINUSE: can't start listening\n", error=False)

    assert await found(it) == [("EADDRINUSE: can't start listening", True)]


async def test_only_another_news_than_the_last_is_told(autojump_clock: MockClock) -> None:
    it = search("up", "down")
    for line in (b"up 1\n", b"up 2\n", b"down 1\n", b"down 2\n", b"up 3\n"):
        it.take("out", line, error=False)

    assert [line for line, _ in await found(it)] == ["up 1", "down 1", "up 3"]


async def test_placeholders_are_replaced_when_the_first_line_comes(autojump_clock: MockClock) -> None:
    it = search("listening on {port}")
    it.take("out", b"listening on 8080\n", error=False)

    assert await found(it) == [("listening on 8080", False)]


async def test_each_probe_searches_for_itself(autojump_clock: MockClock) -> None:
    same = Log("ready")
    telling = Telling({Role.STARTUP: same, Role.READINESS: same}, lambda text: text, 0.0)
    telling.said("out", b"ready\n", error=False)

    assert [len(await found(each)) for each in telling.searches.values()] == [1, 1]


async def test_a_waiting_search_wakes_up_by_the_line_and_not_before(autojump_clock: MockClock) -> None:
    it = search()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def say() -> None:
            await trio.sleep(1000)
            it.take("out", b"ready\n", error=False)

        assert (await it.next()).line == "ready"
    assert trio.current_time() == pytest.approx(1000, abs=0.01)


async def test_of_notifications_the_last_word_counts() -> None:
    it = Notifications()
    seen = []
    for fields in ({"READY": "1"}, {"RELOADING": "1"}, {"READY": "1"}, {"STOPPING": "1"}, {"READY": "0"}):
        it.take(fields)
        seen.append((it.ready, it.why))

    assert [ready for ready, _ in seen] == [True, False, True, False, False]
    assert seen[1][1], seen[3][1] == ("reloading", "stopping by itself")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1500000", 1.5),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1e3", None),
        ("9" * 19, None),
        ("\u0661", None),
    ],
)
def test_microseconds_are_digits(text: str | None, value: float | None) -> None:
    assert seconds(text) == value
