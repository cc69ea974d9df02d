"""Servers that lie, hang and flood, as a whole supervisor sees them: real sockets, real processes, the real prober."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.probes.probe_servers import Handler, Site, Stream, read_request, response, serving
from tests.runtimes.process_helpers import eventually, free_ports, is_alive, python
from trio_supervisor.core.child import Child
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.embedding.supervisor import Supervisor
from trio_supervisor.spec import (
    Check,
    ChildSpec,
    Exec,
    Grpc,
    Health,
    Http,
    Port,
    ProcessSpec,
    Readiness,
    Startup,
    TaskSpec,
    Tcp,
    Unix,
)
from trio_supervisor.system.procfs import processes

SLEEPER = ProcessSpec(("sleep", "600"))


def quick(check: Check) -> Health:
    """Unhealthy in less than a second."""
    return Health(check, period=0.05, timeout=0.3, failures=2, jitter=0)


@asynccontextmanager
async def supervised(child: ChildSpec) -> AsyncIterator[Callable[[], Child]]:
    """Run one child; gives a look at it."""
    async with Supervisor(child) as tree:
        yield lambda: tree.engine.children[child.id]


async def verdict_on(handler: Handler, check: str = "http://127.0.0.1:{}/", tls: ssl.SSLContext | None = None) -> str:
    """Why an agent whose health is asked of this server is taken for unhealthy."""
    async with serving(handler, tls=tls) as port:
        health = quick(Http(check.format(port)))
        child = ChildSpec("a", SLEEPER, restart=Restart.TEMPORARY, health=health)
        async with supervised(child) as look:
            await eventually(lambda: look().state is State.FAILED)
            return look().reason


async def test_a_half_open_server_that_accepts_and_never_answers() -> None:
    async def accepts(stream: Stream) -> None:
        await trio.sleep_forever()

    assert "2 failed probes in a row, the last: no answer within 0.3 s" in await verdict_on(accepts)


async def test_a_server_whose_queue_is_full() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            health = quick(Tcp(str(port)))
            async with supervised(ChildSpec("a", SLEEPER, restart=Restart.TEMPORARY, health=health)) as look:
                await eventually(lambda: look().state is State.FAILED)
                assert "no answer within 0.3 s" in look().reason


async def test_a_slow_loris_that_answers_byte_by_byte() -> None:
    async def drip(stream: Stream) -> None:
        await stream.receive_some()
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000:
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.02)

    assert "no answer within 0.3 s" in await verdict_on(drip)


async def test_a_redirect_loop_is_asked_once_each_time_and_is_no_success() -> None:
    site = Site(lambda _: response(302, headers={"Location": "/"}))
    assert "HTTP 302 to /, expected 200-299" in await verdict_on(site)
    assert len(site.requests) == 2


async def test_a_body_of_10_mb_is_neither_read_nor_judged_in_full() -> None:
    sent = 0

    async def flood(stream: Stream) -> None:
        nonlocal sent
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        for _ in range(160):
            await stream.send_all(b"x" * 65536)
            sent += 65536

    async with serving(flood) as port:
        health = Health(Http(f"http://127.0.0.1:{port}/"), period=0.05, timeout=5, failures=1, jitter=0)
        async with supervised(ChildSpec("a", SLEEPER, health=health)) as look:
            await eventually(lambda: sent > 0)
            await trio.sleep(0.2)
            assert (look().state, look().restarts) == (State.READY, 0)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -keyout -"
    made = await trio.run_process(command.split(), capture_stdout=True, stderr=subprocess.DEVNULL)
    (tmp_path / "both.pem").write_bytes(made.stdout)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")

    reason = await verdict_on(Site(lambda _: response()), "https://127.0.0.1:{}/", tls=context)

    assert "is not accepted: self-signed certificate" in reason


# Strangers and leftovers


def serve_code(family: str, address: str) -> str:
    """A program that answers 200 to everybody at that address."""
    return f"""
import socket, sys
s = socket.socket(socket.{family}); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind({address}); s.listen(); print("up", flush=True)
while True:
    c = s.accept()[0]
    try:
        c.recv(65536); c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    except OSError:
        pass
    c.close()
