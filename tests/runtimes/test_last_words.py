"""A child that dies because somebody else has its port says who that is, whatever it is written in."""

import shutil
import sys
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtimes.contract import live
from tests.runtimes.process_helpers import free_ports, life_of, listener
from trio_supervisor.core.exits import How
from trio_supervisor.runtimes.process.last_words import KEPT, LastWords, ports_in

HTTP_SERVER = "OSError: [Errno 98] Address already in use"
UVICORN = """
INFO:     Started server process [4711]
INFO:     Waiting for application startup.
INFO:     Application startup complete.
ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8080): address already in use
INFO:     Waiting for application shutdown.
"""
GUNICORN = """
[2026-11-26 12:03:44 +0000] [17] [ERROR] Connection in use: ('0.0.0.0', 8080)
[2026-11-26 12:03:45 +0000] [17] [ERROR] Can't connect to ('0.0.0.0', 8080)
"""
NODE = """
node:events:491
      throw er; // Unhandled 'error' event

Error: listen EADDRINUSE: address already in use :::8080
    at Server.setupListenHandle [as _listen2] (node:net:1463:16)
    at listenInCluster (node:net:1511:12)
  code: 'EADDRINUSE',
  errno: -98,
  syscall: 'listen',
  address: '::',
  port: 8080
"""
NODE_LOCAL = "Error: listen EADDRINUSE: address already in use 127.0.0.1:8080\\n    at Server.x (node:net:1463:16)"
GO = "2026/11/26 12:03:44 listen tcp :8080: bind: address already in use\nexit status 1"
GO_V6 = "panic: listen tcp [::1]:8080: bind: address already in use"
RUST = """thread 'main' panicked at src/main.rs:14:10:
can't listen on 127.0.0.1:8080: Os { code: 98, kind: AddrInUse, message: "Address already in use" }"""
DENO = "error: Uncaught (in promise) AddrInUse: Address already in use (os error 98)\\n  at main.ts:3:14"
BUN = 'error: Failed to start server. Is port 8080 in use?\n code: "EADDRINUSE"'
JAVA = """Exception in thread "main" java.net.BindException: Address already in use
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
\tat java.base/sun.nio.ch.Net.bind(Net.java:555)"""
SPRING = """
***************************
APPLICATION FAILED TO START
***************************

Description:

Web server failed to start. Port 8080 was already in use.
"""
FLASK = "Address already in use\nPort 8080 is in use by another program. Either identify and stop that program"
NGINX = "nginx: [emerg] bind() to 0.0.0.0:8080 failed (98: Address already in use)"
REDIS = "# Warning: Could not create server TCP listening socket *:8080: bind: Address already in use"
POSTGRES = """LOG:  could not bind IPv4 address "127.0.0.1": Address already in use
HINT:  Is another postmaster already running on port 8080? If not, wait a few seconds and retry."""
PUMA = 'bind: Address already in use - bind(2) for "127.0.0.1" port 8080 (Errno::EADDRINUSE)'
DOTNET = "System.IO.IOException: Failed to bind to address http://127.0.0.1:8080: address already in use."
PHP = "Failed to listen on localhost:8080 (reason: Address already in use)"
VITE = "Error: Port 8080 is already in use"

NAMED = [
    *(UVICORN, GUNICORN, NODE, NODE_LOCAL, GO, GO_V6, RUST, BUN, SPRING, FLASK, NGINX, REDIS, POSTGRES, PUMA, DOTNET),
    *(PHP, VITE),
]
UNNAMED = [HTTP_SERVER, DENO, JAVA]


def words(text: str) -> LastWords:
    said = LastWords()
    said.add(text.encode())
    return said


@pytest.mark.parametrize("text", NAMED)
def test_the_port_is_found_in_what_the_program_says(text: str) -> None:
    assert words(text).port_in_use(None) == 8080
    assert words(text).port_in_use(8080) == 8080


@pytest.mark.parametrize("text", UNNAMED)
def test_where_the_program_does_not_say_which_port_it_is_its_own(text: str) -> None:
    assert words(text).port_in_use(8080) == 8080
    assert words(text).port_in_use(None) is None


@pytest.mark.parametrize("text", NAMED)
def test_another_port_than_its_own_is_named(text: str) -> None:
    assert words(text).port_in_use(9999) == 8080


@pytest.mark.parametrize("text", ["", "listening on port 8080", "Error: connect ECONNREFUSED 127.0.0.1:8080", "98"])
def test_an_end_for_another_reason_names_no_port(text: str) -> None:
    assert words(text).port_in_use(8080) is None


@given(st.lists(st.binary(max_size=3 * KEPT)), st.integers(1, 65535) | st.none())
def test_no_output_is_too_odd(chunks: list[bytes], own: int | None) -> None:
    said = LastWords()
    for chunk in chunks:
        said.add(chunk)

    found = said.port_in_use(own)

    assert found is None or 0 < found <= 65535


def test_only_the_end_of_the_output_counts_in_whatever_pieces_it_came() -> None:
    said = LastWords()
    for byte in VITE.encode():
        said.add(bytes([byte]))
    assert said.port_in_use(None) == 8080

    said.add(b"x" * KEPT)

    assert said.port_in_use(None) is None


NODE_SERVER = "require('http').createServer().listen(PORT, '127.0.0.1')"


@pytest.mark.usefixtures("spawned")
@pytest.mark.parametrize("kind", ["python", "node"])
async def test_a_real_server_whose_port_is_taken_says_by_whom(kind: str) -> None:
    port = free_ports().first
    commands = {
        "python": (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"),
        "node": ("node", "-e", NODE_SERVER.replace("PORT", str(port))),
    }
    if shutil.which(commands[kind][0]) is None:
        pytest.skip(f"there is no {kind} here")
    life, _ = life_of(*commands[kind])

    with closing(listener(port)):
        exit = await live(life)

    assert exit.how is How.EXITED
    assert not exit.clean
    assert exit.detail.startswith(f"port {port} is held by pid ")
    assert sys.executable.rpartition("/")[2][:6] in exit.detail


@pytest.mark.parametrize(
    ("command", "ports"),
    [
        (("python3", "-m", "http.server", "8080", "--bind", "127.0.0.1"), [8080]),
        (("server", "--port=8080", "-b", "0.0.0.0:9090", "http://localhost:8080/"), [8080, 9090]),
        (("server", "v1.22.333", "a1234b", "99999", "7"), []),
    ],
)
def test_what_does_not_name_its_port_names_it_in_its_command(command: tuple[str, ...], ports: list[int]) -> None:
    assert ports_in(command) == ports
