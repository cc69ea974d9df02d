"""Whose the socket is that listens on a port."""

import os
import socket
import sys

import pytest

from tests.runtimes.contract import Heard
from tests.runtimes.process_helpers import (
    ended,
    eventually,
    free_ports,
    kill,
    life_of,
    listener,
    program,
    python,
    runtime_of,
    shell,
)
from trio_supervisor.runtimes.base import Ownership
from trio_supervisor.runtimes.process import ProcessLife
from trio_supervisor.runtimes.process.sockets import Entry, entries, holder_of
from trio_supervisor.spec import Port

SERVER = f"{sys.executable} -m http.server"
LISTEN_FOR_EVER = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
server = socket.socket(family)
for option in sys.argv[3:]:
    server.setsockopt(socket.SOL_SOCKET, int(option), 1)
server.bind((sys.argv[2], int(sys.argv[1])))
server.listen()
print("listening", flush=True)
time.sleep(300)
"""


@pytest.fixture
def port() -> int:
    return free_ports().first


async def listening(port: int, address: str, *options: int) -> ProcessLife:
    """A child that listens by itself."""
    life, heard = life_of(*python(LISTEN_FOR_EVER, str(port), address, *map(str, options)))
    await life.start()
    await heard.wait_line()
    return life


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_a_leader_that_listens_owns_the_port(port: int, address: str) -> None:
    life = await listening(port, address)

    owner = await life.owner(port)

    await ended(life)
    assert owner == (Ownership.OURS, "")


async def test_a_grandchild_that_listens_is_ours(port: int) -> None:
    life, _ = life_of(*shell(f"{SERVER} {port} --bind 127.0.0.1; true"))
    await life.start()
    await eventually(lambda: any(entry.listens for entry in entries(port) or ()))

    owner = await life.owner(port)

    await ended(life)
    assert owner == (Ownership.OURS, "")


async def test_a_grandchild_that_listens_in_a_session_of_its_own_is_ours(port: int) -> None:
    life, heard = life_of(*shell(f"setsid sh -c 'echo $$; exec {SERVER} {port} --bind 127.0.0.1' & wait"))
    await life.start()
    escaped = int(await heard.wait_line())
    await eventually(lambda: any(entry.listens for entry in entries(port) or ()))

    owner = await life.owner(port)

    kill(escaped)
    await ended(life)
    assert owner == (Ownership.OURS, "")


async def test_the_server_of_a_wrapper_is_ours(port: int) -> None:
    heard = Heard()
    runtime = runtime_of(program("wrapper_tree.sh"), port=Port(port, port), env={"LIFE": "0"})
    life = runtime.life(heard.launch())
    await life.start()
    await eventually(lambda: any(entry.listens for entry in entries(port) or ()))

    owner = await life.owner(port)

    await ended(life)
    runtime.close()
    assert owner == (Ownership.OURS, "")


async def test_a_stranger_is_named(port: int) -> None:
    life, _ = life_of("sleep", "300")
    await life.start()
    with listener(port):
        ownership, who = await life.owner(port)

    await ended(life)
    assert ownership is Ownership.STRANGER
    assert who.startswith(f"pid {os.getpid()} (")


@pytest.mark.parametrize("ours_first", [True, False])
async def test_a_port_that_is_shared_with_a_stranger_is_not_ours(port: int, ours_first: bool) -> None:
    shared = (socket.SO_REUSEPORT,)
    if ours_first:
        ours = await listening(port, "127.0.0.1", *shared)
        stranger = await listening(port, "127.0.0.1", *shared)
    else:
        stranger = await listening(port, "127.0.0.1", *shared)
        ours = await listening(port, "127.0.0.1", *shared)

    ownership, who = await ours.owner(port)

    pid = stranger.pid
    await ended(ours)
    await ended(stranger)
    assert ownership is Ownership.STRANGER
    assert who.startswith(f"pid {pid} (")


async def test_a_stranger_before_our_wildcard_is_seen(port: int) -> None:
    ours = await listening(port, "0.0.0.0", socket.SO_REUSEPORT)
    stranger = await listening(port, "127.0.0.1", socket.SO_REUSEPORT)

    ownership, _ = await ours.owner(port)

    await ended(ours)
    await ended(stranger)
    assert ownership is Ownership.STRANGER


async def test_a_port_that_nobody_listens_on_is_unknown(port: int) -> None:
    life, _ = life_of("sleep", "300")
    await life.start()

    owner = await life.owner(port)

    await ended(life)
    assert owner == (Ownership.UNKNOWN, f"nothing listens on port {port}")


async def test_a_life_that_is_not_there_owns_nothing(port: int) -> None:
    life, _ = life_of("sleep", "300")
    assert (await life.owner(port))[0] is Ownership.UNKNOWN
    await life.start()
    await ended(life)

    with listener(port):
        assert await life.owner(port) == (Ownership.UNKNOWN, "the child does not run")


def test_connections_to_the_same_number_elsewhere_are_not_taken_for_local_ones(port: int) -> None:
    with listener(port) as server, socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = server.accept()
        accepted.close()
        theirs = client.getsockname()[1]

        assert {entry.listens for entry in entries(port) or ()} == {True, False}
        # The kernel may give the same number to others at the same time, towards other ends: only ours is looked at.
        ours = os.fstat(client.fileno()).st_ino
        assert [entry.listens for entry in entries(theirs) or () if entry.inode == ours] == [False]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("00000000", True),  # 0.0.0.0
        ("0100007F", True),  # 127.0.0.1
        ("0347FF7F", True),  # 127.255.71.3
        ("0500A8C0", False),  # 192.168.0.5
        ("7F00000A", False),  # 10.0.0.127
        ("00000000000000000000000000000000", True),  # ::
        ("00000000000000000000000001000000", True),  # ::1
        ("0000000000000000FFFF00000100007F", True),  # ::ffff:127.0.0.1
        ("0000000000000000FFFF00000500A8C0", False),  # ::ffff:192.168.0.5
        ("000080FE000000000000000001000000", False),  # fe80::1
    ],
)
def test_which_addresses_answer_a_probe_of_this_machine(address: str, local: bool) -> None:
    assert Entry(address, "0A", uid=0, inode=1).answers_locally is local


def test_a_port_that_nobody_has_has_no_holder(port: int) -> None:
    assert holder_of(port) == ""
