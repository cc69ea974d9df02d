"""A supervisor as a user starts it: a process of its own, its output read as it comes."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

TIMEOUT = 30.0
"""Seconds that anything may take here at the most; what is waited for comes much earlier."""


class Running:
    """A running `trio-supervisor run`."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.output = ""
        self._arrived = trio.Event()
        self._read = trio.Event()
        if process.stdout is None:
            self._read.set()

    async def read_all(self) -> None:
        """Collect the output, to its end."""
        assert self.process.stdout is not None
        async for chunk in self.process.stdout:
            self.output += chunk.decode("utf-8", "backslashreplace")
            self._arrived.set()
            self._arrived = trio.Event()
        self._read.set()

    async def see(self, text: str, count: int = 1) -> None:
        """Wait until `text` has been printed `count` times."""
        with trio.move_on_after(TIMEOUT) as scope:
            while self.output.count(text) < count:
                await self._arrived.wait()
        assert not scope.cancelled_caught, f"{text!r} was not seen {count} times in:\n{self.output}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor only."""
        self.process.send_signal(number)

    async def end(self) -> int:
        """Wait for the end; returns the exit code. Nothing that it has started may be left."""
        with trio.move_on_after(TIMEOUT) as scope:
            code = await self.process.wait()
            await self._read.wait()
        assert not scope.cancelled_caught, f"it does not end; so far:\n{self.output}"
        assert not survivors(self.process.pid), "something was left behind"
        return code


@asynccontextmanager
async def running(
    directory: Path,
    yaml: str,
    *arguments: str,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.STDOUT,
    start_new_session: bool = False,
    preexec_fn: Callable[[], object] | None = None,
    before: Sequence[str] = (),
) -> AsyncIterator[Running]:
    """Run a file with this text; at the end of the block nothing of it is left, however the block ends. `before`: a
    command that becomes the supervisor.
    """
    file = directory / "supervisor.yaml"
    if yaml:
        file.write_text(yaml)
    environment = {
        **os.environ,
        "TRIO_SUPERVISOR_TEST": str(os.getpid()),
        "TRIO_SUPERVISOR_STATE_DIR": str(directory / "state"),
        "PYTHONUNBUFFERED": "1",
    }
    process = await trio.lowlevel.open_process(
        [*before, sys.executable, "-m", "trio_supervisor", "run", str(file), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=start_new_session,
        preexec_fn=preexec_fn,
    )
    it = Running(process)
    try:
        async with trio.open_nursery() as nursery:
            if process.stdout is not None:
                nursery.start_soon(it.read_all)
            yield it
            nursery.cancel_scope.cancel()
    finally:
        for pid in (process.pid, *survivors(process.pid)):
            _kill(pid)
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def stopped_afterwards(directory: Path, yaml: str, *arguments: str) -> AsyncIterator[Running]:
    """Run a file with this text; at the end of the block it is stopped by Ctrl-C, which must succeed."""
    async with running(directory, yaml, *arguments) as it:
        yield it
        it.send(signal.SIGINT)
        assert await it.end() == 0


async def run_to_its_end(directory: Path, yaml: str, *arguments: str, code: int = 1) -> str:
    """Run a file with this text that ends by itself, with this exit code; returns what was printed."""
    async with running(directory, yaml, *arguments) as it:
        assert await it.end() == code
    return it.output


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def survivors(supervisor: int) -> list[int]:
    """The pids of live processes with an AGENT_ID that come from this supervisor's test run."""
    mark = f"TRIO_SUPERVISOR_TEST={os.getpid()}".encode()
    return [
        pid
        for pid, environment in _environments()
        if pid != supervisor and mark in environment and any(entry.startswith(b"AGENT_ID=") for entry in environment)
    ]


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                content = Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue
            # A zombie has no environment any more: it is as good as gone.
            yield int(entry), content.split(b"\0")
