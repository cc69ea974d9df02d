"""The writer against real pipes, terminals and devices: fast ones, slow ones, stuck ones and those that are gone."""

import errno
import os
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio

from trio_supervisor.cli.console import Console
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.text_format import TextFormat
from trio_supervisor.cli.writer import LIMIT_BYTES, Writer
from trio_supervisor.output.backlog import PATIENCE

CHUNK = bytes(range(256)) * 256


@pytest.fixture
def fds() -> Iterator[ExitStack]:
    """Closes descriptors at the end of a test (which lets go of a thread that is stuck in a write)."""
    with ExitStack() as stack:
        yield stack


def own(fds: ExitStack, *numbers: int) -> tuple[int, ...]:
    for number in numbers:
        fds.callback(_close, number)
    return numbers


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


@contextmanager
def reading(fd: int, *, each: int = 1 << 20, pause: float = 0.0) -> Iterator[bytearray]:
    """Read in a thread until the end, `each` bytes at most and then a pause; the writing end must be closed inside."""
    got = bytearray()
    gate = threading.Event()

    def read() -> None:
        while data := os.read(fd, each):
            got.extend(data)
            gate.wait(pause)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield got
    finally:
        gate.set()
        thread.join(10)
        assert not thread.is_alive()


class Owner:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.errors: list[OSError] = []
        self.told = trio.Event()

    def broken(self, error: OSError) -> None:
        self.errors.append(error)
        self.told.set()


def fill(writer: Writer, piece: bytes = CHUNK) -> int:
    """Write until it is refused; returns how many bytes were taken."""
    taken = 0
    while writer.write(piece):
        taken += len(piece)
        assert taken <= 64 * LIMIT_BYTES
    return taken


def thread_of(fd: int) -> threading.Thread:
    (thread,) = [one for one in threading.enumerate() if one.name == f"writer of descriptor {fd}"]
    return thread


def called(writer: Writer) -> trio.Event:
    event = trio.Event()
    writer.when_room(event.set)
    return event


# Whole


async def test_everything_arrives_in_order(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())
    owner = Owner()
    pieces = [f"line {n}\n".encode() * (n % 50) for n in range(2000)]

    with reading(out) as got:
        writer = Writer(into, owner.broken)
        for piece in pieces:
            await writer.room()
            assert writer.write(piece)
        assert await writer.aclose(5)
        os.close(into)

    assert bytes(got) == b"".join(pieces)
    assert owner.errors == []


async def test_the_thread_is_gone_after_the_end(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())

    writer = Writer(into, Owner().broken)
    thread = thread_of(into)
    writer.write(b"x")
    await writer.aclose(5)
    thread.join(5)

    assert os.read(out, 10) == b"x"
    assert not thread.is_alive()


async def test_a_piece_greater_than_the_buffer_is_taken_when_it_is_empty(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())
    piece = CHUNK * 40

    with reading(out) as got:
        writer = Writer(into, Owner().broken)
        assert writer.write(piece)
        assert not writer.write(b"more")
        assert await writer.aclose(5)
        os.close(into)

    assert bytes(got) == piece


@pytest.mark.slow
@pytest.mark.parametrize("blocking", [True, False])
async def test_a_reader_that_is_slow_but_alive_loses_nothing(fds: ExitStack, blocking: bool) -> None:
    out, into = own(fds, *os.pipe())
    os.set_blocking(into, blocking)
    refused = 0

    async def produce(writer: Writer) -> None:
        nonlocal refused
        for _ in range(16):
            await trio.lowlevel.checkpoint()
            await writer.room()
            refused += not writer.write(CHUNK)

    # About 6 MB/s: three producers have 3 MiB to say, three times what the buffer holds.
    with reading(out, each=1 << 15, pause=0.005) as got:
        writer = Writer(into, Owner().broken)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(produce, writer)
        assert await writer.aclose(10)
        os.close(into)

    assert refused == 0
    assert len(got) == 3 * 16 * len(CHUNK)


# Stuck


@pytest.mark.slow
async def test_a_stuck_reader_costs_at_most_the_patience_once_and_then_nothing(fds: ExitStack) -> None:
    _, into = own(fds, *os.pipe())

    writer = Writer(into, Owner().broken)
    fill(writer)
    start = trio.current_time()
    await writer.room()
    first = trio.current_time() - start
    for _ in range(100):
        await writer.room()
    rest = trio.current_time() - start - first
    await writer.aclose(0)

    assert first < PATIENCE + 0.5
    assert rest < 0.5


