"""The keys to leave by, in all that is typed."""

import itertools

import pytest

from trio_supervisor.cli.keys import DetachKeys
from trio_supervisor.errors import RequestError


def typed(words: str, *chunks: bytes) -> tuple[bytes, bool]:
    """What gets through, and whether they were pressed."""
    keys, passed = DetachKeys(words), b""
    for chunk in chunks:
        some, left = keys.feed(chunk)
        passed += some
        if left:
            return passed, True
    return passed, False


@pytest.mark.parametrize(
    ("words", "chunks", "expected"),
    [
        ("ctrl-]", [b"ab\x1dcd"], (b"ab", True)),
        ("ctrl-]", [b"\x1b[A\x1b", b"x]"], (b"\x1b[A\x1bx]", False)),
        # As programs may have the terminal send it.
        ("ctrl-]", [b"\x1b[93;5u"], (b"", True)),
        ("ctrl-]", [b"\x1b[27;5;93~"], (b"", True)),
        ("ctrl-]", [b"\x1b[93;3u"], (b"\x1b[93;3u", False)),
        ("ctrl-p,ctrl-q", [b"\x10", b"\x11"], (b"", True)),
        ("ctrl-p,ctrl-q", [b"\x10\x10\x11"], (b"\x10", True)),
        ("ctrl-p,ctrl-q", [b"\x10", b"a\x11"], (b"\x10a\x11", False)),
        ("ctrl-p, ctrl-p,ctrl-q", [b"\x10\x10\x10\x11"], (b"\x10", True)),
        ("Ctrl-A,d", [b"\x01x\x01d"], (b"\x01x", True)),
        ("ctrl-@", [b"\x00"], (b"", True)),
    ],
)
def test_what_is_typed(words: str, chunks: list[bytes], expected: tuple[bytes, bool]) -> None:
    assert typed(words, *chunks) == expected


@pytest.mark.parametrize("words", ["a,b", "a,a,b", "a,b,a", "a,b,a,b,c"])
def test_it_is_found_wherever_it_is_and_nothing_is_lost(words: str) -> None:
    row = words.replace(",", "").encode()
    for size in range(1, 7):
        for letters in itertools.product(b"abc", repeat=size):
            data = bytes(letters)
            passed, left = typed(words, *[bytes([each]) for each in data])
            assert left == (row in data)
            if left:
                assert passed == data[: data.index(row)]
            else:
                assert data.startswith(passed)
                assert row.startswith(data[len(passed) :])


@pytest.mark.parametrize("words", ["", "ctrl-", "ctrl-ab", "ctrl-1", "ab", "a,,b", "ä", "ctrl-ä", "\x1d"])
def test_what_is_no_key(words: str) -> None:
    with pytest.raises(RequestError, match="--detach-keys"):
        DetachKeys(words)
