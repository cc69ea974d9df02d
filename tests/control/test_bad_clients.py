"""Clients that are wrong, greedy, slow or gone: none of them harms the tree, or the others."""

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.control.trees import PATIENCE, forever, in_thread, open_control, serving, some, stubborn
from trio_supervisor import process, task
from trio_supervisor.control.api import Gap, Phase, State
from trio_supervisor.control.client import Client
from trio_supervisor.control.server import serving as serving_module
from trio_supervisor.control.server.pace import Pace
from trio_supervisor.errors import NoSupervisorError, TooManyRequestsError


async def ask(path: Path, request: bytes) -> tuple[int, dict[str, dict[str, str]]]:
    """Send bytes as they are; returns the status and the answer's body."""
    with trio.fail_after(PATIENCE):
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(request)
            answer = b""
            while (end := answer.find(b"\r\n\r\n")) < 0:
                answer += await stream.receive_some() or pytest.fail(f"it ends after {answer!r}")
            head = answer[:end].lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(answer) < end + 4 + length:
                answer += await stream.receive_some() or pytest.fail(f"it ends after {answer!r}")
            body = answer[end + 4 :]
            return int(answer.split()[1]), json.loads(body) if body else {}


async def post(path: Path, place: str, body: bytes) -> tuple[int, str]:
    """Returns the status and the message of the error, if there is one."""
    head = f"POST {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    status, answer = await ask(path, head + body)
    return status, "" if status < 400 else answer["error"]["message"]


async def test_the_socket_is_ours_alone_and_gone_afterwards() -> None:
    async with open_control(*some()) as control:
        async with serving(control) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not path.exists()


async def test_what_is_wrong_with_a_body_is_said_and_changes_nothing() -> None:
    async with open_control(*some()) as control, serving(control) as path:
        cases = {
            b"{": (400, "the body must be JSON: Expecting property name"),
            b"\xff\xfe\xfa": (400, "the body must be JSON: "),
            b"[" * 100_000: (400, "the body must be JSON: "),
            b"[]": (400, "the body must be a JSON object, not []"),
            b"null": (400, "the body must be a JSON object, not None"),
            b'{"reasn": "x"}': (400, "there is no field 'reasn' here; there are: reason, wait, generation"),
            b'{"reason": 7}': (400, "reason must be a string, not 7"),
            b'{"wait": "yes"}': (400, "wait must be true, false or seconds >= 0, not 'yes'"),
            b'{"wait": NaN}': (400, "wait must be true, false or seconds >= 0, not nan"),
            b'{"wait": null}': (400, "wait must be true, false or seconds >= 0, not None"),
            b'{"generation": -1}': (400, "generation must be a whole number >= 0, not -1"),
            b'{"generation": true}': (400, "generation must be a whole number >= 0, not True"),
            b'{"generation": 1.5}': (400, "generation must be a whole number >= 0, not 1.5"),
            b'{"reason": "%s"}' % (b"x" * 1001): (400, "reason must have at most 1000 characters, not 1001"),
        }
        for body, (status, message) in cases.items():
            found = await post(path, "/v1/agents/a/restart", body)
            assert (found[0], found[1][: len(message)]) == (status, message)
        assert control.agent("a").generation == 1


