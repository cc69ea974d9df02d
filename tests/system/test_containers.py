"""What may be owed to engines is written down, and read whatever is in the file; what an engine has is asked for."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from trio_supervisor.system.containers import LABEL, note_owed, note_paid, owed, settle, sweep


@pytest.fixture
def lease(tmp_path: Path) -> str:
    return str(tmp_path / "lease")


def test_what_is_paid_is_not_owed(lease: str) -> None:
    note_owed(lease, "one", "unix:///a")
    note_owed(lease, "one", "unix:///b")
    note_owed(lease, "two", "unix:///a")
    note_paid(lease, "one", "unix:///a")

    assert owed(lease) == [("one", "unix:///b"), ("two", "unix:///a")]


def test_lines_that_are_torn_or_strange_are_passed_over(lease: str, tmp_path: Path) -> None:
    (tmp_path / "containers").write_bytes(
        b"owed\tone\tunix:///a\nowed\ttwo\n\xff\npaid\tx\ty\tz\nowed\tthree\tunix:///b"
    )

    assert owed(lease) == [("one", "unix:///a")]


def test_only_what_is_still_owed_is_kept(lease: str, tmp_path: Path) -> None:
    note_owed(lease, "one", "unix:///a")
    note_owed(lease, "two", "unix:///a")

    settle(lease, [("two", "unix:///a")])
    assert owed(lease) == [("two", "unix:///a")]

    settle(lease, [])
    settle(lease, [])
    assert owed(lease) == []
    assert list(tmp_path.iterdir()) == []


class Engine:
    """Answers on a unix socket, one request after the other."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self.containers: dict[str, tuple[str, str]] = {}
        """By id: instance and state."""
        self.deleted: list[str] = []
        self.refuses = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rb") as file:
                    method, path, _ = file.readline().decode().split()
                    while file.readline().strip():
                        pass
                    status, body = self._answer(method, path)
                    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    connection.sendall(head.encode() + body)

    def _answer(self, method: str, path: str) -> tuple[int, bytes]:
        id = path.split("/")[2].split("?")[0]
        if method == "GET":
            # It passes over the filter.
            found = [
                {"Id": id, "Names": [f"/name-{id}"], "Labels": {LABEL: instance}, "State": state}
                for id, (instance, state) in self.containers.items()
            ]
            return 200, json.dumps(found).encode()
        if self.refuses:
            return 500, b"it will not"
        if method == "POST":
            self.containers[id] = (self.containers[id][0], "exited")
            return 204, b""
        if self.containers[id][1] == "running":
            return 409, b"it runs"
        del self.containers[id]
        self.deleted.append(id)
        return 204, b""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "engine.sock")
    yield made
    made.close()


def test_only_what_bears_the_name_of_the_instance_is_removed(engine: Engine) -> None:
    engine.containers |= {"a": ("one", "running"), "b": ("two", "running"), "c": ("one", "created")}

    removed, trouble = sweep(engine.address, "one", 5)

    assert (sorted(removed), trouble) == (["name-a", "name-c"], "")
    assert engine.containers == {"b": ("two", "running")}


def test_what_comes_late_is_removed_too(engine: Engine) -> None:
    timer = threading.Timer(0.3, lambda: engine.containers.update(late=("one", "created")))
    timer.start()

    removed, trouble = sweep(engine.address, "one", 10, settle=1.0)

    assert (removed, trouble) == (["name-late"], "")


def test_what_an_engine_has_against_it_is_told(engine: Engine) -> None:
    engine.containers["a"] = ("one", "exited")
    engine.refuses = True

    _, trouble = sweep(engine.address, "one", 0.2)

    assert "it will not" in trouble
    assert len(engine.containers) == 1


def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    removed, trouble = sweep(f"unix://{tmp_path}/none.sock", "one", 0.2)

    assert removed == []
    assert "No such file or directory" in trouble
