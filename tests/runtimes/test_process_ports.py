"""Ports: found, kept for all lives, kept off everybody else, and given back."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.runtimes.contract import Heard, wait_bounded
from tests.runtimes.process_helpers import (
    bound,
    ended,
    eventually,
    free_ports,
    life_of,
    listener,
    python,
    runtime_of,
    shell,
)
from trio_supervisor.errors import LockedError, StartError
from trio_supervisor.runtimes.base import Ownership, Stream
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.runtimes.process.port_locks import PortLock, lock_directory
from trio_supervisor.runtimes.process.ports import PortLease, first_free
from trio_supervisor.runtimes.process.reservation import PortTakenError, Reservation
from trio_supervisor.spec import Port

MakeRuntime = Callable[..., ProcessRuntime]
SERVER = ("-m", "http.server", "{port}", "--bind", "127.0.0.1")


@pytest.fixture
def port() -> int:
    return free_ports().first


@pytest.fixture
def make_runtime() -> Iterator[MakeRuntime]:
    with ExitStack() as closing:

        def make(port: Port, *command: str, child: str = "agent") -> ProcessRuntime:
            runtime = runtime_of(command or ("true",), port=port, child=child)
            closing.callback(runtime.close)
            return runtime

        yield make


async def start(runtime: ProcessRuntime) -> tuple[ProcessLife, Heard]:
    heard = Heard()
    life = runtime.life(heard.launch())
    await life.start()
    return life, heard


async def why_not(runtime: ProcessRuntime) -> str:
    with pytest.raises(StartError) as caught:
        await start(runtime)
    return str(caught.value)


def can_bind(port: int, address: str = "0.0.0.0") -> bool:
    try:
        bound(port, address).close()
    except OSError:
        return False
    return True


def leave_time_wait(port: int, *options: int) -> None:
    """Leave the memory of a connection that was closed by its server."""
    with listener(port, "127.0.0.1", *options) as server, socket.create_connection(("127.0.0.1", port)) as client:
        server.accept()[0].close()
        assert client.recv(1) == b""
    assert not can_bind(port)


# Which one


@given(first=st.integers(1, 65535), size=st.integers(1, 200), data=st.data())
def test_the_last_free_port_of_a_range_is_found(first: int, size: int, data: st.DataObject) -> None:
    wanted = Port(first, min(first + size - 1, 65535))
    free = data.draw(st.integers(wanted.first, wanted.last))

    assert first_free(wanted, lambda port: port == free) == free


@given(first=st.integers(1, 65535), size=st.integers(1, 200), data=st.data())
def test_a_port_that_is_found_is_a_free_one_of_the_range_or_none(first: int, size: int, data: st.DataObject) -> None:
    wanted = Port(first, min(first + size - 1, 65535))
    taken = data.draw(st.sets(st.integers(wanted.first, wanted.last)))

    found = first_free(wanted, lambda port: port not in taken)

    if found is None:
        assert taken == set(range(wanted.first, wanted.last + 1))
    else:
        assert wanted.first <= found <= wanted.last
        assert found not in taken


def test_a_fixed_port_is_reserved_at_once(make_runtime: MakeRuntime, port: int) -> None:
    runtime = make_runtime(Port(port, port))

    assert runtime.port == port
    assert not can_bind(port)
    assert not can_bind(port, "127.0.0.1")
    assert not can_bind(port, "::1")


async def test_a_range_is_looked_through_at_the_first_start(make_runtime: MakeRuntime) -> None:
    ports = free_ports(3)
    runtimes = [make_runtime(ports) for _ in range(3)]
    assert [runtime.port for runtime in runtimes] == [None, None, None]

    async with trio.open_nursery() as nursery:
        for runtime in runtimes:
            nursery.start_soon(start_and_end, runtime)

    assert {runtime.port for runtime in runtimes} == set(range(ports.first, ports.last + 1))


async def start_and_end(runtime: ProcessRuntime) -> None:
    await ended((await start(runtime))[0])


async def test_a_range_without_a_free_port_is_a_failed_start(make_runtime: MakeRuntime) -> None:
    ports = free_ports(2)
    with listener(ports.first), bound(ports.last):
        assert await why_not(make_runtime(ports)) == f"all ports of {ports.first}-{ports.last} are taken"


async def test_all_lives_have_the_same_port(make_runtime: MakeRuntime) -> None:
    ports = free_ports(5)
    runtime = make_runtime(ports, "sh", "-c", "echo $AGENT_PORT")

    said = []
    for _ in range(3):
        life, heard = await start(runtime)
        await wait_bounded(life)
        said.append(heard.said())

    assert said == [f"{ports.first}\n".encode()] * 3


def test_a_port_is_free_again_after_the_runtime_is_closed(make_runtime: MakeRuntime, port: int) -> None:
    make_runtime(Port(port, port)).close()

    assert can_bind(port)
    assert make_runtime(Port(port, port)).port == port


async def test_a_server_can_listen_on_its_reserved_port_again_and_again(make_runtime: MakeRuntime, port: int) -> None:
    runtime = make_runtime(Port(port, port), sys.executable, *SERVER)

    for _ in range(2):
        life, _ = await start(runtime)
        await eventually(lambda life=life: is_ours(life, port))  # type: ignore[misc]
        # Connections that the server closes leave their memory behind.
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
            while client.recv(1000):
                pass
        await ended(life)


async def is_ours(life: ProcessLife, port: int) -> bool:
    return (await life.owner(port))[0] is Ownership.OURS


# Kept by another supervisor


async def test_two_children_never_get_the_same_fixed_port(make_runtime: MakeRuntime, port: int) -> None:
    first = make_runtime(Port(port, port), child="web")
    second = make_runtime(Port(port, port))

    assert (first.port, second.port) == (port, None)
    text = f"port {port} is kept by the supervisor with pid {os.getpid()} for its child 'web'"
    assert await why_not(second) == text
    first.close()
    await start_and_end(second)
    assert second.port == port


async def test_another_supervisor_of_this_user_keeps_its_port(make_runtime: MakeRuntime, port: int) -> None:
    code = f"""
