"""Reading lines out of a ring, all of them or a selection."""

import json

import pytest
import trio
import trio.testing

from trio_supervisor.output import selection as selection_module
from trio_supervisor.output.reading import Line, LineReader
from trio_supervisor.output.ring import Limits, Ring
from trio_supervisor.output.selection import Selection
from trio_supervisor.runtimes.base import Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR


def ring_of(*chunks: tuple[Stream, bytes] | bytes) -> Ring:
    ring = Ring()
    for chunk in chunks:
        ring.append(*(chunk if isinstance(chunk, tuple) else (OUT, chunk)), 1)
    return ring


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line.text for line in lines]


def selected(selection: Selection, *lines: object) -> list[int]:
    """The numbers of the lines that are taken."""
    chunks = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    found = LineReader(ring_of(*(chunk + b"\n" for chunk in chunks)), 0, selection).read()
    return [line.seq - 1 for line in found]


def test_lines_are_joined_over_chunks_and_streams_do_not_mix() -> None:
    ring = ring_of(b"one ", (ERR, b"err "), b"two\nthr", (ERR, b"or\n"), b"ee\r", b"\nfour\n")

    lines = LineReader(ring).read()

    assert [(line.stream, line.text) for line in lines] == [
        (OUT, "one two"),
        (ERR, "err or"),
        (OUT, "three"),
        (OUT, "four"),
    ]
    assert not any(line.begun or line.open for line in lines)


def test_who_goes_on_after_a_line_misses_none_and_gets_none_twice() -> None:
    ring = ring_of(b"a\nb\nc\n", b"d\n")
    first = LineReader(ring).read()

    again = [texts(LineReader(ring, line.seq + 1).read()) for line in first]

    assert again == [["b", "c", "d"], ["c", "d"], ["d"], []]


def test_a_prompt_is_shown_at_once_and_its_rest_is_marked() -> None:
    ring = ring_of(b"Password: ")
    reader = LineReader(ring)
    shown = reader.read()

    ring.append(OUT, b"ok\n", 1)
    rest = reader.read()

    assert [(line.text, line.begun, line.open) for line in shown] == [("Password: ", False, True)]
    assert [(line.text, line.begun, line.open) for line in rest] == [("ok", True, False)]


def test_a_character_that_is_cut_by_the_border_of_chunks_is_whole() -> None:
    ring = ring_of(b"gr\xc3")
    reader = LineReader(ring)
    shown = texts(reader.read())

    ring.append(OUT, b"\xbc\xc3\x9fe\xff\n", 1)

    assert shown + texts(reader.read()) == ["gr", "üße\\xff"]


def test_a_line_that_one_life_did_not_end_is_not_gone_on_with_by_the_next() -> None:
    ring = Ring()
    ring.append(OUT, b"cut", 1)
    ring.append(OUT, b"new\n", 2)

    lines = LineReader(ring, 0, Selection()).read()

    assert [(line.text, line.generation) for line in lines] == [("cut", 1), ("new", 2)]


def test_a_line_that_never_ends_comes_in_pieces() -> None:
    ring = ring_of(*[b"x" * 50_000] * 4)

    lines = LineReader(ring).read()

    assert sum(len(line.data) for line in lines) == 200_000
    assert max(len(line.data) for line in lines) <= 65536
    assert [line.begun for line in lines] == [False, *[True] * (len(lines) - 1)]


def test_what_was_dropped_is_told_with_the_next_line() -> None:
    ring = Ring(Limits(pieces=2))
    for number in range(5):
        ring.append(OUT, b"%d\n" % number, 1)

    assert [(line.text, line.dropped) for line in LineReader(ring).read()] == [("3", 3), ("4", 0)]


def test_what_was_dropped_is_told_also_when_the_next_lines_are_not_wanted() -> None:
    ring = Ring(Limits(pieces=2))
    for text in (b"x\n", b"y\n", b"no\n", b"yes\n"):
        ring.append(OUT, text, 1)

    lines = LineReader(ring, 0, Selection(grep="yes")).read()

    assert [(line.text, line.dropped) for line in lines] == [("yes", 2)]


