"""Which variables a child gets."""

import pwd
from collections.abc import Mapping

import pytest

from tests.runtimes.contract import Heard
from trio_supervisor.runtimes.process.environment import Environment, build_environment
from trio_supervisor.spec import Inherit, ProcessSpec

OURS = {
    "PATH": "/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "TERM": "xterm",
    "LANG": "C",
    "LC_TIME": "de_DE",
    "TMPDIR": "/tmp",
    "OPENAI_KEY": "of ours",
    "OPENAI_URL": "https://api.example",
    "EDITOR": "vi",
    "AGENT_PORT": "80",
    "LISTEN_FDS": "1",
    "LISTEN_PID": "1",
    "NOTIFY_SOCKET": "@outer",
    "WATCHDOG_USEC": "1",
}
OWNED = {name for name in OURS if name.startswith(("AGENT_", "LISTEN_", "NOTIFY_", "WATCHDOG_"))}
TOLD = {"AGENT_ID", "AGENT_GENERATION", "AGENT_RESTART_COUNT", "AGENT_RESTART_REASON", "AGENT_LINEAGE"}
NOBODY = pwd.struct_passwd(("worker", "x", 7, 7, "", "/home/worker", "/bin/sh"))


def environment(
    inherit: Inherit | tuple[str, ...] = Inherit.NONE,
    env: Mapping[str, str] | None = None,
    *,
    secrets: Mapping[str, str] | None = None,
    user: str | int | None = None,
    account: pwd.struct_passwd | None = None,
    withheld: tuple[str, ...] = (),
    told: Mapping[str, str] | None = None,
    ours: Mapping[str, str] = OURS,
) -> Environment:
    """That of the first life of a child on port 8080."""
    return build_environment(
        ProcessSpec(("agent",), env=env or {}, inherit_env=inherit, user=user),
        Heard().launch("team/planner"),
        8080,
        environ=ours,
        secrets=secrets or {},
        lineage_token="i:team/planner:1",
        account=account,
        withheld=withheld,
        told=told,
    )


def inherited(built: Environment) -> set[str]:
    """The names without what every child is told."""
    return set(built.variables) - TOLD - {"AGENT_PORT"}


@pytest.mark.parametrize(
    ("inherit", "names"),
    [
        (Inherit.ALL, set(OURS) - OWNED),
        (Inherit.MINIMAL, set(OURS) - OWNED - {"OPENAI_KEY", "OPENAI_URL", "EDITOR"}),
        (Inherit.NONE, set()),
        (("EDITOR", "OPENAI_*", "MISSING", "AGENT_*", "A*", "LISTEN_FDS"), {"EDITOR", "OPENAI_KEY", "OPENAI_URL"}),
        ((), set()),
    ],
)
def test_what_is_inherited(inherit: Inherit | tuple[str, ...], names: set[str]) -> None:
    built = environment(inherit)

    assert inherited(built) == names
    assert all(built.variables[name] == OURS[name] for name in names)


def test_each_source_wins_over_the_one_before() -> None:
    built = environment(
        Inherit.ALL,
        {"EDITOR": "of env", "URL": "http://{id}:{port}"},
        secrets={"OPENAI_KEY": "of secrets {id}"},
        told={"NOTIFY_SOCKET": "@ours"},
    )

    assert built.variables["EDITOR"] == "of env"
    assert built.variables["URL"] == "http://team/planner:8080"
    assert built.variables["OPENAI_KEY"] == "of secrets {id}"
    assert (built.variables["AGENT_PORT"], built.variables["AGENT_ID"]) == ("8080", "team/planner")
    assert built.variables["NOTIFY_SOCKET"] == "@ours"


def test_what_only_the_supervisor_sets_can_not_be_written_and_is_named() -> None:
    built = environment(
        ("AGENT_*", "EDITOR"), {"AGENT_ID": "a lie", "MODEL": "small", "LISTEN_FDS": "3", "WATCHDOG_USEC": "9"}
    )

    assert built.variables["AGENT_ID"] == "team/planner"
    assert inherited(built) == {"MODEL", "EDITOR"}
    assert built.refused == ("AGENT_ID", "LISTEN_FDS", "WATCHDOG_USEC", "AGENT_*")
    assert built.complaint == (
        "not given to it, as only the supervisor sets these: AGENT_ID, LISTEN_FDS, WATCHDOG_USEC, AGENT_*"
    )


def test_nothing_is_said_when_nothing_was_refused() -> None:
    assert environment(Inherit.ALL, {"MODEL": "small"}).complaint == ""


def test_the_lineage_is_that_of_the_supervisor_and_its_own() -> None:
    nested = environment(Inherit.NONE, {"AGENT_LINEAGE": "a lie"}, ours={"AGENT_LINEAGE": "outer:x:1"})

    assert nested.variables["AGENT_LINEAGE"] == "outer:x:1 i:team/planner:1"
    assert environment().variables["AGENT_LINEAGE"] == "i:team/planner:1"


@pytest.mark.parametrize("inherit", Inherit)
def test_another_user_gets_the_variables_of_that_user(inherit: Inherit) -> None:
    built = environment(inherit, {"SHELL": "/bin/zsh"}, user="worker", account=NOBODY)

    found = {name: built.variables.get(name) for name in ("HOME", "USER", "LOGNAME", "SHELL")}
    assert found == {"HOME": "/home/worker", "USER": "worker", "LOGNAME": "worker", "SHELL": "/bin/zsh"}


def test_a_user_that_the_system_does_not_know_has_no_home_of_somebody_else() -> None:
    built = environment(Inherit.ALL, user=12345)

    assert not {"HOME", "USER", "LOGNAME", "SHELL"} & set(built.variables)


def test_the_secret_of_another_child_is_only_inherited_by_name() -> None:
    assert "OPENAI_KEY" not in environment(Inherit.ALL, withheld=("OPENAI_KEY",)).variables
    assert "OPENAI_KEY" not in environment(("OPENAI_*",), withheld=("OPENAI_KEY",)).variables
    assert environment(("OPENAI_KEY",), withheld=("OPENAI_KEY",)).variables["OPENAI_KEY"] == "of ours"
