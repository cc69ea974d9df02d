"""Probes: the kind is its key, the other keys must go with it, and a port must be there where it is asked."""

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import (
    A2A,
    Call,
    Check,
    Exec,
    File,
    Grpc,
    Health,
    Http,
    Log,
    LogStream,
    Notify,
    ProcessSpec,
    Readiness,
    Startup,
    Tcp,
    Unix,
)

KINDS = "http, a2a, tcp, exec, log, file, unix, notify, engine, grpc, call, stdio"


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ("{http: /health}", Http("/health")),
        ("{http: 'http://127.0.0.1:{port}/x'}", Http("http://127.0.0.1:{port}/x")),
        (
            "{http: /h, method: POST, headers: {X-A: b}, status: [200, 204], body: ok, host: 127.0.0.2}",
            Http("/h", "POST", {"X-A": "b"}, (200, 204), body="ok", host="127.0.0.2"),
        ),
        (
            "{http: /h, json: {status: ok, n: [1, 2.5, true, null, {a: 'b'}]}}",
            Http("/h", json={"status": "ok", "n": [1, 2.5, True, None, {"a": "b"}]}),
        ),
        ("{a2a: true, host: localhost}", A2A(host="localhost")),
        ("{tcp: '{port}'}", Tcp("{port}")),
        ("{tcp: 6379}", Tcp("6379")),
        ("{tcp: 'db:5432'}", Tcp("db:5432")),
        ("{exec: [./check, '{port}']}", Exec(("./check", "{port}"))),
        ("{log: 'listening on {port}'}", Log("listening on {port}")),
        ("{log: up, fail: EADDRINUSE, stream: stderr}", Log("up", "EADDRINUSE", LogStream.STDERR)),
        ("{log: null, fail: panic}", Log(fail="panic")),
        ("{file: /run/x, newer: true, max_age: 40s}", File("/run/x", newer=True, max_age=40.0)),
        ("{unix: '/run/{id}.sock'}", Unix("/run/{id}.sock")),
        ("{notify: true}", Notify()),
        ("{grpc: '{port}', service: a.B, tls: true}", Grpc("{port}", "a.B", tls=True)),
    ],
)
def test_each_kind_of_probe_has_its_keys(files: Files, written: str, check: Check) -> None:
    child = files.child(f"agents: {{a: {{command: [x], port: auto, readiness: {written}, health: {written}}}}}")
    assert (child.readiness, child.health) == (Readiness(check), Health(check))


def test_the_keys_of_the_role_stand_beside_those_of_the_kind(files: Files) -> None:
    child = files.child("""
agents:
  a:
    command: [x]
    readiness: {tcp: 1, period: 1s, timeout: 500ms, deadline: 2m, failures: 5, successes: 2}
    health: {tcp: 1, period: 1m, timeout: 9s, failures: 4, successes: 3}
""")

    assert child.readiness == Readiness(Tcp("1"), 1.0, 0.5, 120.0, 5, 2)
    assert child.health == Health(Tcp("1"), 60.0, 9.0, 4, 3)


def test_startup_is_a_probe_like_the_others(files: Files) -> None:
    child = files.child("""
defaults: {startup: {period: 1s, jitter: 0.2}}
agents:
  a:
    command: [x]
    startup: {tcp: 1, timeout: 500ms, deadline: 2m, failures: 5, successes: 2, initial_delay: 3s}
    health: {tcp: 1, initial_delay: 0s, jitter: 0}
""")

    assert child.startup == Startup(Tcp("1"), 1.0, 0.5, 120.0, 5, 2, 3.0, 0.2)
    assert child.health == Health(Tcp("1"), initial_delay=0.0, jitter=0.0)


def test_files_and_functions_start_at_the_directory_of_the_file(files: Files) -> None:
    child = files.child("""
agents:
  a: {command: [x], startup: {file: run/up}, readiness: {unix: run/a.sock}, health: {call: "my.checks:alive"}}
""")

    here = str(files.directory)
    assert child.startup == Startup(File(f"{here}/run/up"))
    assert child.readiness == Readiness(Unix(f"{here}/run/a.sock"))
    assert child.health == Health(Call("my.checks:alive", here))


