"""What /proc tells about processes."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.runtimes.process_helpers import ended, life_of, python, run
from trio_supervisor.runtimes.process import census as sharing
from trio_supervisor.runtimes.process.census import Census, census
from trio_supervisor.system.procfs import Process, command_line, heeds, process, processes


def test_a_process_is_known_by_its_numbers() -> None:
    own = process(os.getpid())

    assert own is not None
    assert (own.pid, own.parent, own.group, own.session) == (
        os.getpid(),
        os.getppid(),
        os.getpgid(0),
        os.getsid(0),
    )
    assert own.alive


def test_what_does_not_exist_is_none() -> None:
    assert process(2**22 + 1) is None
    assert command_line(2**22 + 1) == ""


async def test_a_name_with_spaces_and_parentheses_does_not_confuse() -> None:
    code = """
import os
from trio_supervisor.system.procfs import process
with open("/proc/self/comm", "w") as comm:
    comm.write("a) R (b 1 2")
own = process(os.getpid())
print(own, own.parent == os.getppid(), own.session == os.getsid(0))
"""
    exit, heard = await run(*python(code))

    assert exit.clean
    assert heard.said().decode().split(" ", 1)[1] == "(a) R (b 1 2) True True\n"


async def test_what_a_process_does_with_a_signal() -> None:
    code = """
import os, signal
from trio_supervisor.system.procfs import heeds
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print([heeds(os.getpid(), each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)])
"""
    exit, heard = await run(*python(code))

    assert exit.clean
    assert heard.said() == b"[True, False, True, False]\n"
    assert heeds(2**22 + 1, 15) is None


def test_a_zombie_is_not_alive_unless_it_has_threads() -> None:
    assert not Process(1, "x", "Z", 0, 1, 1, threads=1, started=0).alive
    assert Process(1, "x", "Z", 0, 1, 1, threads=2, started=0).alive


async def test_a_command_line_is_for_people() -> None:
    life, heard = life_of("sh", "-c", "echo ready; sleep 300; true", "a\nb" + "x" * 100)
    await life.start()
    await heard.wait_line()
    assert life.pid is not None

    text = command_line(life.pid)

    await ended(life)
    assert text.startswith("sh -c echo ready; sleep 300; true a?bxxx")
    assert text.endswith("…")
    assert len(text) == 80


def test_all_processes_are_found() -> None:
    found = {each.pid for each in processes()}

    assert {1, os.getpid()} <= found


async def test_those_who_ask_while_a_scan_runs_share_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Census()
    begun = trio.Event()
    go_on = threading.Event()
    token = trio.lowlevel.current_trio_token()
    scans: list[int] = []
    answers: list[list[Process]] = []

    def scan() -> list[Process]:
        scans.append(len(scans))
        token.run_sync_soon(begun.set)
        assert go_on.wait(10)
        return []

    async def ask() -> None:
        answers.append(await shared.take())

    monkeypatch.setattr(sharing, "processes", scan)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await begun.wait()
        for _ in range(50):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        go_on.set()

    assert len(scans) == 2
    assert len(answers) == 51


async def test_a_scan_begins_after_the_question() -> None:
    first = await census()
    life, _ = life_of("sleep", "300")
    await life.start()
    pid = life.pid

    second = await census()

    await ended(life)
    assert pid not in {found.pid for found in first}
    assert pid in {found.pid for found in second}


async def test_when_the_one_who_scans_is_cancelled_the_others_still_get_an_answer() -> None:
    shared = Census()
    answers: list[list[Process]] = []

    async def ask() -> None:
        answers.append(await shared.take())

    async with trio.open_nursery() as others, trio.open_nursery() as first:
        with no_free_thread():
            first.start_soon(ask)
            await wait_all_tasks_blocked()
            others.start_soon(ask)
            await wait_all_tasks_blocked()
        first.cancel_scope.cancel()

    assert len(answers) == 1
    assert answers[0]


@contextmanager
def no_free_thread() -> Iterator[None]:
    """Nobody can begin to look into /proc."""
    limiter = trio.CapacityLimiter(1)
    limiter.acquire_on_behalf_of_nowait("somebody else")
    sharing._limiter.set(limiter)
    yield
    sharing._limiter.set(trio.CapacityLimiter(1))
