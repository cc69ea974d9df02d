"""Single values of an agent and of the supervisor: what each key takes, and how strict it is."""

from signal import Signals

import pytest

from tests.config.config_files import Files
from trio_supervisor.core.policy import Backoff, Condition, Intensity, Restart
from trio_supervisor.spec import ChildSpec, Port, ProcessSpec, SignalStep, SupervisorSpec, TaskSpec


def test_an_agent_with_nothing_but_a_command_has_the_defaults_of_the_specs(files: Files) -> None:
    loaded = files.load("agents: {web: {command: [serve, --fast]}}")

    run = ProcessSpec(("serve", "--fast"), cwd=str(files.directory))
    assert loaded.spec == SupervisorSpec((ChildSpec("web", run),))
    assert (loaded.path, loaded.disabled, loaded.warnings) == (str(files.directory / "main.yaml"), (), ())


def test_every_key_of_a_process_reaches_its_spec(files: Files) -> None:
    child = files.child("""
version: 1
agents:
  web:
    command: exec serve "$HOME" | tee log
    shell: true
    cwd: sub/../other
    env: {A: b, "8": "9"}
    port: 8080
    restart: transient
    backoff: {initial: 0, factor: 3, max: 1m, jitter: 0.5, reset_after: 2m}
    stop: {signal: SIGINT, grace: 3s}
    enabled: true
""")

    assert child == ChildSpec(
        "web",
        ProcessSpec(
            ('exec serve "$HOME" | tee log',), shell=True, cwd=str(files.directory / "other"), env={"A": "b", "8": "9"}
        ),
        restart=Restart.TRANSIENT,
        backoff=Backoff(0.0, 3.0, 60.0, 0.5, 120.0),
        stop=(SignalStep(Signals.SIGINT, 3.0),),
        port=Port(8080, 8080),
    )


def test_a_task_is_imported_from_the_directory_of_the_file(files: Files) -> None:
    child = files.child("agents: {poll: {task: 'pkg.workers:Poller.run', restart: temporary}}")
    assert child.run == TaskSpec("pkg.workers:Poller.run", path=str(files.directory))


def test_the_supervisor_has_its_own_keys(files: Files) -> None:
    spec = files.load("""
supervisor: {intensity: {restarts: 0, within: 1h}, stop_deadline: 0s, max_parallel_starts: 3}
agents: {a: {command: [x], stop: {grace: 0}}}
""").spec

    assert (spec.intensity, spec.stop_deadline, spec.max_parallel_starts) == (Intensity(0, 3600.0), 0.0, 3)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("auto", Port(19001, 19100)),
        ("8080", Port(8080, 8080)),
        ("'8080'", Port(8080, 8080)),
        ("1-65535", Port(1, 65535)),
    ],
)
def test_a_port_is_auto_a_number_or_a_range(files: Files, port: str, expected: Port) -> None:
    assert files.child(f"agents: {{a: {{command: [x], port: {port}}}}}").port == expected


def test_dependencies_are_a_mapping_or_a_list(files: Files) -> None:
    children = files.children("""
agents:
  a: {command: [x], restart: temporary}
  b: {command: [x], depends_on: {a: finished}}
  c: {command: [x], depends_on: {a: started, b: ready}}
  d: {command: [x], depends_on: [c, a]}
""")

    assert [dict(child.depends_on) for child in children.values()] == [
        {},
        {"a": Condition.FINISHED},
        {"a": Condition.STARTED, "b": Condition.READY},
        {"c": Condition.READY, "a": Condition.READY},
    ]


def test_null_is_as_good_as_not_given_where_there_may_be_nothing(files: Files) -> None:
    child = files.child("agents: {a: {command: [x], cwd: null, port: ~, readiness: , health: null, env_file: null}}")
    assert child == ChildSpec("a", ProcessSpec(("x",), cwd=str(files.directory)))


def test_x_keys_are_free_wherever_keys_are_fixed(files: Files) -> None:
    files.load("""
x-all: {anything: [goes]}
supervisor: {x-a: 1, intensity: {x-b: 2}}
defaults: {x-c: 3}
agents:
  a:
    command: [x]
    x-d: ${NOT_SET}
    backoff: {x-e: 5}
    readiness: {tcp: 1, x-f: 6}
    stop: {x-g: 7}
  x-h: {command: [x]}
""")


