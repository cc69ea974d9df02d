"""Floods through a real `run`, its memory seen from outside, and what becomes of log files meanwhile."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.cli.running import Running, running

pytestmark = pytest.mark.slow

MB = 1 << 20
GROWTH = 24 * MB
"""What a run may need more at any time of a flood than soon after its beginning: rings, queues, the allocator."""
MOST = 160 * MB

FLOOD = "import os, sys\nblock = (b'x' * 199 + b'\\n') * 320\nwhile True: os.write(1, block)"
NUMBERS = (
    "import os, time\n"
    "for start in range(0, {count}, 100):\n"
    "    os.write(1, b''.join(b'%d\\n' % n for n in range(start, start + 100)))\n"
    "    time.sleep({pause})\n"
    "time.sleep(600)"
)


def memory(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def written(pid: int) -> int:
    """Bytes that a process has written, ever."""
    line = next(line for line in Path(f"/proc/{pid}/io").read_text().splitlines() if line.startswith("wchar:"))
    return int(line.split()[1])


def agent(code: str, **keys: object) -> dict[str, object]:
    return {"command": [sys.executable, "-c", code], "restart": "temporary", "stop": {"grace": "0s"}, **keys}


def file_of(**agents: dict[str, object]) -> str:
    return json.dumps({"agents": agents})


async def until(condition: Callable[[], bool], within: float = 60) -> None:
    with trio.fail_after(within):
        while not condition():
            await trio.sleep(0.02)


async def stop(it: Running) -> None:
    it.send(signal.SIGTERM)
    assert await it.end() == 0


async def test_the_memory_of_a_run_stays_flat_while_two_agents_flood_for_thirty_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml = file_of(
        filed=agent(FLOOD, log={"file": "filed.log", "format": "raw", "keep": 1, "console": False}),
        shown=agent(FLOOD),
    )
    async with running(tmp_path, yaml, stdout=subprocess.DEVNULL) as it:
        pid = it.process.pid
        await until(lambda: written(pid) > 200 * MB)
        first = memory(pid)
        seen = [first]
        before = written(pid)
        until_then = trio.current_time() + 30
        while trio.current_time() < until_then:
            await trio.sleep(0.1)
            seen.append(memory(pid))
        flooded = written(pid) - before
        await stop(it)

    with capsys.disabled():
        print(f"\nat first {first / 1e6:.0f} MB, at most {max(seen) / 1e6:.0f} MB; {flooded / 30e6:.0f} MB/s", end="")  # noqa: T201
    assert max(seen) - first < GROWTH
    assert max(seen) < MOST
    assert flooded > 300 * MB


async def test_a_hundred_megabytes_without_a_line_end_go_through_a_run_in_flat_memory(tmp_path: Path) -> None:
    code = "import os, time\nfor _ in range(1600): os.write(1, b'x' * 65536)\ntime.sleep(600)"
    logs = [
        {"file": "a.raw", "format": "raw", "size": "unlimited"},
        {"file": "a.txt", "size": "1M", "keep": 1},
        {"file": "a.json", "format": "json", "size": "1M", "keep": 1},
    ]
    seen: list[int] = []

    def is_there() -> bool:
        seen.append(memory(it.process.pid))
        raw = tmp_path / "a.raw"
        return raw.exists() and raw.stat().st_size == 1600 * 65536

    async with running(tmp_path, file_of(a=agent(code, log=logs)), stdout=subprocess.DEVNULL) as it:
        await until(is_there)
        await stop(it)

    assert max(seen) < MOST


async def test_logs_moved_away_again_and_again_under_load_lose_no_line_and_double_none(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    yaml = file_of(
        a=agent(
            NUMBERS.format(count=10_000_000, pause=0.0002),
            log={"file": str(log), "format": "raw", "size": "unlimited", "console": False},
        )
    )
    async with running(tmp_path, yaml) as it:
        for number in range(20):
            await until(lambda: log.exists() and log.stat().st_size > 50_000)
            log.rename(tmp_path / f"moved{number:02}")
            it.send(signal.SIGUSR1)
        await until(log.exists)
        await stop(it)

    said = b"".join((tmp_path / f"moved{number:02}").read_bytes() for number in range(20)) + log.read_bytes()
    lines = said.splitlines()
    assert len(lines) > 50_000
    assert lines == [b"%d" % number for number in range(len(lines))]


async def test_rotated_files_are_compressed_while_the_flood_goes_on_and_hold_every_line(tmp_path: Path) -> None:
    log = {"file": "a.log", "format": "raw", "size": "100K", "keep": 1000, "gzip": True, "console": False}
    yaml = file_of(a=agent(NUMBERS.format(count=300_000, pause=0), log=log))

    def rotated() -> list[Path]:
        # Without the one that is being written just now.
        return sorted(tmp_path.glob("a.log.[1-9]*"), key=lambda path: -int(path.name.split(".")[2]))

    def is_all_there() -> bool:
        current = tmp_path / "a.log"
        return current.exists() and current.read_bytes().endswith(b"299999\n")

    async with running(tmp_path, yaml) as it:
        await until(is_all_there)
        await until(lambda: all(path.suffix == ".gz" for path in rotated()))
        await stop(it)

    assert len(rotated()) > 10
    said = b"".join(gzip.decompress(path.read_bytes()) for path in rotated()) + (tmp_path / "a.log").read_bytes()
    assert said == b"".join(b"%d\n" % number for number in range(300_000))


async def test_a_total_limit_holds_while_the_flood_goes_on(tmp_path: Path) -> None:
    log = {"file": "a.log", "format": "raw", "size": "1M", "keep": 100, "total": "4M", "console": False}
    seen: list[int] = []

    def size() -> int:
        found = 0
        for path in tmp_path.glob("a.log*"):
            try:
                found += path.stat().st_size
            except FileNotFoundError:  # rotated meanwhile
                continue
        seen.append(found)
        return found

    async with running(tmp_path, file_of(a=agent(FLOOD, log=log))) as it:
        await until(lambda: size() >= 0 and written(it.process.pid) > 100 * MB)
        await stop(it)

    # While files change their names one may be counted twice.
    assert sorted(seen)[len(seen) // 2] <= 4 << 20
    assert size() <= 4 << 20


async def test_a_disk_that_is_full_stops_one_file_says_so_once_and_harms_nobody(tmp_path: Path) -> None:
    """In a mount namespace of its own: nothing of it can be left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    in_namespace = ["unshare", "-m", "sh", "-ec", f'mount -t tmpfs -o size=2m tmpfs {disk}; exec "$@"', "-"]
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1) to make a mount namespace with")
    tried = subprocess.run([*in_namespace, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.strip()}")
    other = tmp_path / "other.log"
    yaml = file_of(
        a=agent(NUMBERS.format(count=10_000_000, pause=0.002), log={"file": str(disk / "a.log"), "console": False}),
        b=agent(NUMBERS.format(count=10_000_000, pause=0.01), log={"file": str(other), "console": False}),
    )

    async with running(tmp_path, yaml, before=in_namespace) as it:
        seen_from_outside = Path(f"/proc/{it.process.pid}/root{disk}")
        await it.see("No space left on device: nothing is written until that works again")
        size = other.stat().st_size
        await until(lambda: other.stat().st_size > size + 10_000)
        os.truncate(seen_from_outside / "a.log", 0)
        await it.see("a.log: written to again")
        lines = (seen_from_outside / "a.log").read_text().splitlines()
        await stop(it)

    assert it.output.count("No space left on device: nothing is written") == 1
    assert "failed" not in it.output
    assert any("bytes were lost here: No space left on device" in line for line in lines)
