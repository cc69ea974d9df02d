"""What is expected is found in what a ring holds: at every border, in bounded memory, with the cursor after it."""

import re

import pytest

from trio_supervisor.errors import SpecError
from trio_supervisor.output.ring import Limits, Ring
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.sessions.cursor import Cursor, cut
from trio_supervisor.sessions.scan import _first_starts, scan
from trio_supervisor.sessions.search import EOF, MOST, Expected, Match, Patterns, Search


def said(*chunks: bytes) -> Ring:
    ring = Ring()
    for chunk in chunks:
        ring.append(Stream.STDOUT, chunk, 1)
    return ring


def find(ring: Ring, *expected: Expected, since: Cursor | None = None, over: bool = False) -> Match | None:
    """Fed entry by entry, as it comes."""
    search = Search(Patterns(expected), since or Cursor(1))
    for entry in ring.read(search.next.piece).entries:
        search.feed(entry)
        if found := search.find():
            return found
    return search.find(over=over)


def found(ring: Ring, *expected: Expected, since: Cursor | None = None) -> Match:
    match = find(ring, *expected, since=since)
    assert match is not None
    return match


def rest(ring: Ring, since: Cursor) -> bytes:
    return b"".join(entry.data for entry in cut(ring.read(since.piece).entries, since))


TEXT = b"one\ntwo three\n>>> four\nfive"


@pytest.mark.parametrize("first", range(len(TEXT)))
@pytest.mark.parametrize("pattern", [rb"o thr", rb"\n>>> ", rb"five", rb"one\n", rb"\n"])
def test_a_match_is_found_over_any_border_and_what_follows_is_exactly_the_rest(first: int, pattern: bytes) -> None:
    ring = said(TEXT[:first], TEXT[first:]) if first else said(TEXT)
    expected = re.search(pattern, TEXT)
    assert expected is not None

    match = found(ring, pattern)

    assert (match.before, match.text) == (TEXT[: expected.start()], expected[0])
    assert rest(ring, match.next) == TEXT[expected.end() :]


@pytest.mark.parametrize("step", range(1, 9))
def test_a_search_that_begins_at_a_cursor_within_a_piece_goes_on_there(step: int) -> None:
    ring = said(*(TEXT[at : at + step] for at in range(0, len(TEXT), step)))
    cursor, seen = Cursor(1), b""

    while match := find(ring, b"[a-z]+|>+|\\n| ", since=cursor):
        seen += match.before + match.text
        cursor = match.next

    assert seen + rest(ring, cursor) == TEXT


def test_the_first_in_the_text_wins_and_at_the_same_place_the_first_in_the_list() -> None:
    ring = said(b"a prompt> and more")

    assert found(ring, "more", "prompt", "prompt>").index == 1
    assert found(ring, "more", rb"prompt>", "prompt").index == 1


def test_groups_are_text_where_the_pattern_is_text() -> None:
    ring = said("größe: 42 €\n".encode())

    assert found(ring, r"(\w+): (\d+) (€)(x)?").groups == ("größe", "42", "€", None)
    assert found(ring, re.compile(rb"(\d+)")).groups == (b"42",)


def test_half_a_character_is_no_text_yet_and_broken_bytes_never_are_in_the_way() -> None:
    assert find(said(b"\xe2\x82"), "(?s).") is None
    assert found(said(b"\xe2\x82", b"\xac"), "€").text == "€".encode()
    assert found(said(b"\xff\0\xe2\x82x>>> y"), "(x)>>> ").before == b"\xff\0\xe2\x82"
    match = find(said(b"\xe2\x82"), "(?s).+", over=True)
    assert match is not None
    assert match.text == b"\xe2\x82"


@pytest.mark.parametrize("step", [701, 5000, 65536])
def test_text_is_found_wherever_the_window_begins_within_a_character(step: int) -> None:
    data = "€ä𝄞x".encode() * 20_000
    ring = said(*(data[at : at + step] for at in range(0, len(data), step)))
    search = Search(Patterns([r"\Anever", "(?<=𝄞x)end€"]), Cursor(1))
    for entry in ring.read(1, 1 << 30).entries:
        search.feed(entry)
        assert search.find() is None
    for byte in "end€".encode():
        assert search.find() is None
        ring.append(Stream.STDOUT, bytes([byte]), 1)
        search.feed(ring.tail(1).entries[0])

    match = search.find()

    assert match is not None
    assert (match.index, match.text.decode(), match.before.decode()[-3:]) == (1, "end€", "ä𝄞x")


def test_a_match_of_nothing_moves_nothing() -> None:
    ring = said(b"abcdef")
    assert found(ring, b"x*").next == Cursor(1)
    assert found(ring, b"x*", since=Cursor(1, 3)).next == Cursor(1, 3)


