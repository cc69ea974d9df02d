"""Limits of a life, exit codes, accounts, quotas and budgets in a file."""

import math

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import (
    Account,
    AtBudget,
    Budget,
    ExitCodes,
    Idle,
    Lifetime,
    Limits,
    ProcessSpec,
    Progress,
    Quota,
    Rate,
    TaskSpec,
    Then,
)

FULL = """
agents:
  a:
    command: [x]
    limits:
      lifetime: {after: 24h, variance: 5%, then: hold}
      idle: {after: 1h, then: hold}
      progress: {within: 15m, pattern: "step [0-9]+", then: restart}
      drain: 30s
    startup_crashes: 3
    same_exits: 0
    exit_codes: {success: [0, 3], restart: [75], hold: []}
    account: team
    quota: ["limit reached", {pattern: "retry after (?P<after>.*)", wait: 1h}]
    budget: {usd: 5/h, restarts: 20/day, pattern: 'cost: ([0-9.]+)', total: true, silent_after: infinity, then: pause}
accounts:
  team: {budget: {usd: 50/day}, quota: "usage limit"}
  other: {}
"""


def test_everything_can_be_written_in_full(files: Files) -> None:
    loaded = files.load(FULL)
    child = loaded.spec.children[0]

    assert child.limits == Limits(
        lifetime=Lifetime(86400, 0.05, Then.HOLD),
        idle=Idle(3600, Then.HOLD),
        progress=Progress(900, "step [0-9]+", Then.RESTART),
        drain=30,
    )
    assert (child.startup_crashes, child.same_exits) == (3, 0)
    assert child.exit_codes == ExitCodes((0, 3), (75,), ())
    assert child.account == "team"
    assert child.quota == (Quota("limit reached"), Quota("retry after (?P<after>.*)", 3600))
    assert child.budget == Budget(Rate(5, 3600), Rate(20, 86400), "cost: ([0-9.]+)", True, math.inf, AtBudget.PAUSE)
    assert loaded.spec.accounts["team"] == Account(Budget(Rate(50, 86400)), (Quota("usage limit"),))


def test_a_limit_may_be_its_time_alone_and_mixes_with_ceilings(files: Files) -> None:
    child = files.children("agents: {a: {command: [x], limits: {memory: 1G, lifetime: 24h, idle: 1h, progress: 15m}}}")[
        "a"
    ]

    assert child.limits == Limits(memory=2**30, lifetime=Lifetime(86400), idle=Idle(3600), progress=Progress(900))
    assert isinstance(child.run, ProcessSpec)


def test_a_task_has_limits_of_its_life_but_no_ceilings(files: Files) -> None:
    text = "defaults: {limits: {memory: 1G, idle: 1h}}\nagents: {a: {task: 'm:f', limits: {lifetime: 2h}}}"
    run = files.children(text)["a"].run

    assert isinstance(run, TaskSpec)
    assert run.limits == Limits(lifetime=Lifetime(7200), idle=Idle(3600))
    assert files.mistakes("agents: {a: {task: 'm:f', limits: {pids: 5}}}") == [
        "1:36: limits: pids is for processes, which a task is not"
    ]


def test_an_account_that_nobody_has_written_is_just_a_name_that_some_share(files: Files) -> None:
    assert files.children("agents: {a: {command: [x], account: team}}")["a"].account == "team"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("limits: {lifetime: 24}", "a duration needs its unit"),
        ("limits: {lifetime: 0s}", "lifetime: after must be > 0 seconds and finite, not 0"),
        ("limits: {lifetime: {variance: 10%}}", "needs 'after'"),
        ("limits: {lifetime: {after: 1h, variance: 100%}}", "variance must be within 0 % and 99 %, not 100%"),
        ("limits: {lifetime: {after: 1h, variance: lots}}", "must be a share such as 10%, or 0.1"),
        ("limits: {lifetime: {after: 1h, then: escalate}}", "must be one of restart, hold"),
        ("limits: {progress: {within: 1h, pattern: '('}}", "is not a regular expression"),
        ("limits: {drain: infinity}", "drain"),
        ("budget: {usd: 5}", "is no rate: write an amount per time such as 5/h"),
        ("budget: {usd: 0/h}", "the amount must be > 0"),
        ("budget: {usd: 5/fortnight}", "write a duration"),
        ("budget: {restarts: 1.5/h}", "restarts must be a whole number"),
        ("budget: {then: pause}", "needs 'usd' or 'restarts'"),
        ("budget: {usd: 5/h, pattern: 'cost'}", "needs a group for the number"),
        ("quota: ['(']", "is not a regular expression"),
        ("quota: [{wait: 1h}]", "needs 'pattern'"),
        ("exit_codes: {success: [0], hold: [0]}", "0 has a meaning already"),
        ("exit_codes: {success: [256]}", "must be within 0 to 255, not 256"),
        ("startup_crashes: -1", "startup_crashes must be >= 0, not -1"),
        ("account: 'a b'", "the name of an account has"),
    ],
)
def test_what_is_wrong_is_told(files: Files, text: str, mistake: str) -> None:
    found = files.mistakes(f"agents:\n  a:\n    command: [x]\n    {text}\n")

    assert len(found) == 1
    assert mistake in found[0]
    assert found[0].startswith("4:")


def test_an_account_that_is_not_there_is_a_mistake_where_there_are_others(files: Files) -> None:
    text = "agents: {a: {command: [x], account: taem}}\naccounts: {team: {budget: {usd: 50/day}}}"

    assert files.mistakes(text) == ["1:37: there is no account 'taem' under `accounts:`; did you mean 'team'?"]


@pytest.mark.parametrize("key", ["account: x", "budget: {usd: 5/h}", "limits: {idle: 1h}", "quota: [x]"])
def test_a_supervisor_has_none_of_them(files: Files, key: str) -> None:
    name = key.partition(":")[0]

    assert files.mistakes(f"agents:\n  t:\n    agents: {{a: {{command: [x]}}}}\n    {key}\n") == [
        f"4:5: '{name}' is for agents that are no supervisor"
    ]
