"""A log file: appended to, rotated, compressed, and put up with when it can't be written to."""

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest

from trio_supervisor.output import appender as appender_module
from trio_supervisor.output.appender import Appender
from trio_supervisor.spec import LogFile, LogFormat


def appender(path: Path, told: list[str] | None = None, **options: object) -> Appender:
    spec = LogFile(**{"format": LogFormat.RAW, **options})  # type: ignore[arg-type]
    return Appender(str(path), spec, (told if told is not None else []).append)


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, f"{path} does not come"
        time.sleep(0.01)


def test_the_directory_is_made_and_an_old_file_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dir" / "a.log"

    for text in (b"one\n", b"two\n"):
        log = appender(path)
        log.write([text])
        log.close()

    assert path.read_bytes() == b"one\ntwo\n"


def test_a_file_that_would_become_too_great_is_rotated_after_a_whole_line(tmp_path: Path) -> None:
    log = appender(tmp_path / "a.log", size=10, keep=2)

    for number in range(8):
        log.write([b"line%d\n" % number])

    assert names(tmp_path) == ["a.log", "a.log.1", "a.log.2"]
    assert (tmp_path / "a.log").read_bytes() == b"line7\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"line6\n"


def test_no_line_is_cut_by_a_rotation_and_none_is_lost(tmp_path: Path) -> None:
    lines = [b"%d:" % number + b"x" * (number % 37) + b"\n" for number in range(2000)]
    data = b"".join(lines)
    log = appender(tmp_path / "a.log", size=500, keep=1000)

    for start in range(0, len(data), 777):
        log.write([data[start : start + 300], data[start + 300 : start + 777]])

    files = sorted(tmp_path.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix != ".log" else 1)
    assert b"".join(path.read_bytes() for path in files) == data
    assert all(path.read_bytes().endswith(b"\n") for path in files)
    assert max(path.stat().st_size for path in files) <= 500 + 43  # a line that was begun is ended


def test_a_line_that_is_longer_than_a_file_is_not_cut_either(tmp_path: Path) -> None:
    log = appender(tmp_path / "a.log", size=10)

    log.write([b"short\n" + b"x" * 50])
    log.write([b"x" * 50 + b"\nend\n"])

    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100 + b"\n"
    assert (tmp_path / "a.log").read_bytes() == b"end\n"


def test_with_no_rotated_files_to_keep_the_file_begins_anew(tmp_path: Path) -> None:
    log = appender(tmp_path / "a.log", size=10, keep=0)

    for number in range(8):
        log.write([b"line%d\n" % number])

    assert names(tmp_path) == ["a.log"]
    assert (tmp_path / "a.log").read_bytes() == b"line7\n"


def test_a_file_of_an_earlier_span_is_rotated_also_after_a_new_start(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"yesterday\n")
    os.utime(path, (time.time() - 90_000,) * 2)
    log = appender(path, age=86400.0)

    log.write([b"today\n"])
    log.write([b"today too\n"])

    assert (tmp_path / "a.log.1").read_bytes() == b"yesterday\n"
    assert path.read_bytes() == b"today\ntoday too\n"


def test_the_file_and_the_rotated_ones_are_never_over_the_total_and_the_oldest_go_first(tmp_path: Path) -> None:
    log = appender(tmp_path / "a.log", size=100, keep=50, total=350)

    for number in range(100):
        log.write([b"%049d\n" % number])
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 350

    assert names(tmp_path) == ["a.log", "a.log.1", "a.log.2"]
    said = b"".join((tmp_path / name).read_bytes() for name in reversed(names(tmp_path)))
    assert said == b"".join(b"%049d\n" % number for number in range(94, 100))


def test_a_total_holds_also_where_no_size_is_given(tmp_path: Path) -> None:
    log = appender(tmp_path / "a.log", size=None, keep=50, total=1000)

    for number in range(100):
        log.write([b"%049d\n" % number])
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000

    assert (tmp_path / "a.log").read_bytes().endswith(b"%049d\n" % 99)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) >= 500


def test_a_total_is_no_trouble_when_the_directory_was_removed(tmp_path: Path) -> None:
    told: list[str] = []
    log = appender(tmp_path / "logs" / "a.log", told, size=100, total=100)
    log.write([b"the beginning of a line"])
    shutil.rmtree(tmp_path / "logs")

    log.write([b"x" * 200 + b"\n"])

    assert told == []


