"""Runs such a program."""

import json
import subprocess
import sys
from pathlib import Path

PATIENCE = 600.0
"""Seconds."""
ROOT = Path(__file__).parent.parent.parent


def answer(command: list[str]) -> dict[str, float]:
    """The last line of JSON that a command prints.

    Raises:
        RuntimeError: there is none.
    """
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{command[-2:]}: exit code {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def answer_of(program: str, *arguments: str) -> dict[str, float]:
    """What one of ours says."""
    return answer([sys.executable, "-m", f"benchmarks.programs.{program}", *arguments])
