"""The tables of keys leave out nothing that a spec class has."""

import attrs
import pytest

from trio_supervisor.config.key import Key
from trio_supervisor.config.keys import AGENT, DEFAULTS, FILE, INCLUDED, ROOT, SHORT_STOP, SUBTREE, SUBTREE_STOP
from trio_supervisor.config.tables import HOOK_KINDS, PROBE_KINDS, SECRET_KINDS, STEP_KINDS, TABLES
from trio_supervisor.record import is_record
from trio_supervisor.spec import (
    Call,
    CallHook,
    ChildSpec,
    CommandHook,
    ContainerSpec,
    Health,
    ProcessSpec,
    Readiness,
    RemoteSpec,
    SecretHeader,
    Startup,
    SupervisorSpec,
    TaskSpec,
)

NOT_WRITTEN = {
    SupervisorSpec: {"accounts", "children", "containers", "max_children", "template"},
    ContainerSpec: {"secrets", "stdin", "window", "limits"},
    Startup: {"check"},
    Readiness: {"check"},
    Health: {"check"},
    ChildSpec: {"id", "run"},
    TaskSpec: {"path"},
    Call: {"path"},
    CallHook: {"path"},
    CommandHook: {"cwd"},
    SecretHeader: {"secret"},
}
"""Attributes that the file says in another way than by a key of the same name."""


def _attributes(cls: type) -> set[str]:
    if is_record(cls):
        return set(cls.__match_args__) - NOT_WRITTEN.get(cls, set())  # type: ignore[attr-defined] # each record has them
    names = {one.name for one in attrs.fields(cls)} if attrs.has(cls) else set(vars(cls)["__match_args__"])
    return names - NOT_WRITTEN.get(cls, set())


@pytest.mark.parametrize("cls", TABLES, ids=lambda cls: cls.__name__)
def test_every_attribute_of_a_spec_class_is_a_key(cls: type) -> None:
    assert {key.attribute for key in TABLES[cls].values()} == _attributes(cls)


def test_an_agent_has_the_attributes_of_what_it_becomes() -> None:
    expected = _attributes(ProcessSpec) | _attributes(TaskSpec) | _attributes(RemoteSpec) | _attributes(ChildSpec)
    more = {"env_file", "enabled", "preset", "replicas", "container"}
    assert {key.attribute for key in AGENT.values()} == expected | more


def test_the_kind_of_a_probe_is_one_key() -> None:
    assert list(PROBE_KINDS) == [
        *("http", "a2a", "mcp", "agentcore", "ws", "tcp", "redis"),
        *("exec", "log", "file", "unix", "notify", "engine", "grpc", "call", "stdio"),
    ]


def test_so_is_the_kind_of_a_step_a_secret_and_a_hook() -> None:
    assert list(HOOK_KINDS) == ["command", "url", "call"]
    assert list(STEP_KINDS) == ["signal", "close_stdin", "send", "command", "http"]
    assert list(SECRET_KINDS) == ["file", "env", "command"]


@pytest.mark.parametrize(
    "table", [AGENT, DEFAULTS, FILE, INCLUDED, ROOT, SHORT_STOP, SUBTREE, SUBTREE_STOP, *TABLES.values()]
)
def test_what_is_required_has_an_example(table: dict[str, Key]) -> None:
    assert [name for name, key in table.items() if key.required and key.example is None] == []
    assert [name for name, key in table.items() if key.name != name] == []


def test_an_agent_that_is_a_supervisor_has_no_key_with_another_meaning() -> None:
    assert SUBTREE.keys() - AGENT.keys() == {"supervisor", "agents"}
    shared = SUBTREE.keys() & AGENT.keys()
    assert {name for name in shared if SUBTREE[name] != AGENT[name]} == {"stop"}
