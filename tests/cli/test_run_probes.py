"""Probes as a user meets them: what `run` shows of them."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.running import run_to_its_end, stopped_afterwards

pytestmark = pytest.mark.slow


async def test_a_line_makes_an_agent_ready_and_another_one_ends_its_start(tmp_path: Path) -> None:
    yaml = """
agents:
  good: {command: [bash, -c, 'echo booting; printf "login: "; sleep 600'], readiness: {log: "login:"}}
  bad:
    command: [bash, -c, 'echo "bind: EADDRINUSE" >&2; sleep 600']
    startup: {log: up, fail: EADDRINUSE}
    restart: temporary
  after: {command: [sleep, "600"], depends_on: [good]}
"""
    async with stopped_afterwards(tmp_path, yaml) as it:
        await it.see("after | ● ready")
        await it.see("its start has failed: it says what it fails by: bind: EADDRINUSE")


async def test_who_begins_to_fail_is_suspect_and_recovers(tmp_path: Path) -> None:
    ill = tmp_path / "ill"
    ask = f"[bash, -c, 'if test -e {ill}; then echo no model; exit 1; fi']"
    yaml = f"agents: {{a: {{command: [sleep, '600'], health: {{exec: {ask}, period: 100ms, failures: 1000}}}}}}\n"
    async with stopped_afterwards(tmp_path, yaml) as it:
        await it.see("ready")
        ill.touch()
        await it.see("suspect: health probe failed: exit code 1: no model")
        ill.unlink()
        await it.see("recovered: health probe had failed ")
    assert it.output.count("suspect") == 1


@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="needs systemd-notify")
async def test_an_agent_that_knows_systemd(tmp_path: Path) -> None:
    beats = "for i in 1 2 3 4 5; do systemd-notify WATCHDOG=1; sleep 0.3; done; sleep 600"
    script = f"systemd-notify --status=loading; systemd-notify --ready; {beats}"
    yaml = f"""
agents:
  a:
    command: [bash, -c, '{script}']
    startup: {{notify: true}}
    health: {{notify: true, period: 1s, failures: 2}}
"""
    async with stopped_afterwards(tmp_path, yaml) as it:
        await it.see("status: loading")
        await it.see("ready after")
        await it.see("suspect: health probe failed: no WATCHDOG=1 within 1 s")
        await it.see("unhealthy: 2 failed probes in a row, the last: no WATCHDOG=1 within 1 s")
        await it.see("ready after", 2)


async def test_every_edge_is_in_the_records(tmp_path: Path) -> None:
    ask = "[bash, -c, 'exit 3']"
    yaml = f"""
agents:
  a: {{command: [sleep, '600'], restart: temporary, health: {{exec: {ask}, period: 100ms, failures: 2}}}}
"""
    output = await run_to_its_end(tmp_path, yaml, "--log-format", "json")

    texts = [record["text"] for line in output.splitlines() if (record := json.loads(line))["agent"] == "a"]

    marks = ("suspect: health probe failed: exit code 3", "health probe has failed 2 times, for the first", "stopping")
    places = [next(n for n, text in enumerate(texts) if text.startswith(mark)) for mark in marks]
    assert places == sorted(places)


async def test_a_function_of_ones_own_is_asked_in_the_directory_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "my_checks.py").write_text("async def alive(id):\n    raise RuntimeError(f'{id} is gone')\n")
    command = f"['{sys.executable}', -c, 'import time; time.sleep(600)']"
    health = "{call: 'my_checks:alive', period: 100ms, failures: 2}"
    yaml = f"agents: {{a: {{command: {command}, restart: temporary, health: {health}}}}}\n"
    output = await run_to_its_end(tmp_path, yaml)

    assert "unhealthy: 2 failed probes in a row, the last: RuntimeError: a is gone" in output