def test_anchors_and_merge_keys_are_plain_yaml(files: Files) -> None:
    children = files.children("""
x-base: &base {restart: transient, env: &env {A: "1", B: "2"}}
x-more: &more {restart: temporary, cwd: /tmp}
agents:
  a: {<<: *base, command: [x], env: {<<: *env, B: "3"}}
  b: {command: [x], <<: [*base, *more]}
""")

    assert children["a"].run == ProcessSpec(("x",), cwd=str(files.directory), env={"A": "1", "B": "3"})
    assert (children["a"].restart, children["b"].restart) == (Restart.TRANSIENT, Restart.TRANSIENT)
    assert children["b"].run == ProcessSpec(("x",), cwd="/tmp", env={"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        # text
        ("cwd: 5", 'cwd: must be text: write "5" in quotes'),
        ("cwd: true", 'cwd: must be text: write "true" in quotes'),
        ("cwd: [a]", "cwd: must be text, not a list"),
        ("cwd: ''", "cwd: must be a path, not ''"),
        ("cwd: ~/agent", "cwd: '~' is not replaced in a path: write ${HOME}"),
        ('cwd: "a\\0b"', "cwd: can't hold a NUL byte"),
        ("env: {A: 1}", 'must be text: write "1" in quotes'),
        ("env: {A: 1.0}", 'must be text: write "1.0" in quotes'),
        ("env: {A: null}", "must be text"),
        ("env: {A=B: c}", "the name of a variable can't be empty or hold '=' or NUL"),
        ("env: [A=b]", "env: must be a mapping, not a list"),
        # true and false
        ("enabled: yes", "enabled: must be true or false, not 'yes'; did you mean 'true'?"),
        ("enabled: off", "enabled: must be true or false, not 'off'; did you mean 'false'?"),
        ("enabled: 'true'", "enabled: must be true or false, not 'true'"),
        ("enabled: 1", "enabled: must be true or false, not the number 1"),
        ("enabled:", "enabled has no value"),
        # numbers
        ("backoff: {factor: fast}", "factor: must be a number, not 'fast'"),
        ("backoff: {factor: .inf}", "factor: must be a number, not the number .inf"),
        ("backoff: {jitter: .nan}", "jitter: must be a number, not the number .nan"),
        ("backoff: {jitter: true}", "jitter: must be a number, not true"),
        ("backoff: {jitter: 20}", "backoff: jitter must be between 0 and 1, not 20.0"),
        ("backoff: {factor: 0.5}", "backoff: factor must be >= 1, not 0.5"),
        ("health: {tcp: 1, failures: 1.0}", "failures: must be a whole number, not the number 1.0"),
        ("health: {tcp: 1, failures: 0}", "health: failures must be > 0, not 0"),
        ("health: {tcp: 1, failures: true}", "failures: must be a whole number, not true"),
        # durations
        ("stop: {grace: 30}", "grace: a duration needs its unit: write 30s"),
        ("stop: {grace: 1.5}", "grace: a duration needs its unit: write 1.5s"),
        ("stop: {grace: -5}", "grace: must be a duration such as 30s, not the number -5"),
        ("stop: {grace: .inf}", "grace: must be a duration such as 30s, not the number .inf"),
        ("stop: {grace: .nan}", "grace: must be a duration such as 30s, not the number .nan"),
        (
            "stop: {grace: 22:22}",
            "grace: '22:22' is no duration: write a duration such as 500ms, 30s, 5m, 1h30m or 24h",
        ),
        ("stop: {grace: [1s]}", "grace: must be a duration such as 30s, not a list"),
        ("stop: {grace: false}", "grace: must be a duration such as 30s, not false"),
        ("health: {tcp: 1, period: 0}", "health: period must be > 0, not 0.0"),
        # words
        ("restart: no", "restart: must be one of permanent, transient, temporary, not 'no'"),
        ("restart: permanant", "not 'permanant'; did you mean 'permanent'?"),
        ("restart: true", "restart: must be one of permanent, transient, temporary, not true"),
        ("stop: {signal: 15}", "signal: must be the name of a signal such as TERM, not the number 15"),
        ("stop: {signal: term}", "not 'term'; did you mean 'TERM'?"),
        ("stop: {signal: SIGTREM}", "not 'SIGTREM'"),
        # ports
        ("port: 0", "port must be within 1 to 65535, not 0"),
        ("port: 99999", "port must be within 1 to 65535, not 99999"),
        ("port: 20-10", "port must be within 1 to 65535, not 20-10"),
        (
            "port: atuo",
            "port: must be auto, a number, or a range such as 19001-19100, not 'atuo'; did you mean 'auto'?",
        ),
        ("port: -1", "port: must be auto, a number, or a range such as 19001-19100, not the number -1"),
        ("port: [1]", "port: must be auto, a number, or a range such as 19001-19100, not a list"),
        # mappings
        ("stop: TERM", "stop: must be {signal, grace}, or a list of steps, not 'TERM'"),
        ("backoff: 5s", "backoff: must be a mapping, not '5s'"),
        ("replicas: 0", "replicas must be >= 1, not 0; `enabled: false` leaves it out"),
        ("replicas: two", "replicas: must be a whole number, not 'two'"),
        ("significant: yes", "significant: must be true or false, not 'yes'; did you mean 'true'?"),
        ("binds_to: db", "binds_to: must be a list, not 'db'"),
        ("intensity: 5", "intensity: must be a mapping, not the number 5"),
        ("intensity: {restarts: -1}", "intensity: restarts must be >= 0, not -1"),
        ("start_timeout: 5", "start_timeout: a duration needs its unit: write 5s"),
        ("start_timeout: 0", "start_timeout must be > 0, not 0.0"),
        (
            "start_timeout: infinty",
            "'infinty' is no duration: write a duration such as 500ms, 30s, 5m, 1h30m or 24h; did you mean 'infinity'?",
        ),
        ("grace: 5", "grace: a duration needs its unit: write 5s"),
        ("grace: [5s]", "grace: must be a duration such as 30s, not a list"),
        (
            "grace: klil",
            "'klil' is no duration: write a duration such as 500ms, 30s, 5m, 1h30m or 24h; did you mean 'kill'?",
        ),
        ("strategy: one_for_all", "'strategy' stands under 'supervisor', beside 'agents'"),
        ("healt: {}", "unknown key 'healt'; did you mean 'health'?"),
        ("HEALTH: {}", "unknown key 'HEALTH'; did you mean 'health'?"),
    ],
)
def test_a_value_of_another_type_is_a_mistake(files: Files, written: str, mistake: str) -> None:
    (found,) = files.mistakes(f"agents:\n  a:\n    command: [x]\n    {written}\n")
    assert found.startswith("4:")
    assert found.endswith(mistake)


