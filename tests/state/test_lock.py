"""The lock on a state directory, between supervisors."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trio_supervisor.errors import LockedError
from trio_supervisor.state import lock as locks
from trio_supervisor.state.lock import Lock

_HOLD = """
import sys, signal
from pathlib import Path
from trio_supervisor.state.lock import Lock
lock = Lock(Path(sys.argv[1]), "/a.yaml")
print("held", flush=True)
signal.pause()
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(directory)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_the_second_learns_who_holds_it_since_when_and_what_to_do(tmp_path: Path) -> None:
    with holder(tmp_path) as first, pytest.raises(LockedError) as caught:
        Lock(tmp_path, "/a.yaml")

    said = str(caught.value)
    assert said.startswith(f"/a.yaml: the supervisor with pid {first.pid} ({sys.executable} -c")
    assert "has been running it since 20" in said
    assert f"kill {first.pid}" in said
    assert "--state-dir" in said


def test_with_two_files_in_one_directory_the_other_file_is_named(tmp_path: Path) -> None:
    with holder(tmp_path), pytest.raises(LockedError, match=f"has been running /a.yaml in {tmp_path} since"):
        Lock(tmp_path, "/b.yaml")


def test_a_file_that_somebody_has_removed_lets_nobody_else_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    with holder(tmp_path) as first:
        (tmp_path / "lock").unlink()
        with pytest.raises(LockedError, match="another supervisor, which can't be seen from here, holds"):
            Lock(tmp_path, "/a.yaml")

        first.kill()
        first.wait()
        Lock(tmp_path, "/a.yaml").release()


def test_however_the_holder_ends_the_next_one_gets_it(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()

        Lock(tmp_path, "/a.yaml").release()


def test_a_release_lets_others_have_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path, "/a.yaml")
    lock.release()

    Lock(tmp_path, "/a.yaml").release()


def test_no_child_inherits_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path, "/a.yaml")
    with subprocess.Popen(["sleep", "600"], close_fds=False) as child:
        try:
            lock.release()

            Lock(tmp_path, "/a.yaml").release()
        finally:
            child.kill()


def test_what_a_dead_holder_has_written_keeps_nobody_off(tmp_path: Path) -> None:
    text = json.dumps({"pid": os.getppid(), "started": 1, "since": "then", "file": "/a.yaml"})
    (tmp_path / "lock").write_text(text + " " * 1000)

    lock = Lock(tmp_path, "/b.yaml")

    content = json.loads((tmp_path / "lock").read_text())
    lock.release()
    assert (content["pid"], content["file"]) == (os.getpid(), "/b.yaml")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"pid": 1}', json.dumps({"pid": os.getpid(), "started": 1, "since": "then", "file": "/a.yaml"})],
    ids=["empty", "torn", "a list", "incomplete", "a dead one's"],
)
def test_one_that_does_not_say_who_it_is_is_not_taken_for_another(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    (tmp_path / "lock").write_text(content)
    with open(tmp_path / "lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        with pytest.raises(LockedError, match="another supervisor, which can't be seen from here") as caught:
            Lock(tmp_path, "/a.yaml")

    assert "pid" not in str(caught.value)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")

    with pytest.raises(OSError, match="lock"):
        Lock(tmp_path, "/a.yaml")

    assert (tmp_path / "precious").read_text() == "mine"
