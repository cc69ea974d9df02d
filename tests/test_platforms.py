"""What other systems than Linux are told."""

import subprocess
import sys

import pytest


def run_as(platform: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code that believes to be on another system."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.platform = {platform!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("module", ["trio_supervisor", "trio_supervisor.cli.main", "trio_supervisor.spec"])
def test_windows_is_refused_with_a_way_out(module: str) -> None:
    done = run_as("win32", f"import {module}")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "trio-supervisor does not run on Windows; it does in WSL, the Windows Subsystem for Linux"
    )


def test_on_another_system_a_process_says_that_it_can_not_be_had() -> None:
    code = """
import trio
from trio_supervisor import ChildStartError, Supervisor, process, task

async def poll(): await trio.sleep(0.01)

async def main():
    async with Supervisor() as tree:
        await tree.start_child(task("poller", poll, restart="temporary"))
        try:
            await tree.start_child(process("agent", ["true"], restart="temporary"))
        except ChildStartError as error:
            print(error)

# Trio itself was made for this system, so only we are told otherwise.
trio.run(main)
"""
    done = run_as("linux", code.replace("# Trio", "sys.platform = 'darwin'\n# Trio"))

    assert done.stdout == "agent: cannot be started: processes can only be supervised on Linux, so far\n", done.stderr
