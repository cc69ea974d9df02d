"""The journal as a user meets it: `events` while a supervisor runs and after it, and what the next run restores."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT, running
from trio_supervisor.cli.events import Look, words
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.times import parse_time
from trio_supervisor.errors import ConfigError
from trio_supervisor.journal.entries import Entry, Kind, Stored

FLAKY = """
supervisor: {intensity: {restarts: 2, within: 1h}}
agents:
  flaky: {command: ['false'], backoff: {initial: 1ms}}
  web: {command: [sleep, '600']}
"""
ONCE = "agents: {a: {command: ['true'], restart: temporary}}\n"


def command(directory: Path, *words: str) -> list[str]:
    where = ["--file", str(directory / "supervisor.yaml"), "--state-dir", str(directory / "state")]
    return [sys.executable, "-m", "trio_supervisor", "events", *where, *words]


async def events(directory: Path, *words: str, code: int = 0) -> str:
    """What the command prints."""
    with trio.fail_after(TIMEOUT):
        done = await trio.run_process(command(directory, *words), capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    return (done.stdout if code == 0 else done.stderr).decode()


async def see(directory: Path, text: str, *words: str) -> str:
    """Wait until the command prints that."""
    with trio.fail_after(TIMEOUT):
        while text not in (found := await events(directory, *words)):
            await trio.sleep(0.05)
    return found


@pytest.mark.slow
async def test_events_are_read_while_it_runs_and_after_it_has_ended(tmp_path: Path) -> None:
    async with running(tmp_path, FLAKY) as it:
        await it.see("held")
        during = await see(tmp_path, "held: restart limit")
        assert "ended: exit code 1" in during
        it.send(signal.SIGINT)
        assert await it.end() == 0

    after = await events(tmp_path)
    assert after.startswith(during)
    assert "asked to shutdown by signal SIGINT" in after
    assert after.rstrip().endswith("supervisor the run has ended")
    of_web = [json.loads(line) for line in (await events(tmp_path, "--json", "--agent", "web")).splitlines()]
    assert [each["state"] for each in of_web if each["kind"] == "state"] == [
        "waiting", "starting", "ready", "stopping", "stopped",
    ]  # fmt: skip
    assert {each["agent"] for each in of_web} == {"web"}
    assert [each["seq"] for each in of_web] == sorted(each["seq"] for each in of_web)
    assert await events(tmp_path, "--since", "2100-01-01") == ""
    assert await events(tmp_path, "--since", "1h", "--agent", "flaky") != ""


@pytest.mark.slow
async def test_who_follows_sees_what_comes_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    async with running(tmp_path, FLAKY) as it:
        await it.see("held: restart limit")
        await see(tmp_path, "held")
        follower = await trio.lowlevel.open_process(command(tmp_path, "-f", "--json"), stdout=subprocess.PIPE)
        seen = b""
        assert follower.stdout is not None
        with trio.fail_after(TIMEOUT):
            while b'"state":"held"' not in seen:
                seen += await follower.stdout.receive_some()
            it.send(signal.SIGINT)
            while b'"reason":"ended"' not in seen:
                seen += await follower.stdout.receive_some()
        follower.send_signal(signal.SIGINT)
        assert await it.end() == 0
    with trio.fail_after(TIMEOUT):
        assert await follower.wait() == 130
    await follower.stdout.aclose()
    numbers = [json.loads(line)["seq"] for line in seen.splitlines()]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


@pytest.mark.slow
async def test_who_reads_only_the_beginning_is_no_error(tmp_path: Path) -> None:
    async with running(tmp_path, ONCE) as it:
        assert await it.end() == 0
    line = " ".join(f"'{word}'" for word in command(tmp_path))
    done = await trio.run_process(
        ["bash", "-o", "pipefail", "-c", f"{line} | head -1"], capture_stdout=True, capture_stderr=True
    )
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1


@pytest.mark.slow
async def test_what_is_not_there_is_said_with_its_exit_code(tmp_path: Path) -> None:
    assert "no journal: " in await events(tmp_path, code=3)
    async with running(tmp_path, ONCE) as it:
        assert await it.end() == 0
    assert "the journal knows no agent 'b'" in await events(tmp_path, "--agent", "b", code=4)
    assert "--since: 'yesterday' is neither a time" in await events(tmp_path, "--since", "yesterday", code=2)


# The next run


@pytest.mark.slow
async def test_the_next_run_keeps_held_what_was_held_until_it_is_named_or_all_begins_afresh(tmp_path: Path) -> None:
    async with running(tmp_path, FLAKY) as first:
        await first.see("held: restart limit")
        first.send(signal.SIGINT)
        assert await first.end() == 0
    async with running(tmp_path, "") as second:
        await second.see("left down by the run before: flaky (held); name it")
        await second.see("held: restart limit: 2 restarts within 3600 s")
        await second.see("ready after")
        second.send(signal.SIGINT)
        assert await second.end() == 0
    assert second.output.count("ready after") == 1
    assert "1 held (flaky)" in second.output
    async with running(tmp_path, "", "flaky") as named:
        # Its restarts still count: one more crash, and it is held again.
        assert await named.end() == 1
    assert "the run before" not in named.output
    assert "restart 1" not in named.output
    async with running(tmp_path, "", "--fresh") as fresh:
        await fresh.see("restart 2")
        fresh.send(signal.SIGINT)
        assert await fresh.end() == 0
    assert "the run before" not in fresh.output


@pytest.mark.slow
async def test_what_was_held_is_held_after_a_kill_too(tmp_path: Path) -> None:
    async with running(tmp_path, FLAKY) as first:
        await first.see("held: restart limit")
        await see(tmp_path, "held: restart limit")
        first.send(signal.SIGKILL)
        await first.process.wait()
    async with running(tmp_path, "") as second:
        await second.see("left down by the run before")
        second.send(signal.SIGINT)
        await second.end()


@pytest.mark.slow
async def test_what_ended_with_the_run_is_nobodys_wish_and_starts_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path, "agents: {team: {agents: {a: {command: [sleep, '600']}}}}\n") as it:
            await it.see("ready", 2)
            it.send(signal.SIGINT)
            assert await it.end() == 0
        assert "the run before" not in it.output


@pytest.mark.slow
@pytest.mark.parametrize("text", ["supervisor: {journal: false}\n", ""])
async def test_a_run_without_a_journal_or_with_one_that_is_damaged_runs_all_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "journal.sqlite").write_bytes(b"no database " * 100)
    async with running(tmp_path, text + ONCE) as it:
        assert await it.end() == 0
    assert "1 finished" in it.output
    assert it.output.count("journal.sqlite") == (0 if text else 2), it.output
    assert (tmp_path / "state" / "journal.sqlite.damaged").exists() == (not text)


@pytest.mark.slow
async def test_a_journal_of_a_later_version_is_gone_without(tmp_path: Path) -> None:
    async with running(tmp_path, ONCE) as it:
        assert await it.end() == 0
    connection = sqlite3.connect(tmp_path / "state" / "journal.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    async with running(tmp_path, ONCE) as it:
        assert await it.end() == 0
    assert it.output.count("a newer version has written it") == 1


# Pure


def test_a_time_is_a_moment_or_so_long_ago() -> None:
    now = datetime.fromisoformat("2026-11-26T12:00:00").timestamp()

    assert parse_time("90s", now) == now - 90
    assert parse_time("7d", now) == now - 7 * 86400
    assert parse_time("11:30", now) == now - 1800
    assert parse_time("2026-11-26 11:00", now) == now - 3600
    assert parse_time("1970-01-01T00:01:00Z", now) == 60.0
    assert parse_time("1970-01-01T02:00:00+02:00", now) == 0.0
    for wrong in ("", "soon", "25:00", "2026-13-01", "-5s"):
        with pytest.raises(ConfigError, match="--since"):
            parse_time(wrong, now)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(1.0, Kind.STATE, "a", 2, "waiting", "starting", "exit code 3"), "starting #2: exit code 3"),
        (
            Entry(1.0, Kind.STATE, "a", 1, "starting", "ready", "started", pid=7, port=80),
            "ready: started (port 80, pid 7)",
        ),
        (
            Entry(1.0, Kind.STATE, "a", 1, "ready", "backoff", "exit code 3", 3.5, 4),
            "backoff: exit code 3; restart 4 in 2.5 s",
        ),
        (Entry(1.0, Kind.STATE, "a", 1, "ready", "held", "held by hand"), "held by hand"),
        (Entry(1.0, Kind.EXIT, "a", 1, reason="exit code 3"), "ended: exit code 3"),
        (Entry(1.0, Kind.ORDER, "a", state="stop", who="uid 0", origin="socket"), "asked to stop by uid 0 from socket"),
        (Entry(1.0, Kind.ORDER, state="shutdown", reason="why"), "asked to shutdown: why"),
        (Entry(1.0, Kind.RUN, reason="begun"), "the run has begun"),
        (Entry(1.0, Kind.LOST, reason="3 entries were lost"), "3 entries were lost"),
    ],
)
def test_what_has_happened_in_words(entry: Entry, said: str) -> None:
    assert words(entry) == said


def test_an_entry_is_one_line_that_is_harmless_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    evil = Entry(1.25, Kind.STATE, "a", 1, "ready", "failed", "one\ntwo\x1b]0;title\x07\x1b[2J")
    try:
        line = Look(Style()).line(Stored(1, 1, evil))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert line == b"1970-01-01 00:00:01.250 a failed: one; two\n"
