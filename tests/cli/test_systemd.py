"""What `run` tells a service manager, on a real socket."""

import ctypes
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT, running
from trio_supervisor.cli.systemd import Manager, taken

pytestmark = pytest.mark.slow


class Manages:
    """A service manager: takes in what it is told."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._socket = sock
        self.told: list[tuple[str, str]] = []

    async def hear(self, name: str, value: str | None = None) -> str:
        """Wait until it was told something of that name (and value), if it was not yet."""
        with trio.fail_after(TIMEOUT):
            while True:
                key, said = next((each for each in reversed(self.told) if each[0] == name), ("", ""))
                if key and value in (None, said):
                    return said
                for line in (await self._socket.recv(65536)).decode().splitlines():
                    key, _, said = line.partition("=")
                    self.told.append((key, said))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]


@asynccontextmanager
async def managing(address: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> AsyncIterator[Manages]:
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        await sock.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield Manages(sock)


async def test_ready_when_all_have_had_their_chance_then_status_then_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = f"""
agents:
  a: {{command: [sh, -c, "touch {tmp_path}/started; exec sleep 600"], readiness: {{file: go, period: 50ms}}}}
  b: {{command: [sh, -c, "env > {tmp_path}/env; exec sleep 600"], depends_on: [a]}}
  c: {{command: ["false"], restart: temporary}}
"""
    async with managing(str(tmp_path / "notify"), monkeypatch) as manager, running(tmp_path, yaml) as it:
        await manager.hear("STATUS", "1 waiting, 1 running, 1 failed (c)")
        assert "READY" not in manager.names
        (tmp_path / "go").touch()
        await manager.hear("READY", "1")
        await manager.hear("STATUS", "2 ready, 1 failed (c)")
        it.send(signal.SIGTERM)
        await manager.hear("STOPPING", "1")
        assert await it.end() == 0

    assert "NOTIFY_SOCKET" not in (tmp_path / "env").read_text()
    assert manager.names.count("READY") == manager.names.count("STOPPING") == 1
    assert "WATCHDOG" not in manager.names
    statuses = [said for name, said in manager.told if name == "STATUS"]
    assert all(one != other for one, other in pairwise(statuses)), "changes only"


async def test_one_that_waits_for_a_failing_one_does_not_hold_up_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = """
agents:
  a: {command: [sh, -c, "exit 3"], readiness: {file: never}, backoff: {initial: 60s, max: 60s}, startup_crashes: 0}
  b: {command: [sleep, "600"], depends_on: [a]}
"""
    async with managing("\0" + tmp_path.name, monkeypatch) as manager, running(tmp_path, yaml) as it:
        await manager.hear("READY", "1")
        it.send(signal.SIGTERM)
        assert await it.end() == 0


async def test_one_that_is_done_at_once_was_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yaml = "agents: {a: {command: ['true'], restart: temporary}}\n"
    async with managing(str(tmp_path / "notify"), monkeypatch) as manager, running(tmp_path, yaml) as it:
        assert await it.end() == 0
        await manager.hear("STOPPING", "1")

    assert manager.names.index("READY") <= manager.names.index("STOPPING")


async def test_the_watchdog_hears_of_a_loop_that_turns_and_a_guardian_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = "agents: {a: {command: [sleep, '600']}}\n"
    variables = {"WATCHDOG_USEC": "200000"}
    async with managing(str(tmp_path / "notify"), monkeypatch, **variables) as manager, running(tmp_path, yaml) as it:
        await it.see("ready")
        guardian = _guardian_of(it.process.pid)
        for _ in range(3):
            await manager.hear("WATCHDOG", "1")
            manager.told.clear()
        with _in_a_debugger(guardian):
            await it.see("systemd is told of no more life")
        it.send(signal.SIGSTOP)
        with trio.move_on_after(1):
            while True:
                await manager.hear("WATCHDOG")
                manager.told.clear()
        it.send(signal.SIGCONT)
        await manager.hear("WATCHDOG", "1")
        it.send(signal.SIGTERM)
        assert await it.end() == 0


@contextmanager
def _in_a_debugger(pid: int) -> Iterator[None]:
    """Stop a process so that no SIGCONT helps, and its parent is not told (ptrace(2), PTRACE_INTERRUPT)."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT
        assert ptrace(request, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        ptrace(17, pid, None, None)  # PTRACE_DETACH


def _guardian_of(supervisor: int) -> int:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    (found,) = (int(pid) for pid in children if b"guardian" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


async def test_a_manager_that_is_not_there_is_told_of_once_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    async with running(tmp_path, "agents: {a: {command: [sleep, '600']}}\n") as it:
        await it.see("systemd can't be told anything")
        await it.see("ready after")
        it.send(signal.SIGTERM)
        assert await it.end() == 0

    assert it.output.count("systemd can't be told") == 1


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"NOTIFY_SOCKET": "/x"}, Manager("/x")),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "2000000"}, Manager("@x", 2.0)),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, Manager("/x", 2.0)),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"}, Manager("/x")),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"}, Manager("/x")),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, Manager("/x")),
        ({"NOTIFY_SOCKET": "x"}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"WATCHDOG_USEC": "2000000"}, None),
    ],
)
def test_what_is_for_us_in_the_environment_is_taken_out_of_it(environ: dict[str, str], found: Manager | None) -> None:
    assert taken(environ, 7) == found
    assert environ == {}
