"""What real processes say, with all that can go wrong, as far as rings and log files are concerned."""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from trio_supervisor import Handle, LogFile, LogFormat, SecretEnv, Stream, Supervisor, process
from trio_supervisor.output import appender as appender_module

PATIENCE = 60.0
FLAT = 64 << 20
"""So many bytes more may be in memory while a child floods: rings, queues, and what the allocator keeps."""


def rss() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running(code: str, *logs: LogFile, secret: str = "") -> AsyncIterator[Handle]:
    """A child that runs this Python once; at the end of the block it is gone."""
    secrets = {"KEY": SecretEnv(secret)} if secret else {}
    child = process(
        "a", [sys.executable, "-u", "-c", code], restart="temporary", log=logs, secrets=secrets, stop="kill"
    )
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            yield tree["a"]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.sleep(0.01)


def raw(path: Path) -> LogFile:
    return LogFile(str(path), format=LogFormat.RAW)


def said(handle: Handle) -> bytes:
    return b"".join(entry.data for entry in handle.ring.read().entries)


async def test_a_prompt_can_be_read_while_the_child_waits_behind_it() -> None:
    async with running("import time; print('>>> ', end=''); time.sleep(100)") as handle:
        async for line in handle.follow(0):
            assert (line.text, line.open) == (">>> ", True)
            break


async def test_bytes_come_as_they_are_also_into_the_file(tmp_path: Path) -> None:
    data = "b'a' + bytes(3) + b'b' + bytes([255, 0xe2, 0x82])"
    code = f"import os, time; os.write(1, {data}); time.sleep(0.2); os.write(1, bytes([0xac, 10]))"
    expected = b"a\0\0\0b\xff\xe2\x82\xac\n"

    async with running(code, raw(tmp_path / "a.log")) as handle:
        await handle.wait_exit()

        assert said(handle) == expected
        assert [line.text for line in handle.output()] == ["a\0\0\0b\\xff€"]
    assert (tmp_path / "a.log").read_bytes() == expected


async def test_both_streams_come_in_the_order_of_reading_with_the_life_that_said_them() -> None:
    code = "import os, time; [(os.write(1 + n % 2, b'%d\\n' % n), time.sleep(0.05)) for n in range(6)]"

    async with running(code) as handle:
        await handle.wait_exit()
        await handle.restart()
        await handle.wait_exit()

        lines = handle.output()
    assert [line.text for line in lines] == [str(n) for n in range(6)] * 2
    assert [line.generation for line in lines] == [1] * 6 + [2] * 6
    assert {line.stream for line in lines[::2]} == {Stream.STDOUT}


async def test_what_a_child_said_can_be_read_when_it_is_gone_for_good() -> None:
    async with running("print('last words')") as handle:
        await handle.wait_exit()
        await handle.remove()

        assert [line.text for line in handle.output()] == ["last words"]
        assert [line.text async for line in handle.follow(0)] == ["last words"]


async def test_who_follows_comes_to_an_end_with_the_tree() -> None:
    got: list[str] = []

    async def follow(handle: Handle) -> None:
        got.extend([line.text async for line in handle.follow(0)])

    async with trio.open_nursery() as nursery, running("print('x'); import time; time.sleep(100)") as handle:
        nursery.start_soon(follow, handle)  # noqa: ASYNC111 -- it ends with the child
        await until(lambda: bool(handle.output()))

    assert "".join(got) == "x"


async def test_a_grandchild_that_holds_the_pipe_keeps_nobody_from_the_last_words(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen(['sleep', '100'], start_new_session=True)\n"
        "print('partial and out', end='')\n"
    )

    async with running(code, raw(tmp_path / "a.log")) as handle:
        await handle.wait_exit()

        assert [(line.text, line.open) for line in handle.output()] == [("partial and out", False)]
    assert (tmp_path / "a.log").read_bytes() == b"partial and out"


