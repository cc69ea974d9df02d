"""For the tests with real processes."""

import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import trio

from tests.runtimes.contract import Heard, live
from trio_supervisor.core.exits import Exit
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.spec import ChildSpec, Port, ProcessSpec
from trio_supervisor.system.procfs import pids, process, processes

PROGRAMS = Path(__file__).parent.parent / "subjects" / "progs"
"""What each of them does stands in its first lines."""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs `code`."""
    return (sys.executable, "-c", code, *arguments)


def program(name: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of `PROGRAMS`."""
    return (sys.executable if name.endswith(".py") else "bash", str(PROGRAMS / name), *arguments)


def runtime_of(
    command: tuple[str, ...],
    *,
    port: Port | None = None,
    child: str = "agent",
    shell: bool = False,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
) -> ProcessRuntime:
    """A runtime of a child with that command."""
    return ProcessRuntime(ChildSpec(child, ProcessSpec(command, shell, cwd, env or {}), port=port))


def life_of(*command: str, cwd: str | None = None, env: dict[str, str] | None = None) -> tuple[ProcessLife, Heard]:
    """The first life of a child with that command."""
    heard = Heard()
    return runtime_of(command, cwd=cwd, env=env).life(heard.launch()), heard


def shell(script: str) -> tuple[str, ...]:
    """The command that runs a shell script."""
    return ("bash", "-c", script)


async def run(*command: str) -> tuple[Exit, Heard]:
    """Let a child with that command live to its own end."""
    life, heard = life_of(*command)
    return await live(life), heard


async def ended(life: ProcessLife) -> Exit:
    """Kill a life and wait until nothing of it is left."""
    life.kill()
    with trio.fail_after(20):
        return await life.wait()


async def eventually(is_true: Callable[[], bool | Awaitable[bool]], within: float = 10) -> None:
    """Wait for what no event tells: that another program has come so far. Fails after `within` seconds."""
    with trio.fail_after(within):
        while True:
            result = is_true()
            if result if isinstance(result, bool) else await result:
                return
            await trio.sleep(0.01)


def has_children() -> bool:
    """Whether this process, or the guardian, has any child but the guardian, alive or a zombie."""
    everybody = processes()
    guardians = {one.pid for one in everybody if one.parent == os.getpid() and one.name == "guardian"}
    return any(one.parent in {os.getpid(), *guardians} and one.pid not in guardians for one in everybody)


def is_alive(pid: int) -> bool:
    """Whether there is such a process; a zombie is none."""
    found = process(pid)
    return found is not None and found.alive


def kill(pid: int) -> None:
    """End what a test has let escape, and return when it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.001)


def bearing(marker: str) -> list[int]:
    """All processes with that text in their environment."""
    found = []
    for pid in pids():
        with suppress(OSError):
            if marker.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def descriptors(pid: int | str = "self") -> set[int]:
    """The open descriptors of a process; for "self" without the one that this look takes."""
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd") if os.path.lexists(f"/proc/{pid}/fd/{name}")}


def free_ports(count: int = 1) -> Port:
    """So many ports in a row that nobody uses, outside of the range that the kernel gives away by itself."""
    for first in range(20000 + os.getpid() % 1000 * 10, 32000, count):
        if all(_is_free(port) for port in range(first, first + count)):
            return Port(first, first + count - 1)
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def listener(port: int, address: str = "127.0.0.1", *options: int) -> socket.socket:
    """A stranger that listens, with these socket options set."""
    stranger = bound(port, address, *options)
    stranger.listen()
    return stranger


def bound(port: int, address: str = "127.0.0.1", *options: int) -> socket.socket:
    """A stranger that has bound the port."""
    stranger = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if ":" in address:
            stranger.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in options:
            stranger.setsockopt(socket.SOL_SOCKET, option, 1)
        stranger.bind((address, port))
    except OSError:
        stranger.close()
        raise
    return stranger