from trio_supervisor.runtimes.process.port_locks import PortLock
import time
lock = PortLock({port}, "elsewhere")
print("locked", flush=True)
time.sleep(300)
"""
    other, heard = life_of(*python(code))
    await other.start()
    await heard.wait_line()

    text = await why_not(make_runtime(Port(port, port)))

    pid = other.pid
    await ended(other)
    assert text == f"port {port} is kept by the supervisor with pid {pid} for its child 'elsewhere'"


def test_a_lock_is_given_back(port: int) -> None:
    PortLock(port, "a").release()
    lock = PortLock(port, "b")
    with pytest.raises(LockedError, match="for its child 'b'"):
        PortLock(port, "c")
    lock.release()


def test_the_locks_are_private_and_in_the_runtime_directory() -> None:
    directory = lock_directory()

    assert directory == Path(os.environ["XDG_RUNTIME_DIR"]) / "trio-supervisor" / "ports"
    assert directory.stat().st_mode & 0o777 == 0o700
    directory.chmod(0o777)
    assert lock_directory().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("unusable", [None, "", "/no/such/directory"])
def test_without_a_runtime_directory_the_locks_are_among_temporary_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unusable: str | None
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    if unusable is not None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert lock_directory() == tmp_path / f"trio-supervisor-{os.geteuid()}" / "ports"


async def test_a_lock_directory_that_somebody_else_has_made_is_refused(make_runtime: MakeRuntime, port: int) -> None:
    theirs = Path(os.environ["XDG_RUNTIME_DIR"]) / "trio-supervisor"
    theirs.symlink_to("/tmp")

    runtime = make_runtime(Port(port, port))

    assert runtime.port is None
    assert "must be a directory that belongs to uid" in await why_not(runtime)


async def test_a_lock_directory_that_can_not_be_written_is_a_failed_start(make_runtime: MakeRuntime, port: int) -> None:
    (lock_directory() / str(port)).mkdir()

    assert await why_not(make_runtime(Port(port, port))) == f"port locks: {lock_directory()}/{port}: Is a directory"


# Taken by a stranger


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)])
def test_nobody_gets_a_port_that_a_stranger_listens_on(port: int, address: str, options: tuple[int, ...]) -> None:
    with listener(port, address, *options), pytest.raises(PortTakenError):
        Reservation(port)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)])
def test_nobody_gets_a_port_that_a_stranger_has_bound(port: int, address: str, options: tuple[int, ...]) -> None:
    with bound(port, address, *options), pytest.raises(PortTakenError):
        Reservation(port)


def test_nobody_gets_a_port_that_is_reserved(port: int) -> None:
    reservation = Reservation(port)
    with pytest.raises(PortTakenError):
        Reservation(port)
    reservation.release()
    reservation.release()
    Reservation(port).release()


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,)])
def test_closed_connections_do_not_block_a_port(port: int, options: tuple[int, ...]) -> None:
    leave_time_wait(port, *options)

    Reservation(port).release()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_closed_connections_do_not_hide_one_who_listens(port: int, address: str) -> None:
    leave_time_wait(port, socket.SO_REUSEADDR)

    with listener(port, address, socket.SO_REUSEADDR), pytest.raises(PortTakenError):
        Reservation(port)


def test_closed_connections_do_not_hide_a_reservation(port: int) -> None:
    leave_time_wait(port, socket.SO_REUSEADDR)

    reservation = Reservation(port)
    with pytest.raises(PortTakenError):
        Reservation(port)
    reservation.release()


async def test_a_stranger_on_a_fixed_port_is_named(make_runtime: MakeRuntime, port: int) -> None:
    stranger, _ = life_of(sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    await stranger.start()
    await eventually(lambda: not can_bind(port))
    runtime = make_runtime(Port(port, port))
    assert runtime.port is None

    text = await why_not(runtime)

    pid = stranger.pid
    await ended(stranger)
    command = f"{sys.executable} -m http.server {port} --bind 127.0.0.1"
    assert text == f"port {port} is taken by pid {pid} ({command if len(command) <= 80 else command[:79] + '…'})"


async def test_a_stranger_who_does_not_listen_is_admitted_to_be_unknown(make_runtime: MakeRuntime, port: int) -> None:
    with bound(port, "0.0.0.0", socket.SO_REUSEADDR):
        text = await why_not(make_runtime(Port(port, port)))

    assert text == f"port {port} is taken by somebody who has bound it and does not listen"


async def test_a_fixed_port_is_tried_again_at_each_start(make_runtime: MakeRuntime, port: int) -> None:
    with listener(port):
        runtime = make_runtime(Port(port, port))
        await why_not(runtime)

    await start_and_end(runtime)

    assert runtime.port == port


async def test_a_child_with_a_range_moves_when_a_stranger_listens_on_its_port(make_runtime: MakeRuntime) -> None:
    ports = free_ports(3)
    runtime = make_runtime(ports, *shell("echo $AGENT_PORT"))
    await start_and_end(runtime)
    assert runtime.port == ports.first

    with listener(ports.first, "127.0.0.1", socket.SO_REUSEADDR):
        life, heard = await start(runtime)
        await wait_bounded(life)

    assert runtime.port == ports.first + 1
    assert heard.said() == f"{ports.first + 1}\n".encode()
    told = heard.said(Stream.SUPERVISOR).decode()
    assert told.startswith(f"port {ports.first} is taken by pid {os.getpid()} (")
    assert told.endswith(f"; from now on it is port {ports.first + 1}\n")


async def test_a_child_with_a_fixed_port_does_not_start_while_a_stranger_listens(
    make_runtime: MakeRuntime, port: int
) -> None:
    runtime = make_runtime(Port(port, port), "sleep", "300")
    await start_and_end(runtime)

    with listener(port, "::1", socket.SO_REUSEADDR):
        assert (await why_not(runtime)).startswith(f"port {port} is taken by pid {os.getpid()} (")
    await start_and_end(runtime)

    assert runtime.port == port


# Servers that do not share

UNSHARED = """
import socket, sys, time
server = socket.socket()
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
time.sleep(300)
"""


async def test_a_server_that_does_not_share_its_address_can_listen_from_its_second_life_on(
    make_runtime: MakeRuntime, port: int
) -> None:
    runtime = make_runtime(Port(port, port), *python(UNSHARED, "{port}"))
    life, heard = await start(runtime)
    exit = await wait_bounded(life)
    assert exit.detail == (
        f"port {port} is kept for it by this supervisor, and held by nobody else: it seems to bind without "
        "SO_REUSEADDR; from its next start on the port is free for it"
    )
    assert (exit.code, exit.ours) == (1, True)
    assert b"Address already in use" in heard.said(Stream.STDERR)

    for _ in range(3):
        assert not can_bind(port)
        life, _ = await start(runtime)
        await eventually(lambda life=life: is_ours(life, port))  # type: ignore[misc]
        await ended(life)

    assert runtime.port == port


async def test_a_reservation_is_in_nobodys_way_where_it_is_lifted_or_the_child_gets_past(
    make_runtime: MakeRuntime, port: int
) -> None:
    complains = shell(f"echo 'port {port}: Address already in use'; read line; exit 1")
    runtime = make_runtime(Port(port, port), *complains)
    past = PortLease(Port(free := free_ports().first, free), "agent")

    for expected in (True, False):
        life, _ = await start(runtime)
        exit = await wait_bounded(life)
        assert ("by this supervisor" in exit.detail) is exit.ours is expected
        assert ("held by nobody any more" in exit.detail) is not expected
    assert past.may_be_in_the_way(free)
    assert not past.may_be_in_the_way(free + 1)
    past.seen_listening()

    assert not past.may_be_in_the_way(free)
    past.release()


async def test_a_port_is_reserved_between_lives_and_locked_during_them(make_runtime: MakeRuntime, port: int) -> None:
    runtime = make_runtime(Port(port, port), "sleep", "300")
    await start_and_end(runtime)
    assert not can_bind(port)

    life, _ = await start(runtime)
    assert can_bind(port)
    with pytest.raises(LockedError):
        PortLock(port, "another")
    await ended(life)

    assert not can_bind(port)


async def test_a_stranger_who_came_while_there_was_no_reservation_is_noticed(
    make_runtime: MakeRuntime, port: int
) -> None:
    runtime = make_runtime(Port(port, port), "sleep", "300")
    await start_and_end(runtime)
    life, _ = await start(runtime)
    with bound(port):
        await ended(life)
        assert (await why_not(runtime)).startswith(f"port {port} is taken by")

    await start_and_end(runtime)


async def test_the_reservation_stays_when_the_server_was_seen_to_listen_beside_it(
    make_runtime: MakeRuntime, port: int
) -> None:
    runtime = make_runtime(Port(port, port), sys.executable, *SERVER)
    life, _ = await start(runtime)
    await eventually(lambda: is_ours(life, port))
    await ended(life)

    second, _ = await start(runtime)

    assert not can_bind(port, "::1")
    await ended(second)


def test_a_lease_that_never_had_a_port_can_be_released(port: int) -> None:
    with listener(port):
        lease = PortLease(Port(port, port), "agent")
        lease.release()
        lease.release()

    assert lease.port is None
