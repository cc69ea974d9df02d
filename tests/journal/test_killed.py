"""SIGKILL of a writer while it writes: the file stays whole, and no order that was confirmed is missing."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[str]:
    """A path in memory, where there is such a file system: what a kill can do does not depend on the disk, and each
    order takes one from milliseconds to a second there.
    """
    if not os.access("/dev/shm", os.W_OK):
        yield str(tmp_path / "journal.sqlite")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield os.path.join(directory, "journal.sqlite")


def kill(path: str, times: int, seed: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.journal.killer", path, str(times), str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{times} kills, ")


def test_a_writer_that_is_killed_while_it_writes_loses_no_order(quick: str) -> None:
    kill(quick, 5)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_nor_when_it_is_killed_a_thousand_times(quick: str, part: int) -> None:
    kill(quick, 100, part)
