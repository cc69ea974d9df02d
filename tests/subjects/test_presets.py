"""Presets stop real programs of their kind as those want it: in order, at once, and with nothing left."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running
from tests.subjects.test_subjects import agents, port_of

pytestmark = [pytest.mark.subjects, pytest.mark.slow]

AT_ONCE = 5.0
"""Seconds; less than the grace of any step."""


async def stopped(it: Running) -> None:
    """Stop it with Ctrl-C; it must not come to a second step, and must end within `AT_ONCE`."""
    with trio.fail_after(AT_ONCE):
        it.send(signal.SIGINT)
        assert await it.end() == 0
    assert not [line for line in it.output.splitlines() if "still stopping" in line and "SIGTERM" in line]
    assert "SIGKILL" not in it.output


async def test_an_mcp_server_on_stdio_ends_when_its_input_ends(
    tmp_path: Path, subjects_python: Path, programs: Path
) -> None:
    command = [str(subjects_python), str(programs / "mcp_server.py"), "stdio"]
    async with running(tmp_path, agents(tools={"command": command, "preset": "mcp-stdio"})) as it:
        await it.see("ready after")

        await stopped(it)

    assert "stopped: SIGINT (exit code 0)" in it.output


async def test_an_acp_agent_ends_when_its_input_ends(tmp_path: Path, subjects_python: Path, programs: Path) -> None:
    command = [str(subjects_python), str(programs / "acp_echo.py")]
    async with running(tmp_path, agents(coder={"command": command, "preset": "acp"})) as it:
        await it.see("ready after")

        await stopped(it)

    assert "stopped: SIGINT (exit code 0)" in it.output


async def test_a_wrapper_of_a_stdio_server_is_stopped_with_it(
    tmp_path: Path, subjects_python: Path, programs: Path
) -> None:
    # As npx does: a shell that waits for the server, and passes no signal on.
    server = f"{subjects_python} {programs / 'mcp_server.py'} stdio; true"
    async with running(tmp_path, agents(tools={"command": ["sh", "-c", server], "preset": "mcp-stdio"})) as it:
        await it.see("ready after")

        await stopped(it)


@pytest.fixture
def nginx() -> str:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    return program


NGINX = """
daemon off; pid {directory}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}
}}
"""


async def test_nginx_lets_a_request_finish(tmp_path: Path, nginx: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as behind, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        (tmp_path / "nginx.conf").write_text(
            NGINX.format(directory=tmp_path, port=port, behind=behind.getsockname()[1])
        )
        spec: dict[str, object] = {
            "command": [nginx, "-c", str(tmp_path / "nginx.conf")],
            "preset": "nginx",
            "readiness": {"tcp": str(port)},
        }
        async with running(tmp_path, agents(web=spec)) as it:
            await it.see("ready after")
            async with await trio.open_tcp_stream("127.0.0.1", port) as client:
                await client.send_all(b"GET / HTTP/1.0\r\n\r\n")
                request, _ = await trio.to_thread.run_sync(behind.accept)
                it.send(signal.SIGINT)
                await it.see("stopping: SIGINT")

                with request:
                    request.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nworld")
                with trio.fail_after(AT_ONCE):
                    answer = b"".join([chunk async for chunk in client])
                    assert await it.end() == 0

    assert answer.endswith(b"world")
    assert "stopped: SIGINT (exit code 0)" in it.output


def _postgres_bin() -> Path | None:
    """Where the server's programs are: on Debian not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The directory of postgres' programs, and a fresh database of the user nobody, whom root becomes for it."""
    programs = _postgres_bin()
    if programs is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else: postgres does not run as root")
    # Not below the directory of the tests, which only root may enter.
    data = Path("/var/tmp") / f"trio-supervisor-test-{os.getpid()}"
    data.mkdir(mode=0o700)
    shutil.chown(data, "nobody", "nogroup")
    try:
        initdb = [str(programs / "initdb"), "-D", str(data / "db"), "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, user="nobody", group="nogroup", cwd=data)
        yield programs, data
    finally:
        shutil.rmtree(data, ignore_errors=True)


async def test_postgres_is_stopped_while_a_client_is_connected(tmp_path: Path, database: tuple[Path, Path]) -> None:
    programs, data = database
    spec = {
        "command": [str(programs / "postgres"), "-D", str(data / "db"), "-k", str(data), "-p", "{port}"],
        "port": "auto",
        "user": "nobody",
        "cwd": str(data),
        "preset": "postgres",
        "readiness": {"exec": [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", "{port}"]},
    }
    async with running(tmp_path, json.dumps({"agents": {"db": spec}})) as it:
        await it.see("ready after")
        async with await trio.open_tcp_stream("127.0.0.1", port_of(it, "db")) as client:
            # A startup packet of protocol 3.0: TERM would wait for this client for ever.
            body = b"\x00\x03\x00\x00user\x00nobody\x00database\x00postgres\x00\x00"
            await client.send_all((len(body) + 4).to_bytes(4, "big") + body)
            await client.receive_some()

            await stopped(it)

    assert "stopped: SIGINT (exit code 0)" in it.output