def test_a_socket_for_notifications_is_given_with_a_probe_or_without(files: Files) -> None:
    children = files.children("""
agents:
  plain: {command: [x]}
  told: {command: [x], notify: true}
  watched: {command: [x], health: {notify: true}}
""")

    assert [child.notifies for child in children.values()] == [False, True, True]
    run = children["told"].run
    assert isinstance(run, ProcessSpec)
    assert run.notify


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        (
            "{}",
            "health: needs one of http, a2a, mcp, agentcore, ws, tcp, redis, exec, log, file, "
            "unix, notify, engine, grpc, call, stdio: how is it asked?",
        ),
        (
            "{period: 5s}",
            "health: needs one of http, a2a, mcp, agentcore, ws, tcp, redis, exec, log, file, "
            "unix, notify, engine, grpc, call, stdio: how is it asked?",
        ),
        ("{htpp: /x}", "unknown key 'htpp'; did you mean 'http'?"),
        ("{ping: x}", "unknown key 'ping'"),
        ("{tcp: 1, http: /}", "a probe has one kind; 'tcp' stands here too"),
        ("{tcp: 1, method: GET}", "'method' does not go with 'tcp'"),
        ("{a2a: true, status: [200]}", "'status' does not go with 'a2a'"),
        ("{tcp: 1, deadline: 5s}", "unknown key 'deadline'"),
        ("{a2a: false}", "a2a must be true; without a probe leave it out"),
        ("{a2a: 'yes'}", "a2a: must be true or false, not 'yes'; did you mean 'true'?"),
        ("{http: health}", "http 'health': must be a path that starts with '/', or a URL of http:// or https://"),
        ("{http: }", "http has no value"),
        (
            "{http: /, body: '('}",
            "http: body: '(' is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("{http: /, status: 200}", "status: must be a list, not the number 200"),
        ("{http: /, status: ['200']}", "must be a whole number, not '200'"),
        ("{http: /, status: [20]}", "http: status must be codes within 100 to 599, not [20]"),
        ("{http: /, json: {a: .nan}}", ".nan is no number in JSON"),
        ("{http: /, headers: {A: 1}}", 'must be text: write "1" in quotes'),
        ("{tcp: host}", "tcp 'host': the port must be {port} or a number within 1 to 65535"),
        ("{tcp: 99999}", "tcp '99999': the port must be {port} or a number within 1 to 65535"),
        ("{exec: check}", "exec: must be a list, not 'check'"),
        ("{exec: []}", "exec must name a program"),
        ("{log: null}", "health: log must be a regular expression, or there must be one in fail"),
        ("{log: ''}", "health: log must be a regular expression, or there must be one in fail"),
        (
            "{log: x, fail: '['}",
            "log: fail: '[' is not a regular expression: unterminated character set at position 0",
        ),
        ("{log: x, stream: out}", "stream: must be one of both, stdout, stderr, not 'out'; did you mean 'stdout'?"),
        ("{log: x, max_age: 1s}", "'max_age' does not go with 'log'"),
        ("{file: x, max_age: 0s}", "file: max_age must be > 0, not 0.0"),
        ("{notify: false}", "notify must be true; without a probe leave it out"),
        ("{grpc: host}", "grpc 'host': the port must be {port} or a number within 1 to 65535"),
        ("{call: check}", "call: must be package.module:function, not 'check'"),
        ("{tcp: 1, jitter: 1}", "health: jitter must be within 0 to 1, not 1.0"),
        ("{tcp: 1, failures: 0}", "health: failures must be > 0, not 0"),
        (
            "{tcp: 1, initial_delay: soon}",
            "initial_delay: 'soon' is no duration: write a duration such as 500ms, 30s, 5m, 1h30m or 24h",
        ),
    ],
)
def test_a_probe_that_makes_no_sense_is_a_mistake(files: Files, written: str, mistake: str) -> None:
    (found,) = files.mistakes(f"agents: {{a: {{command: [x], port: auto, health: {written}}}}}")
    assert found.partition(": ")[2] == mistake


def test_a_mistake_of_a_spec_class_has_the_place_of_its_value(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a:
    command: [x]
    port: auto
    health:
      http: /
      method: get it
      status: [1]
      headers: {"a b": c}
      period: 0s
""") == [
        "7:15: http: 'get it' is not a method",
        "8:15: http: status must be codes within 100 to 599, not [1]",
        "9:16: http: headers: 'a b' is not the name of a header",
        "10:15: health: period must be > 0, not 0.0",
    ]


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("health: {http: /health}", "2:36: 'http' needs the agent's port: write 'port: auto'"),
        ("readiness: {a2a: true}", "2:38: 'a2a' needs the agent's port: write 'port: auto'"),
        ("health: {tcp: '{port}'}", "2:35: '{port}' needs the agent's port: write 'port: auto'"),
        ("health: {exec: [c, '{port}']}", "2:40: '{port}' needs the agent's port: write 'port: auto'"),
        ("health: {http: 'http://h:{port}/'}", "2:36: '{port}' needs the agent's port: write 'port: auto'"),
        ("env: {P: 'x{port}'}", "2:30: '{port}' needs the agent's port: write 'port: auto'"),
    ],
)
def test_what_needs_a_port_is_a_mistake_without_one(files: Files, written: str, mistake: str) -> None:
    assert files.mistakes(f"agents:\n  a: {{command: [x], {written}}}\n") == [mistake]


def test_what_needs_no_port_is_none(files: Files) -> None:
    files.load("""
agents:
  a:
    command: [x, "{id}", "{ports}", "{}"]
    readiness: {http: "http://example.org/"}
    health: {tcp: "db:5432"}
""")


def test_a_wrong_port_is_not_told_twice(files: Files) -> None:
    assert files.mistakes("agents: {a: {command: [x, '{port}'], port: atuo}}") == [
        "1:44: port: must be auto, a number, or a range such as 19001-19100, not 'atuo'; did you mean 'auto'?"
    ]


def test_a_task_has_no_port_and_no_commands(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a: {task: "m:f", health: {http: /health}}
  b: {task: "m:f", health: {exec: [check]}}
  c: {task: "m:f", health: {tcp: "db:1"}, readiness: {http: "http://db/"}}
""") == [
        "2:35: 'http' needs the agent's port: a task has none",
        "3:29: 'exec' does not go with 'task': a command runs in the directory and environment of a process",
    ]


def test_a_task_has_no_socket_to_notify_by(files: Files) -> None:
    (mistake,) = files.mistakes("agents: {a: {task: 'm:f', readiness: {notify: true}}}")
    assert mistake.endswith("notify is for children that are processes")
