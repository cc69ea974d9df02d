"""Ten thousand lives later nothing has grown, in the supervisor or in its guardian."""

import json
import sys
from pathlib import Path

import pytest
import trio

from tests.survivors.cases import HERE

LIVES = 10_000
AT_ONCE = 20
"""Children, each with one life after the other."""
FIRST = 1_000
"""Lives after which everything has its size."""
MOST_GROWTH = {"supervisor": 4 << 20, "guardian": 1 << 20}
"""Bytes: the allocator's slack. A leak shows in the number of objects."""
MOST_MORE_OBJECTS = 500


def words(figures: dict[str, int]) -> str:
    """The figures for people."""
    fds, memory, threads, zombies = (figures[name] for name in ("fds", "memory", "threads", "zombies"))
    return f"{fds} fds, {memory / 1e6:.1f} MB, {threads} threads, {zombies} zombies"


@pytest.mark.slow
async def test_ten_thousand_lives_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = map(str, (FIRST, LIVES - FIRST, AT_ONCE))
    program = [sys.executable, str(HERE / "lives.py"), str(tmp_path / "lease"), *numbers]
    done = await trio.run_process(program, capture_stdout=True)
    found = json.loads(done.stdout)
    before, after = found["seen"]
    with capsys.disabled():
        for who in MOST_GROWTH:
            print(f"\n{who} after {FIRST} lives: {words(before[who])}; after {LIVES}: {words(after[who])}", end="")  # noqa: T201

    assert not found["told"]
    assert found["lease"] < 1 << 20
    assert after["objects"] - before["objects"] < MOST_MORE_OBJECTS
    for who, growth in MOST_GROWTH.items():
        assert after[who]["fds"] == before[who]["fds"]
        assert after[who]["threads"] <= before[who]["threads"] + 1
        assert after[who]["zombies"] == before[who]["zombies"] == 0
        assert after[who]["memory"] - before[who]["memory"] < growth
