"""What a process inherits, holds and may use: values of the keys, and what is refused."""

import pytest

from tests.config.config_files import Files
from trio_supervisor.spec import (
    UNLIMITED,
    Inherit,
    Limits,
    ProcessSpec,
    Secret,
    SecretCommand,
    SecretEnv,
    SecretFile,
    Stdin,
    TaskSpec,
)


def test_every_key_reaches_its_spec(files: Files) -> None:
    child = files.child("""
agents:
  a:
    command: [x]
    inherit_env: [PATH, "LC_*"]
    secrets:
      ONE: {env: SOURCE}
      TWO: {file: keys/../two.key}
      THREE: {command: [pass, three]}
    stdin: pipe
    user: nobody
    group: 65534
    umask: "027"
    nice: -5
    oom_score_adj: 500
    limits: {memory: 2G, memory_soft: 1500M, pids: 200, rlimits: {nofile: 4096, core: unlimited, fsize: 1Gi}}
    port: 8080
    listen: 0.0.0.0
""")

    secrets: dict[str, Secret] = {
        "ONE": SecretEnv("SOURCE"),
        "TWO": SecretFile(str(files.directory / "two.key")),
        "THREE": SecretCommand(("pass", "three")),
    }
    assert child.listen == "0.0.0.0"
    assert child.run == ProcessSpec(
        ("x",),
        cwd=str(files.directory),
        inherit_env=("PATH", "LC_*"),
        secrets=secrets,
        stdin=Stdin.PIPE,
        user="nobody",
        group=65534,
        umask=0o27,
        nice=-5,
        oom_score_adj=500,
        limits=Limits(2 * 1024**3, 1500 * 1024**2, 200, {"nofile": 4096, "core": UNLIMITED, "fsize": 1024**3}),
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("all", Inherit.ALL),
        ("minimal", Inherit.MINIMAL),
        ("none", Inherit.NONE),
        ("[]", ()),
        ("['8', A_*]", ("8", "A_*")),
    ],
)
def test_what_is_inherited_is_a_word_or_a_list(files: Files, written: str, expected: Inherit | tuple[str, ...]) -> None:
    assert files.process(f"agents: {{a: {{command: [x], inherit_env: {written}}}}}").inherit_env == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [('"null"', Stdin.NULL), ("null", Stdin.NULL), ("~", Stdin.NULL), ("", Stdin.NULL), ("pipe", Stdin.PIPE)],
)
def test_a_null_without_quotes_is_the_null_device(files: Files, written: str, expected: Stdin) -> None:
    text = f"defaults: {{stdin: pipe}}\nagents:\n  a:\n    command: [x]\n    stdin: {written}\n"
    assert files.process(text).stdin is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("022", 0o22), ('"022"', 0o22), ("0o22", 0o22), ("22", 0o22), ("0", 0), ("0777", 0o777), ('"${U}"', 0o77)],
)
def test_a_umask_is_octal_however_it_is_written(files: Files, written: str, expected: int) -> None:
    files.environ["U"] = "077"
    assert files.process(f"agents: {{a: {{command: [x], umask: {written}}}}}").umask == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("0", 0), ("1000", 1000), ("'1000'", 1000), ("www-data", "www-data"), ('"${U}"', 12), ("null", None)],
)
def test_a_user_is_a_name_or_a_number(files: Files, written: str, expected: str | int | None) -> None:
    files.environ["U"] = "12"
    assert files.process(f"agents: {{a: {{command: [x], user: {written}}}}}").user == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("true", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("'::1'", "::1"), ("null", None)],
)
def test_the_supervisor_listens_at_an_address(files: Files, written: str, expected: str | None) -> None:
    text = f"defaults: {{listen: 0.0.0.0}}\nagents: {{a: {{command: [x], port: auto, listen: {written}}}}}"
    assert files.child(text).listen == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1K", 1024),
        ("1Ki", 1024),
        ("512M", 512 * 1024**2),
        ("1.5G", 3 * 1024**3 // 2),
        ("0.001K", 1),
        ("2Ti", 2 * 1024**4),
        ('"${SIZE}"', 3 * 1024**2),
        ("null", None),
    ],
)
def test_a_size_has_a_unit(files: Files, written: str, expected: int | None) -> None:
    files.environ["SIZE"] = "3M"
    assert files.process(f"agents: {{a: {{command: [x], limits: {{memory: {written}}}}}}}").limits.memory == expected


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        # the environment
        ("inherit_env: some", "18: inherit_env: must be all, minimal, none, or a list of names, not 'some'"),
        ("inherit_env: al", "18: inherit_env: must be all, minimal, none, or a list of names, not 'al'; did you mean"),
        ("inherit_env: {}", "18: inherit_env: must be all, minimal, none, or a list of names, not a mapping"),
        ("inherit_env: [A, '*B']", "22: inherit_env: '*B' must be the name of a variable, or the beginning of names"),
        ("inherit_env: [A, 5]", '22: must be text: write "5" in quotes'),
        ("inherit_env:", "5: inherit_env has no value"),
        ("secrets: {A: very-secret}", "18: must say where the secret comes from: {env}, {file} or {command}"),
        ("secrets: {A: }", "18: must say where the secret comes from"),
        ("secrets: {A: [x]}", "18: must be a mapping, not a list"),
        ("secrets: {A: {}}", "18: needs one of file, env, command: where does it come from?"),
        ("secrets: {A: {env: X, file: y}}", "27: a secret has one source; 'env' stands here too"),
        ("secrets: {A: {evn: X}}", "19: unknown key 'evn'; did you mean 'env'?"),
        ("secrets: {A: {env: ''}}", "24: secrets: env '' can't be the name of a variable"),
        ("secrets: {A: {env: 5}}", '24: env: must be text: write "5" in quotes'),
        ("secrets: {A: {file: ''}}", "25: file: must be a path, not ''"),
        ("secrets: {A: {command: []}}", "28: secrets: command must name a program"),
        ("secrets: {A: {command: pass}}", "28: command: must be a list, not 'pass'"),
        ("secrets: {AGENT_ID: {env: X}}", "15: 'AGENT_ID' can't be a secret: only the supervisor sets it"),
        ("secrets: {NOTIFY_SOCKET: {env: X}}", "15: 'NOTIFY_SOCKET' can't be a secret: only the supervisor sets it"),
        ("secrets: {A=B: {env: X}}", "15: the name of a variable can't be empty or hold '=' or NUL"),
        # standard input
        ("window: {rows: 0}", "20: window: rows must be within 1 to 65535, not 0"),
        ("window: {columns: wide}", "23: columns: must be a whole number, not 'wide'"),
        ("stdin: nul", "12: stdin: must be pipe, pty or \"null\", not 'nul'; did you mean 'null'?"),
        ("stdin: [pipe]", '12: stdin: must be pipe, pty or "null", not a list'),
        # who it is
        ("user: -1", "11: user: must be a name or a number, not the number -1"),
        ("user: 1.5", "11: user: must be a name or a number, not the number 1.5"),
        ("user: true", "11: user: must be a name or a number, not true"),
        ("user: ''", "11: user: must be a name or a number, not ''"),
        ("user: 4294967295", "11: user must be within 0 to 4294967294, not 4294967295"),
        ("group: [a]", "12: group: must be a name or a number, not a list"),
        ("umask: 18", '12: umask: must be octal digits such as "022", up to "777", not the number 18'),
        ("umask: '1000'", '12: umask: must be octal digits such as "022", up to "777", not \'1000\''),
        ("umask: -22", '12: umask: must be octal digits such as "022", up to "777", not the number -22'),
        ("umask: u=rwx", '12: umask: must be octal digits such as "022", up to "777", not \'u=rwx\''),
        ("nice: 20", "11: nice must be within -20 to 19, not 20"),
        ("nice: low", "11: nice: must be a whole number, not 'low'"),
        ("oom_score_adj: -1001", "20: oom_score_adj must be within -1000 to 1000, not -1001"),
        # limits
        ("limits: 2G", "13: limits: must be a mapping, not '2G'"),
        (
            "limits: {memory: 2147483648}",
            "22: memory: a size needs its unit, K, M, G or T: not 2147483648, but such as",
        ),
        ("limits: {memory: 0}", "22: memory: a size needs its unit, K, M, G or T: not 0, but such as 500M"),
        ("limits: {memory: 0M}", "22: limits: memory must be >= 1, not 0"),
        ("limits: {memory: 2g}", "22: memory: '2g' is no size: write a size such as 512K, 1500M, 1.5G or 2Gi"),
        ("limits: {memory: 2GB}", "22: memory: '2GB' is no size: write a size such as 512K, 1500M, 1.5G or 2Gi"),
        ("limits: {memory: -2G}", "22: memory: '-2G' is no size: write a size such as 512K, 1500M, 1.5G or 2Gi"),
        ("limits: {memory: true}", "22: memory: must be a size such as 500M, not true"),
        ("limits: {memory: [1G]}", "22: memory: must be a size such as 500M, not a list"),
        ("limits: {memory: 99999999T}", "22: limits: memory is more than any system has"),
        ("limits: {memory: 1G, memory_soft: 1G}", "39: limits: memory_soft (1073741824) must be less than memory"),
        ("limits: {memory_soft: 2G, memory: 1G}", "27: limits: memory_soft (2147483648) must be less than memory"),
        ("limits: {pids: 0}", "20: limits: pids must be >= 1, not 0"),
        ("limits: {pids: 1K}", "20: pids: must be a whole number, not '1K'"),
        ("limits: {lifespan: 24h}", "14: unknown key 'lifespan'"),
        (
            "limits: {rlimits: {nofiles: 1}}",
            "24: 'nofiles' is no limit of setrlimit(2): nofile, core, cpu, ...; did you",
        ),
        ("limits: {rlimits: {NOFILE: 1}}", "24: 'NOFILE' is no limit of setrlimit(2): nofile, core, cpu, ...; did you"),
        ("limits: {rlimits: {core: -1}}", "30: must be a number, a size such as 500M, or unlimited, not the number -1"),
        (
            "limits: {rlimits: {core: unlimted}}",
            "30: must be a number, a size such as 500M, or unlimited, not 'unlimted';",
        ),
        ("limits: {rlimits: {core: null}}", "30: must be a number, a size such as 500M, or unlimited, not nothing"),
        ("limits: {rlimits: {core: 9223372036854775808}}", "23: limits: rlimits: core is more than any system has"),
        # the socket
        ("listen: true", "13: 'listen' needs the agent's port: write 'port: auto'"),
        ("listen: false", "13: listen: must be true, or an address such as 127.0.0.1, not false"),
        (
            "listen: localhost",
            "13: listen: must be true, or an address such as 127.0.0.1, not 'localhost'; did you mean",
        ),
        ("listen: 127.0.0.1:80", "13: listen: must be true, or an address such as 127.0.0.1, not '127.0.0.1:80'"),
    ],
)
def test_what_is_wrong_has_its_place(files: Files, written: str, mistake: str) -> None:
    (found,) = files.mistakes(f"agents:\n  a:\n    command: [x]\n    {written}\n")
    assert found.startswith(f"4:{mistake}")


