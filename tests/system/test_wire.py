"""Messages between supervisor and guardian: whole, in order, with their descriptors, whatever happens at the ends."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_supervisor.system import wire
from trio_supervisor.system.birth import Plan

values = st.one_of(st.text(), st.integers(-(2**62), 2**62), st.binary(), st.none(), st.lists(st.text()))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = wire.pair()
    with one, other:
        yield one, other


@given(st.lists(values).map(tuple))
def test_a_message_arrives_as_it_was(message: wire.Message) -> None:
    one, other = wire.pair()
    with one, other:
        wire.send(one, message)

        assert wire.receive(other) == (message, [])


def test_a_long_message_arrives_with_its_descriptors(ends: tuple[socket.socket, socket.socket]) -> None:
    message = ("spawn", 7, os.urandom(1 << 20))
    reader, writer = os.pipe()

    wire.send(ends[0], message, [writer])
    received = wire.receive(ends[1])

    assert received is not None
    assert received[0] == message
    os.write(received[1][0], b"the same pipe")
    assert os.read(reader, 100) == b"the same pipe"
    assert not os.get_inheritable(received[1][0])
    for fd in (reader, writer, *received[1]):
        os.close(fd)


def test_the_end_of_the_other_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].close()

    assert wire.receive(ends[1]) is None
    with pytest.raises(BrokenPipeError):
        wire.send(ends[1], ("hello", "x"))


def test_what_was_said_before_the_end_is_read_even_if_the_other_has_not_read_all(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    wire.send(ends[1], ("never", "read"))
    wire.send(ends[0], ("ended", 7))
    wire.send(ends[0], ("ended", 8))

    ends[0].close()

    assert [wire.receive(ends[1]) for _ in range(3)] == [(("ended", 7), []), (("ended", 8), []), None]


def test_nothing_to_read_is_no_end(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        wire.receive(ends[0], socket.MSG_DONTWAIT)


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Let this process open only so many descriptors more."""
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(count + 1)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    for fd in free:
        os.close(fd)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 2])
def test_without_room_for_all_descriptors_a_message_comes_with_none(
    room: int, ends: tuple[socket.socket, socket.socket]
) -> None:
    wire.send(ends[0], ("born", 1), [0, 1, 2])
    before = set(os.listdir("/proc/self/fd"))

    with room_for(room):
        assert wire.receive(ends[1]) == (("born", 1), [])

    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("room", [0, 1, 3])
def test_without_room_a_long_message_says_what_it_is_about(
    room: int, ends: tuple[socket.socket, socket.socket]
) -> None:
    wire.send(ends[0], ("spawn", 12, os.urandom(1 << 20)), [0, 1, 2])

    with room_for(room):
        assert wire.receive(ends[1]) == (("spawn", 12), [])


numbers = st.integers(0, 2**31 - 1)
maybe = st.none() | numbers


@given(
    argv=st.lists(st.text()).map(tuple),
    env=st.dictionaries(st.text(), st.text()),
    cwd=st.none() | st.text(),
    account=st.tuples(maybe, maybe, st.none() | st.lists(numbers).map(tuple)),
    special=st.tuples(maybe, maybe, maybe),
    rlimits=st.lists(st.tuples(numbers, numbers, numbers)).map(tuple),
    listen=st.booleans(),
)
def test_a_plan_arrives_as_it_was(
    argv: tuple[str, ...],
    env: dict[str, str],
    cwd: str | None,
    account: tuple[int | None, int | None, tuple[int, ...] | None],
    special: tuple[int | None, int | None, int | None],
    rlimits: tuple[tuple[int, int, int], ...],
    listen: bool,
) -> None:
    plan = Plan("/bin/x", argv, env, cwd, ("/cgroup.procs",), account, *special, rlimits, listen)

    arrived = Plan.unpack(plan.pack())

    assert [getattr(arrived, name) for name in Plan.__slots__] == [getattr(plan, name) for name in Plan.__slots__]
    assert arrived.plain == plan.plain == (account == special == (None, None, None) and not rlimits and not listen)


def test_a_plan_keeps_text_that_is_no_utf_8() -> None:
    odd = os.fsdecode(b"\xff")

    assert Plan.unpack(Plan(odd, (odd,), {"A": odd}).pack()).env == {"A": odd}
