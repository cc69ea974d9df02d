"""Dependencies between agents, and which agents run: what is disabled, what is named."""

import pytest

from tests.config.config_files import Files
from trio_supervisor.config.load import load
from trio_supervisor.core.policy import Condition
from trio_supervisor.errors import UnknownAgentError
from trio_supervisor.spec import SupervisorSpec


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


# In and between supervisors ------------------------------------------------------------------------------------------


def test_a_bare_name_is_a_sibling_and_so_is_its_path(files: Files) -> None:
    spec = files.load("""
agents:
  a: {command: [x]}
  team:
    depends_on: {a: started}
    agents:
      a: {command: [x]}
      b: {command: [x], depends_on: {a: ready}}
      c: {command: [x], depends_on: {team/a: started}, binds_to: [team/b]}
  d: {command: [x], depends_on: [team]}
""").spec
    _, team, d = spec.children
    assert isinstance(team.run, SupervisorSpec)
    _, b, c = team.run.children

    assert dict(team.depends_on) == {"a": Condition.STARTED}
    assert dict(b.depends_on) == {"a": Condition.READY}
    assert (dict(c.depends_on), c.binds_to) == ({"a": Condition.STARTED}, ("b",))
    assert dict(d.depends_on) == {"team": Condition.READY}


_STORE_AND_TEAM = """\
agents:
  cache: {{command: [x]}}
  store: {{agents: {{db: {{command: [x]}}, deep: {{agents: {{y: {{command: [x]}}}}}}}}}}
  team:
    agents:
      deep: {{agents: {{x: {{command: [x]}}}}}}
      a:
        command: [x]
        {}
  b:
    command: [x]
    {}
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("store", "'store' is not in the same supervisor: let 'team' {} 'store'"),
        ("cache", "'cache' is not in the same supervisor: let 'team' {} 'cache'"),
        ("store/db", "'store/db' is not in the same supervisor: let 'team' {} 'store'"),
        ("store/deep/y", "'store/deep/y' is not in the same supervisor: let 'team' {} 'store'"),
        ("deep/x", "'team/deep/x' is in the supervisor 'deep': only that one as a whole is there to {}"),
        ("team/deep/x", "'team/deep/x' is in the supervisor 'deep': only that one as a whole is there to {}"),
        ("team", "'team' is the supervisor that 'team/a' is in"),
        ("db", "there is no agent 'db' to {}"),
        ("depe", "there is no agent 'depe' to {}; did you mean 'deep'?"),
        ("team/depe", "there is no agent 'team/depe' to {}"),
        ("/team/a", "there is no agent '/team/a' to {}"),
    ],
)
@pytest.mark.parametrize(("key", "verb"), [("depends_on", "depend on"), ("binds_to", "be bound to")])
def test_only_siblings_can_be_waited_for(files: Files, key: str, verb: str, name: str, message: str) -> None:
    column = len(f"        {key}: [") + 1
    assert files.mistakes(_STORE_AND_TEAM.format(f"{key}: [{name}]", "x-a: 1")) == [
        f"9:{column}: {message.format(verb)}"
    ]


def test_what_is_in_a_sibling_can_not_be_waited_for_alone(files: Files) -> None:
    assert files.mistakes(_STORE_AND_TEAM.format("x-a: 1", "depends_on: {store/db: started, store/deep/y: ready}")) == [
        "12:18: 'store/db' is in the supervisor 'store': only that one as a whole is there to depend on",
        "12:37: 'store/deep/y' is in the supervisor 'store': only that one as a whole is there to depend on",
    ]


def test_cycles_are_found_in_every_supervisor(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a: {command: [x], depends_on: [t]}
  t:
    depends_on: [a]
    agents:
      a: {command: [x], depends_on: [b]}
      b: {command: [x], depends_on: {t/a: started}}
""") == [
        "2:34: agents wait for each other: a -> t -> a",
        "6:38: agents wait for each other: a -> b -> a",
    ]


