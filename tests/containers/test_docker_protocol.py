"""What is said to an engine, and what is made of its answers, whatever it answers: an engine of HTTP alone."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container.docker import DockerEngine, split_image
from trio_supervisor.runtimes.container.engine import Attach, EngineError, Missed, Phase, Watch
from trio_supervisor.runtimes.container.frames import Frames

Answer = Callable[[str, str], tuple[int, bytes]]
OUT, ERR = 1, 2


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


class Wire:
    """Answers on a unix socket; a connection for each request."""

    def __init__(self, path: Path, answer: Answer, version: str) -> None:
        self.asked: list[str] = []
        self.more = ""
        """Headers of each answer."""
        self._path = path
        self._answer = answer
        self._version = version

    @asynccontextmanager
    async def open(self) -> AsyncIterator[DockerEngine]:
        bound = trio.socket.socket(trio.socket.AF_UNIX)
        await bound.bind(str(self._path))
        bound.listen()
        listener = trio.SocketListener(bound)
        with trio.fail_after(10):
            async with listener, trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, self.serve, [listener])
                yield DockerEngine(f"unix://{self._path}")
                nursery.cancel_scope.cancel()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one request."""
        async with stream:
            await self._reply(stream)

    async def _reply(self, stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        method, path, _ = head.split(b"\r\n")[0].decode().split()
        self.asked.append(f"{method} {path}")
        status, body = (200, b"OK") if path == "/_ping" else self._answer(method, path)
        length = "" if status == 101 else f"Content-Length: {len(body)}\r\n"
        upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if status == 101 else "Connection: close\r\n"
        named = f"Api-Version: {self._version}\r\n" if self._version else ""
        named += self.more
        await stream.send_all(f"HTTP/1.1 {status} X\r\n{named}{upgrade}{length}\r\n".encode() + body)


@pytest.fixture
def wire(tmp_path: Path) -> Callable[..., Wire]:
    def make(answer: Answer = lambda _, __: (404, b""), version: str = "1.41") -> Wire:
        return Wire(tmp_path / "engine.sock", answer, version)

    return make


# The version


@pytest.mark.parametrize(
    ("offered", "spoken"), [("1.40", "1.40"), ("1.41", "1.41"), ("1.44", "1.44"), ("1.51", "1.51"), ("1.99", "1.51")]
)
async def test_the_version_is_the_engines_at_most_the_newest_that_is_known(
    wire: Callable[..., Wire], offered: str, spoken: str
) -> None:
    it = wire(version=offered)
    async with it.open() as engine:
        for _ in range(2):
            assert await engine.look("x") is None

    # It is asked for once.
    assert it.asked == ["GET /_ping", *[f"GET /v{spoken}/containers/x/json"] * 2]


@pytest.mark.parametrize(
    ("offered", "words"),
    [("1.24", r"offers version 1\.24; at least 1\.40"), ("", "names no version"), ("new", "names no version")],
)
async def test_an_engine_that_is_too_old_is_told_so(wire: Callable[..., Wire], offered: str, words: str) -> None:
    async with wire(version=offered).open() as engine:
        with pytest.raises(EngineError, match=words):
            await engine.look("x")


# Answers


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("created", Phase.MADE),
        ("configured", Phase.MADE),
        ("initialized", Phase.MADE),
        ("running", Phase.RUNNING),
        ("paused", Phase.RUNNING),
        ("restarting", Phase.RUNNING),
        ("stopping", Phase.RUNNING),
        ("exited", Phase.OVER),
        ("stopped", Phase.OVER),
        ("dead", Phase.OVER),
    ],
)
async def test_states_of_docker_and_of_podman(wire: Callable[..., Wire], state: str, phase: Phase) -> None:
    found = {"Id": "1", "State": {"Status": state, "Pid": 0, "ExitCode": 3, "OOMKilled": True}, "Config": None}
    async with wire(lambda _, __: (200, json.dumps(found).encode())).open() as engine:
        seen = await engine.look("x")

    assert seen is not None
    assert (seen.phase, seen.pid, seen.code, seen.out_of_memory, seen.health) == (phase, None, 3, True, "")


@pytest.mark.parametrize(("status", "state"), [(404, ""), (409, ""), (500, "exited")])
async def test_a_signal_to_what_does_not_run_is_no_fault(wire: Callable[..., Wire], status: int, state: str) -> None:
    found = json.dumps({"Id": "1", "State": {"Status": state}}).encode()
    async with wire(lambda method, _: (status, b"not running") if method == "POST" else (200, found)).open() as engine:
        await engine.signal("x", 9)


async def test_a_signal_that_fails_is_a_fault(wire: Callable[..., Wire]) -> None:
    found = json.dumps({"Id": "1", "State": {"Status": "running"}}).encode()
    answer = b'{"message": "it will not"}'
    async with wire(lambda method, _: (500, answer) if method == "POST" else (200, found)).open() as engine:
        with pytest.raises(EngineError, match=r"^it will not$"):
            await engine.signal("x", 9)


async def test_nothing_is_ever_removed_by_force(wire: Callable[..., Wire]) -> None:
    """An engine that does the stopping takes 10 s for each (Podman 5): a kill comes first."""
    it = wire(lambda _, __: (204, b""))
    async with it.open() as engine:
        await engine.remove("x")

    assert it.asked[-1] == "DELETE /v1.41/containers/x?v=true"


