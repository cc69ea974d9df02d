"""The journal as it is written in a file."""

import math

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import JournalLimits

AGENTS = "agents: {a: {command: [x]}}\n"


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", JournalLimits(30 * 86400.0, 50 << 20)),
        ("supervisor: {journal: true}\n", JournalLimits()),
        ("supervisor: {journal: null}\n", JournalLimits()),
        ("supervisor: {journal: {}}\n", JournalLimits()),
        ("supervisor: {journal: {age: 12h, size: 2G}}\n", JournalLimits(43200.0, 2 << 30)),
        ("supervisor: {journal: {age: infinity, size: unlimited}}\n", JournalLimits(math.inf, None)),
        ("supervisor: {journal: false}\n", None),
    ],
)
def test_how_much_is_kept(files: Files, text: str, limits: JournalLimits | None) -> None:
    assert files.load(text + AGENTS).spec.journal == limits


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("{age: 0}", "journal: age must be > 0, not 0"),
        ("{size: 100K}", "journal: size must be at least 1M, not 102400 bytes"),
        ("{size: 50}", "size: a size needs its unit, K, M, G or T: not 50"),
        ("{days: 3}", "unknown key 'days'"),
        ("30d", "journal: must be a mapping such as {age: 30d, size: 50M}, or false"),
        ("[]", "journal: must be a mapping such as {age: 30d, size: 50M}, or false"),
    ],
)
def test_what_can_not_be_is_a_mistake(files: Files, value: str, mistake: str) -> None:
    (found,) = files.mistakes(f"supervisor: {{journal: {value}}}\n{AGENTS}")
    assert mistake in found


def test_only_the_supervisor_of_all_agents_has_one(files: Files) -> None:
    text = "agents: {team: {supervisor: {journal: {age: 1h}}, agents: {a: {command: [x]}}}}\n"
    (found,) = files.mistakes(text)
    assert "'journal' is for the supervisor of all agents" in found
