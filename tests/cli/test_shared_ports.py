"""Two supervisors on one machine share a range of ports."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running
from tests.runtimes.process_helpers import free_ports

pytestmark = pytest.mark.slow

AGENTS = 8
SERVER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("has", sys.argv[1], flush=True)
while True:
    listening.accept()[0].close()
"""


def file_of(directory: Path, ports: str) -> str:
    server = directory / "server.py"
    server.write_text(SERVER)
    command = f"['{sys.executable}', -S, '{server}', '{{port}}']"
    agent = f"{{command: {command}, port: {ports}, readiness: {{tcp: '{{port}}'}}}}"
    agents = "".join(f"  a{n}: {agent}\n" for n in range(AGENTS))
    return f"agents:\n{agents}"


async def ports_of(it: Running) -> list[int]:
    await it.see("ready after", AGENTS)
    return [int(port) for port in re.findall(r"has (\d+)", it.output)]


@pytest.mark.parametrize("users", ["one user", "two users"])
async def test_two_supervisors_take_different_ports_of_one_range(
    users: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = str(free_ports(20))
    directories = [tmp_path / name for name in ("one", "two")]
    for directory in directories:
        (directory / "runtime").mkdir(parents=True, mode=0o700)

    def runtime_directory(number: int) -> None:
        shared = directories[0 if users == "one user" else number]
        monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(shared / "runtime"))

    runtime_directory(0)
    async with running(directories[0], file_of(directories[0], ports)) as one:
        runtime_directory(1)
        async with running(directories[1], file_of(directories[1], ports)) as two:
            taken: list[list[int]] = []
            async with trio.open_nursery() as nursery:
                for it in (one, two):

                    async def collect(it: Running = it) -> None:
                        taken.append(await ports_of(it))

                    nursery.start_soon(collect)

            for it in (one, two):
                it.send(signal.SIGTERM)
            assert await two.end() == 0
        assert await one.end() == 0

    assert [len(ports) for ports in taken] == [AGENTS, AGENTS]
    assert len({*taken[0], *taken[1]}) == 2 * AGENTS
    for it in (one, two):
        assert "address already in use" not in it.output.lower()
        assert "is taken" not in it.output