def test_a_supervisor_that_never_ends_by_itself_can_not_be_waited_for_to_finish(files: Files) -> None:
    text = """\
agents:
  t:
    restart: transient
    supervisor: {}
    agents: {a: {command: [x], restart: temporary}}
  b: {command: [x], depends_on: {t: finished}}
"""
    assert files.mistakes(text) == ["6:34: waits for 't' to finish, which never does: its auto_shutdown is never"]
    text = text.replace("{}", "{auto_shutdown: all_significant}").replace("temporary", "temporary, significant: true")
    files.load(text)
    assert files.mistakes(text.replace("transient", "permanent")) == [
        "6:34: waits for 't' to finish, which never does: its restart is permanent"
    ]


def test_a_bond_is_to_siblings_in_their_order(files: Files) -> None:
    children = files.children("""
agents:
  a: {command: [x]}
  t: {agents: {a: {command: [x]}}}
  b: {command: [x], binds_to: [t, a], depends_on: [a]}
""")
    assert children["b"].binds_to == ("t", "a")
    assert dict(children["b"].depends_on) == {"a": Condition.READY}


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("[dtabase]", "3:32: there is no agent 'dtabase' to be bound to; did you mean 'database'?"),
        ("[a]", "3:32: agent 'a' is bound to itself"),
        ("[off]", "3:32: is bound to 'off', which is disabled, so that 'a' could never start"),
        ("[5]", '3:32: must be text: write "5" in quotes'),
        ("{database: ready}", "3:31: binds_to: must be a list, not a mapping"),
        ("", "3:21: binds_to has no value"),
    ],
)
def test_a_bond_that_can_not_be_is_a_mistake(files: Files, written: str, mistake: str) -> None:
    others = "database: {command: [x]}\n  %s\n  off: {command: [x], enabled: false}\n"
    agent = f"a: {{command: [x], binds_to: {written}}}"
    assert mistake in files.mistakes("agents:\n  " + others % agent)


