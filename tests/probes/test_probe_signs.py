"""Probes that look at what a child does by itself (log, notify, file), or ask a unix socket or a function."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_supervisor.core.facts import Role
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.call import open_call
from trio_supervisor.probes.file import open_file
from trio_supervisor.probes.log import open_log
from trio_supervisor.probes.notify import open_notify
from trio_supervisor.probes.unix import open_unix
from trio_supervisor.spec import Call, File, Log, Notify, Unix
from trio_supervisor.telling import Telling, file_time


def target(
    role: Role = Role.READINESS, period: float = 10.0, check: Log | None = None, port: int | None = None
) -> Target:
    telling = Telling({} if check is None else {role: check}, lambda text: text, file_time())
    return Target("agent", port, None, role, period, telling)


def telling_of(it: Target) -> Telling:
    assert it.telling is not None
    return it.telling


# What is known, for who must not wait


async def test_what_is_known_of_a_line_takes_nothing_from_who_waits_for_it() -> None:
    check = Log("up", "EADDRINUSE")
    it = target(check=check)
    async with open_log(check, it, 5) as probe:
        assert probe.last is not None
        assert probe.last() == Answer(False, "it has said nothing of the kind yet")
        telling_of(it).said("out", b"going up\n", error=False)
        assert probe.last() == Answer(True, "it says: going up", decisive=True)
        assert await probe.ask() == probe.last()


async def test_what_is_known_of_notifications(autojump_clock: MockClock) -> None:
    it = target()
    async with open_notify(Notify(), it, 5) as ready, open_notify(Notify(), target(Role.HEALTH), 5) as unheard:
        assert ready.last is not None
        assert unheard.last is not None
        assert ready.last() == Answer(False, "it has not said READY=1 yet")
        assert unheard.last() == Answer(False, "it has not said WATCHDOG=1 yet")
        telling_of(it).notifications.take({"READY": "1"})
        assert ready.last().ok
        telling_of(it).notifications.take({"RELOADING": "1"})
        assert ready.last() == Answer(False, "reloading", decisive=True)


async def test_what_is_known_of_heartbeats(autojump_clock: MockClock) -> None:
    it = target(Role.HEALTH)
    async with open_notify(Notify(), it, 5) as probe:
        assert probe.last is not None
        telling_of(it).notifications.take({"WATCHDOG": "1"})
        await trio.sleep(4)
        assert probe.last() == Answer(True, "the last WATCHDOG=1 came 4.0 s ago, 10 s at most")
        await trio.sleep(7)
        assert not probe.last().ok
        telling_of(it).notifications.take({"WATCHDOG": "trigger"})
        assert probe.last() == Answer(False, "it says that it has failed (WATCHDOG=trigger)", decisive=True)


# log


async def test_a_line_that_is_looked_for_decides() -> None:
    check = Log("up", "EADDRINUSE")
    it = target(check=check)
    telling_of(it).said("out", b"going up\nbind: EADDRINUSE\n", error=False)

    async with open_log(check, it, 5) as probe:
        assert probe.waits
        assert await probe.ask() == Answer(True, "it says: going up", decisive=True)
        assert await probe.ask() == Answer(False, "it says what it fails by: bind: EADDRINUSE", decisive=True)


async def test_a_pattern_that_needs_a_port_needs_one() -> None:
    check = Log("on {port}")
    with pytest.raises(ProbeError, match="needs a port"):
        async with open_log(check, target(check=check), 5):
            pass
    with pytest.raises(ProbeError, match="can't be searched"):
        async with open_log(check, Target("a", 1, None), 5):
            pass


# notify


async def test_ready_and_not_ready_any_more_are_told_each_once() -> None:
    it = target()
    notifications = telling_of(it).notifications
    notifications.take({"RELOADING": "1"})  # it was not ready before
    answers = []
    async with open_notify(Notify(), it, 5) as probe:
        for fields in ({"READY": "1"}, {"RELOADING": "1"}, {"READY": "1"}, {"STOPPING": "1"}):
            notifications.take(fields)
            notifications.take({"STATUS": "x"})
            answers.append(await probe.ask())

    assert answers == [
        Answer(True, "READY=1", decisive=True),
        Answer(False, "reloading", decisive=True),
        Answer(True, "READY=1", decisive=True),
        Answer(False, "stopping by itself", decisive=True),
    ]


async def test_each_period_without_a_heartbeat_is_a_failure(autojump_clock: MockClock) -> None:
    it = target(Role.HEALTH, period=10)
    async with open_notify(Notify(), it, 5) as probe:
        begun = trio.current_time()
        answers = [await probe.ask() for _ in range(3)]

    assert answers == [Answer(False, "no WATCHDOG=1 within 10 s")] * 3
    assert trio.current_time() - begun == pytest.approx(30)


async def test_a_heartbeat_begins_the_period_anew_and_is_told_seldom(autojump_clock: MockClock) -> None:
    it = target(Role.HEALTH, period=10)
    told: list[tuple[float, bool]] = []

    async def listen() -> None:
        async with open_notify(Notify(), it, 5) as probe:
            while True:
                answer = await probe.ask()
                told.append((round(trio.current_time() - begun, 3), answer.ok))

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        for _ in range(90):
            await trio.sleep(0.1)
            telling_of(it).notifications.take({"WATCHDOG": "1"})
        await trio.sleep(10.5)
        nursery.cancel_scope.cancel()

    assert [when for when, ok in told if not ok] == [pytest.approx(19, abs=0.01)]
    assert len(told) <= 5


async def test_a_trigger_decides_at_once(autojump_clock: MockClock) -> None:
    it = target(Role.HEALTH, period=10)
    telling_of(it).notifications.take({"WATCHDOG": "trigger"})
    async with open_notify(Notify(), it, 5) as probe:
        answer = await probe.ask()
        assert (answer.ok, answer.decisive) == (False, True)
        assert (await probe.ask()).detail.startswith("no WATCHDOG=1"), "told once"


async def test_the_child_may_ask_for_another_interval(autojump_clock: MockClock) -> None:
    it = target(Role.HEALTH, period=10)
    telling_of(it).notifications.take({"WATCHDOG_USEC": "2000000"})
    async with open_notify(Notify(), it, 5) as probe:
        assert (await probe.ask()).detail == "no WATCHDOG=1 within 2 s"


async def test_a_period_in_which_nobody_ran_is_no_failure(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    it = target(Role.HEALTH, period=10)
    begun = trio.current_time()
    async with open_notify(Notify(), it, 5) as probe, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def suspend() -> None:
            await trio.sleep(5)
            mock_clock.jump(100)

        await probe.ask()
    assert trio.current_time() - begun == pytest.approx(115), "a whole period after the end of that time"


# file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


async def look(check: File, it: Target | None = None) -> Answer:
    async with open_file(check, it or target(), 5) as probe:
        return await probe.ask()


async def test_a_file_must_be_there(path: Path) -> None:
    assert await look(File(str(path))) == Answer(False, f"there is no file {path}")
    assert await look(File(str(path.parent))) == Answer(False, f"{path.parent} is a directory")
    path.touch()
    assert (await look(File(str(path)))).ok


async def test_a_file_of_an_earlier_life_does_not_count_until_it_is_written_again(path: Path) -> None:
    path.touch()
    os.utime(path, (1, 1))
    time.sleep(0.02)  # noqa: ASYNC251 -- more than the kernel's tick, by which files are stamped
    it = target()
    async with open_file(File(str(path), newer=True), it, 5) as probe:
        assert await probe.ask() == Answer(False, f"{path} was written before this life began")
        path.write_text("x")
        assert (await probe.ask()).ok
    assert (await look(File(str(path), newer=True), it)).ok, "seen for the first time after it was written"


async def test_a_file_written_right_after_the_start_is_new(path: Path) -> None:
    for _ in range(50):
        it = target()
        path.unlink(missing_ok=True)
        path.touch()
        assert (await look(File(str(path), newer=True), it)).ok


async def test_a_heartbeat_gets_old(path: Path) -> None:
    path.touch()
    check = File(str(path), max_age=60)
    assert (await look(check)).ok

    os.utime(path, (time.time() - 61, time.time() - 61))
    answer = await look(check)
    assert not answer.ok
    assert "longer than 60 s" in answer.detail


@pytest.mark.parametrize("jump", [86400.0, -86400.0], ids=["forward", "back"])
async def test_a_jump_of_the_clock_makes_no_heartbeat_old_or_new(
    path: Path, jump: float, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, beats = time.time(), 0

    def beat() -> None:
        nonlocal beats
        beats += 1
        path.write_text("x" * beats)
        os.utime(path, (wall, wall))

    monkeypatch.setattr(time, "time", lambda: wall)
    beat()
    async with open_file(File(str(path), max_age=60), target(), 5) as probe:
        assert (await probe.ask()).ok
        wall, before = wall + 30, wall
        mock_clock.jump(30)
        beat()
        assert (await probe.ask()).ok

        wall += jump
        mock_clock.jump(30)
        assert (await probe.ask()).ok, "30 s are no 60, whatever the clock says"
        mock_clock.jump(31)
        wall += 61
        assert (await probe.ask()).ok is False or jump < 0
        if jump < 0:
            assert wall < before, "still a time to come"
            mock_clock.jump(1)
            assert not (await probe.ask()).ok


# unix


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen(0)
        yield sock


async def connect_to(path: str) -> Answer:
    async with open_unix(Unix(path), target(), 5) as probe:
        return await probe.ask()


async def test_a_unix_socket_that_takes_connections_tells_who_listens(listening: socket.socket) -> None:
    answer = await connect_to(listening.getsockname())

    assert answer.ok
    assert answer.peer == os.getpid()


async def test_a_unix_socket_on_which_nobody_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "dead"))

    assert await connect_to(str(tmp_path / "dead")) == Answer(False, f"connection refused on {tmp_path}/dead")
    assert await connect_to(str(tmp_path / "none")) == Answer(False, f"there is no socket {tmp_path}/none")


async def test_a_unix_socket_whose_queue_is_full_is_a_failure(listening: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(listening.getsockname())
        answer = await connect_to(listening.getsockname())

    assert answer == Answer(False, f"nobody takes the connections that wait at {listening.getsockname()}")


async def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="at most 107 bytes"):
        await connect_to("/x" * 60)


# call


async def call(function: Callable[..., Any], port: int | None = 80) -> Answer:
    async with open_call(Call(function), target(port=port), 5) as probe:
        return await probe.ask()


async def test_a_function_is_asked_and_gets_what_it_takes() -> None:
    seen: list[object] = []

    async def both(*, id: str, port: int | None) -> None:
        seen.append((id, port))

    async def none() -> bool:
        return True

    assert (await call(both)).ok
    assert (await call(none)).ok
    assert seen == [("agent", 80)]


async def test_a_function_that_raises_or_returns_false_has_failed() -> None:
    async def raises() -> None:
        raise RuntimeError("the model\nis gone")

    async def no() -> bool:
        return False

    assert await call(raises) == Answer(False, "RuntimeError: the model is gone")
    assert await call(no) == Answer(False, "it returned False")


async def test_a_function_that_would_block_everybody_is_refused() -> None:
    with pytest.raises(ProbeError, match="no async function"):
        await call(time.sleep)


async def test_a_function_is_imported_from_the_directory_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "checks_of_test.py").write_text("async def alive(port):\n    assert port == 7, 'no'\n")
    async with open_call(Call("checks_of_test:alive", str(tmp_path)), target(port=7), 5) as probe:
        assert (await probe.ask()).ok
    for name, why in (
        ("checks_of_test:dead", "has no 'dead'"),
        ("no_such_module:x", "importing"),
        ("x", "must be written"),
    ):
        with pytest.raises(ProbeError, match=why):
            async with open_call(Call(name, str(tmp_path)), target(), 5):
                pass
