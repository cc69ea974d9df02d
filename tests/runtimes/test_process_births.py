"""A process is born with all that its spec asks for: account, priorities, limits, input, a listening socket."""

import os
import re
import resource
import shutil
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.runtimes.contract import Heard, live, wait_bounded
from tests.runtimes.process_helpers import (
    descriptors,
    ended,
    eventually,
    free_ports,
    has_children,
    is_alive,
    life_of,
    python,
    shell,
)
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import StartError, StepError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.process import ProcessLife, ProcessRuntime
from trio_supervisor.spec import (
    ChildSpec,
    CloseStdinStep,
    Limits,
    Port,
    ProcessSpec,
    SendStep,
    SignalStep,
    SignalTo,
    Stdin,
)

pytestmark = pytest.mark.usefixtures("spawned")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def born(*command: str, **options: Any) -> tuple[ProcessLife, Heard]:
    """A life of a process with these options of its spec, not started yet."""
    heard = Heard()
    return ProcessRuntime(ChildSpec("agent", ProcessSpec(command, **options))).life(heard.launch()), heard


async def said_by(*command: str, **options: Any) -> str:
    life, heard = born(*command, **options)
    exit = await live(life)
    assert exit.clean, heard.chunks
    return heard.said().decode().strip()


async def why_not(*command: str, **options: Any) -> str:
    before = descriptors()
    life, heard = born(*command, **options)
    with pytest.raises(StartError) as caught:
        await life.start()
    assert life.pid is None
    assert heard.chunks == []
    # Those of the reactor and the guardian come with the first birth.
    assert len(descriptors() - before) <= 5
    return str(caught.value)


# Whom it runs as

IDS = shell("id -u; id -g; id -G")


@root_only
@pytest.mark.parametrize("user", ["nobody", 65534])
async def test_a_user_brings_its_groups(user: str | int) -> None:
    assert (await said_by(*IDS, user=user, cwd="/")).split() == ["65534", "65534", "65534"]


@root_only
async def test_a_group_of_its_own_stands_for_the_group_of_the_user() -> None:
    assert (await said_by(*IDS, user="nobody", group="daemon", cwd="/")).split() == ["65534", "1", "1"]
    assert (await said_by(*IDS, group="daemon", cwd="/")).split()[:2] == ["0", "1"]
    assert (await said_by(*IDS, user=4321, group=4322, cwd="/")).split() == ["4321", "4322", "4322"]


async def test_an_account_that_does_not_exist_is_named() -> None:
    assert await why_not("true", user="no-such-user") == "user 'no-such-user' is not known to this system"
    assert await why_not("true", group="no-such-group") == "group 'no-such-group' is not known to this system"
    assert await why_not("true", user=4321) == "user 4321 is not known to this system: give its group too"


@root_only
async def test_what_the_user_must_not_enter_is_named() -> None:
    # Made for its owner only; what is above it is everybody's.
    with TemporaryDirectory() as closed:
        within = f"{closed}/within"
        os.mkdir(within)

        assert await why_not("true", user="nobody", cwd=closed) == (
            f"cwd {closed!r} must not be entered: permission denied"
        )
        assert await why_not("true", user="nobody", cwd=within) == (
            f"cwd {within!r} must not be reached: permission denied to enter {closed!r} by user 'nobody'"
        )


RIGHTLESS = """
import trio
from tests.runtimes.test_process_births import why_not
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process.guarding import open_guarded

async def main():
    async with SPAWNING:
        for options in ({"user": "nobody"}, {"group": "daemon"}, {"nice": -5}, {"oom_score_adj": -500}):
            print(await why_not("true", **options))

trio.run(main)
"""


def in_own_program(code: str, spawned: str, *before: str) -> tuple[ProcessLife, Heard]:
    """A life that runs a program of ours, by the same spawner; `before`: what runs it."""
    spawning = "open_guarded(Guard(print))" if spawned == "by the guardian" else "trio.open_nursery()"
    command = python(code.replace("SPAWNING", spawning))
    return life_of(*before, *command, env={"PYTHONPATH": ":".join(sys.path)})


