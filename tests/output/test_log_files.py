"""What children say, on its way into their log files: looks, streams, sharing, slow disks."""

import json
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from trio_supervisor.output import hub as hub_module
from trio_supervisor.output.appender import Appender
from trio_supervisor.output.files import LogFiles
from trio_supervisor.output.hub import Hub, Record, Stream
from trio_supervisor.spec import LogFile, LogFormat, LogStream

OUT, ERR, SUPERVISOR = Stream.STDOUT, Stream.STDERR, Stream.SUPERVISOR


@asynccontextmanager
async def hub_of(directory: Path | None = None) -> AsyncIterator[Hub]:
    hub = Hub(None if directory is None else str(directory))
    yield hub
    assert await hub.aclose(20)


async def test_text_has_time_name_and_stream_before_each_line(tmp_path: Path) -> None:
    async with hub_of() as hub:
        take = hub.sink("team/a", 1, (LogFile(str(tmp_path / "a.log")),))
        take(OUT, b"one\r\ntw")
        take(ERR, b"bad\n")
        take(OUT, b"o\nthree \xff")
        take(OUT, b"")
        take(SUPERVISOR, b"stop: TERM\n")

    lines = (tmp_path / "a.log").read_bytes().splitlines()
    stamp = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
    assert [re.sub(stamp, b"", line) for line in lines] == [
        b"team/a | one",
        b"team/a : bad",
        b"team/a | two",
        b"team/a | three \xff",
        b"team/a * stop: TERM",
    ]
    assert all(re.match(stamp, line) for line in lines)


async def test_json_has_an_object_per_line_with_the_fixed_names(tmp_path: Path) -> None:
    async with hub_of() as hub:
        take = hub.sink("a", 1, (LogFile(str(tmp_path / "a.log"), format=LogFormat.JSON),))
        take(OUT, b'say "hi"\nx\xff\0\n')
        take(ERR, b"y" * 70_000 + b"\n")

    objects = [json.loads(line) for line in (tmp_path / "a.log").read_text().splitlines()]
    assert all(set(one) - {"partial"} == {"ts", "level", "agent", "stream", "text"} for one in objects)
    assert [(one["agent"], one["stream"], one["text"][:8], one.get("partial")) for one in objects] == [
        ("a", "stdout", 'say "hi"', None),
        ("a", "stdout", "x\\xff\0", None),
        ("a", "stderr", "yyyyyyyy", True),
        ("a", "stderr", "yyyyyyyy", None),
    ]


async def test_json_has_the_level_that_a_line_says_itself_and_else_none(tmp_path: Path) -> None:
    async with hub_of() as hub:
        take = hub.sink("a", 1, (LogFile(str(tmp_path / "a.log"), format=LogFormat.JSON),))
        take(OUT, b'{"level":"error"}\nplain\n {"severity":"Warn"}\n{"level":50}\n{broken\n{"level":"loud"}\n')
        take(ERR, b"ERROR on standard error\n")
        take(SUPERVISOR, b"stop: TERM\n")

    objects = [json.loads(line) for line in (tmp_path / "a.log").read_text().splitlines()]
    assert [one["level"] for one in objects] == ["error", None, "warning", "error", None, None, None, "info"]
    assert objects[0]["text"] == '{"level":"error"}'


async def test_json_has_the_level_of_what_a_task_has_logged(tmp_path: Path) -> None:
    async with hub_of() as hub:
        take = hub.sink("a", 1, (LogFile(str(tmp_path / "a.log"), format=LogFormat.JSON),))
        take(Stream.LOG, b"ERROR mod: bad\nTraceback\n")
        take(Stream.LOG, b"odd\n")

    objects = [json.loads(line) for line in (tmp_path / "a.log").read_text().splitlines()]
    assert [(one["level"], one["stream"]) for one in objects] == [("error", "log"), ("error", "log"), (None, "log")]


async def test_raw_is_what_was_said_and_nothing_else(tmp_path: Path) -> None:
    async with hub_of() as hub:
        take = hub.sink("a", 1, (LogFile(str(tmp_path / "a.log"), format=LogFormat.RAW),))
        take(OUT, b"a\0\r\n")
        take(ERR, b"\xe2\x82")
        take(SUPERVISOR, b"about it\n")
        take(OUT, b"")

    assert (tmp_path / "a.log").read_bytes() == b"a\0\r\n\xe2\x82"


async def test_each_stream_can_have_a_file(tmp_path: Path) -> None:
    raw = LogFormat.RAW
    logs = (
        LogFile(str(tmp_path / "{id}.out"), stream=LogStream.STDOUT, format=raw),
        LogFile(str(tmp_path / "{id}.err"), stream=LogStream.STDERR, format=raw),
    )
    async with hub_of() as hub:
        take = hub.sink("team/a", 1, logs)
        take(OUT, b"out\n")
        take(ERR, b"err\n")

    assert (tmp_path / "team" / "a.out").read_bytes() == b"out\n"
    assert (tmp_path / "team" / "a.err").read_bytes() == b"err\n"