async def test_the_buffer_is_bounded_and_goes_on_where_it_was(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())
    writer = Writer(into, Owner().broken)

    taken = fill(writer)
    room = called(writer)
    assert not writer.write(b"refused")
    with reading(out) as got:
        with trio.fail_after(5):
            await room.wait()
        assert writer.write(b"taken")
        assert await writer.aclose(5)
        os.close(into)

    assert LIMIT_BYTES <= taken <= LIMIT_BYTES + (1 << 18) + len(CHUNK)
    assert bytes(got) == CHUNK * (taken // len(CHUNK)) + b"taken"


async def test_who_asks_for_room_when_there_is_some_is_called_too(fds: ExitStack) -> None:
    _, into = own(fds, *os.pipe())

    writer = Writer(into, Owner().broken)

    with trio.fail_after(5):
        await called(writer).wait()
    assert await writer.aclose(5)


async def test_the_end_is_bounded_when_the_reader_is_stuck(fds: ExitStack) -> None:
    _, into = own(fds, *os.pipe())
    writer = Writer(into, Owner().broken)
    fill(writer)

    with trio.fail_after(2):
        whole = await writer.aclose(0.1)

    assert not whole


async def test_the_end_writes_what_it_can_even_when_cancelled(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())

    with reading(out, each=1 << 15, pause=0.001) as got, trio.CancelScope() as scope:
        writer = Writer(into, Owner().broken)
        for _ in range(8):
            writer.write(CHUNK)
        scope.cancel()
        assert await writer.aclose(5)
        os.close(into)

    assert len(got) == 8 * len(CHUNK)


async def test_a_stuck_terminal_is_told_of_when_it_goes_on(fds: ExitStack) -> None:
    master, slave = own(fds, *os.openpty())
    tty.setraw(slave)
    writer = Writer(slave, Owner().broken)
    console = Console(writer, TextFormat(Style()))

    fill(writer, b"x" * 4095 + b"\n")
    for _ in range(1234):
        console.say("lost")
    room = called(writer)
    with reading_terminal(master) as read_to:
        with trio.fail_after(10):
            await room.wait()
        console.say("goes on")
        assert await writer.aclose(10)
        shown = read_to(b"goes on\n")

    lines = shown.replace(b"x", b"").split()
    assert b" ".join(lines).decode() == (
        "supervisor | ● ... 1234 lines dropped: the terminal is too slow supervisor | ● goes on"
    )


@contextmanager
def reading_terminal(master: int) -> Iterator[Callable[[bytes], bytes]]:
    """Read a terminal in a thread; gives a function that waits for what must come last, and returns all."""
    got = bytearray()
    come = threading.Condition()

    def read() -> None:
        try:
            while data := os.read(master, 1 << 16):
                with come:
                    got.extend(data)
                    come.notify()
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def read_to(last: bytes) -> bytes:
        with come:
            assert come.wait_for(lambda: got.endswith(last), 10)
            return bytes(got)

    yield read_to


# Gone


async def wait_broken(writer: Writer, owner: Owner) -> OSError:
    with trio.fail_after(5):
        await owner.told.wait()
    assert writer.write(b"into the void")
    await writer.room()
    fill_nothing = [writer.write(CHUNK) for _ in range(100)]
    assert all(fill_nothing)
    with trio.fail_after(1):
        assert not await writer.aclose(5)
        assert not await writer.aclose(5)
    (error,) = owner.errors
    return error


async def test_a_closed_pipe_ends_the_writing_and_is_told_once(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())
    owner = Owner()
    writer = Writer(into, owner.broken)

    os.close(out)
    writer.write(b"x")

    assert (await wait_broken(writer, owner)).errno == errno.EPIPE


async def test_a_reader_that_goes_while_it_is_stuck_ends_the_writing(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())
    owner = Owner()
    writer = Writer(into, owner.broken)

    fill(writer)
    room = called(writer)
    os.close(out)

    assert (await wait_broken(writer, owner)).errno == errno.EPIPE
    assert room.is_set()


async def test_a_closed_terminal_ends_the_writing(fds: ExitStack) -> None:
    master, slave = own(fds, *os.openpty())
    owner = Owner()
    writer = Writer(slave, owner.broken)

    os.close(master)
    writer.write(b"x")

    assert (await wait_broken(writer, owner)).errno == errno.EIO


async def test_a_closed_descriptor_ends_the_writing(fds: ExitStack) -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.close(descriptor)
    owner = Owner()
    writer = Writer(descriptor, owner.broken)

    writer.write(b"x")

    assert (await wait_broken(writer, owner)).errno == errno.EBADF
    assert writer.why_full == "whoever reads this is too slow"


async def test_a_full_disk_is_waited_for_without_an_error(fds: ExitStack) -> None:
    (full,) = own(fds, os.open("/dev/full", os.O_WRONLY))
    owner = Owner()
    writer = Writer(full, owner.broken)

    fill(writer)
    with trio.fail_after(3):
        whole = await writer.aclose(0.1)

    assert not whole
    assert owner.errors == []


def test_a_run_that_ends_without_closing_leaves_no_thread_that_writes(fds: ExitStack) -> None:
    out, into = own(fds, *os.pipe())

    async def main() -> None:
        fill(Writer(into, Owner().broken))

    trio.run(main)
    thread = thread_of(into)
    os.close(out)
    thread.join(5)

    assert not thread.is_alive()


@pytest.mark.slow
async def test_when_the_disk_has_room_again_nothing_that_was_taken_is_lost(fds: ExitStack) -> None:
    (descriptor,) = own(fds, os.open("/dev/full", os.O_WRONLY))
    out, into = own(fds, *os.pipe())
    owner = Owner()
    writer = Writer(descriptor, owner.broken)
    console = Console(writer, TextFormat(Style()))

    taken = fill(writer)
    console.say("lost")
    with trio.fail_after(5):
        while writer.why_full != os.strerror(errno.ENOSPC):
            await trio.sleep(0.01)
    with reading(out) as got:
        os.dup2(into, descriptor)
        with trio.fail_after(5):
            await called(writer).wait()
        assert await writer.aclose(5)
        os.close(into)
        os.close(descriptor)

    assert bytes(got[:taken]) == CHUNK * (taken // len(CHUNK))
    assert got[taken:].decode() == "supervisor | ● ... 1 line dropped: No space left on device\n"
    assert owner.errors == []