@root_only
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
async def test_without_the_right_to_it_step_and_reason_are_named(spawned: str) -> None:
    rightless = ("setpriv", "--bounding-set=-setuid,-setgid,-sys_nice,-sys_resource")
    life, heard = in_own_program(RIGHTLESS, spawned, *rightless)

    assert (await live(life)).clean, heard.said(Stream.STDERR)
    assert heard.said().decode().splitlines() == [
        "user can't be set: Operation not permitted",
        "user can't be set: Operation not permitted",
        "nice can't be set: Permission denied",
        "oom_score_adj can't be set: Permission denied",
    ]


# Its priorities and limits


async def test_umask_nice_and_oom_score_adj_are_as_the_spec_says() -> None:
    text = await said_by(
        *shell("umask; nice; cat /proc/self/oom_score_adj"), umask=0o27, nice=os.nice(0) + 3, oom_score_adj=321
    )

    assert text.split() == ["0027", str(os.nice(0) + 3), "321"]


@pytest.mark.parametrize("most", [12, 64, 100])
async def test_few_descriptors_are_enough_to_be_born_with(most: int) -> None:
    text = await said_by(*shell("ulimit -Sn; ulimit -Hn"), limits=Limits(rlimits={"nofile": most}))

    assert text.split() == [str(most)] * 2


async def test_limits_are_set_by_name() -> None:
    limits = Limits(rlimits={"core": 0, "cpu": 77, "stack": 1 << 20})

    text = await said_by(*shell("ulimit -Hc; ulimit -Ht; ulimit -Hs"), limits=limits)

    assert text.split() == ["0", "77", "1024"]


def may_raise_limits() -> bool:
    status = Path("/proc/self/status").read_text()
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(mask >> 24 & 1)


@pytest.mark.skipif(may_raise_limits(), reason="who has CAP_SYS_RESOURCE may raise a hard limit")
async def test_a_limit_above_ours_is_named() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    assert await why_not("true", limits=Limits(rlimits={"nofile": hard + 1})) == (
        f"limits: rlimits: nofile can't be set: Operation not permitted (the supervisor's own hard limit is {hard})"
    )


async def test_everything_at_once(tmp_path: Path) -> None:
    text = await said_by(
        *shell("pwd; umask; ulimit -n; cat; ps -o sid= -p $$"),
        cwd=str(tmp_path),
        umask=0o77,
        nice=os.nice(0) + 1,
        limits=Limits(rlimits={"nofile": 50}),
    )

    assert text.split()[:3] == [str(tmp_path), "0077", "50"]


async def test_a_special_birth_whose_program_does_not_exist_says_so(tmp_path: Path) -> None:
    assert await why_not("/no/such/program", umask=0) == "'/no/such/program' does not exist"
    assert (
        await why_not("true", umask=0, cwd=str(tmp_path / "missing"))
        == f"cwd {str(tmp_path / 'missing')!r} does not exist"
    )


async def test_special_births_leave_no_descriptor_or_zombie() -> None:
    await said_by("true", umask=0)
    await eventually(lambda: not has_children())
    before = descriptors()

    for _ in range(5):
        await said_by("true", umask=0)
        await why_not("/no/such/program", umask=0)

    assert descriptors() == before
    # A birth has failed as soon as it says so; its process ends right after.
    await eventually(lambda: not has_children())


async def test_a_special_life_that_is_killed_at_once_is_gone() -> None:
    life, _ = born("sleep", "300", umask=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.start)
        await wait_all_tasks_blocked()
        life.kill()

    assert (await wait_bounded(life)).how in (How.SIGNALED, How.CANCELLED)


# Its standard input


async def test_what_is_sent_arrives_and_the_end_of_the_input_too() -> None:
    life, heard = born(*shell("cat; echo end"), stdin=Stdin.PIPE)
    await life.start()

    await life.ask(SendStep("one\n"))
    await life.ask(SendStep("two {id}\n"))
    await heard.wait_said(b"two agent\n")
    await life.ask(CloseStdinStep())

    assert await wait_bounded(life) == Exit(How.EXITED, code=0)
    assert heard.said() == b"one\ntwo agent\nend\n"


async def test_much_is_sent_as_fast_as_the_child_reads() -> None:
    life, heard = born(*shell("read first; sleep 0.2; wc -c"), stdin=Stdin.PIPE)
    await life.start()
    text = "x" * 1_000_000

    with trio.move_on_after(0.05) as scope:
        await life.ask(SendStep(text))
    assert scope.cancelled_caught
    with trio.fail_after(20):
        await life.ask(SendStep(f"\n{text}"))
        await life.ask(CloseStdinStep())

    assert await wait_bounded(life) == Exit(How.EXITED, code=0)
    assert int(heard.said()) == 1_000_000


async def test_what_has_closed_its_input_can_not_be_sent_anything() -> None:
    life, heard = born(*shell("exec <&-; echo closed; sleep 300"), stdin=Stdin.PIPE)
    await life.start()
    await heard.wait_line()

    with pytest.raises(StepError, match="it has closed its standard input"):
        await life.ask(SendStep("hello\n"))
    with pytest.raises(StepError, match="its standard input is closed"):
        await life.ask(SendStep("hello\n"))
    await ended(life)


async def test_what_reads_the_null_device_can_not_be_sent_anything_and_keeps_no_grace() -> None:
    life, heard = born(*shell("sleep 300 & echo $!; wait"))
    await life.start()
    rest = int(await heard.wait_line())

    with pytest.raises(StepError, match="write stdin: pipe"):
        await life.ask(CloseStdinStep())
    with pytest.raises(StepError, match="write stdin: pipe"):
        await life.ask(SendStep("hello\n"))
    assert life.pid is not None
    os.kill(life.pid, signal.SIGKILL)

    await wait_bounded(life)
    assert not is_alive(rest)


# How it is asked to end


async def test_a_signal_to_the_leader_reaches_nobody_else() -> None:
    other = "trap 'echo other' TERM; echo ready; while :; do sleep 0.02; done"
    script = f'trap "echo leader; exit" TERM; sh -c "{other}" & while :; do sleep 0.02; done'
    life, heard = born(*shell(script))
    await life.start()
    await heard.wait_said(b"ready\n")

    await life.ask(SignalStep(signal.SIGTERM, to=SignalTo.LEADER))
    await heard.wait_said(b"leader\n")
    life.kill()

    await wait_bounded(life)
    assert heard.said() == b"ready\nleader\n"


DRAINS = "trap 'sleep 0.5; echo drained > done; exit' TERM; echo ready; while :; do sleep 0.02; done"


async def test_what_a_leader_leaves_behind_that_was_asked_to_end_keeps_its_grace(tmp_path: Path) -> None:
    life, heard = born(*shell(f'sh -c "{DRAINS}" & wait'), cwd=str(tmp_path))
    await life.start()
    await heard.wait_line()

    await life.ask(SignalStep(signal.SIGTERM))
    exit = await wait_bounded(life)

    assert exit == Exit(How.SIGNALED, signal=signal.SIGTERM)
    assert (tmp_path / "done").read_text() == "drained\n"


async def test_a_kill_cuts_the_grace_of_what_a_leader_has_left_behind() -> None:
    life, heard = born(*shell("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.02; done' & wait"))
    await life.start()
    rest = int(await heard.wait_line())
    await life.ask(SignalStep(signal.SIGTERM))
    over = trio.Event()

    async def wait() -> None:
        await wait_bounded(life)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await eventually(lambda: life.pid is None)
        await trio.sleep(0.1)
        assert not over.is_set()
        assert is_alive(rest)
        life.kill()

    assert not is_alive(rest)


async def test_a_second_signal_reaches_the_rest_when_the_leader_is_gone() -> None:
    script = 'sh -c \'trap "" TERM; trap "echo got INT; exit" INT; echo ready; while :; do sleep 0.02; done\' & wait'
    life, heard = born(*shell(f"set -m; {script}"))
    await life.start()
    await heard.wait_line()
    await life.ask(SignalStep(signal.SIGTERM))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_bounded, life)
        await eventually(lambda: life.pid is None)
        await life.ask(SignalStep(signal.SIGINT))

    assert heard.said() == b"ready\ngot INT\n"


# A socket that is handed over

SERVER = """
import os, socket, sys
assert os.environ["LISTEN_PID"] == str(os.getpid()), os.environ
assert os.environ["LISTEN_FDS"] == "1"
print(os.environ["LISTEN_FDNAMES"], sorted(map(int, os.listdir("/proc/self/fd")))[:4], flush=True)
listening = socket.fromfd(3, socket.AF_INET, socket.SOCK_STREAM)
while True:
    connection, _ = listening.accept()
    connection.sendall(f"pid {os.getpid()}".encode())
    connection.close()
"""


def listens(command: tuple[str, ...], port: Port, **options: Any) -> ProcessRuntime:
    return ProcessRuntime(ChildSpec("agent", ProcessSpec(command, **options), port=port, listen="127.0.0.1"))


@pytest.fixture
def ask_port() -> Callable[[socket.socket], Any]:
    async def ask(connection: socket.socket) -> str:
        connection.setblocking(False)
        with trio.fail_after(10):
            await trio.lowlevel.wait_readable(connection)
        return connection.recv(100).decode()

    return ask


@pytest.mark.parametrize("options", [{}, {"umask": 0o22}], ids=["plain", "special"])
async def test_a_listening_socket_is_handed_over_and_kept_for_all_lives(
    ask_port: Callable[[socket.socket], Any], options: dict[str, int]
) -> None:
    runtime = listens(python(SERVER), free_ports(), **options)
    heard = Heard()
    life = runtime.life(heard.launch())
    await life.start()
    assert runtime.port is not None
    assert await heard.wait_line() == "agent [0, 1, 2, 3]"
    with socket.create_connection(("127.0.0.1", runtime.port)) as first:
        assert await ask_port(first) == f"pid {life.pid}"

    await ended(life)
    # Nobody is there who could take it.
    with socket.create_connection(("127.0.0.1", runtime.port)) as queued:
        second = runtime.life(Heard().launch(generation=2))
        await second.start()

        assert await ask_port(queued) == f"pid {second.pid}"

    await ended(second)
    runtime.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", runtime.port or 1)).close()


@root_only
async def test_a_socket_is_handed_over_to_another_user() -> None:
    runtime = listens(
        shell("id -u; echo $LISTEN_FDS $((LISTEN_PID - $$)); readlink /proc/$$/fd/3"), free_ports(), user="nobody"
    )
    heard = Heard()

    assert (await live(runtime.life(heard.launch()))).clean

    runtime.close()
    assert re.fullmatch(r"65534\n1 0\nsocket:\[\d+\]\n", heard.said().decode())


async def test_the_socket_that_is_handed_over_is_a_socket_and_nothing_else_is() -> None:
    life, heard = life_of("sleep", "300")
    await life.start()
    pid = life.pid
    assert pid is not None
    # The loader opens files of its own first.
    await eventually(lambda: len(descriptors(pid)) == 3)
    kinds = {fd: stat.S_ISSOCK(os.stat(f"/proc/{pid}/fd/{fd}").st_mode) for fd in range(3)}
    await ended(life)

    assert kinds == {0: False, 1: False, 2: False}
    assert heard.said() == b""


# No room for processes

PIDS = Path("/sys/fs/cgroup/pids")
"""Cgroup v1."""
CROWDED = """
import trio
from tests.runtimes.contract import wait_bounded
from tests.runtimes.process_helpers import life_of
from trio_supervisor.errors import StartError
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process.guarding import open_guarded

async def main():
    async with SPAWNING:
        lives = []
        try:
            for _ in range(40):
                life, _ = life_of("sleep", "300")
                await life.start()
                lives.append(life)
        except StartError as error:
            print(error, flush=True)
        for life in lives:
            life.kill()
            await wait_bounded(life)
        life, heard = life_of("echo", "room again")
        await life.start()
        await wait_bounded(life)
        print(heard.said().decode(), end="", flush=True)

trio.run(main)
"""


@pytest.fixture
def crowded() -> Iterator[Path]:
    """A cgroup with room for 20 processes and threads."""
    group = PIDS / f"test-births-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("20")
    except OSError:
        pytest.skip("needs the pids controller of cgroup v1, and the right to use it")
    yield group
    until = time.monotonic() + 10
    while (group / "cgroup.procs").read_text() and time.monotonic() < until:
        time.sleep(0.01)
    group.rmdir()


async def test_running_out_of_processes_is_a_failed_start_and_nothing_else(spawned: str, crowded: Path) -> None:
    joined = ("sh", "-c", f'echo $$ > {crowded}/cgroup.procs; exec "$@"', "sh")
    life, heard = in_own_program(CROWDED, spawned, *joined)

    assert (await live(life)).clean, heard.said(Stream.STDERR)
    assert heard.said().decode().splitlines() == [
        "out of processes: a limit is reached (ulimit -u, or the pids limit of the cgroup)",
        "room again",
    ]
