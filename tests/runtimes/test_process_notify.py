"""Notifications of real processes (sd_notify(3)): who is listened to, what they get, what is answered."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from tests.runtimes.contract import Heard
from tests.runtimes.process_helpers import descriptors, ended, eventually, python, shell
from trio_supervisor.errors import StartError
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import Ownership, Stream
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.spec import ChildSpec, Health, Notify, ProcessSpec
from trio_supervisor.system.members import is_member
from trio_supervisor.system.notify import open_socket, receive

SEND = """
import os, socket, sys
def notify(text, fds=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
        socket.send_fds(s, [text.encode()], fds) if fds else s.send(text.encode())
"""


class Notified(Heard):
    """Hears notifications too."""

    def __init__(self) -> None:
        super().__init__()
        self.notified: list[Mapping[str, str]] = []

    def life(self, *command: str, health: Health | None = None, **options: Any) -> ProcessLife:
        run = ProcessSpec(command, notify=True, **options)
        runtime = ProcessRuntime(ChildSpec("agent", run, health=health))
        return runtime.life(changed(self.launch(), notified=self.notified.append))

    async def wait_notified(self, count: int = 1) -> None:
        await eventually(lambda: len(self.notified) >= count)


async def test_what_a_process_notifies_is_heard_in_order() -> None:
    heard = Notified()
    text = "READY=1\\nSTATUS=a=b c\\nnonsense\\n=x\\nSTATUS=last\\n"
    life = heard.life(*python(f"{SEND}\nnotify('{text}'); notify('WATCHDOG=1'); input()"))
    await life.start()
    await heard.wait_notified(2)
    await ended(life)

    assert heard.notified == [{"READY": "1", "STATUS": "last"}, {"WATCHDOG": "1"}]


async def test_a_descendant_that_has_left_the_session_is_heard() -> None:
    heard = Notified()
    life = heard.life(*shell(f'setsid {sys.executable} -c "$CODE" & sleep 600'), env={"CODE": f"{SEND}\nnotify('X=1')"})
    await life.start()
    await heard.wait_notified()
    await ended(life)


async def test_a_stranger_is_not_heard_and_that_is_said_once() -> None:
    heard = Notified()
    life = heard.life(*shell("echo $NOTIFY_SOCKET; sleep 600"))
    await life.start()
    name = await heard.wait_line()
    for _ in range(2):
        # It lives on until it was looked at: who it was is known.
        stranger = subprocess.Popen(  # noqa: ASYNC220
            python(f"{SEND}\nnotify('READY=1'); input()"),
            env={**os.environ, "NOTIFY_SOCKET": name},
            stdin=subprocess.PIPE,
        )
        await heard.wait_said(b"is not from this agent", Stream.SUPERVISOR)
        stranger.kill()
        stranger.communicate()
    await ended(life)

    assert heard.notified == []
    assert heard.said(Stream.SUPERVISOR).count(b"a notification is ignored, as it is not from this agent: pid ") == 1


async def test_a_message_of_who_has_ended_meanwhile_counts() -> None:
    heard = Notified()
    child = "if os.fork() == 0:\n  notify('X=1')\n  os._exit(0)"
    life = heard.life(*python(f"{SEND}\n{child}\nos.wait(); print('reaped', flush=True); os.read(os.pipe()[0], 1)"))
    await life.start()
    await heard.wait_said(b"reaped")
    await heard.wait_notified()
    await ended(life)


@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="needs systemd-notify")
@pytest.mark.slow
async def test_systemd_notify_waits_for_its_barrier_which_is_answered_at_once() -> None:
    heard = Notified()
    life = heard.life(*shell("systemd-notify --ready --status=up; echo $?; sleep 600"))
    with trio.fail_after(4):  # without an answer it waits 5 s, and complains
        await life.start()
        assert await heard.wait_line() == "0"
    await heard.wait_notified()
    await ended(life)

    assert {"READY": "1", "STATUS": "up"} in heard.notified
    assert heard.said(Stream.STDERR) == b""


async def test_a_barrier_is_answered_by_closing_what_came_with_it() -> None:
    heard = Notified()
    ask = "r, w = os.pipe()\nnotify('READY=1'); notify('BARRIER=1', [w])\nos.close(w); os.read(r, 1)"
    life = heard.life(*python(f"{SEND}\n{ask}\nprint('ok', flush=True); os.read(os.pipe()[0], 1)"))
    with trio.fail_after(10):
        await life.start()
        assert await heard.wait_line() == "ok"
    assert heard.notified[0] == {"READY": "1"}, "what was sent before the barrier has been taken in"
    await ended(life)


async def test_only_who_is_to_notify_has_a_socket_and_commands_beside_it_have_none() -> None:
    heard = Notified()
    show = shell("echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none} ${WATCHDOG_PID-none}; sleep 600")
    life = heard.life(*show, health=Health(Notify(), period=2.5))
    await life.start()
    name, usec, pid = (await heard.wait_line()).split()
    beside = await life.run(["sh", "-c", "echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}"], 5)
    await ended(life)

    assert name.startswith("@trio-supervisor/notify/")
    assert (usec, pid) == ("2500000", "none")
    assert beside.output == b"none none\n"

    plain = Heard()
    other = ProcessRuntime(ChildSpec("b", ProcessSpec(show))).life(plain.launch())
    await other.start()
    assert await plain.wait_line() == "none none none"
    await ended(other)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
async def test_an_agent_of_another_user_is_heard() -> None:
    heard = Notified()
    life = heard.life(
        "/bin/sh", "-c", 'python3 -c "$CODE"; sleep 600', env={"CODE": f"{SEND}\nnotify('X=1')"}, user="nobody", cwd="/"
    )
    await life.start()
    await heard.wait_notified()
    await ended(life)


async def test_the_socket_goes_with_the_life_and_with_a_start_that_fails() -> None:
    async def live_and_fail() -> int:
        life = Notified().life("true")
        await life.start()
        await life.wait()
        with pytest.raises(StartError, match="no-such-program"):
            await Notified().life("no-such-program").start()
        return len(descriptors())

    first = await live_and_fail()  # what is there once for all is opened by now
    assert [await live_and_fail() for _ in range(3)] == [first] * 3


async def test_it_can_be_told_whose_a_process_is() -> None:
    heard = Notified()
    life = heard.life(*shell("sleep 600 & echo $!; wait"))
    await life.start()
    member = int(await heard.wait_line())
    assert life.pid is not None
    assert life.owns(life.pid)[0] is life.owns(member)[0] is Ownership.OURS
    ownership, who = life.owns(os.getpid())
    assert ownership is Ownership.STRANGER
    assert who.startswith(f"pid {os.getpid()} (")
    assert is_member(2**22 + 1, life.pid, "x") is None
    await ended(life)
    assert life.owns(member)[0] is Ownership.UNKNOWN


def test_no_message_is_none_and_garbage_is_harmless() -> None:
    listening, name = open_socket()
    with listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        assert receive(listening) is None
        sender.connect(name.replace("@", "\0", 1))
        for data in (b"", b"\0\xff\n=\n==\nA=", b"X" * 4096, b"B=" + b"y" * 8000):
            sender.send(data)
        found = [message.fields for _ in range(4) if (message := receive(listening))]

    assert found == [{}, {"A": ""}, {}, {"B": "y" * 4094}]