@pytest.mark.parametrize(
    ("place", "status", "message"),
    [
        ("/v1/agents/a/fly", 404, "there is no command 'fly'; there are: start, stop"),
        ("/v1/agents/a/add", 404, "there is no command 'add'"),
        ("/v1/agents/restart", 405, "POST /v1/agents/restart: is no method of this path"),
        ("/v1/agents/..%2F..%2Fa/restart", 404, "there is no agent '../../a'"),
        ("/v1/agents/../../etc/passwd/restart", 404, "there is no agent '../../etc/passwd'"),
        ("/v1/agents/%00/restart", 404, "there is no agent '\\x00'"),
        ("/v1/agents/team%2Fplanner/restart", 200, ""),
        ("/v1/nothing", 404, "POST /v1/nothing: there is no such path"),
        ("/v1/events", 405, "POST /v1/events: is no method of this path"),
    ],
)
async def test_paths_that_are_none(place: str, status: int, message: str) -> None:
    async with open_control(*some()) as control, serving(control) as path:
        found = await post(path, place, b"")
        assert (found[0], found[1][: len(message)]) == (status, message)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=x", "since must be a whole number >= 0, not 'x'"),
        ("tail=-1", "tail must be a whole number >= 0, not '-1'"),
        ("tail=1&tail=2", "tail is given twice"),
        ("follow=maybe", "follow must be true or false, not 'maybe'"),
        ("level=loud", "level must be one of trace, debug"),
        ("grep=%28", "grep '(': "),
        ("field=x", "field must be name=value, not 'x'"),
        ("stream=x", "stream must be one of stdout, stderr, log, supervisor, not 'x'"),
        ("nonsense=1", "there is no field 'nonsense' here; there are: since, since_time"),
    ],
)
async def test_queries_that_are_wrong(query: str, message: str) -> None:
    async with open_control(*some()) as control, serving(control) as path:
        request = f"GET /v1/agents/a/logs?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        status, answer = await ask(path, request)
        assert (status, answer["error"]["message"][: len(message)]) == (400, message)


async def test_a_body_of_100_mb_is_refused_long_before_it_is_read() -> None:
    async with open_control(*some()) as control, serving(control) as path:
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b"POST /v1/agents/a/restart HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            sent, answer = 0, b""
            with trio.fail_after(PATIENCE):
                try:
                    while sent < 100_000_000:
                        await stream.send_all(bytes(100_000))
                        sent += 100_000
                except trio.BrokenResourceError:
                    pass
                while b"}}" not in answer and (more := await stream.receive_some()):
                    answer += more

        assert sent < 10_000_000
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"the body must have at most 1048576 bytes" in answer
        assert control.agent("a").generation == 1


async def test_no_http_at_all() -> None:
    async with open_control(*some()) as control, serving(control) as path:
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b"\x16\x03\x01 hello\r\n\r\n")
            with trio.fail_after(PATIENCE):
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")
        assert len(await in_thread(Client(path).snapshot)) == 4


