"""A run that may open too few files."""

import resource
from functools import partial
from pathlib import Path

import pytest

from tests.cli.running import running
from trio_supervisor.cli.descriptors import NEEDED

FILE = """
agents:
  agent: {command: [sh, -c, "ulimit -Sn; ulimit -Hn"], restart: temporary}
"""


async def outcome(directory: Path, limits: tuple[int, int], *arguments: str) -> tuple[int, str]:
    """The exit code of a run that begins with these limits (soft, hard), and what it has said."""
    begin = partial(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
    async with running(directory, FILE, *arguments, preexec_fn=begin) as it:
        return await it.end(), it.output


@pytest.mark.parametrize("arguments", [(), ("--detach",)])
@pytest.mark.parametrize("limit", [12, 20, NEEDED - 1])
async def test_a_hard_limit_that_is_too_low_is_refused_at_once(
    limit: int, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    code, said = await outcome(tmp_path, (limit, limit), *arguments)

    assert said == (
        f"the limit of open files is {limit} (ulimit -Hn), and a run needs at least {NEEDED}: raise the hard limit "
        "(limits.conf, LimitNOFILE= of a unit, --ulimit nofile= of a container)\n"
    )
    assert code == 2
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("limits", [(NEEDED, NEEDED), (12, 4096)])
async def test_an_agent_runs_where_there_is_just_enough(limits: tuple[int, int], tmp_path: Path) -> None:
    code, said = await outcome(tmp_path, limits)

    assert "cannot" not in said
    assert f"agent | {NEEDED}\nagent | {limits[1]}\n" in said
    assert code == 0