def test_a_wrong_port_is_told_once_not_of_the_socket_too(files: Files) -> None:
    text = "agents: {a: {command: [x], port: 99999, listen: true}}"
    assert files.mistakes(text) == ["1:34: port must be within 1 to 65535, not 99999"]


@pytest.mark.parametrize(
    "key",
    [
        "inherit_env: none",
        "secrets: {A: {env: X}}",
        "stdin: pipe",
        "user: nobody",
        "group: nogroup",
        "umask: '022'",
        "nice: 5",
        "oom_score_adj: 5",
        "listen: true",
        "preset: http",
    ],
)
def test_only_a_process_has_them(files: Files, key: str) -> None:
    name = key.partition(":")[0]

    assert files.mistakes(f"agents:\n  a:\n    task: 'm:f'\n    {key}\n") == [
        f"4:5: '{name}' is for processes; it does not go with 'task'"
    ]
    assert files.mistakes(f"agents:\n  t:\n    agents: {{a: {{command: [x]}}}}\n    {key}\n") == [
        f"4:5: '{name}' is for agents that are no supervisor"
    ]
    children = files.children(f"defaults: {{port: auto, {key}}}\nagents: {{a: {{task: 'm:f'}}, b: {{command: [x]}}}}")
    assert children["a"].run == TaskSpec("m:f", path=str(files.directory))


