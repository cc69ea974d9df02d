"""`attach` as a person uses it: in a terminal, in a pipe, and when something goes wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT, Running, running
from tests.cli.seats import Seat, seated
from tests.cli.test_control_commands import Terminal
from tests.control.trees import short_directory

AGENTS = """
defaults: {restart: temporary}
agents:
  shell: {command: [sh], stdin: pty, env: {PS1: "% ", TERM: dumb, ENV: ""}, restart: permanent}
  editor:
    # Draws on the other screen and anew at each change of size, as editors do.
    command: [sh, -c, 'printf "\\033[?1049h\\033[?25lDRAWN"; trap "printf AGAIN" WINCH; while :; do sleep 0.05; done']
    stdin: pty
  cat: {command: [cat], stdin: pipe}
  deaf: {command: [sleep, '600']}
"""
LEAVE = b"\x1d"


@asynccontextmanager
async def supervised(more: str = "") -> AsyncIterator[tuple[Running, Path]]:
    with short_directory() as directory:
        async with running(directory, AGENTS + more, "--stay") as run:
            await run.see("● ready", 4)
            yield run, directory


def at(directory: Path) -> list[str]:
    return ["--socket", str(directory / "state" / "control.sock")]


@asynccontextmanager
async def attached(directory: Path, agent: str, *words: str, shows: bytes = b"attached to") -> AsyncIterator[Seat]:
    async with seated("attach", agent, *at(directory), *words) as seat:
        await seat.see(shows)
        yield seat


async def test_a_shell_is_talked_with_left_and_come_back_to() -> None:
    async with supervised() as (_, directory):
        async with attached(directory, "shell") as seat:
            await seat.see(b"% ")
            await seat.type(b"stty size; echo pid=$$=\r")
            await seat.see(b"24 80")
            # The second echo is what the shell answers, the first what was typed.
            await seat.see(b"=\r\n")
            seat.resize(101, 31)
            await trio.sleep(0.2)
            await seat.type(b"stty size\r")
            await seat.see(b"31 101")
            # Keys are the agent's: Ctrl-C ends what runs there, not us.
            await seat.type(b"sleep 600\r")
            await trio.sleep(0.2)
            await seat.type(b"\x03echo on we $((40+2))\r")
            await seat.see(b"on we 42")
            raw = seat.settings()
            await seat.type(LEAVE)
            assert await seat.end() == 0
            await seat.see(b"[left shell, which goes on]")
            # Cooked again, with echo.
            assert seat.settings() != raw
            pid = seat.shown.partition(b"\npid=")[2].partition(b"=")[0]
        async with attached(directory, "shell") as seat:
            # What was said is shown again.
            await seat.see(b"on we 42")
            await seat.type(b"echo still $((1+1)) pid=$$=\r")
            await seat.see(b"still 2 pid=" + pid)
            await seat.type(b"exit 7\r")
            assert await seat.end() == 7
            await seat.see(b"[shell has ended: exit code 7]")


async def test_what_a_full_screen_program_has_switched_is_switched_back_and_on_again() -> None:
    async with supervised() as (_, directory):
        async with attached(directory, "editor") as seat:
            # It is told its size anew, so that it draws.
            await seat.see(b"AGAIN")
            await seat.type(LEAVE)
            assert await seat.end() == 0
            assert seat.shown.index(b"\x1b[?1049h") < seat.shown.index(b"\x1b[?1049l")
            assert b"\x1b[?25h" in seat.shown
        async with attached(directory, "editor", "--read-only", shows=b"watching editor, nobody writes") as seat:
            await seat.see(b"\x1b[?25l\x1b[?1049h")
            # Who only watches leaves by Ctrl-C too, which is nobody else's there.
            await seat.type(b"\x03")
            assert await seat.end() == 0


async def test_whatever_ends_it_the_terminal_and_the_right_to_write_are_given_back() -> None:
    async with supervised() as (_, directory):
        async with seated("status", *at(directory)) as seat:
            before = seat.settings()[:4]
        endings = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGKILL: -9}
        for count, (number, code) in enumerate(endings.items(), 1):
            async with attached(directory, "shell") as seat:
                await seat.type(b"echo free $((1+%d))\r" % count)
                await seat.see(b"free %d" % (1 + count))
                assert seat.settings()[:4] != before
                seat.send(number)
                assert await seat.end() == code
                # What is killed can't give back anything.
                assert (seat.settings()[:4] == before) == (number is not signal.SIGKILL)
        async with attached(directory, "shell"):
            pass


async def test_when_the_supervisor_is_killed_the_terminal_is_given_back() -> None:
    async with supervised() as (run, directory):
        async with seated("status", *at(directory)) as seat:
            before = seat.settings()[:4]
        async with attached(directory, "shell") as seat:
            await seat.see(b"% ")
            run.send(signal.SIGKILL)
            assert await seat.end() == 3
            await seat.see(b"shell: the connection is lost")
            assert seat.settings()[:4] == before


async def test_one_writes_at_a_time_and_everybody_is_told_who() -> None:
    async with supervised() as (_, directory):
        terminal = Terminal(directory)
        async with attached(directory, "shell") as first:
            busy = await terminal("attach", "shell")
            writer = f"uid {os.getuid()}, pid {first.process.pid} from control.sock"
            assert (busy.returncode, busy.stderr) == (1, f"shell: {writer} writes to it\n")
            watching = b"watching shell, uid "
            async with attached(directory, "shell", "--read-only", shows=watching) as observer:
                await first.type(b"echo seen by $((1+1))\r")
                await observer.see(b"seen by 2")
                await observer.type(b"echo never\r")
                async with attached(directory, "shell", "--force") as second:
                    await first.see(f"pid {second.process.pid} from control.sock writes now; you only watch".encode())
                    await first.type(b"echo never\r")
                    await second.type(b"echo forced $((1+1))\r")
                    await first.see(b"forced 2")
                    await second.type(LEAVE)
                await first.type(LEAVE)
                assert await first.end() == 0
                assert b"never" not in observer.shown
        orders = [
            json.loads(line) for line in (await terminal("events", "--json", "--agent", "shell")).stdout.splitlines()
        ]
        attaching = [(each["verb"], each["reason"]) for each in orders if each["kind"] == "order"]
        assert attaching == [("attach", ""), ("attach", "by force")]


async def test_other_keys_to_leave_by() -> None:
    keys = ("--detach-keys", "ctrl-p,ctrl-q")
    async with supervised() as (_, directory), attached(directory, "shell", *keys) as seat:
        await seat.see(b"ctrl-p,ctrl-q leaves it")
        await seat.see(b"% ")
        await seat.type(b"cat -v\r")
        await seat.type(LEAVE + b"\x10x\r")
        await seat.see(b"^]^Px")
        await seat.type(b"\x10\x11")
        assert await seat.end() == 0


def piped(directory: Path, agent: str, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "trio_supervisor", "attach", agent, *words, *at(directory)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def standing_still(file: int) -> None:
    """Until nobody reads on in this file."""
    place, before = os.lseek(file, 0, os.SEEK_CUR), 0
    while place == 0 or place != before:
        await trio.sleep(0.3)
        place, before = os.lseek(file, 0, os.SEEK_CUR), place


async def test_in_a_pipe_all_of_it_goes_through_and_nothing_else_however_slowly_it_is_read() -> None:
    async with supervised() as (_, directory):
        text = b"".join(b"%d\n" % number for number in range(400_000))
        (directory / "text").write_bytes(text)
        with (
            (directory / "text").open("rb") as file,
            piped(directory, "cat", "--close-stdin", stdin=file.fileno()) as it,
        ):
            with trio.fail_after(TIMEOUT):
                await standing_still(file.fileno())
            out, err = await trio.to_thread.run_sync(it.communicate)
        # cat ends with its input, and so does who is attached to it.
        assert (it.returncode, err) == (0, b"")
        lost = next((at for at, line in enumerate(out.splitlines()) if line != b"%d" % at), None)
        assert (len(out), lost) == (len(text), None)


@pytest.mark.slow
async def test_what_is_lost_is_told_in_a_pipe_too() -> None:
    flood = "read go; yes $(printf %01000d 0) | head -c 9000000; echo; echo END; exec sleep 600"
    async with supervised("  flood: {command: [sh, -c, '" + flood + "'], stdin: pipe}\n") as (_, directory):
        terminal = Terminal(directory)
        with piped(directory, "flood", "--read-only") as it:
            await terminal("send", "flood", "go", "--expect", "END")
            await terminal("stop", "flood")
            _, err = await trio.to_thread.run_sync(it.communicate)
        assert re.fullmatch(rb"trio-supervisor: flood: \d+ lines of output came too fast, and are lost\n", err)


async def test_lines_are_sent_to_who_reads_lines_and_the_end_of_input_leaves() -> None:
    async with supervised() as (_, directory), attached(directory, "cat") as seat:
        await seat.see(b"Ctrl-C leaves it")
        await seat.type(b"hello\r")
        # Echoed by our terminal, and answered.
        await seat.see(b"hello\r\n", 2)
        await seat.type(b"\x04")
        assert await seat.end() == 0
        await seat.see(b"[left cat, which goes on]")


async def test_what_can_not_be_is_said_with_an_exit_code() -> None:
    async with supervised() as (run, directory):
        terminal = Terminal(directory)
        await terminal("stop", "cat")
        for words, code, said in [
            (["nobody"], 4, "there is no agent 'nobody'"),
            (["../shell"], 4, "there is no agent '../shell'"),
            (["deaf"], 1, "deaf: its standard input is the null device: write stdin: pipe, or pty; --read-only only"),
            (["cat"], 1, "cat is stopped: to attach takes a life of it; start it first"),
            (["shell", "--detach-keys", "ctrl-]]"], 2, "--detach-keys: 'ctrl-]]' is no key"),
        ]:
            done = await terminal("attach", *words)
            assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done
        async with attached(directory, "shell", "--read-only", shows=b"watching shell") as seat:
            run.send(signal.SIGTERM)
            # The shell ends first, or else the supervisor: which of the two is seen is a matter of time.
            assert await seat.end() in (0, 3, 129, 130, 137, 143)
            assert b"Traceback" not in seat.shown
        assert (await terminal("attach", "shell")).returncode == 3


def test_it_is_imported_late() -> None:
    program = (
        "import sys\nfrom trio_supervisor.cli.main import main\n"
        "main(['status', '--socket', '/nope'])\nprint([name for name in ('wsproto', 'termios') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
