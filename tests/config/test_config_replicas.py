"""`replicas`: several agents out of one."""

import time

import pytest
from attrs import evolve

from tests.config.config_files import Files
from trio_supervisor.core.policy import Condition
from trio_supervisor.spec import Port


def test_replicas_are_numbered_from_one_in_the_place_of_the_agent(files: Files) -> None:
    loaded = files.load("""
agents:
  a: {command: [x]}
  worker: {command: [work, "{id}"], restart: transient, replicas: 3}
  b: {command: [x]}
""")
    children = {child.id: child for child in loaded.spec.children}

    assert list(children) == ["a", "worker-1", "worker-2", "worker-3", "b"]
    assert children["worker-2"] == evolve(children["worker-1"], id="worker-2")
    assert loaded.agents == tuple(children)


@pytest.mark.parametrize(
    ("replicas", "ids"), [("1", ["w-1"]), ("null", ["w"]), ("'${N}'", ["w-1", "w-2"]), ("${N:-9}", ["w-1", "w-2"])]
)
def test_an_agent_keeps_its_own_id_only_where_replicas_is_not_written(
    files: Files, replicas: str, ids: list[str]
) -> None:
    files.environ["N"] = "2"
    assert list(files.children(f"agents:\n  w:\n    command: [x]\n    replicas: {replicas}\n")) == ids


def test_a_task_may_have_replicas_and_defaults_may_say_how_many(files: Files) -> None:
    children = files.children("defaults: {replicas: 2}\nagents: {t: {task: 'm:f'}, a: {command: [x], replicas: null}}")
    assert list(children) == ["t-1", "t-2", "a"]


def test_each_replica_has_a_port_of_its_own(files: Files) -> None:
    children = files.children("agents: {a: {command: [x], port: auto, replicas: 100}}")
    assert {child.port for child in children.values()} == {Port(19001, 19100)}

    assert files.mistakes("agents:\n  a: {command: [x], port: 1-3, replicas: 4}\n") == [
        "2:27: 1-3: too few ports for the 4 agents that need one of them each"
    ]
    assert files.mistakes("agents: {a: {command: [x], port: auto, replicas: 100}, b: {command: [x], port: 19001}}") == [
        "1:34: 19001-19100: too few ports for the 101 agents that need one of them each"
    ]


@pytest.mark.parametrize("port", ["8080", "8080-8080"])
def test_a_fixed_port_can_not_be_that_of_several(files: Files, port: str) -> None:
    text = f"agents:\n  a: {{command: [x], port: {port}, replicas: 2}}\n"
    assert files.mistakes(text) == ["2:27: port 8080 can't be the port of 2 replicas: write auto, or a range"]
    assert files.child(text.replace("replicas: 2", "replicas: 1")).port == Port(8080, 8080)


def test_who_depends_on_the_agent_depends_on_all_replicas(files: Files) -> None:
    children = files.children("""
agents:
  worker: {command: [x], restart: transient, replicas: 2}
  all: {command: [x], depends_on: {worker: finished}}
  one: {command: [x], depends_on: [worker-2]}
  both: {command: [x], depends_on: {worker-2: started, worker: ready}}
  bound: {command: [x], binds_to: [worker-2, worker]}
  copies: {command: [x], depends_on: [worker], replicas: 2}
""")

    ready, started, finished = Condition.READY, Condition.STARTED, Condition.FINISHED
    assert {id: dict(child.depends_on) for id, child in children.items() if child.depends_on} == {
        "all": {"worker-1": finished, "worker-2": finished},
        "one": {"worker-2": ready},
        "both": {"worker-2": started, "worker-1": ready},
        "copies-1": {"worker-1": ready, "worker-2": ready},
        "copies-2": {"worker-1": ready, "worker-2": ready},
    }
    assert children["bound"].binds_to == ("worker-2", "worker-1")


@pytest.mark.parametrize(
    ("agents", "mistakes"),
    [
        (
            "{w-2: {command: [x]}, w: {command: [x], replicas: 2}}",
            ["1:59: replica 'w-2' would have the id of agent 'w-2' (main.yaml:1:10)"],
        ),
        (
            "{W-2: {command: [x]}, w: {command: [x], replicas: 3}}",
            ["1:59: replica 'w-2' would have the id of agent 'W-2' (main.yaml:1:10)"],
        ),
        (
            "{w: {command: [x], replicas: 3}, w-1: {command: [x], replicas: 3}}",
            ["1:38: replica 'w-1' would have the id of agent 'w-1' (main.yaml:1:42)"],
        ),
        ("{w: {command: [x], replicas: 3, depends_on: [w]}}", ["1:54: agent 'w' depends on itself"]),
        ("{w: {command: [x], replicas: 3, depends_on: [w-2]}}", ["1:54: agent 'w' depends on itself"]),
        (
            "{w: {command: [x], replicas: 2}, a: {command: [x], depends_on: [w-3]}}",
            ["1:73: there is no agent 'w-3' to depend on; did you mean 'w-2'?"],
        ),
        (
            "{w: {command: [x], replicas: 2, depends_on: [a]}, a: {command: [x], depends_on: [w-1]}}",
            ["1:54: agents wait for each other: w -> a -> w"],
        ),
        (
            f"{{{'w' * 63}: {{command: [x], replicas: 2}}}}",
            [f"1:100: id '{'w' * 63}-2': must be 1 to 64 letters, digits and hyphens, starting with a letter or digit"],
        ),
        ("{w: {command: [x], replicas: 10001}}", ["1:38: more than 10,000 replicas in all"]),
        (
            "{v: {command: [x], replicas: 5000}, w: {command: [x], replicas: 5001}}",
            ["1:73: more than 10,000 replicas in all"],
        ),
        ("{w: {command: [x], replicas: 999999999999999}}", ["1:38: more than 10,000 replicas in all"]),
    ],
)
def test_replicas_that_can_not_be(files: Files, agents: str, mistakes: list[str]) -> None:
    assert files.mistakes(f"agents: {agents}\n") == mistakes


def test_the_same_replicas_in_two_supervisors_do_not_clash(files: Files) -> None:
    loaded = files.load("agents: {s: {agents: &a {w: {command: [x], replicas: 2}}}, t: {agents: *a}}")
    assert loaded.agents == ("s/w-1", "s/w-2", "t/w-1", "t/w-2")


def test_a_clash_through_defaults_names_the_agent(files: Files) -> None:
    assert files.mistakes("defaults: {replicas: 2, command: [x]}\nagents: {t: {agents: {a: , a-1: }}}\n") == [
        "1:22: replica 'a-1' would have the id of agent 'a-1' (main.yaml:2:28) (agent 't/a')"
    ]


def test_replicas_that_all_depend_on_all_are_counted_not_made(files: Files) -> None:
    begin = time.process_time()
    mistakes = files.mistakes("""\
agents:
  a: {command: [x], replicas: 4000}
  b: {command: [x], replicas: 4000, depends_on: [a]}
""")

    assert mistakes == ["3:50: more than 1,000,000 dependencies in all, counted for each replica"]
    assert time.process_time() - begin < 2


@pytest.mark.slow
def test_thousands_of_replicas_take_no_minutes(files: Files) -> None:
    begin = time.process_time()
    assert len(files.children("agents: {w: {command: [x], port: 20000-40000, replicas: 10000}}")) == 10_000
    assert files.mistakes("agents: {w: {command: [x], port: auto, replicas: 10000}}") == [
        "1:34: 19001-19100: too few ports for the 10000 agents that need one of them each"
    ]
    assert time.process_time() - begin < 10
