"""Lines: how chunks become blocks of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.output.lines import LONGEST_LINE, Block, Lines


def glue(blocks: list[Block]) -> list[bytes]:
    """The lines that the blocks tell of, pieces put together again."""
    whole: list[bytes] = []
    is_open = False
    for block in blocks:
        assert block.begun == is_open
        first, *rest = block.lines
        if block.begun:
            whole[-1] += first
        else:
            whole.append(first)
        whole += rest
        is_open = block.open
    return whole


@pytest.mark.parametrize(
    ("chunk", "lines", "rest"),
    [
        (b"a\n", [b"a"], b""),
        (b"a\nb\nc", [b"a", b"b"], b"c"),
        (b"\n", [b""], b""),
        (b"\n\n", [b"", b""], b""),
        (b"a\r\nb\r\n", [b"a", b"b"], b""),
        (b"10%\r20%\n", [b"10%\r20%"], b""),
        (b"\xff\x00\n", [b"\xff\x00"], b""),
    ],
)
def test_a_chunk_becomes_one_block_of_its_whole_lines(chunk: bytes, lines: list[bytes], rest: bytes) -> None:
    stream = Lines()

    (block,) = stream.feed(chunk)

    assert (block.lines, block.begun, block.open) == (lines, False, False)
    assert stream.end() == ([Block(rest)] if rest else [])


def test_a_line_end_that_is_cut_in_two_is_one_line_end() -> None:
    stream = Lines()

    assert stream.feed(b"a\r") == []
    assert stream.feed(b"\nb\n") == [Block(b"a\nb")]


def test_a_partial_line_waits_until_it_is_flushed_and_its_rest_is_marked() -> None:
    stream = Lines()

    assert stream.feed(b"Pass") == []
    assert stream.due
    assert stream.flush() == [Block(b"Pass", open=True)]
    assert not stream.due
    assert stream.flush() == []
    assert stream.feed(b"word: ") == []
    assert stream.flush() == [Block(b"word: ", begun=True, open=True)]
    assert stream.feed(b"\nnext\n") == [Block(b"\nnext", begun=True)]
    assert stream.feed(b"last\n") == [Block(b"last")]


@pytest.mark.parametrize(
    "half",
    [
        b"\r",
        b"\x1b",
        b"\x1b[",
        b"\x1b[38;5;1",
        "é".encode()[:1],
        "€".encode()[:2],
        "🙂".encode()[:3],
        "🙂".encode()[:1],
    ],
)
def test_a_flush_keeps_back_what_may_be_half_of_something(half: bytes) -> None:
    stream = Lines()

    stream.feed(b"50%" + half)

    assert stream.flush() == [Block(b"50%", open=True)]
    assert not stream.due
    assert stream.end() == [Block(half, begun=True)]


def test_the_end_of_a_stream_ends_its_last_line() -> None:
    stream = Lines()

    assert stream.end() == []
    stream.feed(b"a")
    assert stream.end() == [Block(b"a")]
    stream.feed(b"b")
    stream.flush()
    assert stream.end() == [Block(b"", begun=True)]
    assert stream.end() == []


@pytest.mark.parametrize("size", [LONGEST_LINE - 1, LONGEST_LINE])
def test_a_line_up_to_the_limit_comes_whole(size: int) -> None:
    line = b"x" * size

    assert Lines().feed(b"a\n" + line + b"\nb\n") in (
        [Block(b"a\n" + line + b"\nb")],
        [Block(b"a"), Block(line + b"\nb")],
        [Block(b"a"), Block(line), Block(b"b")],
    )


def test_a_longer_line_comes_in_pieces_that_say_so() -> None:
    line = b"x" * (2 * LONGEST_LINE + 1)

    assert Lines().feed(b"a\n" + line + b"\nb\n") == [
        Block(b"a"),
        Block(line[:LONGEST_LINE], open=True),
        Block(line[:LONGEST_LINE], begun=True, open=True),
        Block(b"x\nb", begun=True),
    ]


def test_a_line_that_never_ends_does_not_pile_up() -> None:
    stream = Lines()
    chunk = b"x" * 10_000

    blocks = [block for _ in range(100) for block in stream.feed(chunk)]

    assert sum(len(block.data) for block in blocks) > 1_000_000 - 2 * LONGEST_LINE
    assert all(block.open for block in blocks)


def test_a_character_is_not_cut_in_two_where_a_long_line_is() -> None:
    line = "x" + "€" * LONGEST_LINE

    blocks = Lines().feed(line.encode() + b"\n")

    assert "".join(block.data.decode() for block in blocks) == line
    assert len(blocks) == 4


pieces = st.sampled_from([b"\n", b"\r\n", b"\r", b"abc", "é€🙂".encode(), b"\xff", b"\x1b[1;31m", b"", b"y" * 70_000])


@given(st.lists(pieces, max_size=30), st.data())
def test_whatever_the_chunks_and_flushes_the_lines_are_the_same(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8), label="cuts"))
    stream = Lines()
    blocks: list[Block] = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        blocks += stream.feed(whole[start:end])
        if data.draw(st.booleans(), label="flush"):
            blocks += stream.flush()
    blocks += stream.end()

    expected = whole.replace(b"\r\n", b"\n").split(b"\n")
    assert glue(blocks) == (expected if expected[-1] else expected[:-1])
    assert all(len(line) <= LONGEST_LINE for block in blocks for line in block.lines)
    assert not any(block.open for block in blocks[-1:])