async def test_a_client_that_vanishes_in_mid_command_leaves_it_going_on() -> None:
    async with open_control(task("a", stubborn)) as control, serving(control) as path:
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(b"POST /v1/agents/a/restart HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            with trio.fail_after(PATIENCE):
                while control.agent("a").state is not State.STOPPING:
                    await trio.sleep(0.005)

        with trio.fail_after(PATIENCE):
            while control.agent("a").generation != 2 or control.agent("a").state is not State.READY:
                await trio.sleep(0.005)


@pytest.mark.slow
async def test_200_followers_of_whom_one_is_stuck_all_others_see_everything() -> None:
    # Enough to fill what the kernel and the server keep for the one that does not read: some 280 KB.
    restarts, reason, read = 70, "x" * 1000, [0] * 199

    async with open_control(task("a", forever), task("b", forever)) as control, serving(control) as path:
        request = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"

        async def follow(number: int, ready: trio.MemorySendChannel[None]) -> None:
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(request)
                rest = b""
                async for chunk in stream:
                    if not read[number] and b": listening" in chunk:
                        ready.send_nowait(None)
                    rest += chunk
                    read[number] += rest.count(b"\nevent: change")
                    rest = rest[-14:] if not rest.endswith(b"\nevent: change") else b""

        ready, is_ready = trio.open_memory_channel[None](200)
        with trio.fail_after(120):
            async with trio.open_nursery() as nursery, await trio.open_unix_socket(path) as stuck:
                stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await stuck.send_all(request)
                for number in range(199):
                    nursery.start_soon(follow, number, ready)
                    await is_ready.receive()
                first = control._history.last
                for _ in range(restarts):
                    await control.restart("a", reason=reason)
                expected = control._history.last - first
                while min(read) < expected:
                    await trio.sleep(0.02)
                assert max(read) == expected
                nursery.cancel_scope.cancel()
        assert control.agent("a").generation == restarts + 1


async def test_a_follower_that_does_not_read_can_not_keep_the_server_from_its_end() -> None:
    loud = process("p", ["sh", "-c", "yes | head -c 3000000; exec sleep 60"])
    async with open_control(loud) as control:
        with trio.fail_after(PATIENCE):
            async with serving(control) as path:
                stream = await trio.open_unix_socket(path)
                await stream.send_all(b"GET /v1/agents/p/logs?follow HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await stream.receive_some(100)
                # By now everything between us is full: the server is stuck in sending.
                await trio.sleep(0.3)
        assert control.agent("p").state is State.READY
        await stream.aclose()


async def test_streams_end_with_the_server_and_waiting_commands_get_their_answer() -> None:
    seen: list[State] = []
    async with open_control(task("a", stubborn)) as control:

        def follow(path: Path) -> None:
            with Client(path).events() as events:
                seen.extend(event.change.new for event in events if not isinstance(event, Gap))

        async with trio.open_nursery() as nursery, serving(control) as path:
            # It ends because the server does.
            nursery.start_soon(in_thread, follow, path)  # noqa: ASYNC111 -- for that reason
            while not control._history._readers:
                await trio.sleep(0.01)
            done = await in_thread(Client(path).shutdown)

    assert done.phase is Phase.DONE
    assert seen == [State.STOPPING, State.STOPPED]


async def test_what_was_said_before_the_server_closes_is_told() -> None:
    async with open_control(*some()) as control:
        seen: list[State] = []

        def follow(path: Path) -> None:
            with Client(path).events() as events:
                seen.extend(event.change.new for event in events if not isinstance(event, Gap))

        async with trio.open_nursery() as nursery, serving(control) as path:
            # It ends because the server does.
            nursery.start_soon(in_thread, follow, path)  # noqa: ASYNC111 -- for that reason
            while not control._history._readers:
                await trio.sleep(0.01)
            for _ in range(50):
                await control.restart("a")

    assert len(seen) == 200
    assert seen[-1] is State.READY


async def test_too_many_connections_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_module, "MOST_CONNECTIONS", 2)
    async with open_control(*some()) as control, serving(control) as path:
        async with await trio.open_unix_socket(path), await trio.open_unix_socket(path):
            with pytest.raises(NoSupervisorError):
                await in_thread(Client(path).snapshot)
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    assert len(await in_thread(Client(path).snapshot)) == 4
                    break
                except NoSupervisorError:
                    await trio.sleep(0.01)


class TestPace:
    """In virtual time."""

    async def test_a_burst_is_served_at_once_then_one_after_the_other(self, autojump_clock: MockClock) -> None:
        pace = Pace(rate=10, burst=5)
        for _ in range(5):
            await pace.turn()
        assert trio.current_time() == 0
        await pace.turn()
        assert trio.current_time() == pytest.approx(0.1)

    async def test_who_would_wait_too_long_is_refused(self, autojump_clock: MockClock) -> None:
        pace = Pace(rate=10, burst=5)
        served = refused = 0

        async def ask() -> None:
            nonlocal served, refused
            try:
                await pace.turn()
                served += 1
            except TooManyRequestsError:
                refused += 1

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ask)

        assert (served, refused) == (15, 35)
        await trio.sleep(10)
        await pace.turn()
        assert trio.current_time() == pytest.approx(11)


async def test_nothing_of_http_is_imported_before_somebody_asks() -> None:
    program = """
import sys, trio
from tests.control.trees import open_control, serving, some, in_thread
async def main():
    async with open_control(*some()) as control, serving(control) as path:
        await trio.sleep(0.1)
        print([name for name in ("starlette", "hypercorn", "h11", "anyio") if name in sys.modules])
        from trio_supervisor.control.client import Client
        await in_thread(Client(path).snapshot)
        print("starlette" in sys.modules)
trio.run(main)
"""
    done = await trio.run_process([sys.executable, "-c", program], capture_stdout=True)
    assert done.stdout.decode().split("\n")[:2] == ["[]", "True"]


def test_a_client_imports_nothing_heavy() -> None:
    heavy = ("trio", "attrs", "httpx", "yaml", "cattrs", "starlette", "hypercorn")
    program = (
        "import sys\nfrom trio_supervisor.cli.main import main\n"
        f"main(['status', '--socket', '/nope'])\nprint([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