async def test_events_of_both_kinds_wake_and_torn_ones_do_not_break(wire: Callable[..., Wire]) -> None:
    lines = [
        {"Type": "container", "Action": "die", "Actor": {"Attributes": {"name": "a"}}},
        {"Type": "container", "status": "died", "Actor": {"Attributes": {"name": "b", "x": "y"}}},
    ]
    body = b"\n".join([json.dumps(lines[0]).encode(), b"{torn", b"7", json.dumps(lines[1]).encode(), b""])
    async with wire(lambda _, __: (200, body)).open() as engine, engine.open(Watch("a=b")) as talk:
        told = []
        while (heard := await talk.heard()) is not None:
            told.append(heard)

    assert told == [(Stream.SUPERVISOR, b"a"), (Stream.SUPERVISOR, b"b")]


async def test_an_attach_that_breaks_off_within_a_frame_gives_what_has_come(wire: Callable[..., Wire]) -> None:
    body = frame(OUT, b"whole") + frame(ERR, b"cut off here")[:-4]
    async with wire(lambda _, __: (101, body)).open() as engine, engine.open(Attach("x")) as talk:
        said = []
        while (heard := await talk.heard()) is not None:
            said.append(heard)

    assert said == [(Stream.STDOUT, b"whole"), (Stream.STDERR, b"cut off ")]


async def test_what_is_no_frame_is_a_fault(wire: Callable[..., Wire]) -> None:
    async with wire(lambda _, __: (101, b"hello, this is raw\n")).open() as engine, engine.open(Attach("x")) as talk:
        with pytest.raises(EngineError, match="no frame of output"):
            await talk.heard()


async def test_a_terminal_is_raw(wire: Callable[..., Wire]) -> None:
    async with (
        wire(lambda _, __: (101, b"\x01hello\r\n")).open() as engine,
        engine.open(Attach("x", terminal=True)) as talk,
    ):
        assert await talk.heard() == (Stream.STDOUT, b"\x01hello\r\n")


@pytest.mark.parametrize("follow", [False, True])
async def test_a_log_is_asked_for_from_its_beginning(wire: Callable[..., Wire], follow: bool) -> None:
    it = wire(lambda _, __: (200, frame(OUT, b"said\n")))
    async with it.open() as engine, engine.open(Missed("x", follow=follow)) as talk:
        assert await talk.heard() == (Stream.STDOUT, b"said\n")
        assert await talk.heard() is None

    assert it.asked[-1] == f"GET /v1.41/containers/x/logs?stdout=1&stderr=1&follow={int(follow)}"


@pytest.mark.parametrize(("header", "tells"), [("", True), ("Libpod-Api-Version: 4.3.1\r\n", False)])
async def test_only_docker_is_believed_that_memory_did_not_run_out(
    wire: Callable[..., Wire], header: str, tells: bool
) -> None:
    it = wire(lambda _, __: (200, json.dumps({"Id": "1", "State": {"Status": "exited"}}).encode()))
    it.more = header
    async with it.open() as engine:
        seen = await engine.look("x")

    assert seen is not None
    assert seen.tells_memory is tells


@pytest.mark.parametrize(
    ("address", "away"),
    [
        ("unix://{path}/none.sock", True),
        ("unix://{path}/unheard.sock", True),
        ("tcp://127.0.0.1:1", True),
        ("tls://127.0.0.1:1?{path}", False),
    ],
)
async def test_an_engine_that_may_come_is_told_from_one_that_can_not_be_asked(
    tmp_path: Path, address: str, away: bool
) -> None:
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(tmp_path / "unheard.sock"))
        with pytest.raises(EngineError) as found:
            await DockerEngine(address.format(path=tmp_path)).look("x")

    assert (found.value.away, found.value.reached) == (away, False)


async def test_a_connection_over_a_network_is_kept_alive() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    it = Wire(Path(), lambda _, __: (101, frame(OUT, b"said")), "1.41")
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, it.serve, [listener])
            async with DockerEngine(f"tcp://127.0.0.1:{port}").open(Attach("x", stdin=True)) as talk:
                descriptor = talk.socket()
                assert descriptor is not None
                with socket.socket(fileno=descriptor) as ours:
                    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                    if hasattr(socket, "TCP_KEEPIDLE"):
                        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60
            nursery.cancel_scope.cancel()


# Pieces


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_frames_are_the_same_however_they_come(size: int) -> None:
    whole = frame(OUT, b"one") + frame(ERR, b"") + frame(ERR, b"two" * 10) + frame(0, b"three")
    frames = Frames()
    said = {Stream.STDOUT: b"", Stream.STDERR: b""}
    for start in range(0, len(whole), size):
        for stream, piece in frames.feed(whole[start : start + size]):
            said[stream] += piece

    assert said == {Stream.STDOUT: b"onethree", Stream.STDERR: b"two" * 10}


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("agent", ("agent", "latest")),
        ("agent:1", ("agent", "1")),
        ("registry.example:5000/team/agent", ("registry.example:5000/team/agent", "latest")),
        ("registry.example:5000/agent:2", ("registry.example:5000/agent", "2")),
        ("agent@sha256:00", ("agent@sha256:00", "")),
        ("agent:1@sha256:00", ("agent:1@sha256:00", "")),
    ],
)
def test_an_image_is_taken_apart_as_a_pull_takes_it(image: str, parts: tuple[str, str]) -> None:
    assert split_image(image) == parts