async def test_who_follows_a_selection_gets_whole_lines_of_it() -> None:
    ring = ring_of(b'{"level":"info"}\n{"level":"er')
    got: list[str] = []

    async def follow() -> None:
        async for line in LineReader(ring, 0, Selection(level="warning")):
            got.append(line.text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        ring.append(OUT, b'ror"}\n', 1)
        await trio.testing.wait_all_tasks_blocked()
        ring.close()

    assert got == ['{"level":"error"}']


LONG = b'{"user":"me","text":"' + b"x" * 200_000 + b'","level":"error"}'


@pytest.mark.parametrize(
    "selection", [Selection(level="error"), Selection(fields={"user": "me"}), Selection(grep="^{.*error")]
)
@pytest.mark.parametrize("step", [1000, 65_536, 300_000])
def test_a_line_that_came_in_pieces_is_judged_as_a_whole(selection: Selection, step: int) -> None:
    said = b"first\n" + LONG + b"\nlast\n"
    ring = ring_of(*(said[at : at + step] for at in range(0, len(said), step)), (ERR, b"between\n"))
    reader = LineReader(ring, 0, selection)

    lines = reader.read()

    assert b"".join(line.data for line in lines) == LONG
    assert [line.begun for line in lines] == [False] + [True] * (len(lines) - 1)
    assert [line.open for line in lines] == [True] * (len(lines) - 1) + [False]
    ring.append(OUT, LONG.replace(b"error", b"debug").replace(b"me", b"us", 1) + b"\n", 1)
    assert reader.read() == ()


def test_who_follows_gets_a_long_line_when_it_is_over_and_learns_once_what_was_dropped_before_it() -> None:
    ring = Ring(Limits(pieces=3))
    ring.append(OUT, b"a\n", 1)
    ring.append(OUT, b"b\n", 1)
    ring.append(OUT, LONG[:70_000], 1)
    reader = LineReader(ring, 0, Selection(level="error"))
    assert reader.read() == ()

    ring.append(OUT, LONG[70_000:] + b"\n", 1)

    lines = reader.read()
    assert b"".join(line.data for line in lines) == LONG
    assert [line.dropped for line in lines] == [1, *[0] * (len(lines) - 1)]


def test_a_line_without_an_end_is_held_up_to_a_limit_and_its_rest_is_judged_by_itself() -> None:
    ring = ring_of()
    reader = LineReader(ring, 0, Selection(grep="y"))
    held: list[int] = []
    for _ in range(40):
        ring.append(OUT, b"x" * 65_536, 1)
        assert reader.read() == ()
        held.append(sum(len(piece.data) for long in reader._long.values() for piece in long.pieces))
    ring.append(OUT, b"y\n", 1)

    assert [line.text[-1] for line in reader.read()] == ["y"]
    assert max(held) < 1 << 20
    assert reader._long == {}


def test_a_long_line_whose_head_is_wanted_is_given_to_its_end() -> None:
    ring = ring_of()
    reader = LineReader(ring, 0, Selection(grep="^head"))
    size = 0
    for chunk in (b"head", *[b"x" * 65_536] * 40, b"\nmore\n"):
        ring.append(OUT, chunk, 1)
        size += sum(len(line.data) for line in reader.read())

    assert size == 4 + 40 * 65_536


def test_a_gap_in_a_long_line_ends_what_is_judged() -> None:
    ring = Ring(Limits(bytes=200_000))
    reader = LineReader(ring, 0, Selection(grep="begin"))
    ring.append(OUT, b"begin" + b"x" * 70_000, 1)
    assert reader.read() == ()
    for _ in range(10):
        ring.append(OUT, b"x" * 60_000, 1)
    ring.append(OUT, b"\nbegin again\n", 1)

    lines = reader.read()

    assert [(line.text[:7], bool(line.dropped)) for line in lines] == [("beginxx", False), ("begin a", True)]


def test_a_level_means_at_least_so_bad_and_a_line_without_one_is_not_meant() -> None:
    lines = [
        {"level": "DEBUG"},
        {"severity": "Warn"},
        b"plain ERROR",
        {"levelname": "CRITICAL"},
        {"level": 50},
        {"level": 30},
        {"level": 10},
    ]

    assert selected(Selection(level="warning"), *lines) == [1, 3, 4]
    assert selected(Selection(level="trace"), *lines) == [0, 1, 3, 4, 5, 6]


def test_fields_are_compared_as_json_writes_them_also_within_objects() -> None:
    lines = [
        {"user": {"id": 42}},
        {"user": {"id": "42"}},
        {"user.id": 42},
        {"user": 42},
        [42],
        b"{broken",
        {"ok": True},
    ]

    assert selected(Selection(fields={"user.id": "42"}), *lines) == [0, 1, 2]
    assert selected(Selection(fields={"ok": "true"}), *lines) == [6]
    assert selected(Selection(fields={"ok": "true", "user": "1"}), *lines) == []


def test_a_pattern_is_looked_for_in_the_whole_line_also_if_it_is_no_utf8() -> None:
    assert selected(Selection(grep="b+ ü"), b"\xffabbb \xc3\xbc", b"ab u") == [0]


def test_the_level_of_what_a_task_has_logged_is_its_first_word() -> None:
    ring = ring_of((Stream.LOG, b"ERROR mod: bad\n"), (Stream.LOG, b"INFO mod: fine\n"), (OUT, b"ERROR said\n"))

    assert texts(LineReader(ring, 0, Selection(level="error")).read()) == ["ERROR mod: bad"]


def test_one_stream_can_be_selected() -> None:
    ring = ring_of((OUT, b"a\n"), (ERR, b"b\n"))

    assert texts(LineReader(ring, 0, Selection(stream=ERR)).read()) == ["b"]


def test_a_line_is_parsed_once_for_all_who_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    selection_module._parse_kept.cache_clear()
    ring = ring_of(b'{"level":"error","n":1}\n')

    for _ in range(3):
        LineReader(ring, 0, Selection(level="error", fields={"n": "1"})).read()

    assert selection_module._parse_kept.cache_info().misses == 1


def test_what_is_wrong_with_a_selection_is_told_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="level must be one of trace, debug"):
        Selection(level="loud")
    with pytest.raises(ValueError, match="unterminated"):
        Selection(grep="[")