def test_a_cycle_may_go_over_bonds(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a: {command: [x], binds_to: [b]}
  b: {command: [x], depends_on: [c]}
  c: {command: [x], binds_to: [a]}
""") == ["2:32: agents wait for each other: a -> b -> c -> a"]


def test_a_bond_that_may_be_in_an_unreadable_file_is_not_called_unknown(files: Files) -> None:
    text = (
        "include: no.yaml\nagents: {a: {command: [x], binds_to: [b]}, t: {agents: {c: {command: [x], binds_to: [d]}}}}"
    )
    assert files.mistakes(text) == [
        "1:10: can't read no.yaml: no such file",
        "2:86: there is no agent 'd' to be bound to",
    ]


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        ("depends_on: [a]", []),
        ("depends_on: {a: started}", []),
        (
            "depends_on: [c]",
            ["7:22: depends on 'c', which comes later: in profile otp agents start in the order of the file"],
        ),
        (
            "depends_on: {a: finished}",
            ["7:22: waits for 'a' to finish: in profile otp agents wait for a start, never for an end"],
        ),
        (
            "binds_to: [a]",
            ["7:20: 'binds_to' does not go with profile otp: there the strategy says what is restarted together"],
        ),
    ],
)
def test_in_profile_otp_the_order_of_the_file_decides(files: Files, written: str, mistakes: list[str]) -> None:
    text = f"""\
supervisor: {{profile: otp}}
agents:
  t:
    agents:
      a: {{command: [x], restart: temporary}}
      b:
        {written}
        command: [x]
      c: {{command: [x]}}
"""
    if mistakes:
        assert files.mistakes(text) == mistakes
    else:
        files.load(text)
    files.load(text.replace("profile: otp", "profile: fleet"))


# Which run, in a tree ------------------------------------------------------------------------------------------------

_TREE = """
agents:
  db: {command: [x]}
  team:
    depends_on: [db]
    agents:
      planner: {command: [x]}
      coder: {command: [x], depends_on: [planner]}
      debug: {command: [x], enabled: false}
      sub: {agents: {x: {command: [x]}, y: {command: [x], enabled: false}}}
  spare:
    enabled: false
    agents: {s: {command: [x]}, off: {command: [x], enabled: false}}
  web: {command: [x], binds_to: [team]}
  worker: {command: [x], replicas: 3}
"""
_TEAM_RUNS = ["db", "team/planner", "team/coder", "team/sub/x"]


@pytest.mark.parametrize(
    ("only", "running", "disabled"),
    [
        ([], [*_TEAM_RUNS, "web", "worker-1", "worker-2", "worker-3"], ["team/debug", "team/sub/y", "spare"]),
        (["team"], _TEAM_RUNS, ["team/debug", "team/sub/y", "spare"]),
        (["team/planner"], ["db", "team/planner"], ["team/debug", "team/sub/y", "spare"]),
        (["team/coder"], ["db", "team/planner", "team/coder"], ["team/debug", "team/sub/y", "spare"]),
        (["team/planner", "team"], _TEAM_RUNS, ["team/debug", "team/sub/y", "spare"]),
        (["team", "team/planner"], _TEAM_RUNS, ["team/debug", "team/sub/y", "spare"]),
        (["team/debug"], ["db", "team/debug"], ["team/sub/y", "spare"]),
        (["team/sub"], ["db", "team/sub/x"], ["team/debug", "team/sub/y", "spare"]),
        (["team/sub/y"], ["db", "team/sub/y"], ["team/debug", "spare"]),
        (["web"], [*_TEAM_RUNS, "web"], ["team/debug", "team/sub/y", "spare"]),
        (["spare"], ["spare/s"], ["team/debug", "team/sub/y", "spare/off"]),
        (["spare/off"], ["spare/off"], ["team/debug", "team/sub/y"]),
        (["worker"], ["worker-1", "worker-2", "worker-3"], ["team/debug", "team/sub/y", "spare"]),
        (["worker-2", "db"], ["db", "worker-2"], ["team/debug", "team/sub/y", "spare"]),
    ],
)
def test_paths_and_whole_supervisors_can_be_named(
    files: Files, only: list[str], running: list[str], disabled: list[str]
) -> None:
    loaded = files.load(_TREE, only)

    assert list(loaded.agents) == running == _paths(loaded.spec)
    assert list(loaded.disabled) == disabled


def _paths(spec: SupervisorSpec, before: str = "") -> list[str]:
    found = []
    for child in spec.children:
        if isinstance(child.run, SupervisorSpec):
            found += _paths(child.run, f"{before}{child.id}/")
        else:
            found.append(before + child.id)
    return found


def test_a_supervisor_of_which_nothing_is_wanted_does_not_run(files: Files) -> None:
    assert [child.id for child in files.load(_TREE, ["db"]).spec.children] == ["db"]


def test_a_path_that_is_not_there_is_told_with_what_was_meant(files: Files) -> None:
    path = files.write("main.yaml", _TREE)
    with pytest.raises(UnknownAgentError) as caught:
        load(path, environ={}, only=["team/plannr", "planner", "team/", "worker-4", ""])

    assert str(caught.value).splitlines() == [
        "there is no agent 'team/plannr'; did you mean 'team/planner'?",
        "there is no agent 'planner'; did you mean 'team/planner'?",
        "there is no agent 'team/'; did you mean 'team'?",
        "there is no agent 'worker-4'; did you mean 'worker'?",
        "there is no agent ''",
    ]


def test_depending_on_a_disabled_supervisor_is_a_mistake(files: Files) -> None:
    text = "agents:\n  t: {enabled: false, agents: {a: {command: [x]}}}\n  b: {command: [x], depends_on: [t]}\n"
    assert files.mistakes(text) == ["3:34: depends on 't', which is disabled, so that 'b' could never start"]
    assert list(files.children(text, ["b", "t/a"])) == ["t", "b"]


def test_a_disabled_supervisor_must_be_right_all_the_same(files: Files) -> None:
    text = "agents:\n  t: {enabled: false, agents: {a: {command: [x], depends_on: [b]}}}\n  c: {command: [x]}\n"
    assert files.mistakes(text) == ["2:63: there is no agent 'b' to depend on"]
