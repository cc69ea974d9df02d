"""No secret leaves a supervisor on any of the ways out, also in pieces and encoded: a test for each way."""

import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import trio

from tests.cli.running import running
from trio_supervisor import (
    Exec,
    Handle,
    Health,
    LogFile,
    LogFormat,
    SecretFile,
    Selection,
    StateChanged,
    Supervisor,
    process,
)

SECRET = "correct-Horse/battery+staple=?9"
MARK = "[redacted]"

TALKER = """
import base64, os, sys, time
from urllib.parse import quote, quote_plus
secret = os.environ["KEY"]
raw = secret.encode()
forms = [secret, quote(secret, ""), quote_plus(secret), quote(secret)]
for before in range(3):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.append(encode(b"u:x"[:before] + raw).decode())
for fd in (1, 2):
    for number, form in enumerate(forms):
        for cut in (1, 5, len(form) // 2, len(form) - 1):
            os.write(fd, f"{number} says ".encode() + form[:cut].encode())
            time.sleep(0.002)
            os.write(fd, form[cut:].encode() + b" so\\n")
            time.sleep(0.002)
os.write(1, raw * 5000 + b"\\n")
os.write(1, b'{"level":"info","key":"' + raw + b'"}\\n')
os.write(1, b"the end\\n")
time.sleep(600)
"""
CUT_LINES = 2 * 10 * 4


def revealing(said: str) -> list[str]:
    """The lines in which a piece of the secret of 8 bytes or more is to be seen, in whatever form."""
    pieces = [SECRET[at : at + 8] for at in range(len(SECRET) - 7)]
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"u:x"[:before] + SECRET.encode()).decode().rstrip("=")
            # The first characters may hold what stands before, and the last ones what follows.
            pieces += [encoded[at : at + 12] for at in range(4, len(encoded) - 16)]
    for encoded in (quote(SECRET, ""), quote_plus(SECRET), quote(SECRET)):
        pieces += [encoded[at : at + 12] for at in range(len(encoded) - 11)]
    return [line for line in said.splitlines() if any(piece in line for piece in pieces)]


def test_what_is_looked_for_is_found_where_it_is() -> None:
    for form in (SECRET, quote(SECRET, ""), base64.b64encode(b"x" + SECRET.encode()).decode()):
        assert revealing(f"before {form} after")
    assert not revealing("corr before [redacted] after")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with the secret."""
    path = tmp_path / "key"
    path.write_text(SECRET)
    return path


@asynccontextmanager
async def talking(key: Path, *logs: LogFile) -> AsyncIterator[Handle]:
    """A child that has said its secret in every way."""
    child = process("a", [sys.executable, "-c", TALKER], secrets={"KEY": SecretFile(str(key))}, log=logs, stop="kill")
    with trio.fail_after(60):
        async with Supervisor(child) as tree:
            async for line in tree["a"].follow(0):
                if line.text == "the end":
                    break
            yield tree["a"]


def check(said: str) -> None:
    """It has all that was said, without the secret."""
    assert revealing(said) == []
    assert said.count(MARK) >= CUT_LINES
    assert "the end" in said


async def test_not_through_the_ring(key: Path) -> None:
    async with talking(key) as handle:
        check(b"".join(entry.data for entry in handle.ring.read(most=1 << 30).entries).decode())
        check("\n".join(line.text for line in handle.output()))


async def test_not_through_a_selection_of_parsed_lines(key: Path) -> None:
    async with talking(key) as handle:
        found = handle.output(selection=Selection(level="info"))

        assert [json.loads(line.text)["key"] for line in found] == [MARK]


@pytest.mark.parametrize("format", LogFormat)
async def test_not_through_a_file(key: Path, tmp_path: Path, format: LogFormat) -> None:
    async with talking(key, LogFile(str(tmp_path / "a.log"), format=format)):
        pass

    check((tmp_path / "a.log").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("format", ["text", "json"])
async def test_not_through_the_console(key: Path, tmp_path: Path, format: str) -> None:
    agent = {"command": [sys.executable, "-c", TALKER], "secrets": {"KEY": {"file": "key"}}, "stop": {"grace": "0s"}}
    async with running(tmp_path, json.dumps({"agents": {"a": agent}}), "--log-format", format) as it:
        await it.see("the end")

        check(it.output)


async def test_not_through_events_nor_states(key: Path) -> None:
    """In the reason for a restart, which quotes what the last probe has said."""
    asks = Exec((sys.executable, "-c", "import os, sys; sys.exit('no: ' + os.environ['KEY'])"))
    child = process(
        "a",
        ["sleep", "600"],
        secrets={"KEY": SecretFile(str(key))},
        health=Health(asks, period=0.05, failures=1),
        restart="temporary",
        stop="kill",
    )
    told: list[str] = []
    with trio.fail_after(60):
        async with Supervisor(child) as tree:
            events = tree.events()
            async for event in events:
                told.append(repr(event))
                if isinstance(event.notice, StateChanged) and event.notice.new.resting:
                    break
            told.append(repr(tree["a"].snapshot()))
            await events.aclose()

    assert revealing("\n".join(told)) == []
    assert any(f"no: {MARK}" in text for text in told)
