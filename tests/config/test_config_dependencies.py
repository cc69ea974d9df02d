"""Dependencies between agents, and which agents run: what is disabled, what is named."""

import pytest

from tests.config.config_files import Files
from trio_supervisor.config import load
from trio_supervisor.errors import UnknownAgentError


def test_cycles_are_shown_as_paths_each_once(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a: {command: [x], depends_on: [b]}
  b: {command: [x], depends_on: {c: started, d: ready}}
  c: {command: [x], depends_on: [a]}
  d: {command: [x]}
  e: {command: [x], depends_on: [f, a]}
  f: {command: [x], depends_on: [e]}
  g: {command: [x], depends_on: [e]}
""") == [
        "2:34: agents wait for each other: a -> b -> c -> a",
        "6:34: agents wait for each other: e -> f -> e",
    ]


def test_a_chain_of_thousands_is_no_cycle_and_no_trap(files: Files) -> None:
    agents = "".join(f"  a{n}: {{command: [x], depends_on: [a{n + 1}]}}\n" for n in range(5_000))
    assert len(files.children(f"agents:\n{agents}  a5000: {{command: [x]}}\n")) == 5_001


def test_a_cycle_of_thousands_is_found(files: Files) -> None:
    agents = "".join(f"  a{n}: {{command: [x], depends_on: [a{(n + 1) % 3_000}]}}\n" for n in range(3_000))
    (mistake,) = files.mistakes(f"agents:\n{agents}")

    assert mistake.startswith("2:35: agents wait for each other: a0 -> a1 -> ")
    assert mistake.endswith(" -> a2999 -> a0")


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("[dtabase]", "3:34: there is no agent 'dtabase' to depend on; did you mean 'database'?"),
        ("{dtabase: ready}", "3:34: there is no agent 'dtabase' to depend on; did you mean 'database'?"),
        ("[a]", "3:34: agent 'a' depends on itself"),
        ("{database: finished}", "3:34: waits for 'database' to finish, which never does: its restart is permanent"),
        ("{database: healthy}", "3:44: must be one of started, ready, finished, not 'healthy'"),
        ("{database: redy}", "3:44: must be one of started, ready, finished, not 'redy'; did you mean 'ready'?"),
        ("{database: }", "3:44: must be one of started, ready, finished, not nothing"),
        ("[5]", '3:34: must be text: write "5" in quotes'),
        (
            "database",
            "3:33: depends_on: must be a mapping from agents to started, ready or finished, or a list of agents, "
            "not 'database'",
        ),
    ],
)
def test_a_dependency_that_cannot_be_met_is_a_mistake(files: Files, written: str, mistake: str) -> None:
    text = f"agents:\n  database: {{command: [x]}}\n  a: {{command: [x], depends_on: {written}}}\n"
    assert mistake in files.mistakes(text)


def test_a_wrong_condition_hides_no_other_mistake(files: Files) -> None:
    assert files.mistakes(
        "agents:\n  a: {command: [x], depends_on: {b: nope, c: ready, a: ready}}\n  b: {command: [x]}\n"
    ) == [
        "2:37: must be one of started, ready, finished, not 'nope'",
        "2:43: there is no agent 'c' to depend on",
        "2:53: agent 'a' depends on itself",
    ]


@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_what_is_not_permanent_can_finish(files: Files, restart: str) -> None:
    files.load(f"agents: {{a: {{command: [x], restart: {restart}}}, b: {{command: [x], depends_on: {{a: finished}}}}}}")


def test_an_agent_that_is_no_mapping_has_no_further_mistakes(files: Files) -> None:
    assert files.mistakes("agents:\n  a: 5\n  b: {command: [x], depends_on: {a: finished}}\n") == [
        "2:6: must be a mapping of an agent's keys, not the number 5"
    ]


def test_a_dependency_in_defaults_names_the_agent_that_can_not_have_it(files: Files) -> None:
    assert files.mistakes("defaults: {command: [x], depends_on: [db]}\nagents: {db: , a: , b: {enabled: false}}\n") == [
        "1:39: agent 'db' depends on itself (agent 'db')"
    ]


# Which run

_TEAM = """
agents:
  db: {command: [x]}
  web: {command: [x], depends_on: [db]}
  worker: {command: [x], depends_on: [web]}
  debug: {command: [x], enabled: false, depends_on: [db]}
  other: {command: [x]}
"""


def test_a_disabled_agent_is_left_out_and_told(files: Files) -> None:
    loaded = files.load(_TEAM)

    assert [child.id for child in loaded.spec.children] == ["db", "web", "worker", "other"]
    assert loaded.disabled == ("debug",)


@pytest.mark.parametrize(
    ("only", "running"),
    [
        (["db"], ["db"]),
        (["worker"], ["db", "web", "worker"]),
        (["other", "web"], ["db", "web", "other"]),
        (["debug"], ["db", "debug"]),
    ],
)
def test_with_names_just_those_run_and_what_they_need(files: Files, only: list[str], running: list[str]) -> None:
    assert list(files.children(_TEAM, only)) == running


def test_naming_a_disabled_agent_enables_it(files: Files) -> None:
    assert files.load(_TEAM, ["debug"]).disabled == ()


def test_a_name_that_is_not_there_is_told_with_what_was_meant(files: Files) -> None:
    path = files.write("main.yaml", _TEAM)

    with pytest.raises(UnknownAgentError) as caught:
        load(path, environ={}, only=["wrker", "db", "zzz"])

    assert str(caught.value) == "there is no agent 'wrker'; did you mean 'worker'?\nthere is no agent 'zzz'"


def test_depending_on_a_disabled_agent_is_a_mistake(files: Files) -> None:
    text = "agents:\n  a: {command: [x], enabled: false}\n  b: {command: [x], depends_on: [a]}\n"

    assert files.mistakes(text) == ["3:34: depends on 'a', which is disabled, so that 'b' could never start"]
    assert list(files.children(text, ["a", "b"])) == ["a", "b"]


def test_disabled_agents_may_depend_on_each_other(files: Files) -> None:
    text = "agents:\n  a: {command: [x], enabled: false}\n  b: {command: [x], enabled: false, depends_on: [a]}\n"
    assert files.load(text).disabled == ("a", "b")


def test_a_disabled_agent_must_be_right_all_the_same(files: Files) -> None:
    assert files.mistakes("agents:\n  a: {command: [x], enabled: false, restart: x, depends_on: [nobody]}\n") == [
        "2:46: restart: must be one of permanent, transient, temporary, not 'x'",
        "2:62: there is no agent 'nobody' to depend on",
    ]
