"""Budgets and quotas of one run in the next, also after a SIGKILL, as a user sees them."""

import json
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trio

from tests.cli.running import TIMEOUT, running

pytestmark = pytest.mark.slow

SPENDER = "import time\nprint('cost: $4.50', flush=True)\ntime.sleep(600)\n"


async def test_what_was_spent_before_a_kill_counts_until_all_begins_afresh(tmp_path: Path) -> None:
    (tmp_path / "spender.py").write_text(SPENDER)
    budget = "budget: {usd: 8/h, pattern: 'cost: [$]([0-9.]+)'}"
    yaml = f"""
accounts: {{team: {{{budget}}}}}
agents:
  own: {{command: [{sys.executable}, spender.py], {budget}}}
  shared: {{command: [{sys.executable}, spender.py], account: team}}
"""
    async with running(tmp_path, yaml) as first:
        await first.see("| cost", 2)
        # A kill may lose the last 0.05 s of changes.
        await _written(tmp_path, "account:team", "own")
        first.send(signal.SIGKILL)
        await first.process.wait()
    async with running(tmp_path, "") as second:
        assert await second.end() == 1
    assert "held: budget: 9.00 of 8 USD per h used; held until somebody resumes it" in second.output
    assert "held: account 'team': budget: 9.00 of 8 USD per h used" in second.output
    assert second.output.count("| cost") == 2, "each had something left"
    async with running(tmp_path, "") as third:
        assert await third.end() == 1
    assert "| cost" not in third.output, "nobody is started to find out"
    async with running(tmp_path, "", "--fresh") as fresh:
        await fresh.see("| cost", 2)
        await fresh.see("ready", 2)
        fresh.send(signal.SIGINT)
        assert await fresh.end() == 0
    assert "held" not in fresh.output


async def test_a_quota_is_used_up_in_the_next_run_too(tmp_path: Path) -> None:
    yaml = """
accounts: {team: {quota: 'retry after (?P<after>[0-9]+)'}}
agents:
  a: {command: [sh, -c, "test -e said || { touch said; echo retry after 6; }; echo up; exec sleep 600"], account: team}
  b: {command: [sh, -c, "echo up; exec sleep 600"], account: team}
"""
    async with running(tmp_path, yaml) as first:
        await first.see("held: account 'team': quota used up", 2)
        await _written(tmp_path, "account:team", name="quota")
        first.send(signal.SIGKILL)
        await first.process.wait()
    async with running(tmp_path, "") as second:
        await second.see("held: account 'team': quota used up", 2)
        assert "| up" not in second.output
        await second.see("| up", 2)
        second.send(signal.SIGINT)
        assert await second.end() == 0


async def _written(tmp_path: Path, *owners: str, name: str = "budget") -> None:
    """Wait until that is on the disk."""
    with trio.fail_after(TIMEOUT):
        while True:
            found = _memory(tmp_path / "state" / "journal.sqlite")
            values = [found.get((owner, name)) for owner in owners]
            if all(value and (name == "quota" or value["usd"]) for value in values):
                return
            await trio.sleep(0.05)


def _memory(path: Path) -> dict[tuple[str, str], dict[str, list[object]]]:
    # It is made a moment after the start.
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        rows = file.execute("SELECT owner, name, value FROM memory").fetchall()
        return {(owner, name): json.loads(value) for owner, name, value in rows}
    return {}
