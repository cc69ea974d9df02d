"""Nothing outlives us where there is too little of something: descriptors, or a directory to write to."""

import json
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.running import running
from tests.survivors.cases import CLEANED, DAEMON, LEFT_TREES, SLEEPER, Case, told
from tests.survivors.ground import Ground
from tests.survivors.staged import agent_of, end, kill, staged
from tests.survivors.table import Record
from trio_supervisor.cli.descriptors import NEEDED

pytestmark = pytest.mark.slow

MANY: Mapping[str, object] = {
    "daemon": DAEMON.agents["agent"],
    "cleaned": CLEANED.agents["agent"],
    "mortal": {**SLEEPER, "backoff": {"initial": "10ms"}},
}
NO_MORE = "cannot be started: out of file descriptors"

each_end = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)


@each_end
async def test_nothing_outlives_a_supervisor_that_has_too_few_descriptors_for_all(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    agents = {f"a{each}": {**SLEEPER, "backoff": {"initial": "10ms"}} for each in range(30)}
    case = Case("too few descriptors", agents, may_tell=(NO_MORE, "held"))

    def enter() -> None:
        ground.enter()
        resource.setrlimit(resource.RLIMIT_NOFILE, (NEEDED, NEEDED))

    async with running(tmp_path, json.dumps({"agents": agents}), preexec_fn=enter) as it:
        await it.see("held: restart limit")
        await it.see("ready after")
        assert NO_MORE in it.output

        await end(it, ground, case, number, record)


@each_end
async def test_nothing_outlives_a_supervisor_that_has_no_descriptors_left(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    case = Case("no descriptors left", MANY, tells=(NO_MORE,), may_tell=("held", LEFT_TREES))
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see("| in place", 2)
        await it.see("ready after", 3)
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (3, 3))
        kill(agent_of(it, "mortal"))
        await it.see("held: restart limit")

        await end(it, ground, case, number, record)


@each_end
async def test_nothing_outlives_a_supervisor_without_a_state_directory(
    number: signal.Signals, tmp_path: Path, ground: Ground, record: Record
) -> None:
    (tmp_path / "state").write_text("a file")
    case = Case("unwritable state directory", {"agent": CLEANED.agents["agent"]}, tells=("no state directory",))
    async with staged(tmp_path, ground, case.agents) as it:
        await it.see("| in place")

        await end(it, ground, case, number, record)
    assert any("no state directory" in line for line in told(it.output, "supervisor"))