async def test_children_may_share_a_file_and_do_not_cut_each_others_lines(tmp_path: Path) -> None:
    log = (LogFile(str(tmp_path / "all.log")),)
    async with hub_of() as hub:
        a, b = hub.sink("a", 1, log), hub.sink("b", 1, log)
        a(OUT, b"be")
        b(OUT, b"whole\n")
        a(OUT, b"gun\n")

    lines = (tmp_path / "all.log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["b | whole", "a | begun"]


async def test_without_a_name_the_file_is_in_the_directory_for_logs(tmp_path: Path) -> None:
    async with hub_of(tmp_path) as hub:
        hub.sink("a", 1, (LogFile(format=LogFormat.RAW),))(OUT, b"x\n")

    assert (tmp_path / "a.log").read_bytes() == b"x\n"


async def test_where_there_is_no_such_directory_that_is_told(tmp_path: Path) -> None:
    async with hub_of() as hub:
        hub.sink("a", 1, (LogFile(),))(OUT, b"x\n")

        ring = hub.ring("a")
        assert ring is not None
        assert [entry.data for entry in ring.read().entries] == [
            b"log: there is no directory for logs: name a file\n",
            b"x\n",
        ]


async def test_what_goes_into_a_file_need_not_be_shown(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "a.log"), stream=LogStream.STDOUT, console=False)
    shown: list[Record] = []
    async with hub_of() as hub:
        with hub.listening(shown.append):
            take = hub.sink("a", 1, (log,))
            take(OUT, b"out\n")
            take(ERR, b"err\n")
            take(SUPERVISOR, b"about\n")

    assert [record.block.data for record in shown] == [b"err", b"about"]


async def test_a_problem_with_a_file_is_told_in_the_name_of_its_child(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no directory")
    async with hub_of() as hub:
        take = hub.sink("a", 1, (LogFile(str(tmp_path / "x" / "a.log")),))
        ring = hub.ring("a")
        assert ring is not None
        take(OUT, b"one\n")

        with trio.fail_after(20):
            await ring.wait_beyond(2)

        said = ring.read(2).entries[0]
        assert said.stream is SUPERVISOR
        assert b"nothing is written until that works again" in said.data


async def test_reopened_logs_go_on_under_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    async with hub_of() as hub:
        take = hub.sink("a", 1, (LogFile(str(path), format=LogFormat.RAW),))
        take(OUT, b"one\n")
        with trio.fail_after(20):
            while not path.exists() or path.read_bytes() != b"one\n":
                await trio.sleep(0.01)
        path.rename(tmp_path / "moved")

        hub.reopen_logs()
        take(OUT, b"two\n")

    assert (tmp_path / "moved").read_bytes() == b"one\n"
    assert path.read_bytes() == b"two\n"


class StuckDisk:
    """Holds up every write until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go = threading.Event()
        self.reached = threading.Event()
        write = Appender.write

        def wait_and_write(appender: Appender, parts: list[bytes]) -> None:
            self.reached.set()
            assert self.let_go.wait(30)
            write(appender, parts)

        monkeypatch.setattr(Appender, "write", wait_and_write)


async def test_a_disk_that_is_stuck_holds_up_nobody_for_long_and_what_it_misses_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = StuckDisk(monkeypatch)
    files = LogFiles(None, lambda child, text: None, limit_bytes=1000)
    log = files.open("a", LogFile(str(tmp_path / "a.log"), format=LogFormat.RAW))
    assert log is not None
    try:
        for _ in range(30):
            log.take(OUT, b"x" * 99 + b"\n", dropped=files.full)
        with trio.fail_after(20):
            await files.room()
    finally:
        disk.let_go.set()
    assert await files.aclose(20)

    data = (tmp_path / "a.log").read_bytes()
    written = data.count(b"x" * 99 + b"\n")
    assert 10 <= written < 30
    assert f"{(30 - written) * 100} bytes were lost here: the disk is too slow".encode() in data


async def test_a_disk_that_is_slow_for_a_moment_makes_who_can_wait_wait_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = StuckDisk(monkeypatch)
    files = LogFiles(None, lambda child, text: None, limit_bytes=1000)
    log = files.open("a", LogFile(str(tmp_path / "a.log"), format=LogFormat.RAW))
    assert log is not None

    async def let_go() -> None:
        await trio.to_thread.run_sync(disk.reached.wait)
        disk.let_go.set()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(let_go)
            for _ in range(200):
                await files.room()
                log.take(OUT, b"x" * 99 + b"\n", dropped=files.full)
    finally:
        disk.let_go.set()
    assert await files.aclose(20)

    assert (tmp_path / "a.log").read_bytes() == (b"x" * 99 + b"\n") * 200


async def test_the_end_does_not_wait_for_a_disk_that_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = StuckDisk(monkeypatch)
    files = LogFiles(None, lambda child, text: None)
    log = files.open("a", LogFile(str(tmp_path / "a.log")))
    assert log is not None
    try:
        log.take(OUT, b"x\n")

        assert not await files.aclose(0.05)
    finally:
        disk.let_go.set()
        await files._ended.wait()  # noqa: ASYNC102 -- of a test


async def test_a_chunk_for_which_there_was_room_goes_into_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = StuckDisk(monkeypatch)
    monkeypatch.setattr(hub_module, "LogFiles", partial(LogFiles, limit_bytes=1000))
    names = [tmp_path / name for name in "abc"]
    chunk = b"x" * 899 + b"\n"
    hub = Hub()
    try:
        with trio.fail_after(20):
            take = hub.sink("a", 1, tuple(LogFile(str(path), format=LogFormat.RAW) for path in names))
            await hub.room()
            take(OUT, chunk)
            take(OUT, chunk)  # there is no room for this one
    finally:
        disk.let_go.set()
    assert await hub.aclose(20)

    for path in names:
        assert path.read_bytes().startswith(chunk)
        assert b"900 bytes were lost here" in path.read_bytes()
