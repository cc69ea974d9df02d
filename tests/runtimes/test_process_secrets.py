"""Where secrets come from, what is said when they can't be had, and that nobody sees them in the output of a child."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import trio

from tests.runtimes.contract import Heard, live
from tests.runtimes.process_helpers import python
from trio_supervisor.commands import CAPTURED, CaptureCommand, Captured
from trio_supervisor.errors import ProbeError, StartError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.process import ProcessRuntime
from trio_supervisor.runtimes.process.command import capture_command
from trio_supervisor.runtimes.process.redacted import HELD_FOR, KEPT, KnownValues, RedactedOutput
from trio_supervisor.runtimes.process.secrets import resolve
from trio_supervisor.spec import ChildSpec, ProcessSpec, Secret, SecretCommand, SecretEnv, SecretFile, SupervisorSpec
from trio_supervisor.vault import note_secret_sources, redact, secret_sources

pytestmark = pytest.mark.usefixtures("spawned")


async def capture(command: Sequence[str], timeout: float) -> Captured:
    """A real command in our own directory and environment."""
    return await capture_command(command, None, os.environ, timeout)


async def impatient(command: Sequence[str], timeout: float) -> Captured:
    """The same with a tenth of a second."""
    return await capture(command, 0.1)


def sh(script: str) -> SecretCommand:
    """A secret that a shell script prints."""
    return SecretCommand(("sh", "-c", script))


async def failure(secrets: Mapping[str, Secret], capture: CaptureCommand = capture) -> str:
    """What is said when they can't be had."""
    with pytest.raises(StartError) as caught:
        await resolve(secrets, {}, capture)
    return str(caught.value)


# Where they come from


async def test_each_comes_from_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"of a file\n")
    secrets: dict[str, Secret] = {
        "A": SecretFile(str(tmp_path / "token")),
        "B": SecretEnv("OURS"),
        "C": sh("echo of a command; echo a warning >&2"),
    }

    values = await resolve(secrets, {"OURS": "of ours\n"}, capture)

    assert list(values.items()) == [("A", "of a file"), ("B", "of ours\n"), ("C", "of a command")]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"one", "one"),
        (b"one\n", "one"),
        (b"one\r\n", "one"),
        (b"one\n\n", "one\n"),
        (b" one \r", " one \r"),
        (b"one\ntwo\n", "one\ntwo"),
        (b"\xff\n", os.fsdecode(b"\xff")),
    ],
)
async def test_only_the_last_newline_is_no_part_of_it(content: bytes, value: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)

    assert await resolve({"A": SecretFile(str(tmp_path / "secret"))}, {}, capture) == {"A": value}


async def test_a_relative_file_is_looked_for_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of a file")
    monkeypatch.chdir(tmp_path)

    assert await resolve({"A": SecretFile("token")}, {}, capture) == {"A": "of a file"}


async def test_all_are_looked_up_at_the_same_time(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    meet = "touch {}; while [ ! -e {} ]; do sleep 0.01; done; echo met"

    values = await resolve({"A": sh(meet.format(here, there)), "B": sh(meet.format(there, here))}, {}, capture)

    assert values == {"A": "met", "B": "met"}


# What is said when they can't be had


async def test_a_variable_that_is_missing_is_named() -> None:
    assert await failure({"API_KEY": SecretEnv("OPENAI_KEY")}) == (
        "secret API_KEY: variable OPENAI_KEY is not set in the environment of the supervisor"
    )


async def test_every_file_that_can_not_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    said = await failure(
        {
            "A": SecretFile(str(tmp_path / "missing")),
            "B": SecretFile(str(tmp_path)),
            "C": SecretFile(str(tmp_path / "fifo")),
            "D": SecretFile("with\0nul"),
        }
    )

    assert said.split("; ") == [
        f"secret A: file '{tmp_path}/missing' does not exist",
        f"secret B: file '{tmp_path}' can't be read: Is a directory",
        f"secret C: '{tmp_path}/fifo' must be a regular file, which can be read at every start",
        "secret D: file 'with\\x00nul' can't be read: embedded null byte",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o000)

    assert await failure({"A": SecretFile(str(tmp_path / "token"))}) == (
        f"secret A: file '{tmp_path}/token' can't be read: Permission denied"
    )


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (sh("echo no; echo locked >&2; echo ' sign in first ' >&2; echo >&2; exit 3"), "exit code 3: sign in first"),
        (sh("echo the-secret-value; exit 1"), "exit code 1"),
    ],
)
async def test_a_command_that_fails_is_quoted_by_its_last_complaint(secret: SecretCommand, reason: str) -> None:
    assert await failure({"A": secret}) == f"secret A: command 'sh' ended with {reason}"


async def test_a_command_that_is_killed_or_does_not_exist_is_named() -> None:
    assert await failure({"A": sh("kill -9 $$")}) == "secret A: command 'sh' was ended by signal 9"
    assert await failure({"A": SecretCommand(("no-such-vault",))}) == (
        "secret A: command 'no-such-vault' not found on PATH"
    )


