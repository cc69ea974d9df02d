"""The ring: what it keeps, what it drops and tells, and who reads it."""

import sys
import time
from collections.abc import Callable
from types import FrameType

import pytest
import trio
import trio.testing

from trio_supervisor.output import rings as rings_module
from trio_supervisor.output.ring import CLAIMED_BYTES, ENTRY_COST, LONGEST_LINE, Limits, Ring
from trio_supervisor.output.rings import Rings
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import RingLimits, TailLimits

OUT, ERR = Stream.STDOUT, Stream.STDERR


def filled(*chunks: bytes, limits: Limits | None = None) -> Ring:
    ring = Ring(limits)
    for chunk in chunks:
        ring.append(OUT, chunk, 1)
    return ring


def said(ring: Ring, since: int = 0) -> list[bytes]:
    return [entry.data for entry in ring.read(since).entries]


def test_the_order_of_both_streams_is_that_of_reading_and_each_entry_says_whose_it_is() -> None:
    ring = Ring()
    before, before_mono = time.time(), time.monotonic()

    ring.append(OUT, b"one\n", 1)
    ring.append(ERR, b"two\nthree\n", 1)
    ring.append(OUT, b"four\n", 2)

    entries = ring.read().entries
    assert [(one.seq, one.stream, one.generation, one.data) for one in entries] == [
        (1, OUT, 1, b"one\n"),
        (2, ERR, 1, b"two\nthree\n"),
        (4, OUT, 2, b"four\n"),
    ]
    assert all(before <= one.at <= time.time() and before_mono <= one.mono <= time.monotonic() for one in entries)


def test_a_partial_line_is_there_at_once_and_goes_on_later() -> None:
    ring = filled(b">>> ")
    shown = ring.read()

    ring.append(ERR, b"warning\n", 1)
    ring.append(OUT, b"1 + 1\n", 1)

    assert [(one.data, one.begun, one.open) for one in shown.entries] == [(b">>> ", False, True)]
    assert [(one.data, one.begun, one.open) for one in ring.read(shown.next).entries] == [
        (b"warning\n", False, False),
        (b"1 + 1\n", True, False),
    ]


def test_the_end_of_a_stream_within_a_line_is_an_empty_entry_and_elsewhere_none() -> None:
    ring = filled(b"whole\n", b"", b"part", b"", b"new\n")

    assert said(ring) == [b"whole\n", b"part", b"", b"new\n"]
    assert not ring.read().entries[-1].begun


def test_bytes_are_kept_as_they_are() -> None:
    data = b"\0\xff\xfe half \xe2\x82"

    assert said(filled(data, b"\xac\r\n")) == [data, b"\xac\r\n"]


def test_a_chunk_of_long_lines_becomes_several_entries_and_nothing_of_it_is_lost() -> None:
    data = b"x" * 300_000 + b"\n"

    entries = filled(data).read(most=1 << 30).entries

    assert b"".join(one.data for one in entries) == data
    assert max(len(one.data) for one in entries) == LONGEST_LINE
    assert [one.begun for one in entries] == [False] + [True] * (len(entries) - 1)


def test_a_great_chunk_of_lines_is_kept_as_it_came() -> None:
    data = b"a line\n" * 100_000

    (entry,) = filled(data, limits=Limits(pieces=1 << 30)).read(most=1 << 30).entries

    assert entry.data is data


@pytest.mark.parametrize("limits", [Limits(bytes=100_000), Limits(pieces=1000), Limits(bytes=1 << 16, pieces=3000)])
def test_of_a_great_chunk_the_last_lines_are_kept_when_a_little_follows(limits: Limits) -> None:
    ring = filled(b"".join(b"%06d\n" % number for number in range(1, 100_001)), b"and\n", limits=limits)

    page = ring.read()
    lines = b"".join(one.data for one in page.entries).splitlines()

    assert lines == [*(b"%06d" % number for number in range(page.entries[0].seq, 100_001)), b"and"]
    assert page.dropped == page.entries[0].seq - 1
    assert ring.size <= limits.bytes
    assert len(lines) <= limits.pieces
    assert len(lines) > 500
    assert [one.seq for one in page.entries[1:]] == [one.seq + one.pieces for one in page.entries[:-1]]


