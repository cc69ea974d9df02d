"""The log file of a supervisor itself."""

import os
from pathlib import Path

import trio

from trio_supervisor.output.own_log import OwnLog

PATIENCE = 30.0
LINE = b"x" * 1023 + b"\n"


async def test_it_is_rotated_and_whoever_follows_it_is_told_of_each_file(tmp_path: Path) -> None:
    opened: list[int] = []
    path = tmp_path / "logs" / "own.log"
    log = OwnLog(str(path), lambda _: None, lambda fd: opened.append(os.fstat(fd).st_ino))
    with trio.fail_after(PATIENCE):
        for _ in range(11):
            log.write(LINE * 1024)
            await log.room()
            while not path.exists():
                await trio.sleep(0.01)
        assert await log.aclose(PATIENCE)

    assert [(tmp_path / "logs" / name).stat().st_ino for name in ("own.log.1", "own.log")] == opened
    assert sum(file.stat().st_size for file in path.parent.iterdir()) == 11 << 20


async def test_it_goes_on_in_a_new_file_when_it_was_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "own.log"
    log = OwnLog(str(path), lambda _: None)
    with trio.fail_after(PATIENCE):
        log.write(b"one\n")
        while not path.exists() or not path.read_bytes():
            await trio.sleep(0.01)
        path.rename(tmp_path / "old.log")
        log.reopen()
        log.write(b"two\n")
        await log.aclose(PATIENCE)

    assert ((tmp_path / "old.log").read_bytes(), path.read_bytes()) == (b"one\n", b"two\n")


async def test_a_file_that_can_not_be_written_is_told_of_and_costs_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "own.log").mkdir()
    log = OwnLog(str(tmp_path / "own.log"), told.append)
    with trio.fail_after(PATIENCE):
        for _ in range(3):
            assert log.write(b"one\n")
        while not told:
            await trio.sleep(0.01)
        await log.aclose(PATIENCE)

    assert told[0].startswith(f"log {tmp_path}/own.log: ")