async def test_a_command_that_does_not_end_is_killed() -> None:
    said = await failure({"A": sh("echo unlocking >&2; sleep 300")}, impatient)

    # That nothing of it is left is checked after every test here.
    assert said.startswith("secret A: command 'sh' did not end within 10 s")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"the-secret\0value", "it holds a NUL byte, which the environment of a process can't"),
        (b"x" * (CAPTURED + 1), "it is longer than 128 KiB, which the environment of a process can't hold"),
    ],
)
async def test_what_can_not_be_a_variable_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)

    assert await failure({"A": SecretFile(str(path)), "B": sh(f"cat {path}")}) == (
        f"secret A: {reason}; secret B: {reason}"
    )


async def test_a_variable_that_is_empty_is_refused() -> None:
    with pytest.raises(StartError, match="secret A: it is empty"):
        await resolve({"A": SecretEnv("OURS")}, {"OURS": ""}, capture)


# Commands whose standard output is wanted


async def test_the_streams_of_a_captured_command_are_apart_and_the_first_is_whole() -> None:
    captured = await capture(python("import sys; print('y' * 9000, file=sys.stderr); print('x' * 99_999)"), 30)

    assert captured == Captured(0, b"x" * 99_999 + b"\n", b"y" * 4095 + b"\n")


async def test_of_a_flood_only_the_beginning_is_kept() -> None:
    captured = await capture(python("import sys; sys.stdout.write('x' * 5_000_000)"), 30)

    assert captured.stdout == b"x" * (CAPTURED + 1)


async def test_a_command_that_can_not_be_run_is_none_to_capture() -> None:
    with pytest.raises(ProbeError, match="not found on PATH"):
        await capture(("no-such-vault",), 10)


# Output without them


class Taken:
    """What is passed on, with the time."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, Stream, bytes]] = []

    def __call__(self, stream: Stream, chunk: bytes) -> None:
        self.chunks.append((trio.current_time(), stream, chunk))


async def test_a_prompt_that_ends_like_a_secret_begins_is_a_little_late(
    autojump_clock: trio.testing.MockClock,
) -> None:
    taken = Taken()
    output = RedactedOutput(taken, ["supersecret"])
    begun = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.run)
        await trio.sleep(1)
        output.take(Stream.STDOUT, b"> super")
        await trio.sleep(0.05)
        output.take(Stream.STDERR, b"? supe")
        await trio.sleep(1)
        output.take(Stream.STDERR, b"rb\n")
        nursery.cancel_scope.cancel()

    assert [(round(at - begun, 3), stream, chunk) for at, stream, chunk in taken.chunks] == [
        (1.0, Stream.STDOUT, b"> "),
        (1.05, Stream.STDERR, b"? "),
        (round(1.0 + HELD_FOR, 3), Stream.STDOUT, b"super"),
        (round(1.05 + HELD_FOR, 3), Stream.STDERR, b"supe"),
        (2.05, Stream.STDERR, b"rb\n"),
    ]


async def test_each_stream_is_redacted_by_itself_and_ended_once() -> None:
    taken = Taken()
    output = RedactedOutput(taken, ["supersecret"])

    for stream, chunk in [
        (Stream.STDOUT, b"super"),
        (Stream.STDERR, b"secret, supersec"),
        (Stream.SUPERVISOR, b"it has supersecret\n"),
        (Stream.STDOUT, b"secret"),
        (Stream.STDOUT, b""),
        (Stream.STDERR, b""),
    ]:
        output.take(stream, chunk)

    assert [(stream, chunk) for _, stream, chunk in taken.chunks] == [
        (Stream.STDERR, b"secret, "),
        (Stream.SUPERVISOR, b"it has [redacted]\n"),
        (Stream.STDOUT, b"[redacted]"),
        (Stream.STDOUT, b""),
        (Stream.STDERR, b"[redacted]"),
        (Stream.STDERR, b""),
    ]


# A whole life


def runtime_with(secrets: Mapping[str, Secret], *command: str, env: Mapping[str, str] | None = None) -> ProcessRuntime:
    """The runtime of a child that has them."""
    return ProcessRuntime(ChildSpec("agent", ProcessSpec(command, secrets=secrets, env=env or {})))


async def test_a_child_has_its_secrets_and_nobody_sees_them(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-of-a-file\n")
    secrets: dict[str, Secret] = {"TOKEN": SecretFile(str(tmp_path / "token")), "PIN": sh("echo 1234")}
    script = """
