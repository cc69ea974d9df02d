"""The example of an outsider: plain httpx, twenty lines."""

import sys
from pathlib import Path

import trio

from tests.control.trees import PATIENCE, open_control, serving, some

EXAMPLE = Path(__file__).parents[2] / "examples" / "control" / "outsider.py"


async def test_it_lists_restarts_and_follows() -> None:
    async with open_control(*some()) as control, serving(control) as path:
        with trio.fail_after(PATIENCE):
            done = await trio.run_process([sys.executable, EXAMPLE, path, "team/planner"], capture_stdout=True)

        assert done.stdout.decode().splitlines() == [
            "a ready",
            "b ready",
            "team ready",
            "team/planner ready",
            "team/planner ready -> stopping restarted by hand",
            "team/planner stopping -> waiting restarted by hand",
            "team/planner waiting -> starting restarted by hand",
            "team/planner starting -> ready started",
        ]
        assert control.agent("team/planner").generation == 2


def test_it_is_short() -> None:
    code = EXAMPLE.read_text().split('"""')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
