"""What of an agent's output may reach a terminal."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.cli.harmless import harmless


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"plain text\twith a tab", "plain text\twith a tab"),
        ("größer € 🙂".encode(), "größer € 🙂"),
        (b"two\nlines", "two\nlines"),
        (b"\xff\xfe and \xc3", r"\xff\xfe and \xc3"),
        (b"nul\x00bell\x07back\x08del\x7f", r"nul\x00bell\x07back\x08del\x7f"),
        ("\x9b2J one-byte CSI".encode(), r"\x9b2J one-byte CSI"),
        (b"\x1b[2J\x1b[1;1Hcleared", "cleared"),
        (b"\x1b[?25l\x1b[1Ahidden\x1b[?25h", "hidden"),
        (b"\x1b]0;owned\x07title", "title"),
        (b"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1$r0m\x1b\\dcs", "dcs"),
        (b"\x1b(Bcharset", "charset"),
        (b"\x1b7\x1b8\x1bcreset", "reset"),
        (b"\x1b]0;never ends", r"\x1b]0;never ends"),
        (b"\x1b[12;3", r"\x1b[12;3"),
        (b"\x1b", r"\x1b"),
        (b"\x1b]0;cut by a new line\nrest\x07", "\\x1b]0;cut by a new line\nrest\\x07"),
        (b"10%\r20%\r30%", "10%\n20%\n30%"),
        (b"twice\r\r\nnext\r", "twice\nnext"),
    ],
)
def test_what_is_no_text_can_do_nothing(said: bytes, shown: str, colour: bool) -> None:
    assert harmless(said, colour=colour).decode() == shown


def test_colours_stay_where_there_is_colour_and_end_with_their_line() -> None:
    said = b"\x1b[1;31mred\nnot\x1b[38:5:1mred\x1b[m"

    assert harmless(said, colour=True) == b"\x1b[1;31mred\x1b[0m\nnot\x1b[38:5:1mred\x1b[m\x1b[0m"
    assert harmless(said, colour=False) == b"red\nnotred"


@given(
    st.lists(st.sampled_from([b"\x1b", b"[", b"]", b"0;", b"m", b"J", b"\x07", b"\\", b"\n", b"\r", b"\xc2", b"\x9b"]))
)
def test_whatever_the_bytes_only_colours_text_and_line_ends_are_left(parts: list[bytes]) -> None:
    coloured = harmless(b"".join(parts), colour=True).decode()
    plain = harmless(b"".join(parts), colour=False).decode()

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", re.sub("\x1b\\[[0-9;:]*m", "", coloured))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", plain)


@given(st.lists(st.sampled_from([b"text ", "é".encode(), b"\n", b"\x1b[1m", b"\x1b[m", b"\x1b[2J", b"\t", b"\xff"])))
def test_the_short_way_for_usual_bytes_gives_what_the_thorough_way_gives(parts: list[bytes]) -> None:
    data = b"".join(parts)

    for colour in (True, False):
        # One NUL at the end makes the whole of it go the thorough way.
        assert harmless(data + b"\n\x00", colour=colour) == harmless(data, colour=colour) + b"\n\\x00"


def test_hostile_input_takes_no_more_time_than_its_length() -> None:
    start = time.process_time()

    for part in (b"\x1b]", b"\x1b[", b"\x1b[1", b"\x1bP", b"\r", b"\x1b ("):
        harmless(part * 50_000, colour=True)

    # It is 0.3 s. A search that went back over what it has seen would take a minute for each.
    assert time.process_time() - start < 5
