"""Limits, quotas and budgets of real processes, as a user sees them."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT, run_to_its_end, stopped_afterwards
from tests.runtimes.process_helpers import free_ports

pytestmark = pytest.mark.slow

SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("up", flush=True)
held = []
while True:
    held.append(server.accept()[0])
"""


def server(tmp_path: Path, limits: str) -> tuple[str, int]:
    """A file with one agent that keeps every connection open, and its port."""
    (tmp_path / "server.py").write_text(SERVER)
    port = free_ports().first
    command = f"[{sys.executable}, server.py, '{{port}}']"
    return f"agents:\n  a: {{command: {command}, port: {port}, limits: {limits}, stop: {{grace: 5s}}}}\n", port


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[None]:
    """Somebody is connected to it while the block lasts."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT):
        yield


async def test_an_agent_with_an_open_connection_is_not_idle(tmp_path: Path) -> None:
    yaml, port = server(tmp_path, "{idle: 1s}")
    async with stopped_afterwards(tmp_path, yaml) as it:
        await it.see("| up")
        async with connected(port):
            # Not for any fact: that nothing happens takes time.
            await trio.sleep(3.5)
            assert "idle limit" not in it.output
        await it.see("idle limit: nothing for 0.8 s; it is restarted in 0.2 s if that goes on")
        await it.see("stopping: idle limit: no output, no input, no connection for 1 s")
        await it.see("| up", 2)
    assert "restart 1" not in it.output, "it is no failure"


async def test_a_lifetime_that_is_over_waits_for_who_is_connected(tmp_path: Path) -> None:
    yaml, port = server(tmp_path, "{lifetime: {after: 1s, variance: 0}, drain: 60s}")
    async with stopped_afterwards(tmp_path, yaml) as it:
        await it.see("| up")
        async with connected(port):
            await it.see("draining: lifetime limit: 1 s old (for at most 1 min)")
            await trio.sleep(1.5)
            assert "stopping" not in it.output
        await it.see("stopping: lifetime limit: 1 s old")
        await it.see("| up", 2)


async def test_a_quota_line_holds_both_agents_of_its_account_and_resumes_them(tmp_path: Path) -> None:
    says = "if mkdir once 2>/dev/null; then echo 'Usage limit reached. Retry after 2'; fi; echo up; exec sleep 600"
    yaml = f"""
accounts:
  team: {{quota: 'limit reached. Retry after (?P<after>[0-9]+)'}}
agents:
  a: {{command: [sh, -c, "sleep 1; {says}"], account: team}}
  b: {{command: [sh, -c, "echo up; exec sleep 600"], account: team}}
  c: {{command: [sh, -c, "echo up; exec sleep 600"]}}
"""
    async with stopped_afterwards(tmp_path, yaml) as it:
        await it.see("held: account 'team': quota used up until", 2)
        await it.see("Usage limit reached. Retry after 2; resumed in", 2)
        await it.see("b | up", 2)
        await it.see("a | up", 1)
        assert it.output.count("c | up") == 1


async def test_a_budget_by_a_pattern_stops_the_agent_at_the_limit(tmp_path: Path) -> None:
    script = "import time\nwhile True:\n    print('cost: $0.50', flush=True)\n    time.sleep(0.02)\n"
    (tmp_path / "spender.py").write_text(script)
    yaml = f"""
agents:
  a:
    command: [{sys.executable}, spender.py]
    budget: {{usd: 5/h, pattern: 'cost: [$]([0-9.]+)'}}
"""
    output = await run_to_its_end(tmp_path, yaml)

    assert "budget: 4.00 of 5 USD per h used" in output
    assert "held: budget: 5.00 of 5 USD per h used; held until somebody resumes it" in output
    assert output.count("cost:") < 40


async def test_an_agent_whose_configuration_is_wrong_is_held_with_its_last_words(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: [sh, -c, 'echo loading; echo no model named x >&2; exit 78']}}\n"
    output = await run_to_its_end(tmp_path, yaml)

    assert "held: exit code 78, by which it asks to be held: it can't run as it is; its last lines:" in output
    assert "●   no model named x" in output


async def test_the_same_crash_with_the_same_words_is_not_tried_for_ever(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: [sh, -c, 'echo $$ no credit; exit 1'], backoff: {initial: 10ms, max: 10ms}}}\n"
    output = await run_to_its_end(tmp_path, yaml)

    assert "held: ended 5 times in a row in the same way, with the same last lines: exit code 1" in output


async def test_a_program_that_sends_notifications_is_busy_and_pays(tmp_path: Path) -> None:
    script = (
        "import os, socket, time\n"
        "def tell(text):\n"
        "    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:\n"
        "        one.sendto(text.encode(), os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1))\n"
        "tell('X_AGENT_BUSY=1')\n"
        "print('busy', flush=True)\n"
        "time.sleep(3)\n"
        "tell('X_AGENT_BUSY=0\\nX_AGENT_COST_USD=4.5')\n"
        "time.sleep(1)\n"
        "tell('X_AGENT_COST_USD=0.5')\n"
        "time.sleep(600)\n"
    )
    (tmp_path / "agent.py").write_text(script)
    yaml = f"""
agents:
  a:
    command: [{sys.executable}, agent.py]
    notify: true
    limits: {{idle: 2s}}
    budget: {{usd: 5/h}}
"""
    output = await run_to_its_end(tmp_path, yaml)

    assert "budget: 4.50 of 5 USD per h used" in output
    assert "held: budget: 5.00 of 5 USD per h used" in output
    assert output.count("a | busy") == 1, "in three seconds of work it was not idle"