"""


@asynccontextmanager
async def stranger(family: str, address: str) -> AsyncIterator[None]:
    process = await trio.lowlevel.open_process(python(serve_code(family, address)), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        await process.stdout.receive_some()
        yield
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@pytest.mark.parametrize("check", [Http("/"), Tcp("{port}"), Grpc("{port}")], ids=["http", "tcp", "grpc"])
async def test_a_stranger_that_answers_200_for_ever_does_not_make_the_agent_ready(check: Http | Tcp | Grpc) -> None:
    port = free_ports().first
    readiness = Readiness(check, deadline=1, period=0.1)
    run = ProcessSpec(python("import time; time.sleep(0.3); print('hi', flush=True); time.sleep(600)"))
    child = ChildSpec("a", run, restart=Restart.TEMPORARY, port=Port(port, port), readiness=readiness)
    async with supervised(child) as look:
        await eventually(lambda: look().state is State.RUNNING)
        # It comes after our reservation was made, and gets past it by SO_REUSEADDR.
        async with stranger("AF_INET", f"('127.0.0.1', {port})"):
            await eventually(lambda: look().state is State.FAILED)
    if not isinstance(check, Grpc):
        assert f"port {port} is answered by a stranger: pid " in look().reason


async def test_a_stranger_behind_a_unix_socket_is_no_agent(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    readiness = Readiness(Unix(path), deadline=0.5, period=0.1)
    child = ChildSpec("a", SLEEPER, restart=Restart.TEMPORARY, readiness=readiness)
    async with stranger("AF_UNIX", repr(path)), supervised(child) as look:
        await eventually(lambda: look().state is State.FAILED)
        assert "a stranger answers: pid " in look().reason


async def test_the_agent_itself_behind_a_unix_socket_is_ready(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    run = ProcessSpec(python(serve_code("AF_UNIX", repr(path))))
    async with supervised(ChildSpec("a", run, startup=Startup(Unix(path)))) as look:
        await eventually(lambda: look().state is State.READY)


async def test_a_server_that_outlives_its_agent_is_gone_before_the_next_life_is_asked() -> None:
    port = free_ports().first
    # The leader dies, the server that it has started in a session of its own would answer 200 for ever.
    leader = f"""
import os, subprocess, sys, time
code = {serve_code("AF_INET", f"('127.0.0.1', {port})")!r}
if os.environ["AGENT_GENERATION"] == "1":
    p = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
    p.stdout.read(1); print(p.pid, flush=True); time.sleep(0.5); os._exit(1)
time.sleep(600)
"""
    readiness = Readiness(Http("/"), period=0.1, deadline=2)
    child = ChildSpec("a", ProcessSpec(python(leader)), port=Port(port, port), readiness=readiness)
    async with supervised(child) as look:
        await eventually(lambda: look().generation == 2)
        await eventually(lambda: look().state is State.RUNNING)
        await trio.sleep(0.3)
        assert look().state is State.RUNNING, "nobody answers for the new life"
        assert "connection refused" in look().probe_failure


# Programs that are asked by


async def test_a_probe_program_that_forks_and_hangs_leaves_nothing(tmp_path: Path) -> None:
    ask = f"""
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        open({str(tmp_path / "pids")!r}, "a").write(f"{{os.getpid()}}\\n")
        time.sleep(600)
time.sleep(600)
"""
    health = Health(Exec(python(ask)), period=0.2, timeout=1, failures=1)
    child = ChildSpec("a", SLEEPER, restart=Restart.TEMPORARY, health=health)
    async with supervised(child) as look:
        await eventually(lambda: look().state is State.FAILED)
        assert "killed, it did not end within 1 s" in look().reason
        pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
        assert len(pids) == 3
        assert not [pid for pid in pids if is_alive(pid)]
        assert not [one for one in processes() if one.alive and one.parent in pids]


async def test_flapping_at_the_threshold_restarts_nobody() -> None:
    asked = 0

    def flap(_: object) -> bytes:
        nonlocal asked
        asked += 1
        return response(200 if asked % 3 == 0 else 503)

    async with serving(Site(flap)) as port:
        health = Health(Http(f"http://127.0.0.1:{port}/"), period=0.01, timeout=5, failures=3, jitter=0)
        async with supervised(ChildSpec("a", SLEEPER, health=health)) as look:
            await eventually(lambda: asked >= 60)
            assert (look().state, look().restarts) == (State.READY, 0)


@pytest.mark.slow
async def test_a_thousand_agents_on_real_sockets_are_probed_each_second() -> None:
    """As a benchmark would, but with counts: see benchmarks/layers/probes.py for what it costs."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port = listening.getsockname()[1]
    server = os.fork()
    if server == 0:
        os.execv(sys.executable, [sys.executable, "-c", _SERVER.format(fd=_inheritable(listening))])
    listening.close()
    try:
        health = Health(Http(f"http://127.0.0.1:{port}/"), period=1, timeout=5, failures=2)
        children = [ChildSpec(f"a{n}", TaskSpec(sleep_on), health=health) for n in range(1000)]
        async with Supervisor(*children, max_parallel_starts=1000, guardian=False) as tree:
            await trio.sleep(12)
            answers = [each.health.worked if each.health else 0 for each in tree.engine.children.values()]
            assert len(answers) == 1000
            assert min(answers) >= 5, "nobody is left out"
            assert max(answers) <= 14, "and nobody asked more often than it should be"
            assert {each.restarts for each in tree.engine.children.values()} == {0}
    finally:
        os.kill(server, 9)
        os.waitpid(server, 0)


async def sleep_on() -> None:
    """A child that does nothing."""
    await trio.sleep_forever()


def _inheritable(sock: socket.socket) -> int:
    os.set_inheritable(sock.fileno(), True)
    return sock.fileno()


_SERVER = """
import socket
s = socket.socket(fileno={fd})
while True:
    c = s.accept()[0]
    try:
        c.recv(65536); c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    except OSError:
        pass
    c.close()
"""
