"""Restart type x end: OTP's table (rules 13 and 14)."""

import pytest

from trio_supervisor.core.policy import Restart
from trio_supervisor.core.verdict import Fate, judge


@pytest.mark.parametrize(
    ("restart", "clean", "fate", "rule"),
    [
        (Restart.PERMANENT, True, Fate.RESTART, "permanent: always restarted"),
        (Restart.PERMANENT, False, Fate.RESTART, "permanent: always restarted"),
        (Restart.TRANSIENT, True, Fate.FINISH, "transient: not restarted after a clean end"),
        (Restart.TRANSIENT, False, Fate.RESTART, "transient: restarted after a failure"),
        (Restart.TEMPORARY, True, Fate.FINISH, "temporary: never restarted"),
        (Restart.TEMPORARY, False, Fate.FAIL, "temporary: never restarted"),
    ],
)
def test_the_restart_type_and_the_end_decide(restart: Restart, clean: bool, fate: Fate, rule: str) -> None:
    verdict = judge(restart, clean=clean)

    assert (verdict.fate, verdict.rule) == (fate, rule)
