"""Log files as they are written in a file."""

from tests.config.config_files import Files
from trio_supervisor.spec import LogFile, LogFormat, LogStream, RingLimits, TailLimits


def logs(files: Files, text: str) -> tuple[LogFile, ...]:
    return files.child(f"agents:\n  a:\n    command: [x]\n    log: {text}\n").log


def mistakes(files: Files, text: str) -> list[str]:
    return files.mistakes(f"agents:\n  a:\n    command: [x]\n    log: {text}\n")


def test_a_file_is_relative_to_the_file_that_names_it(files: Files) -> None:
    (log,) = logs(files, "{file: logs/x.log, size: 10M, keep: 5}")

    assert log == LogFile(str(files.directory / "logs/x.log"), size=10 << 20, keep=5)


def test_every_key_is_read(files: Files) -> None:
    text = "{file: x, stream: stderr, format: json, size: 1M, age: 24h, keep: 3, gzip: true, total: 5M, console: false}"

    assert logs(files, text) == (
        LogFile(
            str(files.directory / "x"),
            LogStream.STDERR,
            LogFormat.JSON,
            size=1 << 20,
            age=86400.0,
            keep=3,
            gzip=True,
            total=5 << 20,
            console=False,
        ),
    )


def test_there_may_be_several_or_one_in_the_state_directory_or_none(files: Files) -> None:
    assert len(logs(files, "[{file: a, stream: stdout}, {file: b, stream: stderr}]")) == 2
    assert logs(files, "true") == (LogFile(),)
    assert logs(files, "{}") == (LogFile(),)
    assert logs(files, "false") == ()
    assert logs(files, "null") == ()
    assert logs(files, "{file: x, size: unlimited}")[0].size is None


def test_who_shares_a_file_is_to_agree_about_it(files: Files) -> None:
    text = (
        "agents:\n  a: {command: [x], log: {file: x.log}}\n"
        "  b:\n    command: [x]\n    log: {file: ./y/../x.log, format: json, keep: 2}\n"
        "  c: {command: [x], log: {file: x.log, stream: stderr, console: false}}\n"
        "  d: {command: [x], log: {file: other.log, format: json}}\n"
    )

    (warning,) = files.load(text).warnings

    assert warning.startswith(f"{files.directory}/main.yaml:5:10: log: file '")
    assert warning.endswith("is also that of 'a', with another format, keep: write the same, or another file")


def test_who_has_a_file_of_its_own_by_its_name_shares_none(files: Files) -> None:
    text = (
        "defaults: {log: {file: '{id}.log'}}\n"
        "agents:\n  a: {command: [x], log: {keep: 1}}\n  b: {command: [x], replicas: 2}\n"
        "  c: {command: [x], log: true}\n"
    )

    assert files.load(text).warnings == ()


def test_two_streams_of_an_agent_in_one_file_are_to_agree_too(files: Files) -> None:
    text = "[{file: x, stream: stdout}, {file: x, stream: stderr, format: raw}]"

    (warning,) = files.load(f"agents:\n  a:\n    command: [x]\n    log: {text}\n").warnings

    assert "is also that of 'a', with another format" in warning


def test_defaults_are_for_all_and_an_agent_may_have_none(files: Files) -> None:
    children = files.children(
        "defaults: {log: {file: 'logs/{id}.log', keep: 2}}\n"
        "agents:\n  a: {command: [x]}\n  b: {command: [x], log: {keep: 9}}\n  c: {command: [x], log: false}\n"
        "  t: {task: 'm:f'}\n"
    )

    path = str(files.directory / "logs/{id}.log")
    assert {name: child.log for name, child in children.items()} == {
        "a": (LogFile(path, keep=2),),
        "b": (LogFile(path, keep=9),),
        "c": (),
        "t": (LogFile(path, keep=2),),
    }


def test_mistakes_are_told_where_they_are(files: Files) -> None:
    assert mistakes(files, "x.log") == [
        "4:10: log: must be a mapping such as {file: agent.log}, a list of them, or true, not 'x.log'"
    ]
    assert mistakes(files, "{fiel: x}") == ["4:11: unknown key 'fiel'; did you mean 'file'?"]
    assert mistakes(files, "{file: x, size: 10}") == [
        "4:26: size: a size needs its unit, K, M, G or T: not 10, but such as 500M"
    ]
    assert mistakes(files, "{file: x, keep: -1}") == ["4:26: log: keep must be >= 0, not -1"]
    assert mistakes(files, "{file: x, age: 0}") == ["4:25: log: age must be > 0, not 0.0"]
    assert mistakes(files, "{file: x, total: 5M}") == ["4:27: log: total (5242880) must be at least size (10485760)"]
    assert mistakes(files, "{file: x, format: xml}") == ["4:28: format: must be one of text, json, raw, not 'xml'"]


def test_a_supervisor_has_no_log(files: Files) -> None:
    assert files.mistakes("agents:\n  team:\n    log: true\n    agents: {a: {command: [x]}}\n") == [
        "3:5: 'log' is for agents that are no supervisor"
    ]


def test_how_much_is_kept_in_memory_is_read(files: Files) -> None:
    spec = files.load(
        "supervisor: {tails: {keep: 10, size: 2M, age: 5m}}\n"
        "defaults: {ring: {lines: 500}}\n"
        "agents:\n"
        "  a: {command: [x], ring: {size: 64K}}\n"
        "  b: {command: [x]}\n"
        "  c: {command: [x], ring: null}\n"
    ).spec

    assert spec.tails == TailLimits(keep=10, size=2 << 20, age=300.0)
    assert [child.ring for child in spec.children] == [
        RingLimits(size=64 << 10, lines=500),
        RingLimits(lines=500),
        None,
    ]


def test_wrong_limits_of_what_is_kept_are_told_all_at_once(files: Files) -> None:
    assert files.mistakes(
        "supervisor: {tails: {keep: -1, size: 0K, age: 0}}\n"
        "agents:\n"
        "  a: {command: [x], ring: {size: 1K, lines: 0}}\n"
        "  team:\n"
        "    supervisor: {tails: {keep: 1}}\n"
        "    ring: {lines: 5}\n"
        "    agents: {b: {command: [x]}}\n"
    ) == [
        "1:28: tails: keep must be >= 0, not -1",
        "1:38: tails: size must be >= 1, not 0",
        "1:47: tails: age must be > 0, not 0.0",
        "3:34: ring: size must be >= 16384, not 1024",
        "3:45: ring: lines must be >= 1, not 0",
        "5:18: 'tails' is for the supervisor of all agents: it holds for the whole tree",
        "6:5: 'ring' is for agents that are no supervisor",
    ]
