"""What is shown again to who comes later, and what is switched back for who leaves."""

import pytest

from trio_supervisor.control.modes import Modes, without_questions
from trio_supervisor.control.replay import MOST, replayed
from trio_supervisor.output.ring import Entry
from trio_supervisor.runtimes.base import Stream


def modes(*chunks: bytes) -> Modes:
    found = Modes()
    for chunk in chunks:
        found.feed(chunk)
    return found


def entry(data: bytes, stream: Stream = Stream.STDOUT) -> Entry:
    return Entry(1, 1, 0.0, 0.0, stream, 1, data, False)


@pytest.mark.parametrize(
    ("chunks", "again", "undo"),
    [
        ([b"plain"], b"", b""),
        ([b"\x1b[?1049h\x1b[?25l"], b"\x1b[?25l\x1b[?1049h", b"\x1b[?25h\x1b[?1049l\x1b[0m\x1b>"),
        ([b"\x1b[?1049h", b"x", b"\x1b[?1049l"], b"", b""),
        ([b"\x1b[?1000;1006h"], b"\x1b[?1000h\x1b[?1006h", b"\x1b[?1000l\x1b[?1006l\x1b[0m\x1b>"),
        # Cut in two at any place.
        ([b"\x1b[?20", b"04h"], b"\x1b[?2004h", b"\x1b[?2004l\x1b[0m\x1b>"),
        ([b"\x1b", b"[?2004h"], b"\x1b[?2004h", b"\x1b[?2004l\x1b[0m\x1b>"),
        ([b"\x1b[?2004", b"h\x1b[?2004l"], b"", b""),
        # What is of no importance for anybody else.
        ([b"\x1b[?12h\x1b[2h"], b"", b""),
    ],
)
def test_what_is_switched_on(chunks: list[bytes], again: bytes, undo: bytes) -> None:
    found = modes(*chunks)
    assert (found.again(), found.undo()) == (again, undo)
    # Who is brought to the same place is brought back from it by the same.
    assert modes(again).undo() == undo


@pytest.mark.parametrize(
    "question",
    [b"\x1b[c", b"\x1b[>c", b"\x1b[6n", b"\x1b[5n", b"\x1b[>0q", b"\x1b[?u", b"\x1b[?2026$p", b"\x1b]11;?\x07",
     b"\x1b]10;?\x1b\\", b"\x1bP+q544e\x1b\\", b"\x05"],
)  # fmt: skip
def test_nothing_is_asked_twice(question: bytes) -> None:
    assert without_questions(b"\x1b[1ma" + question + b"b\x1b[0m") == b"\x1b[1mab\x1b[0m"


def test_of_lines_the_last_are_shown_each_by_its_stream() -> None:
    said = (
        entry(b"x" * MOST + b"\n"),
        entry(b"about\n", Stream.SUPERVISOR),
        entry(b"bad\n", Stream.STDERR),
        entry(b""),
    )
    assert replayed(said, terminal=False, words=True) == [(Stream.STDOUT, b""), (Stream.STDERR, b"bad\n")]
    assert replayed(said[1:], terminal=False, words=True) == [(Stream.STDERR, b"bad\n")]
    assert replayed(said, terminal=False, words=False) == []


def test_of_a_terminal_what_is_on_the_other_screen_is_not_shown() -> None:
    drawn = (entry(b"$ vi\r\n\x1b[?1049h"), entry(b"text"))
    assert replayed(drawn, terminal=True, words=True) == [(Stream.STDOUT, b"\x1b[?1049h")]
    left = (*drawn, entry(b"\x1b[?1049l\x1b[6n$ "))
    assert replayed(left, terminal=True, words=True) == [
        (Stream.STDOUT, b"$ vi\r\n\x1b[?1049htext\x1b[?1049l$ "),
    ]
    assert replayed(left, terminal=True, words=False) == [(Stream.STDOUT, b"")]
