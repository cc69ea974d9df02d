"""Nothing outlives us: wrappers of other makers, servers with workers, and programs that embed a tree."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.runtimes.process_helpers import eventually
from tests.subjects.conftest import subjects_bin
from tests.survivors.cases import HERE, SUBJECTS, Case, ours
from tests.survivors.ground import Ground
from tests.survivors.staged import agent_of, end, kill, staged, words
from tests.survivors.table import Record, Row

__all__ = ["subjects_bin"]

pytestmark = pytest.mark.slow

TERM_AND_KILL = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)


@TERM_AND_KILL
@pytest.mark.skipif(shutil.which("npx") is None, reason="npx is not installed")
async def test_nothing_of_npx_outlives_us(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    """npx runs the program of a local package by way of a shell, so there are three processes, or more."""
    package = tmp_path / "node_modules" / "tool"
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "tool", "version": "1.0.0", "bin": "tool.js"}))
    code = "process.on('SIGTERM', () => 0); setInterval(() => 0, 1000); console.log('in place')"
    (package / "tool.js").write_text(f"#!/usr/bin/env node\n{code}\n")
    (package / "tool.js").chmod(0o755)
    (tmp_path / "node_modules" / ".bin").mkdir()
    (tmp_path / "node_modules" / ".bin" / "tool").symlink_to("../tool/tool.js")
    agent = {"command": ["npx", "--offline", "tool"], "cwd": str(tmp_path), "env": {"npm_config_update_notifier": "0"}}
    case = Case("wrapper: npx", {"agent": agent})
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see(case.sign)

        await end(it, ground, case, number, record)


@TERM_AND_KILL
@pytest.mark.subjects
async def test_workers_whose_leader_was_killed_do_not_outlive_us(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record, subjects_bin: Path
) -> None:
    command = [str(subjects_bin / "uvicorn"), "--app-dir", str(SUBJECTS), "--port", "{port}"]
    agent = {"command": [*command, "--workers", "2", "webapp:app"], "port": "auto", "readiness": {"http": "/"}}
    case = Case("uvicorn with workers, leader killed", {"agent": agent})
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see("ready after")
        kill(agent_of(it))
        if number is signal.SIGTERM:
            await it.see("ready after", 2)

        await end(it, ground, case, number, record)
    assert "address already in use" not in it.output


@asynccontextmanager
async def embedding(ground: Ground, guardian: str, command: list[str]) -> AsyncIterator[trio.Process]:
    """A program that embeds a tree; its agent has become a `sleep`, or has left one."""
    program = await trio.lowlevel.open_process(
        [sys.executable, str(HERE / "embed.py"), guardian, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=ground.enter,
    )
    try:
        await eventually(lambda: any(one.name == "sleep" for one in ground.living()), 20)
        yield program
    finally:
        with trio.CancelScope(shield=True):
            program.kill()
            await program.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
async def test_nothing_outlives_a_program_that_embeds_a_tree(
    number: signal.Signals, ground: Ground, record: Record
) -> None:
    async with embedding(ground, "with", ours("daemon.py")) as program:
        begun = time.monotonic()
        program.send_signal(number)
        if number is signal.SIGINT:
            with trio.fail_after(30):
                await program.wait()
            left = ground.living()
        else:
            left, _ = await ground.empty(2)
        record(Row("a program with a Supervisor", number.name, len(left), time.monotonic() - begun))

    assert not left, words(left)


async def test_without_a_guardian_the_processes_of_a_killed_program_live_on(ground: Ground) -> None:
    async with embedding(ground, "without", ["sleep", "600"]) as program:
        program.kill()
        await program.wait()

        assert [one.name for one in ground.living()] == ["sleep"]
