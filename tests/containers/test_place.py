"""How far a stream was heard, in the log of an engine."""

import pytest

from trio_supervisor.runtimes.container.place import LogSearch, Place, Skip

LINES = [b"line %d of some\n" % number for number in range(40)]
WHOLE = b"".join(LINES)


def new_of(heard: bytes, log: bytes, size: int) -> bytes:
    """What a log has that was not heard; everything comes in pieces of `size`."""
    place = Place()
    for start in range(0, len(heard), size):
        place.pass_(heard[start : start + size])
    search = LogSearch(place.last_lines)
    for start in range(0, len(log), size):
        search.feed(log[start : start + size])
    skip = Skip(place.found_in(search))
    return b"".join(skip.feed(log[start : start + size]) for start in range(0, len(log), size))


@pytest.mark.parametrize("size", [1, 2, 7, 16, 100, 10_000])
@pytest.mark.parametrize("end", [0, 1, 14, 15, 16, 300, len(WHOLE)])
def test_what_was_heard_is_left_out_wherever_it_ended(size: int, end: int) -> None:
    assert new_of(WHOLE[:end], WHOLE, size) == WHOLE[end:]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
@pytest.mark.parametrize("rest", [b"", b"li"])
def test_a_log_that_began_anew_is_known_by_what_was_heard_last(size: int, rest: bytes) -> None:
    heard = b"".join(LINES[:30]) + rest

    assert new_of(heard, b"".join(LINES[10:]), size) == b"".join(LINES[30:])[len(rest) :]


def test_a_log_that_has_nothing_of_what_was_heard_is_all_new() -> None:
    assert new_of(b"".join(LINES[:20]), b"".join(LINES[30:]), 64) == b"".join(LINES[30:])


def test_what_is_no_utf8_is_counted_as_the_log_has_it() -> None:
    heard = b"\xff\xfe first\nsecond \xc3\n" + WHOLE
    log = b"\xef\xbf\xbd\xef\xbf\xbd first\nsecond \xef\xbf\xbd\n" + WHOLE + b"new\n"

    assert new_of(heard, log, 64) == b"new\n"


def test_a_log_that_lacks_the_last_lines_is_followed_from_its_end() -> None:
    assert new_of(WHOLE, b"".join(LINES[:-2]), 64) == b""


def test_the_same_line_again_and_again_is_counted() -> None:
    assert new_of(b"y\n" * 1000, b"y\n" * 1500, 64) == b"y\n" * 500


def test_a_line_that_the_log_has_only_once_it_is_whole_is_heard_to_its_end() -> None:
    place = Place()
    place.pass_(b"one\nname? ")
    search = LogSearch(place.last_lines)
    search.feed(b"one\n")
    skip = Skip(place.found_in(search))

    assert [skip.feed(piece) for piece in (b"one\n", b"name? you\n", b"two\n")] == [b"", b"you\n", b"two\n"]