def test_a_flood_of_great_chunks_keeps_at_least_half_of_what_it_may() -> None:
    ring = Ring()
    for size in (700_000, 500_000, 900_000, 300, 1_000_000, 600_000, 500_000, 200_000, 100):
        ring.append(OUT, b"line of ten\n" * (size // 12), 1)

        assert ring.size <= ring.limits.bytes
        assert ring.next - ring.first <= ring.limits.pieces

    assert ring.next - ring.first >= ring.limits.pieces // 2


def test_what_a_reader_has_claimed_is_kept_until_it_was_read() -> None:
    ring, read_to = Ring(Limits(pieces=2)), 1

    def unread() -> int:
        return read_to

    ring.claim(unread)
    for text in (b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"):
        ring.append(OUT, text, 1)
    assert said(ring) == [b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"]
    read_to = 3
    ring.append(OUT, b"f\n", 1)
    assert said(ring) == [b"c\n", b"d\n", b"e\n", b"f\n"]
    ring.forget(unread)
    assert said(ring) == [b"e\n", b"f\n"]


def test_no_claim_keeps_more_than_there_is_room_for_it() -> None:
    ring = Ring(Limits(bytes=100))
    ring.claim(lambda: 0)
    for _ in range(2 * CLAIMED_BYTES // LONGEST_LINE):
        ring.append(OUT, b"x" * (LONGEST_LINE - 1) + b"\n", 1)
        assert ring.size <= CLAIMED_BYTES
    assert ring.size > CLAIMED_BYTES // 2
    assert ring.read().dropped == ring.first - 1 > 0


def test_a_cursor_may_be_within_an_entry() -> None:
    ring = filled(b"a\nb\nc\nd")

    assert said(ring, 3) == [b"c\nd"]
    assert said(ring, 4) == [b"d"]
    assert said(ring, 5) == []


def test_a_page_ends_when_it_is_great_and_the_next_one_goes_on() -> None:
    ring = filled(*(b"x" * 99 + b"\n" for _ in range(10)))

    first = ring.read(0, most=250)
    second = ring.read(first.next)

    assert (len(first.entries), len(second.entries)) == (3, 7)


def test_the_oldest_go_when_there_are_too_many_bytes_and_readers_are_told_how_much_they_missed() -> None:
    ring = filled(*(b"%d\n" % number for number in range(100)), limits=Limits(bytes=10 * (ENTRY_COST + 3)))

    page = ring.read(1)

    assert [one.data for one in page.entries] == [b"%d\n" % number for number in range(90, 100)]
    assert page.dropped == 90
    assert ring.read(50).dropped == 41
    assert ring.read(page.next).dropped == 0


def test_the_oldest_go_when_there_are_too_many_lines() -> None:
    ring = filled(*[b"a\nb\n"] * 50, limits=Limits(pieces=10))

    assert len(ring.read().entries) == 5
    assert ring.read().dropped == 90


@pytest.mark.parametrize("line", [b"x" * 50, b"", b"x" * 5000, b"abc"])
def test_lines_are_counted_right_however_long_they_are(line: bytes) -> None:
    ring = filled((line + b"\n") * 1000, limits=Limits(bytes=1 << 30, pieces=1 << 30))

    assert ring.next == 1001
    assert sum(one.data.count(b"\n") for one in ring.read(most=1 << 30).entries) == 1000


def test_the_tail_is_the_last_pieces_and_no_loss() -> None:
    ring = filled(b"a\nb\nc\n", b"d\n")

    assert [one.data for one in ring.tail(2).entries] == [b"c\n", b"d\n"]
    assert ring.tail(2).dropped == 0
    assert ring.tail(0).entries == ()
    assert len(ring.tail(100).entries) == 2


async def test_who_follows_gets_what_is_there_and_what_comes_until_the_child_is_gone() -> None:
    ring = filled(b"before\n")
    got: list[bytes] = []

    async def read(since: int | None) -> None:
        async for page in ring.follow(since):
            got.extend(entry.data for entry in page.entries)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, 0)
        nursery.start_soon(read, None)
        await trio.testing.wait_all_tasks_blocked()
        ring.append(OUT, b"after\n", 1)
        await trio.testing.wait_all_tasks_blocked()
        ring.close()

    assert sorted(got) == [b"after\n", b"after\n", b"before\n"]


async def test_a_reader_that_stops_reading_holds_up_nobody_and_is_told_what_it_missed() -> None:
    ring = Ring(Limits(pieces=10))
    pages = ring.follow(0)
    ring.append(OUT, b"first\n", 1)
    await anext(pages)

    for number in range(100):
        ring.append(OUT, b"%d\n" % number, 1)
    page = await anext(pages)

    assert page.dropped == 90
    assert page.entries[0].data == b"90\n"


def test_the_ring_of_a_removed_child_can_be_read_for_a_while_and_is_its_own_again_when_it_comes_back() -> None:
    rings = Rings()
    rings.of("a").append(OUT, b"last words\n", 1)
    rings.retire("a")

    found = rings.find("a")

    assert found is not None
    assert found.closed
    assert said(found) == [b"last words\n"]
    assert rings.of("a") is found
    assert not found.closed


@pytest.mark.parametrize("tails", [TailLimits(keep=3), TailLimits(size=3 * (ENTRY_COST + 100))])
def test_of_removed_children_only_the_latest_are_kept_by_number_and_by_size(tails: TailLimits) -> None:
    rings = Rings(tails=tails)
    for number in range(10):
        rings.of(f"a{number}").append(OUT, b"x" * 99 + b"\n", 1)
        rings.retire(f"a{number}")

    assert [number for number in range(10) if rings.find(f"a{number}") is not None] == [7, 8, 9]


def test_of_removed_children_nothing_is_kept_longer_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rings = Rings(tails=TailLimits(age=60.0))
    rings.of("a").append(OUT, b"x\n", 1)
    rings.retire("a")

    now += 59
    assert rings.find("a") is not None
    now += 2
    assert rings.find("a") is None


def test_a_ring_may_have_limits_of_its_own_which_its_next_life_may_change() -> None:
    rings = Rings()
    ring = rings.of("a")
    rings.limit("a", RingLimits(lines=3))
    ring.append(OUT, b"a\nb\nc\n", 1)
    ring.append(OUT, b"d\n", 1)

    assert ring.read().entries[-1].data == b"d\n"
    assert ring.next - ring.first <= 3
    rings.limit("a", None)
    for _ in range(100):
        ring.append(OUT, b"e\n", 2)
    assert ring.next - ring.first > 100


def test_what_one_ring_may_keep_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings_module, "TOTAL_BYTES", 1 << 20)
    rings = Rings()
    rings.limit("great", RingLimits(size=100 << 20))

    assert rings.of("other").limits.bytes == 1 << 20
    assert rings.of("great").limits.bytes == 100 << 20


def test_very_many_children_share_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings_module, "TOTAL_BYTES", 1 << 20)
    rings = Rings()

    for number in range(8):
        ring = rings.of(f"a{number}")
        for _ in range(400):
            ring.append(OUT, b"x" * 999 + b"\n", 1)

    assert rings.of("a7").size <= (1 << 20) // 8


def test_the_share_is_that_of_the_children_that_are_there_and_have_no_limits_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rings_module, "TOTAL_BYTES", 1 << 20)
    rings = Rings()
    for name in "abcd":
        rings.limit(name, None)
    share = rings.of("a").limits

    assert share.bytes == (1 << 20) // 4
    rings.limit("b", RingLimits(size=1 << 20))
    rings.limit("b", RingLimits(size=2 << 20))
    assert share.bytes == (1 << 20) // 3
    rings.retire("b")
    rings.retire("c")
    rings.retire("c")
    assert share.bytes == (1 << 20) // 2
    rings.of("b")
    rings.limit("c", RingLimits(size=1 << 20))
    assert share.bytes == (1 << 20) // 3


def test_what_a_life_costs_does_not_depend_on_how_many_rings_there_are() -> None:
    few, many = Rings(), Rings()
    for number in range(5000):
        many.limit(f"a{number}", None)
    few.limit("a0", None)

    assert calls(lambda: many.limit("a0", None)) == calls(lambda: few.limit("a0", None))


def calls(work: Callable[[], object]) -> int:
    """How many calls, and steps of generators, it takes."""
    total = 0

    def step(frame: FrameType, event: str, arg: object) -> None:
        nonlocal total
        total += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        work()
    finally:
        sys.setprofile(before)
    return total
