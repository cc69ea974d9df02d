"""How much a pipe holds: large ones for floods, only a few at a time, and children notice nothing."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from trio_supervisor.runtimes.process import pipe_size
from trio_supervisor.runtimes.process.pipe import OutputPipe
from trio_supervisor.runtimes.process.pipe_size import LARGE, SMALL, PipeSize

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes have one size elsewhere")


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    try:
        yield reader, writer
    finally:
        for end in (reader, writer):
            os.close(end)


def size_of(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


async def test_a_pipe_that_was_full_is_made_large() -> None:
    with open_pipe() as (reader, _):
        size = PipeSize(reader)
        assert (size.bytes, size_of(reader)) == (SMALL, SMALL)

        size.note_full()

        assert (size.bytes, size_of(reader)) == (LARGE, LARGE)


async def test_only_a_few_are_large_and_the_one_that_was_full_last_longest_ago_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipe_size, "MOST_LARGE", 2)
    with open_pipe() as (first, _), open_pipe() as (second, _), open_pipe() as (third, _):
        sizes = [PipeSize(fd) for fd in (first, second, third)]
        for number in (0, 1, 0, 2):
            sizes[number].note_full()

        assert [size.bytes for size in sizes] == [LARGE, SMALL, LARGE]
        assert [size_of(fd) for fd in (first, second, third)] == [LARGE, SMALL, LARGE]


async def test_one_that_holds_much_is_not_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_size, "MOST_LARGE", 1)
    with open_pipe() as (first, writer), open_pipe() as (second, _):
        one, other = PipeSize(first), PipeSize(second)
        one.note_full()
        os.write(writer, b"x" * (SMALL + 1))
        other.note_full()

        assert (one.bytes, other.bytes) == (LARGE, SMALL)


async def test_one_that_is_closed_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_size, "MOST_LARGE", 1)
    with open_pipe() as (first, writer), open_pipe() as (second, _):
        one, other = PipeSize(first), PipeSize(second)
        one.note_full()
        os.write(writer, b"x" * (SMALL + 1))
        one.forget()
        other.note_full()

        assert other.bytes == LARGE


async def test_where_a_user_has_too_much_in_pipes_they_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(fd: int, *_: int) -> int:
        asked.append(fd)
        raise PermissionError

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with open_pipe() as (reader, _):
        size = PipeSize(reader)
        for _ in range(3):
            size.note_full()

    assert size.bytes == SMALL
    assert len(asked) == 1


async def test_where_nobody_looks_at_a_flood_it_is_read_in_great_pieces_and_else_in_small_ones() -> None:
    at_once = SMALL
    chunks: list[bytes] = []
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    pipe = OutputPipe(reader, chunks.append, at_once=lambda: at_once)
    data = os.urandom(4 << 20)

    def write(part: bytes) -> None:
        assert sum(os.write(writer, part[at : at + 65536]) for at in range(0, len(part), 65536)) == len(part)

    with trio.fail_after(60):
        await trio.to_thread.run_sync(write, data[: 1 << 20])
        small = len(chunks)
        at_once = LARGE
        await trio.to_thread.run_sync(write, data[1 << 20 :])
        os.close(writer)
        while pipe.open:
            await trio.sleep(0.001)

    assert b"".join(chunks) == data
    assert max(map(len, chunks[:small])) <= SMALL
    assert max(map(len, chunks)) > SMALL
