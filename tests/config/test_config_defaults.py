"""`defaults`: merged deeply into every agent, and only what goes with it."""

from signal import Signals

from tests.config.config_files import Files
from trio_supervisor.core.policy import Backoff, Condition, Restart
from trio_supervisor.spec import A2A, Health, Http, ProcessSpec, Readiness, SignalStep, TaskSpec, Tcp


def test_mappings_are_merged_deeply_and_all_else_replaces(files: Files) -> None:
    children = files.children("""
defaults:
  command: [x, y]
  restart: transient
  env: {A: "1", B: "1"}
  backoff: {initial: 1s, max: 5s}
  stop: {grace: 5s}
agents:
  a:
  b: {command: [z], restart: permanent, env: {B: "2"}, backoff: {max: 9s}, stop: {signal: INT}}
""")

    assert children["a"].run == ProcessSpec(("x", "y"), cwd=str(files.directory), env={"A": "1", "B": "1"})
    assert children["a"].stop == (SignalStep(Signals.SIGTERM, 5.0),)
    assert children["b"].run == ProcessSpec(("z",), cwd=str(files.directory), env={"A": "1", "B": "2"})
    assert children["b"].restart is Restart.PERMANENT
    assert children["b"].backoff == Backoff(initial=1.0, max=9.0)
    assert children["b"].stop == (SignalStep(Signals.SIGINT, 5.0),)


def test_the_kind_of_a_probe_is_decided_by_the_agent(files: Files) -> None:
    children = files.children("""
defaults:
  port: auto
  health: {http: /health, status: [200], period: 10s, timeout: 1s}
agents:
  same: {command: [x]}
  path: {command: [x], health: {http: /ok}}
  kind: {command: [x], health: {tcp: "{port}"}, readiness: {a2a: true}}
  none: {command: [x], health: null, readiness: null}
""")

    http = Http("/health", status=(200,))
    assert children["same"].health == Health(http, 10.0, 1.0)
    assert children["path"].health == Health(Http("/ok", status=(200,)), 10.0, 1.0)
    assert children["kind"].health == Health(Tcp("{port}"), 10.0, 1.0)
    assert children["kind"].readiness == Readiness(A2A())
    assert (children["none"].health, children["none"].readiness) == (None, None)


def test_defaults_may_say_when_a_probe_is_asked_without_saying_how(files: Files) -> None:
    text = "defaults: {command: [x], health: {period: 10s}}\nagents: {a: {health: {tcp: 1}}, b: {health: null}}\n"
    assert files.children(text)["a"].health == Health(Tcp("1"), 10.0)


def test_an_agent_that_gets_half_a_probe_hears_of_it(files: Files) -> None:
    assert files.mistakes("defaults: {health: {period: 10s}}\nagents: {a: {command: [x]}}\n") == [
        "1:20: health: needs one of http, a2a, mcp, agentcore, ws, tcp, redis, exec, log, file, "
        "unix, notify, engine, grpc, call, stdio: how is it asked?"
    ]


def test_defaults_for_processes_leave_tasks_alone(files: Files) -> None:
    children = files.children("""
defaults: {command: [x], cwd: /tmp, env: {A: b}, port: auto, restart: transient}
agents:
  a:
  b: {task: "m:f"}
""")

    assert children["b"].run == TaskSpec("m:f", path=str(files.directory))
    assert (children["b"].port, children["b"].restart) == (None, Restart.TRANSIENT)


def test_defaults_for_tasks_leave_processes_alone(files: Files) -> None:
    children = files.children("defaults: {task: 'm:f'}\nagents: {a: , b: {command: [x]}}\n")
    assert [type(child.run) for child in children.values()] == [TaskSpec, ProcessSpec]


def test_dependencies_in_defaults_are_merged_too(files: Files) -> None:
    children = files.children("""
defaults: {command: [x], depends_on: {db: ready}}
agents:
  db: {depends_on: []}
  a:
  b: {depends_on: {a: started}}
""")

    assert dict(children["b"].depends_on) == {"db": Condition.READY, "a": Condition.STARTED}
    assert dict(children["db"].depends_on) == {}


def test_x_keys_of_agents_and_defaults_do_not_meet(files: Files) -> None:
    files.load("defaults: {x-a: [1]}\nagents: {a: {command: [x], x-a: {b: 1}}}\n")


def test_defaults_that_are_empty_change_nothing(files: Files) -> None:
    assert files.child("defaults:\nagents: {a: {command: [x]}}\n").restart is Restart.PERMANENT