def test_rotated_files_are_compressed_and_nothing_else_is_left(tmp_path: Path) -> None:
    log = appender(tmp_path / "a.log", size=100, keep=3, gzip=True)
    log.write([b"x" * 99 + b"\n"])

    log.write([b"y\n"])
    wait_for(tmp_path / "a.log.1.gz")

    assert gzip.decompress((tmp_path / "a.log.1.gz").read_bytes()) == b"x" * 99 + b"\n"
    until = time.monotonic() + 20
    while names(tmp_path) != ["a.log", "a.log.1.gz"] and time.monotonic() < until:
        time.sleep(0.01)
    assert names(tmp_path) == ["a.log", "a.log.1.gz"]


def test_compressed_files_are_counted_and_moved_like_others(tmp_path: Path) -> None:
    (tmp_path / "a.log.1.gz").write_bytes(b"one")
    (tmp_path / "a.log.2.gz").write_bytes(b"two")
    (tmp_path / "a.log.3").write_bytes(b"three")
    (tmp_path / "a.log").write_bytes(b"x" * 99 + b"\n")
    log = appender(tmp_path / "a.log", size=100, keep=3)

    log.write([b"y\n"])

    assert names(tmp_path) == ["a.log", "a.log.1", "a.log.2.gz", "a.log.3.gz"]
    assert (tmp_path / "a.log.3.gz").read_bytes() == b"two"


def test_reopened_it_goes_on_under_the_old_name_when_the_file_was_moved(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = appender(path)
    log.write([b"one\n"])
    path.rename(tmp_path / "moved")
    log.write([b"two\n"])

    log.reopen()
    log.write([b"three\n"])

    assert (tmp_path / "moved").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"


def test_a_directory_that_was_removed_is_made_again_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "LOOK_AGAIN_AFTER", 0.0)
    told: list[str] = []
    path = tmp_path / "logs" / "a.log"
    log = appender(path, told)
    log.write([b"one\n"])
    path.unlink()
    path.parent.rmdir()

    log.write([b"two\n"])

    assert path.read_bytes() == b"two\n"
    assert told == [f"log {path}: the file was removed; a new one is begun"]


def test_what_is_no_file_is_told_once_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    told: list[str] = []
    log = appender(tmp_path / "pipe", told)

    log.write([b"one\n"])
    log.write([b"two\n"])

    assert len(told) == 1
    assert "nothing is written until that works again" in told[0]


def test_what_could_not_be_written_is_counted_in_the_file_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "RETRY_AFTER", 0.0)
    told: list[str] = []
    path = tmp_path / "x" / "a.log"
    (tmp_path / "x").write_text("no directory")
    log = appender(path, told, format=LogFormat.JSON)
    log.write([b'{"a":1}\n'])
    log.write([b'{"a":2}\n'])

    (tmp_path / "x").unlink()
    log.write([b'{"a":3}\n'])

    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert '"level":"warning"' in lines[0]
    assert "16 bytes were lost here" in lines[0]
    assert lines[1] == '{"a":3}'
    assert [text.partition(": ")[2] for text in told] == [
        "File exists: nothing is written until that works again",
        "written to again",
    ]


def test_a_full_disk_stops_the_file_and_no_line_is_cut_and_it_goes_on_when_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "RETRY_AFTER", 0.0)
    told: list[str] = []
    filler = small_disk / "filler"
    filler.write_bytes(b"f" * 900_000)
    log = appender(small_disk / "a.log", told, size=None)

    for _ in range(100):
        log.write([b"x" * 9_999 + b"\n"])
    filler.unlink()
    log.write([b"after\n"])

    lines = (small_disk / "a.log").read_bytes().splitlines()
    whole = lines.count(b"x" * 9_999)
    assert 0 < whole < 100
    assert f"{(100 - whole) * 10_000} bytes were lost here: No space left on device" in lines[-2].decode()
    assert lines[-1] == b"after"
    assert len(lines) == whole + 2
    assert [text.partition(": ")[2].partition(":")[0] for text in told] == [
        "No space left on device",
        "written to again",
    ]