@pytest.mark.parametrize(
    ("command", "mistake"),
    [
        (
            "command: redis-server --port 1",
            "command must be a list: [redis-server, --port, \"1\"]; one string needs 'shell: true'",
        ),
        ("command: a | b", "command must be a list; one string needs 'shell: true'"),
        ("command: 'a \"b'", "command must be a list; one string needs 'shell: true'"),
        ("command: {a: b}", "command: must be a list of program and arguments, not a mapping"),
        ("command: 5", 'command: must be text: write "5" in quotes'),
        ("command: []", "command must name a program"),
        ("command: ['']", "command must name a program"),
        ("command:", "command has no value"),
        ("command: [sleep, 5]", 'must be text: write "5" in quotes'),
        ("command: [echo, yes, no, on, null]", "must be text"),
        ("{command: [x], shell: true}", "command must be one string with 'shell: true', not a list"),
        ("{command: x, shell: yes}", "shell: must be true or false, not 'yes'; did you mean 'true'?"),
        (
            "{}",
            "agent 'a' needs 'command' (a process), 'task' (a function), 'remote' (a URL), 'container' or 'agents' "
            "(a supervisor)",
        ),
        ("comand: [x]", "unknown key 'comand'; did you mean 'command'?"),
        ("agent: {}", "unknown key 'agent'; did you mean 'agents'?"),
        ("task: module", "task: must be package.module:function, not 'module'"),
        ("task: 'a b:c'", "task: must be package.module:function, not 'a b:c'"),
        ("{task: 'a:b', command: [x]}", "'command' is for processes; it does not go with 'task'"),
        ("{task: 'a:b', port: auto}", "'port' is for processes; it does not go with 'task'"),
        ("{task: 'a:b', env: {}}", "'env' is for processes; it does not go with 'task'"),
        ("[x]", "must be a mapping of an agent's keys, not a list"),
        ("x", "must be a mapping of an agent's keys, not 'x'"),
    ],
)
def test_what_an_agent_runs_is_one_thing_in_one_form(files: Files, command: str, mistake: str) -> None:
    (found,) = files.mistakes(f"agents:\n  a:\n    {command}\n")
    assert found.partition(": ")[2] == mistake


