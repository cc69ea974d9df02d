"""The TCP probe against real sockets."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from tests.probes.probe_servers import Stream, cancelled_at_step, open_descriptors, serving
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.network import connect
from trio_supervisor.probes.tcp import open_tcp
from trio_supervisor.spec import Tcp


async def ask_once(check: Tcp, port: int | None) -> Answer:
    async with open_tcp(check, Target("redis", port, None), 5) as probe:
        with trio.fail_after(5):
            return await probe.ask()


@contextmanager
def listening(backlog: int = 10) -> Iterator[int]:
    """A socket that listens and never accepts; gives the port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(backlog)
        yield sock.getsockname()[1]


def unused_port() -> int:
    with listening() as port:
        return port


async def test_a_listening_port_is_a_success() -> None:
    with listening() as port:
        answer = await ask_once(Tcp("{port}"), port)

    assert answer.ok
    assert answer.detail.startswith("connected in ")


async def test_a_port_on_which_nobody_listens_is_a_failure() -> None:
    port = unused_port()

    assert await ask_once(Tcp("{port}"), port) == Answer(False, f"connection refused on 127.0.0.1:{port}")


async def test_the_connection_is_closed_at_once_and_nothing_is_sent() -> None:
    seen: list[bytes] = []
    done = trio.Event()

    async def read_all(stream: Stream) -> None:
        seen.append(bytes(await stream.receive_some()))
        done.set()

    async with serving(read_all) as port:
        assert (await ask_once(Tcp("{port}"), port)).ok
        with trio.fail_after(2):
            await done.wait()

    assert seen == [b""]


async def test_other_ways_to_write_a_place() -> None:
    with listening() as port:
        assert (await ask_once(Tcp(str(port)), None)).ok
        assert (await ask_once(Tcp(f"127.0.0.1:{port}"), None)).ok
        assert (await ask_once(Tcp("localhost:{port}"), port)).ok


async def test_ipv6() -> None:
    async def ignore(stream: Stream) -> None:
        await stream.receive_some()

    async with serving(ignore, "::1") as port:
        assert (await ask_once(Tcp("[::1]:{port}"), port)).ok
        assert (await ask_once(Tcp("::1:{port}"), port)).ok
    assert await ask_once(Tcp("[::1]:{port}"), port) == Answer(False, f"connection refused on [::1]:{port}")


async def test_a_name_is_tried_at_all_its_addresses() -> None:
    unused = unused_port()
    with listening() as port:
        (await connect([(socket.AF_INET, ("127.0.0.1", unused)), (socket.AF_INET, ("127.0.0.1", port))])).close()
    with pytest.raises(ConnectionRefusedError):
        (await connect([(socket.AF_INET, ("127.0.0.1", unused)), (socket.AF_INET, ("127.0.0.1", port))])).close()


async def test_a_name_that_nothing_can_have_is_a_failure() -> None:
    answer = await ask_once(Tcp("a..b:80"), None)

    assert answer == Answer(False, "the host of a..b:80 can't be found: not a possible name")


async def test_a_socket_that_is_joined_with_itself_is_no_success() -> None:
    port = unused_port()

    class SamePort(trio.abc.SocketFactory):
        """Does what the kernel does by chance: gives a socket the very port that is asked."""

        def socket(self, *kind: int) -> trio.socket.SocketType:
            sock = socket.socket(*kind)
            sock.bind(("127.0.0.1", port))
            return trio.socket.from_stdlib_socket(sock)

    trio.socket.set_custom_socket_factory(SamePort())
    answer = await ask_once(Tcp("{port}"), port)

    assert answer == Answer(False, f"connection refused on 127.0.0.1:{port}")


async def test_a_connection_that_is_not_taken_can_be_cancelled_and_leaves_no_socket() -> None:
    with listening(backlog=0) as port, socket.create_connection(("127.0.0.1", port)):
        before = open_descriptors()
        async with open_tcp(Tcp("{port}"), Target("redis", port, None), 5) as probe:
            with trio.move_on_after(0.05) as scope:
                await probe.ask()
            assert scope.cancelled_caught
            assert open_descriptors() == before


async def test_a_question_can_be_cancelled_at_each_step() -> None:
    with listening(backlog=100) as port:
        async with open_tcp(Tcp("{port}"), Target("redis", port, None), 5) as probe:
            before = open_descriptors()
            step = 0
            while await cancelled_at_step(step, probe.ask):
                step += 1
            assert step > 0
            assert open_descriptors() == before
            assert (await probe.ask()).ok


async def test_a_port_that_the_child_does_not_have_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="needs a port"):
        await ask_once(Tcp("{port}"), None)


async def test_a_port_that_is_none_after_all_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="the port must be"):
        await ask_once(Tcp("1{port}"), 60000)


async def test_the_owner_of_the_port_matters_when_this_machine_is_asked_at_the_port_of_the_child() -> None:
    async def port_of(text: str) -> int | None:
        async with open_tcp(Tcp(text), Target("redis", 6379, None), 5) as probe:
            return probe.port

    assert await port_of("{port}") == 6379
    assert await port_of("6379") == 6379
    assert await port_of("[::1]:{port}") == 6379
    assert await port_of("6380") is None
    assert await port_of("redis.example:{port}") is None