import base64, os, sys, time
token = os.environ['TOKEN']
assert token == 'token-of-a-' + 'file'
print('all of it:', token, base64.b64encode(token.encode()).decode(), flush=True)
print('a part:', token[:9], end='', flush=True)
time.sleep(0.05)
print(token[9:], flush=True)
print('an error with', token, 'and', os.environ['PIN'], file=sys.stderr, flush=True)
"""
    heard = Heard()

    exit = await live(runtime_with(secrets, sys.executable, "-c", script).life(heard.launch()))

    assert exit.clean
    assert heard.said() == b"all of it: [redacted] [redacted]\na part: [redacted]\n"
    assert heard.said(Stream.STDERR) == b"an error with [redacted] and 1234\n"
    assert heard.said(Stream.SUPERVISOR) == b"not hidden in its output, as they have less than 8 bytes: PIN\n"
    assert redact("TOKEN=token-of-a-file") == "TOKEN=[redacted]"


async def test_secrets_are_looked_up_at_every_start_and_old_ones_stay_hidden(tmp_path: Path) -> None:
    file = tmp_path / "token"
    runtime = runtime_with({"TOKEN": SecretFile(str(file))}, "sh", "-c", '[ "$TOKEN" = "$(cat ' + str(file) + ')" ]')

    for value in ("the first token", "the second token"):
        file.write_text(value)
        assert (await live(runtime.life(Heard().launch()))).clean

    assert redact("the first token, the second token") == "[redacted], [redacted]"


async def test_what_was_its_secret_in_a_life_before_is_not_seen_in_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "token"
    runtime = runtime_with({"TOKEN": SecretFile(str(file))}, "sh", "-c", 'echo "the first token, $TOKEN"')
    heard = Heard()

    for value in ("the first token", "the second token"):
        file.write_text(value)
        await live(runtime.life(heard.launch()))

    assert heard.said() == b"[redacted], [redacted]\n" * 2


async def test_a_changed_spec_keeps_hidden_what_was_a_secret(tmp_path: Path) -> None:
    before = runtime_with({"TOKEN": sh("echo the first token")}, "true")
    await live(before.life(Heard().launch()))
    before.close()
    heard = Heard()

    for secrets in ({"KEY": sh("echo the second token")}, {}):
        after = runtime_with(secrets, "echo", "the first token, the second token")
        after.succeed(before)
        await live(after.life(heard.launch()))

    assert heard.said() == b"[redacted], [redacted]\n" * 2


def test_of_each_secret_at_least_the_last_values_are_known() -> None:
    known = KnownValues()
    assert not known

    for life in range(1, 101):
        known.add({"ROTATES": f"value {life}", "STAYS": "always the same"})

    assert len(list(known)) == 2 * KEPT
    assert set(known) >= {"always the same", *(f"value {life}" for life in range(101 - KEPT, 101))}
    known.add({})
    assert len(list(known)) == 2 * KEPT


async def test_a_prompt_of_a_real_child_is_passed_on_while_it_waits() -> None:
    heard = Heard()
    life = runtime_with({"TOKEN": sh("echo supersecret")}, "sh", "-c", "printf '> super'; sleep 300").life(
        heard.launch()
    )
    await life.start()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.wait)
        with trio.move_on_after(20) as limit:
            await heard.wait_said(b"> super")
        life.kill()

    assert not limit.cancelled_caught


async def test_a_child_without_its_secret_is_not_started(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    life = runtime_with({"TOKEN": SecretEnv("NO_SUCH_VARIABLE")}, "touch", str(marker)).life(Heard().launch())

    with pytest.raises(StartError, match="secret TOKEN: variable NO_SUCH_VARIABLE is not set"):
        await life.start()

    assert not marker.exists()


async def test_a_start_that_is_cancelled_kills_the_command_of_a_secret() -> None:
    life = runtime_with({"TOKEN": sh("sleep 300 & sleep 300")}, "true").life(Heard().launch())

    with trio.move_on_after(0.3) as scope:
        await life.start()
    life.kill()

    # That nothing is left is checked after every test here.
    assert scope.cancelled_caught


async def test_a_variable_that_is_the_secret_of_one_child_is_given_to_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_KEY", "a key for one only")
    show = ("sh", "-c", 'echo "${SHARED_KEY-none} ${KEY-none}"')
    other = runtime_with({}, *show)
    owner = ChildSpec("owner", ProcessSpec(show, secrets={"KEY": SecretEnv("SHARED_KEY")}))
    note_secret_sources(SupervisorSpec((ChildSpec("team", SupervisorSpec((owner,))),)))
    heard_of_other, heard_of_owner = Heard(), Heard()

    await live(other.life(heard_of_other.launch()))
    await live(ProcessRuntime(owner).life(heard_of_owner.launch()))

    assert secret_sources() == {"SHARED_KEY"}
    assert heard_of_other.said() == b"none none\n"
    assert heard_of_owner.said() == b"none [redacted]\n"


async def test_what_was_refused_is_said_in_the_first_life_only() -> None:
    runtime = runtime_with({}, "sh", "-c", "echo $AGENT_ID", env={"AGENT_ID": "a lie"})
    first, second = Heard(), Heard()

    await live(runtime.life(first.launch("agent", generation=1)))
    await live(runtime.life(second.launch("agent", generation=2)))

    assert first.said() == second.said() == b"agent\n"
    assert first.said(Stream.SUPERVISOR) == b"not given to it, as only the supervisor sets these: AGENT_ID\n"
    assert second.said(Stream.SUPERVISOR) == b""