async def test_secrets_are_in_neither_ring_nor_file_also_when_they_come_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE", "correct-horse-battery")
    code = (
        "import os, time\n"
        "for piece in (b'key: correct-ho', b'rse-bat', b'tery.', b'\\n'):\n"
        "    os.write(1, piece); time.sleep(0.03)\n"
        "os.write(2, os.environ['KEY'].encode() * 5000)\n"
    )
    text = LogFile(str(tmp_path / "a.txt"))

    async with running(code, raw(tmp_path / "a.log"), text, secret="SOURCE") as handle:
        await handle.wait_exit()

        assert b"correct" not in said(handle)
        assert b"battery" not in said(handle)
        assert b"key: [redacted].\n" in said(handle)
    for path in tmp_path.iterdir():
        assert b"[redacted]" in path.read_bytes()
        assert b"battery" not in path.read_bytes()


async def test_a_log_directory_that_is_removed_comes_back_and_the_child_notices_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "LOOK_AGAIN_AFTER", 0.0)
    path = tmp_path / "logs" / "a.log"
    code = "import time\nfor n in range(10000): print(n); time.sleep(0.01)"

    async with running(code, raw(path)) as handle:
        await until(path.exists)
        path.unlink()
        path.parent.rmdir()
        await until(path.exists)

        assert any("the file was removed; a new one is begun" in line.text for line in handle.output())
        assert handle.snapshot().generation == 1
        assert handle.snapshot().pid is not None


async def test_a_disk_that_is_full_stops_no_child(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"f" * 1_000_000)
    code = "import os, time\nfor n in range(50): os.write(1, b'x' * 9999 + b'\\n')\nprint('done'); time.sleep(100)"

    async with running(code, raw(small_disk / "a.log")) as handle:
        async for line in handle.follow(0):
            if line.text == "done":
                break
        await until(lambda: b"No space left on device: nothing is written" in said(handle))

        assert handle.snapshot().pid is not None


async def test_an_embedding_program_can_have_moved_files_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    echo = process("a", ["cat"], stdin="pipe", stop="kill", log=[raw(path)])
    with trio.fail_after(60):
        async with Supervisor(echo) as tree:
            with tree["a"].attach() as session:
                await session.write("one\n")
                await until(lambda: path.exists() and path.read_bytes() == b"one\n")
                path.rename(tmp_path / "moved")
                tree.reopen_logs()
                await session.write("two\n")
                await until(lambda: path.exists() and path.read_bytes() == b"two\n")

    assert (tmp_path / "moved").read_bytes() == b"one\n"


async def test_the_file_of_a_removed_child_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.log"

    def is_open() -> bool:
        links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
        return any(os.path.realpath(link) == str(path) for link in links)

    async with running("print('x'); import time; time.sleep(100)", raw(path)) as handle:
        await until(is_open)
        await handle.remove()
        await until(lambda: not is_open())


@pytest.mark.slow
async def test_a_hundred_megabytes_without_a_line_end_take_no_memory(tmp_path: Path) -> None:
    code = "import os\nfor _ in range(1600): os.write(1, b'x' * 65536)"
    text = LogFile(str(tmp_path / "a.txt"), size=1 << 20, keep=1)
    unlimited = LogFile(str(tmp_path / "a.raw"), format=LogFormat.RAW, size=None)
    before, most = rss(), 0

    async with running(code, text, unlimited) as handle:
        while handle.snapshot().last_exit is None:
            most = max(most, rss())
            await trio.sleep(0.02)

        assert handle.ring.next > 1000
    assert most - before < FLAT
    assert (tmp_path / "a.raw").stat().st_size == 1600 * 65536


@pytest.mark.slow
async def test_a_flood_of_seconds_with_readers_that_do_not_read_takes_no_memory_and_is_not_slowed_down(
    tmp_path: Path,
) -> None:
    code = "import os, sys\nblock = (b'x' * 199 + b'\\n') * 320\nwhile True: os.write(1, block)"
    before, most = rss(), 0

    async with running(code, LogFile(str(tmp_path / "a.log"), format=LogFormat.RAW, keep=1)) as handle:
        stuck = handle.follow(0)
        first = await anext(stuck)
        start = trio.current_time()
        while trio.current_time() - start < 4:
            most = max(most, rss())
            await trio.sleep(0.05)
        said_meanwhile = handle.ring.next
        line = await anext(stuck)
        while not line.dropped:
            line = await anext(stuck)

        assert first.text == "x" * 199
        # In lines of 200 bytes: a tenth of what a machine does that has other things to do.
        assert said_meanwhile > 100_000
        assert line.dropped > 10_000
    assert most - before < FLAT