def test_memory_is_bounded_while_nothing_matches_and_what_is_left_out_is_told() -> None:
    search = Search(Patterns("the end"), Cursor(1))
    ring = said(*[b"x" * 65536] * 40)
    for entry in ring.read().entries * 3:
        search.feed(entry)
        assert search.find() is None
        assert len(search.before) <= MOST
    ring.append(Stream.STDOUT, b"the end", 1)
    search.feed(ring.tail(1).entries[0])

    match = search.find()

    assert match is not None
    assert match.text == b"the end"
    assert match.dropped > MOST
    assert set(match.before) == {ord("x")}


@pytest.mark.parametrize("pattern", ["(?s)BEGIN.*END", rb"(?s)BEGIN.*END"])
@pytest.mark.parametrize("how", ["over", "whole"])
def test_a_long_match_is_found_in_all_that_is_kept(pattern: Expected, how: str) -> None:
    ring = said(b"before BEGIN", *[b"x" * 50_000] * 4, b"END after")
    search = Search(Patterns(pattern), Cursor(1))
    for entry in ring.read().entries:
        search.feed(entry)
        assert search.find() is None
    assert search.partly

    match = search.find(over=how == "over", whole=how == "whole")

    assert match is not None
    assert (len(match.text), match.before) == (200_008, b"before ")
    assert rest(ring, match.next) == b" after"


def test_a_long_match_is_found_before_its_beginning_is_dropped() -> None:
    search = Search(Patterns("(?s)BEGIN.*END"), Cursor(1))
    ring = Ring(Limits(bytes=1 << 30))
    for chunk in (b"BEGIN", *[b"x" * 60_000] * 3, b"END", *[b"y" * 60_000] * 20):
        ring.append(Stream.STDOUT, chunk, 1)
    match = None
    for entry in ring.read(1, 1 << 30).entries:
        search.feed(entry)
        match = match or search.find()

    assert match is not None
    assert len(match.text) == 180_008


def test_all_that_is_kept_is_searched_only_when_there_is_something_new_in_it() -> None:
    search = Search(Patterns("never"), Cursor(1))
    ring = said(*[b"x" * 50_000] * 4)
    for entry in ring.read().entries:
        search.feed(entry)
        search.find()
    assert search.partly

    search.find(whole=True)

    assert not search.partly


def test_a_pattern_whose_cost_grows_with_the_square_does_not_search_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_supervisor.sessions.search.DEAREST", 0.0)
    search = Search(Patterns("(?s)BEGIN.*END"), Cursor(1))
    for entry in said(b"BEGIN", *[b"x" * 50_000] * 4, b"END").read().entries:
        search.feed(entry)
        search.find()

    assert not search.partly
    assert search.find(over=True) is None


def test_what_is_dear_is_searched_in_steps_and_finds_the_same() -> None:
    text = "x" * 20_000 + "\n" + "y" * 30_000 + "END\n" + "z" * 100
    for pattern in (r"[^\n]*END", rb"y.*?END\n", r"(?i)Y+end", r"(?x) y+ E N D # a comment", r"(y)\1*E(?=ND)", r"\Ano"):
        compiled = re.compile(pattern)
        steps, count = scan(compiled, text.encode() if isinstance(pattern, bytes) else text, 7), 0  # type: ignore[arg-type]
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found = end.value
                break
            count += 1
        wanted = compiled.search(text.encode() if isinstance(pattern, bytes) else text, 7)  # type: ignore[arg-type]
        assert (found and found.span()) == (wanted and wanted.span())


def test_a_pattern_that_can_not_be_searched_in_steps_is_searched_at_once() -> None:
    assert _first_starts(re.compile("(?P<STEP>a)")) is not None
    with pytest.raises(StopIteration) as end:
        next(scan(re.compile(r"(?i)(?s:A.)"), "xxab", 0))
    assert end.value.value.span() == (2, 4)


def test_nothing_matches_over_a_gap() -> None:
    ring = said(b"half ", b"of it")
    first, second = ring.read().entries
    search = Search(Patterns("half of"), Cursor(1))
    search.feed(first)
    search.find()
    search.skip(3)
    search.feed(second)

    assert search.find() is None
    assert search.before == b"of it"


@pytest.mark.parametrize("wrong", ["(", b"(", ()])
def test_what_is_no_pattern_is_refused(wrong: Expected) -> None:
    with pytest.raises(SpecError, match=r"regular expression|needs a pattern"):
        Patterns(wrong)


def test_the_end_has_its_place_in_the_list() -> None:
    assert Patterns(["a", EOF, b"b"]).eof == 1
    assert Patterns("a").eof is None


@pytest.mark.parametrize("wrong", ["-4.-2", "-4", "4.-2", "", ".", "4.", ".2", "4.2.1", " 4", "4_0", "\u0664", "x"])
def test_what_is_no_cursor_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a cursor is a number"):
        Cursor.parse(wrong)


@pytest.mark.parametrize("cursor", [Cursor(1), Cursor(12, 5)])
def test_a_cursor_can_be_written_down(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor
