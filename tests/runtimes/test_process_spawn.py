"""What a process finds when it starts, and why it can't be started."""

import ast
import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from tests.runtimes.contract import Heard, live
from tests.runtimes.process_helpers import descriptors, ended, free_ports, life_of, python, run, runtime_of
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.process import ProcessRuntime
from trio_supervisor.runtimes.process.account import NOBODY_ELSE, Account
from trio_supervisor.runtimes.process.explain import explain
from trio_supervisor.runtimes.process.reach import executable
from trio_supervisor.spec import ChildSpec, ProcessSpec

STRANGER = Account(54321, 54321, (), None)
"""Somebody who owns nothing."""

pytestmark = pytest.mark.usefixtures("spawned")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """An empty directory that everybody may enter, which `tmp_path` is not."""
    with TemporaryDirectory() as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        yield path


# What it finds


async def test_it_leads_its_own_session() -> None:
    exit, heard = await run(*python("import os; print(os.getpid() == os.getpgid(0) == os.getsid(0))"))

    assert exit.clean
    assert heard.said() == b"True\n"


async def test_its_input_is_at_its_end() -> None:
    exit, heard = await run("cat")

    assert exit.clean
    assert heard.said() == b""


async def test_it_inherits_no_descriptor() -> None:
    reader, writer = os.pipe()
    inheritable = os.dup(reader)
    os.set_inheritable(inheritable, True)
    held = runtime_of(("true",), port=free_ports())
    life, heard = life_of("sh", "-c", "echo loaded; sleep 300; true")
    await life.start()
    await heard.wait_line()
    assert life.pid is not None

    found = descriptors(life.pid)

    await ended(life)
    held.close()
    for fd in (reader, writer, inheritable):
        os.close(fd)
    assert found == {0, 1, 2}


async def test_signals_that_we_ignore_or_block_are_at_their_defaults_in_it() -> None:
    ignored = [signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE]
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})
    try:
        _, heard = await run("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
        ours = [signal.getsignal(number) for number in ignored]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGUSR2})
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)

    blocked_there, ignored_there = (int(line.split()[1], 16) for line in heard.said().splitlines())
    assert blocked_there == 0
    # glibc's posix_spawn leaves 32 and 33, its own, ignored; whoever needs them sets them anew.
    assert ignored_there & ~(1 << 31 | 1 << 32) == 0
    assert ours == [signal.SIG_IGN] * len(ignored)
    assert blocked == {signal.SIGTERM, signal.SIGUSR2}


async def test_a_signal_that_is_pending_while_it_is_blocked_is_not_delivered_by_a_spawn() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        await run("true")
        assert came == []
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGUSR1, before)


async def test_cwd_is_where_it_runs_and_where_a_relative_program_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "where"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    life, heard = life_of("./bin/where", cwd=str(tmp_path))

    assert (await live(life)).clean
    assert heard.said().decode().strip() == str(tmp_path)


async def test_a_program_is_looked_for_on_the_path_of_the_child(tmp_path: Path) -> None:
    script = tmp_path / "only-here"
    script.write_text("#!/bin/sh\necho found\n")
    script.chmod(0o755)
    life, heard = life_of("only-here", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert (await live(life)).clean
    assert heard.said() == b"found\n"


async def test_what_can_not_be_executed_does_not_hide_a_program_further_on_the_path(tmp_path: Path) -> None:
    write(tmp_path / "true", b"", 0o644)
    (tmp_path / "directory" / "true").mkdir(parents=True)
    path = {"PATH": f"{tmp_path}:{tmp_path}/directory:/usr/bin:/bin"}
    life, _ = life_of("true", env=path)

    assert (await live(life)).clean
    assert "argument 1 is too long" in await why_not("true", "x" * 200 * 1024, env=path)


async def test_relative_directories_of_the_path_start_at_the_cwd(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    write(tmp_path / "bin" / "only-here", b"#!/bin/sh\necho $0\n")
    life, heard = life_of("only-here", cwd=str(tmp_path), env={"PATH": "bin"})

    assert (await live(life)).clean
    assert heard.said() == b"bin/only-here\n"


async def test_a_string_runs_in_a_shell_with_its_placeholders_replaced() -> None:
    heard = Heard()
    runtime = runtime_of(("echo {id} $((1 + 1)) {other} | tr a-z A-Z",), shell=True)

    assert (await live(runtime.life(heard.launch("team/planner")))).clean
    assert heard.said() == b"TEAM/PLANNER 2 {OTHER}\n"


# Its environment

AGENT_VARIABLES = python("import os; print(sorted(f'{k}={v}' for k, v in os.environ.items() if k[:6] == 'AGENT_'))")


async def test_it_is_told_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ID", "PORT", "GENERATION", "RESTART_COUNT", "RESTART_REASON"):
        monkeypatch.setenv(f"AGENT_{name}", "of an outer supervisor")
    heard = Heard()
    runtime = runtime_of(AGENT_VARIABLES, env={"AGENT_ID": "a lie"})

    await live(runtime.life(heard.launch("team/planner", generation=3, restart_count=2, reason="exit code 1")))

    generation, own, lineage, *rest = ast.literal_eval(heard.said().decode())
    assert (generation, own) == ("AGENT_GENERATION=3", "AGENT_ID=team/planner")
    assert re.fullmatch(r"AGENT_LINEAGE=[0-9a-f]{16}:team/planner:3:\d+", lineage)
    assert rest == ["AGENT_RESTART_COUNT=2", "AGENT_RESTART_REASON=exit code 1"]


async def test_its_port_is_in_its_command_and_environment() -> None:
    heard = Heard()
    port = free_ports()
    runtime = runtime_of(
        ("sh", "-c", "echo $AGENT_PORT $URL $1", "sh", "{port}"),
        port=port,
        env={"URL": "http://{id}:{port}/"},
    )

    await live(runtime.life(heard.launch("web")))
    runtime.close()

    assert heard.said().decode() == f"{port} http://web:{port}/ {port}\n"


async def test_it_inherits_and_the_spec_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("CHANGED", "old")
    monkeypatch.setenv("NOT_UTF_8", os.fsdecode(b"\xff"))
    life, heard = life_of("sh", "-c", "echo $KEPT $CHANGED $ADDED $NOT_UTF_8", env={"CHANGED": "new", "ADDED": "added"})

    await live(life)

    assert heard.said() == b"kept new added \xff\n"


# Why it can't be started


async def why_not(*command: str, cwd: str | None = None, env: dict[str, str] | None = None) -> str:
    before = descriptors()
    life, heard = life_of(*command, cwd=cwd, env=env)
    with pytest.raises(StartError) as caught:
        await life.start()
    assert life.pid is None
    assert heard.chunks == []
    # The reactor, made by the first life of a run, keeps two of its own, and the guardian has a socket and a pidfd.
    assert len(descriptors() - before) <= 5
    return str(caught.value)


def write(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


async def test_a_program_that_is_not_on_the_path() -> None:
    assert await why_not("resarcher", "--fast") == "'resarcher' not found on PATH"


async def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    assert await why_not("/no/such/program") == "'/no/such/program' does not exist"
    assert await why_not("./agent", cwd=str(tmp_path)) == f"'./agent' does not exist in {str(tmp_path)!r}"


async def test_a_program_that_is_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "agent").symlink_to(tmp_path / "missing")

    assert "is a link to something that does not exist" in await why_not(str(tmp_path / "agent"))


def about_a_denied(program: Path | str, cwd: Path | None = None, account: Account = STRANGER) -> str:
    error = PermissionError(errno.EACCES, "Permission denied")
    return explain(error, [str(program)], None if cwd is None else str(cwd), {"PATH": "/nowhere"}, account)


async def test_a_program_behind_a_directory_that_must_not_be_entered(open_path: Path) -> None:
    inside = open_path / "closed" / "inside"
    inside.mkdir(parents=True)
    write(inside / "agent", b"")
    (open_path / "link").symlink_to("far/../closed/inside/agent")
    (open_path / "far").symlink_to(inside)
    (open_path / "agent").symlink_to(open_path / "link")
    (open_path / "loop").symlink_to("loop")
    script = write(open_path / "script", f"#!{open_path}/agent\n".encode())
    (open_path / "closed").chmod(0o700)
    closed = f"must not be reached: permission denied to enter '{open_path}/closed' by user {STRANGER.uid}"

    for path in (inside / "agent", open_path / "link", open_path / "agent"):
        assert about_a_denied(path) == f"'{path}' {closed}"
    assert about_a_denied("./agent", open_path) == f"'./agent' {closed}"
    assert about_a_denied("./agent", inside) == f"cwd '{inside}' {closed}"
    assert (
        about_a_denied(script)
        == f"'{script}' needs the interpreter '{open_path}/agent' (its first line), which {closed}"
    )
    assert about_a_denied(open_path / "loop") == f"'{open_path}/loop' is a link to something that does not exist"


@pytest.mark.parametrize(("mode", "may"), [(0o100, [1]), (0o010, [2, 3]), (0o001, [4]), (0o111, [0, 1, 2, 3, 4])])
def test_who_may_execute_is_said_by_the_modes(mode: int, may: list[int], tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.touch(mode)
    agent.chmod(mode)
    owner, group = agent.stat().st_uid, agent.stat().st_gid
    accounts = [
        Account(0, 0, (), None),
        Account(owner, group, (), None),
        Account(owner + 1, group, (), None),
        Account(owner + 1, group + 1, (group,), None),
        Account(owner + 1, group + 1, (), None),
    ]

    # Root may always where anybody may.
    assert [n for n, who in enumerate(accounts) if executable(str(agent), who)] == sorted(
        {*may, 0, *([1] * (not owner))}
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as somebody else")
async def test_a_program_that_its_user_must_not_reach(open_path: Path) -> None:
    (open_path / "closed").mkdir(0o700)
    (open_path / "agent").symlink_to(write(open_path / "closed" / "agent", b"#!/bin/sh\n"))
    spec = ChildSpec("agent", ProcessSpec((str(open_path / "agent"),), user="nobody"))
    life = ProcessRuntime(spec).life(Heard().launch())

    with pytest.raises(StartError) as caught:
        await live(life)

    assert str(caught.value) == (
        f"'{open_path}/agent' must not be reached: permission denied to enter '{open_path}/closed' by user 'nobody'"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter everything")
def test_a_program_that_we_ourselves_must_not_reach(open_path: Path) -> None:
    (open_path / "closed").mkdir()
    (open_path / "agent").symlink_to(write(open_path / "closed" / "agent", b""))
    (open_path / "closed").chmod(0)

    said = about_a_denied(open_path / "agent", account=NOBODY_ELSE)

    (open_path / "closed").chmod(0o700)
    assert said == f"'{open_path}/agent' must not be reached: permission denied to enter '{open_path}/closed'"


async def test_a_program_without_permission(tmp_path: Path) -> None:
    agent = write(tmp_path / "agent", b"#!/bin/sh\n", 0o644)

    assert await why_not(agent) == f"{agent!r} has no execute permission (chmod +x)"


async def test_a_program_on_the_path_without_permission(tmp_path: Path) -> None:
    write(tmp_path / "agent", b"#!/bin/sh\n", 0o644)

    assert await why_not("agent", env={"PATH": str(tmp_path)}) == "'agent' has no execute permission (chmod +x)"


async def test_a_program_that_is_a_directory(tmp_path: Path) -> None:
    assert await why_not(str(tmp_path)) == f"{str(tmp_path)!r} is a directory, not a program"


async def test_a_script_without_its_interpreter(tmp_path: Path) -> None:
    agent = write(tmp_path / "agent", b"#! /no/such/python -u\n")

    assert (
        await why_not(agent)
        == f"{agent!r} needs the interpreter '/no/such/python' (its first line), which does not exist"
    )


async def test_a_script_whose_interpreter_can_not_be_executed(tmp_path: Path) -> None:
    interpreter = write(tmp_path / "interpreter", b"", 0o644)
    agent = write(tmp_path / "agent", f"#!{interpreter}\n".encode())

    assert (
        await why_not(agent)
        == f"{agent!r} needs the interpreter {interpreter!r} (its first line), which can't be executed"
    )


@pytest.mark.parametrize("content", [b"", b"echo no first line\n", b"\x7fELF but not really"])
async def test_a_file_that_is_no_program(tmp_path: Path, content: bytes) -> None:
    agent = write(tmp_path / "agent", content)

    assert (
        await why_not(agent) == f"{agent!r} is not of an executable format (a script needs a first line like #!/bin/sh)"
    )


async def test_a_cwd_that_does_not_exist(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    assert await why_not("true", cwd=missing) == f"cwd {missing!r} does not exist"


async def test_a_cwd_that_is_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "file", b"")

    assert await why_not("true", cwd=file) == f"cwd {file!r} is not a directory"


async def test_an_environment_variable_that_is_too_long() -> None:
    assert (
        await why_not("true", env={"MODEL": "x" * 200 * 1024})
        == "environment variable MODEL is too long: 201 KiB, where the system takes 128 KiB"
    )


async def test_an_argument_that_is_too_long() -> None:
    text = await why_not("true", "short", "x" * 200 * 1024)

    assert text == "argument 2 is too long: 201 KiB, where the system takes 128 KiB"


async def test_arguments_that_are_too_long_together() -> None:
    text = await why_not("true", *["x" * 100 * 1024] * 100)

    assert text.startswith("arguments and environment are too long: 100")
    assert "the longest is argument 1 with 101 KiB" in text


async def test_what_can_not_be_handed_over_at_all() -> None:
    assert "null byte" in await why_not("true", "a\0b")
    assert "environment" in await why_not("true", env={"A=B": "c"})


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EAGAIN, "out of processes"),
        (errno.ENFILE, "the whole system has none left"),
        (errno.ENOMEM, "out of memory"),
        (errno.ETXTBSY, "'true': Text file busy"),
    ],
)
def test_what_can_not_be_provoked_here_has_words_too(number: int, words: str) -> None:
    assert words in explain(OSError(number, os.strerror(number)), ["true"], None, dict(os.environ))


async def test_a_failed_spawn_leaves_the_next_one_alone() -> None:
    await why_not("resarcher")

    assert (await run("true"))[0].clean


# In a program of its own, since it changes limits for good

LIMITED = """
import resource, sys, trio
from tests.runtimes.contract import Heard
from tests.runtimes.process_helpers import life_of, ended, shell
from trio_supervisor.errors import StartError

async def main():
    lives = []
    try:
        for _ in range(COUNT):
            life, heard = life_of(*shell("sleep 0.3; ulimit -Sn; echo; sleep 300"))
            await life.start()
            lives.append((life, heard))
        for _, heard in lives:
            await heard.wait_said(b"\\n\\n")
        print({heard.said().split()[0].decode() for _, heard in lives}, resource.getrlimit(resource.RLIMIT_NOFILE))
    except StartError as error:
        print(error)
    for life, _ in lives:
        await ended(life)

resource.setrlimit(resource.RLIMIT_NOFILE, LIMIT)
trio.run(main)
"""


async def in_own_program(count: int, soft: int, hard: int) -> str:
    code = LIMITED.replace("COUNT", str(count)).replace("LIMIT)", f"({soft}, {hard}))")
    life, heard = life_of(*python(code), env={"PYTHONPATH": ":".join(sys.path)})
    exit = await live(life)
    assert exit.clean, heard.said(Stream.STDERR).decode()
    return heard.said().decode().strip()


async def test_running_out_of_descriptors_is_a_failed_start() -> None:
    assert "out of file descriptors" in await in_own_program(50, 60, 60)


async def test_our_soft_limit_of_descriptors_is_raised_when_it_is_needed_and_children_get_the_old_one() -> None:
    assert await in_own_program(50, 64, 1000) == "{'64'} (1000, 1000)"


async def test_our_soft_limit_of_descriptors_is_left_alone_otherwise() -> None:
    assert await in_own_program(3, 64, 1000) == "{'64'} (64, 1000)"


async def test_a_spawn_from_another_thread_works_too() -> None:
    def in_thread() -> int | None:
        return trio.run(run, "sh", "-c", "exit 5")[0].code

    assert await trio.to_thread.run_sync(in_thread) == 5