def test_replicas_have_all_of_it_too(files: Files) -> None:
    children = files.children(
        "agents: {a: {command: [x], replicas: 2, port: auto, listen: true, preset: acp, nice: 5}}"
    )

    assert [(child.id, child.listen) for child in children.values()] == [("a-1", "127.0.0.1"), ("a-2", "127.0.0.1")]
    assert children["a-1"].run == children["a-2"].run
    assert children["a-1"].stop == children["a-2"].stop is not None


# Secrets and the environment


def test_a_secret_that_is_written_in_env_too_is_a_mistake_at_its_name(files: Files) -> None:
    text = """\
agents:
  a:
    command: [x]
    env: {A: b, B: c}
    secrets:
      B: {env: X}
      C: {env: X}
"""
    assert files.mistakes(text) == ["6:7: secret 'B' is in 'env' too: write it in one place"]


def test_a_secret_wins_over_what_a_file_of_variables_says(files: Files) -> None:
    files.write("all.env", "A=all\nB=all\n")
    files.write("own.env", "A=own\nC=own\n")

    run = files.process("""
env_file: all.env
agents: {a: {command: [x], env_file: own.env, secrets: {A: {env: X}}}}
""")

    assert run.env == {"B": "all", "C": "own"}
    assert run.secrets == {"A": SecretEnv("X")}


def test_an_agent_has_another_source_for_a_secret_of_the_defaults(files: Files) -> None:
    runs = files.processes("""
defaults: {command: [x], secrets: {A: {env: X}, B: {env: Y}}}
agents:
  a: {secrets: {A: {command: [pass]}}}
  b:
""")

    assert runs["a"].secrets == {"A": SecretCommand(("pass",)), "B": SecretEnv("Y")}
    assert runs["b"].secrets == {"A": SecretEnv("X"), "B": SecretEnv("Y")}


def test_a_secret_that_stands_in_the_file_is_not_repeated_in_what_is_said_of_it(files: Files) -> None:
    (mistake,) = files.mistakes("agents: {a: {command: [x], secrets: {A: hunter22}}}")
    assert "hunter22" not in mistake


# Defaults


def test_limits_are_merged_deeply_and_null_takes_away(files: Files) -> None:
    runs = files.processes("""
defaults: {command: [x], user: nobody, limits: {memory: 2G, pids: 9, rlimits: {nofile: 5}}}
agents:
  same:
  more: {limits: {memory: null, rlimits: {core: 0}}}
  none: {limits: null, user: null}
""")

    assert runs["same"].limits == Limits(2 * 1024**3, pids=9, rlimits={"nofile": 5})
    assert runs["more"].limits == Limits(pids=9, rlimits={"nofile": 5, "core": 0})
    assert (runs["none"].limits, runs["none"].user) == (Limits(), None)
