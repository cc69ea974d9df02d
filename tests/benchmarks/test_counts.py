"""What a run costs, in counts that don't depend on how fast a machine is or what else it does."""

import gc
import json
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import trio

import trio_supervisor
from tests.cli.running import running
from trio_supervisor import Supervisor, task

QUIET = 2.0
"""Seconds without a wake-up: whatever comes once a second would be seen."""
PATIENCE = 60.0


def with_descendants(pid: int) -> list[int]:
    """A process and all that come from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, ())
    return found


def wake_ups(pids: list[int]) -> int:
    """How often any thread of them has gone to sleep so far."""
    files = (file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(
        int(line.split()[1]) for file in files for line in file.read_text().splitlines() if line.startswith("voluntary")
    )


@pytest.mark.slow
async def test_supervisor_and_guardian_sleep_while_nothing_happens(tmp_path: Path) -> None:
    agents = {f"a{number}": {"command": ["sleep", "600"], "stop": {"grace": "0s"}} for number in range(20)}

    async with running(tmp_path, json.dumps({"agents": agents})) as it:
        await it.see("ready", count=len(agents))
        own = [pid for pid in with_descendants(it.process.pid) if "python" in os.readlink(f"/proc/{pid}/exe")]
        assert len(own) == 2
        # The journal writes what has happened a moment later.
        with trio.fail_after(PATIENCE):
            before = -1
            while (now := wake_ups(own)) != before:
                before = now
                await trio.sleep(QUIET)


def calls_of_a_run(directory: Path, agents: int) -> int:
    """The system calls of all processes of a run whose agents end at once."""
    directory.mkdir()
    file, counted = directory / "supervisor.yaml", directory / "counted"
    agent = {"command": ["true"], "restart": "temporary"}
    file.write_text(json.dumps({"agents": {f"a{number}": agent for number in range(agents)}}))
    run = [sys.executable, "-m", "trio_supervisor", "run", str(file), "--state-dir", str(directory / "state")]
    subprocess.run(["strace", "-f", "-c", "-o", str(counted), *run], capture_output=True, timeout=PATIENCE, check=True)
    return int(counted.read_text().splitlines()[-1].split()[3])


def can_be_traced() -> bool:
    """Whether strace is there and may be used."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_the_life_of_a_child_takes_few_system_calls(tmp_path: Path) -> None:
    if not can_be_traced():
        pytest.skip("strace is not there, or must not be used here")

    # The first one leaves what it has compiled to those that follow.
    _, few, many = (calls_of_a_run(tmp_path / str(agents), agents) for agents in (1, 10, 110))

    # 232 on Linux 6.18, those of the child itself included.
    assert 100 < (many - few) / 100 < 290


async def bytes_of(tasks: int) -> int:
    """What is allocated when so many tasks run that it was not before."""
    tree = Supervisor(max_parallel_starts=10**6)
    async with tree:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(tasks):
            await tree.start_child(task(f"t{number}", trio.sleep_forever))
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before


async def test_a_task_child_takes_few_bytes() -> None:
    tracemalloc.start()
    try:
        await bytes_of(10)
        few, many = await bytes_of(100), await bytes_of(300)
    finally:
        tracemalloc.stop()

    assert 1_000 < (many - few) / 200 < 20_000


MODULES = "import sys; open({!r}, 'w').write(' '.join(sys.modules))"
ELSEWHERE = {
    "yaml",
    "cattrs",
    "httpx",
    "starlette",
    "hypercorn",
    "h11",
    "wsproto",
    "ahocorasick_rs",
    "sqlite3",
    "asyncio",
}


def test_a_plain_run_loads_what_it_needs_and_no_more(tmp_path: Path) -> None:
    seen = tmp_path / "modules"
    (tmp_path / "looking.py").write_text(f"async def look():\n    {MODULES.format(str(seen))}\n")
    file = tmp_path / "supervisor.yaml"
    agents = {
        "looking": {"task": "looking:look", "restart": "temporary"},
        "process": {"command": ["true"], "restart": "temporary"},
    }
    file.write_text(json.dumps({"supervisor": {"journal": False}, "agents": agents}))

    begun = time.monotonic()
    run = [sys.executable, "-m", "trio_supervisor", "run", str(file), "--state-dir", str(tmp_path / "state")]
    subprocess.run(run, capture_output=True, timeout=PATIENCE, check=True)
    assert time.monotonic() - begun < PATIENCE

    loaded = set(seen.read_text().split())
    ours = {name for name in loaded if name.partition(".")[0] == "trio_supervisor"}
    assert "trio_supervisor.engine.supervisor" in ours
    assert not ELSEWHERE & loaded
    assert len(ours) < 235
    assert len(loaded) < 500


def test_a_guardian_loads_little(tmp_path: Path) -> None:
    root = Path(trio_supervisor.__file__).parent.parent
    program = f"import sys; sys.path.insert(0, {str(root)!r}); import trio_supervisor.guardian.guardian"
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{program}; print(*sys.modules)"],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
        text=True,
    )

    loaded = set(told.stdout.split())
    assert "trio_supervisor.guardian.quick" in loaded
    assert not {"typing", "re", "subprocess", "trio", "attrs", "json", "threading"} & loaded
    assert len(loaded) < 90