@pytest.mark.parametrize("name", ["-a", "a_b", "a.b", "a/b", "", "a" * 65, "${A}"])
def test_an_agent_has_a_name_of_letters_digits_and_hyphens(files: Files, name: str) -> None:
    (mistake,) = files.mistakes(f"agents:\n  '{name}': {{command: [x]}}\n")
    assert mistake.startswith(f"2:3: id '{name}': must be 1 to 64 letters, digits and hyphens")


def test_names_that_look_like_numbers_are_names(files: Files) -> None:
    assert list(files.children("agents: {1: {command: [x]}, 'on': {command: [x]}, null: {command: [x]}}")) == [
        "1",
        "on",
        "null",
    ]


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        ("version: 2", ["1:10: version: must be 1: this program does not know version 2"]),
        ("version: '1'", ["1:10: version: must be a whole number, not '1'"]),
        ("supervisor: []", ["1:13: supervisor: must be a mapping, not a list"]),
        (
            "supervisor: {profile: OTP}",
            ["1:23: profile: must be one of fleet, otp, not 'OTP'; did you mean 'otp'?"],
        ),
        (
            "supervisor: {strategy: one_for_one_all}",
            [
                "1:24: strategy: must be one of one_for_one, one_for_all, rest_for_one, not 'one_for_one_all'; "
                "did you mean 'one_for_one'?"
            ],
        ),
        (
            "supervisor: {strategy: simple_one_for_one}",
            [
                "1:24: strategy: simple_one_for_one makes all agents of one template while the program runs; "
                "in a file each one is written: write one_for_one, and 'replicas' for several of a kind"
            ],
        ),
        (
            "supervisor: {at_limit: escalte, auto_shutdown: yes}",
            [
                "1:24: at_limit: must be one of hold, escalate, pause, not 'escalte'; did you mean 'escalate'?",
                "1:48: auto_shutdown: must be one of never, any_significant, all_significant, not 'yes'",
            ],
        ),
        ("supervisor: {max_children: 5}", ["1:14: unknown key 'max_children'"]),
        ("strategy: one_for_all", ["1:1: 'strategy' stands under 'supervisor'"]),
        (
            "supervisor: {intensity: {restarts: -1, within: 0s}}",
            [
                "1:36: intensity: restarts must be >= 0, not -1",
                "1:48: intensity: within must be > 0 seconds, not 0.0",
            ],
        ),
        ("supervisor: {max_parallel_starts: 0}", ["1:35: max_parallel_starts must be > 0, not 0"]),
        ("agents: [a]", ["1:9: agents: must be a mapping from names to agents, not a list"]),
        ("defaults: 5", ["1:11: defaults: must be a mapping of an agent's keys, not the number 5"]),
        ("agent: {}", ["1:1: unknown key 'agent'; did you mean 'agents'?"]),
    ],
)
def test_the_top_of_the_file_is_as_strict(files: Files, written: str, mistakes: list[str]) -> None:
    text = written if written.startswith("agents") else f"{written}\nagents: {{a: {{command: [x]}}}}"
    assert files.mistakes(text) == mistakes


def test_all_mistakes_come_at_once(files: Files) -> None:
    assert files.mistakes("""\
agents:
  web:
    comand: [python, -m, web]
    restart: always
    backoff: {factor: 0, jitter: 7, initial: 3}
    depends_on: {databse: ready, web: started}
    readiness: {http: nowhere, status: [7], timeout: 0s, failures: 0}
  database:
    command: [db, 8000]
    env: {PORT: "{port}", A: 1}
    nope: 1
  Database: {command: [x]}
""") == [
        "3:5: unknown key 'comand'; did you mean 'command'?",
        "4:14: restart: must be one of permanent, transient, temporary, not 'always'",
        "5:23: backoff: factor must be >= 1, not 0.0",
        "5:34: backoff: jitter must be between 0 and 1, not 7.0",
        "5:46: initial: a duration needs its unit: write 3s",
        "6:18: there is no agent 'databse' to depend on; did you mean 'database'?",
        "6:34: agent 'web' depends on itself",
        "7:23: http 'nowhere': must be a path that starts with '/', or a URL of http:// or https://",
        "7:40: http: status must be codes within 100 to 599, not [7]",
        "7:54: readiness: timeout must be > 0, not 0.0",
        "7:68: readiness: failures must be > 0, not 0",
        '9:19: must be text: write "8000" in quotes',
        "10:17: '{port}' needs the agent's port: write 'port: auto'",
        '10:30: must be text: write "1" in quotes',
        "11:5: unknown key 'nope'",
        "12:3: agents 'Database' and 'database' (main.yaml:8:3) differ only in case",
    ]
