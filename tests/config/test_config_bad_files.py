"""Files that can't be read, or not any further: a message with its place, and never anything worse."""

import os
import time
from pathlib import Path

import pytest

from tests.config.config_files import Files
from trio_supervisor.config.load import load
from trio_supervisor.errors import ConfigError


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"", "1:1: the file is empty: it needs at least `agents:`"),
        (b"# only a comment\n", "1:1: the file is empty: it needs at least `agents:`"),
        (b"null\n", "1:1: must be a mapping with `agents:`"),
        (b"- a\n- b\n", "1:1: must be a mapping with `agents:`"),
        (b"just text\n", "1:1: must be a mapping with `agents:`"),
        (b"agents:\n  a: \xff\n", "2:6: this is not UTF-8"),
        ("agents: {}".encode("utf-16"), "1:1: this is not UTF-8, but looks like UTF-16"),
        (b"agents:\n  a: x\0y\n", "2:7: control character U+0000 is not allowed"),
        (b"agents:\n  a: \x1b[31m\n", "2:6: control character U+001B is not allowed"),
        (b"agents: {}\n", "1:1: there are no agents: write them under `agents:`"),
        (b"agents:\n", "1:1: there are no agents: write them under `agents:`"),
        (b"a: 1\n---\nb: 1\n", "2:1: a second document begins here; a file holds one"),
        (b"agents: !foo {}\n", "1:9: tag '!foo' is not supported"),
        (
            b"version: !!python/object:os.system 1\n",
            "1:10: tag 'tag:yaml.org,2002:python/object:os.system' is not supported",
        ),
        (b"agents: *agents\n", "1:9: there is no anchor '&agents' before this"),
        (b"x-a: &team {}\nagents: *taem\n", "2:9: there is no anchor '&taem' before this; did you mean 'team'?"),
        (b"agents: &a {b: *a}\n", "1:16: '*a' stands inside of what it stands for"),
        (b"? [a]\n: b\n", "1:3: a key must be text"),
        (b"<<: 5\n", "1:5: '<<' merges mappings: write <<: *name or <<: [*one, *two]"),
    ],
)
def test_an_unusable_file_is_explained(files: Files, content: bytes, mistake: str) -> None:
    assert mistake in files.mistakes(content)


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("agents:\n\t- a\n", "2:1", "use spaces, not tabs"),
        (
            "agents:\n  a: [1, 2\n",
            "3:1",
            "while parsing a flow sequence that begins on line 2 (a bracket is not closed",
        ),
        ("agents: {port: ${PORT}}\n", "1:17", 'inside of { } and [ ] write "${...}" in quotes'),
        ("a: b: c\n", "1:5", "a value that has ': ' in it needs quotes"),
        ("a: @x\n", "1:4", "text that begins with @ needs quotes"),
        ("a: 'x\n", "2:1", "a quote is not closed"),
        ('a: "\\q"\n', "1:5", "in double quotes write \\\\ for a backslash"),
        ("a: {b: 1}\n  c: 2\n", "2:3", "check the indentation"),
    ],
)
def test_a_syntax_error_has_its_place_and_a_hint(files: Files, content: str, place: str, words: str) -> None:
    (mistake,) = files.mistakes(content)

    assert mistake.startswith(f"{place}: this is no YAML: ")
    assert words in mistake


def test_places_count_characters_after_wide_text_and_windows_line_ends(files: Files) -> None:
    assert files.mistakes('x-é: "日本"\r\nagents: {é: {command: [x]}}\r\n') == [
        "2:10: id 'é': must be 1 to 64 letters, digits and hyphens, starting with a letter or digit"
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_a_byte_order_mark_is_skipped(files: Files, count: int) -> None:
    assert files.mistakes(b"\xef\xbb\xbf" * count + b"agents: {a: {command: [x]}}\nagent: 1") == [
        "2:1: unknown key 'agent'; did you mean 'agents'?",
    ]


def test_both_lines_of_a_duplicate_key_are_named(files: Files) -> None:
    report = files.report("agents:\n  a: {command: [x]}\n  b: {command: [x], command: [y]}\n  a: {command: [y]}\n")

    assert "main.yaml:3:21: duplicate key 'command', first on line 3" in report
    assert "main.yaml:4:3: duplicate key 'a', first on line 2" in report


def test_a_key_that_is_an_alias_can_be_a_duplicate_too(files: Files) -> None:
    text = "agents: {a: {command: [x], env: {&k K: '1', *k : '2'}}}"
    assert files.mistakes(text) == ["1:34: duplicate key 'K', first on line 1"]


# What can't be opened


def _message(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    return str(caught.value)


def test_a_missing_file_is_named_with_the_one_that_was_meant(files: Files) -> None:
    files.write("supervisor.yml", "")
    missing = files.directory / "supervisor.yaml"

    assert _message(missing) == f"{missing}: no such file; did you mean 'supervisor.yml'?"


def test_a_file_in_a_directory_that_is_missing_is_missing(tmp_path: Path) -> None:
    assert _message(tmp_path / "no" / "main.yaml") == f"{tmp_path}/no/main.yaml: no such file"


def test_a_file_in_a_file_says_what_the_system_says(files: Files) -> None:
    path = files.write("main.yaml", "") / "main.yaml"
    assert _message(path) == f"{path}: Not a directory"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert _message(tmp_path) == f"{tmp_path}: is a directory, not a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(files: Files) -> None:
    path = files.write("main.yaml", "")
    path.chmod(0)

    assert _message(path) == f"{path}: Permission denied"


def test_a_pipe_that_nobody_writes_to_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _message(tmp_path / "pipe") == f"{tmp_path / 'pipe'}: is not a regular file"


def test_a_device_is_no_file() -> None:
    assert _message("/dev/zero") == "/dev/zero: is not a regular file"


def test_a_name_that_can_be_no_name_says_so() -> None:
    assert _message("a\0b") == "a\0b: this can't be the name of a file"


# What would cost too much


def test_a_file_of_ten_megabytes_is_refused_by_its_size(files: Files) -> None:
    path = files.write("main.yaml", "a" * 10_000_000)
    assert _message(path) == f"{path}: has 10,000,000 bytes; more than 1,048,576 (1 MiB) are refused"


def _bomb(levels: int) -> str:
    lines = ["x-0: &x0 [y, y, y, y, y, y, y, y, y]"]
    lines += [f"x-{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [6, 10, 40])
def test_an_anchor_bomb_is_refused_at_once(files: Files, levels: int) -> None:
    begin = time.process_time()
    (mistake,) = files.mistakes(_bomb(levels))

    assert mistake.endswith("aliases stand for more than 50,000 values")
    assert time.process_time() - begin < 0.5


def test_a_bomb_of_merge_keys_is_refused_too(files: Files) -> None:
    lines = ["x-0: &x0 {" + ", ".join(f"k{n}: v" for n in range(20_000)) + "}"]
    lines += [f"x-{n}: &x{n} {{<<: [{', '.join(['*x0'] * 2)}]}}" for n in range(1, 40)]

    assert files.mistakes("\n".join(lines)) == ["2:21: aliases stand for more than 50,000 values"]


def test_a_hundred_aliases_are_enough_for_anybody(files: Files) -> None:
    agents = "agents: {a: {command: [&x x, %s]}}"
    assert len(files.process(agents % ", ".join(["*x"] * 100)).command) == 101
    assert files.mistakes(agents % ", ".join(["*x"] * 101)) == ["1:430: more than 100 aliases"]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused_at_the_limit(files: Files, text: str) -> None:
    (mistake,) = files.mistakes(text)
    assert mistake.endswith("nested more than 64 deep")


def test_deep_nesting_by_aliases_is_refused_too(files: Files) -> None:
    chain = "".join(f"x-{n}: &x{n} [[[[[*x{n - 1}]]]]]\n" for n in range(1, 90))

    assert files.mistakes(f"x-0: &x0 y\n{chain}") == ["14:17: nested more than 64 deep"]


def test_defaults_that_are_big_for_very_many_agents_are_refused(files: Files) -> None:
    env = ", ".join(f"K{n}: v" for n in range(2_000))
    agents = "\n".join(f"  a{n}:" for n in range(1_000))

    assert files.mistakes(f"defaults: {{command: [x], env: {{{env}}}}}\nagents:\n{agents}\n") == [
        "1:11: defaults of 4,006 values for 1,000 agents are more than 1,000,000 in all"
    ]


def test_typos_in_a_file_of_thousands_of_names_take_no_minutes(files: Files) -> None:
    names = "".join(f"  agent-{n}: {{command: [x], depends_on: [aegnt-{n}]}}\n" for n in range(3_000))

    begin = time.process_time()
    mistakes = files.mistakes(f"agents:\n{names}")

    assert mistakes[0] == "2:40: there is no agent 'aegnt-0' to depend on; did you mean 'agent-0'?"
    assert mistakes[-1].endswith("'aegnt-499' to depend on")
    assert time.process_time() - begin < 10


def test_a_typo_that_is_made_often_is_explained_each_time(files: Files) -> None:
    names = "".join(f"  agent-{n}: {{command: [x], depends_on: [databse]}}\n" for n in range(100))

    mistakes = files.mistakes(f"agents:\n  database: {{command: [x]}}\n{names}")

    assert len(mistakes) == 100
    assert all(mistake.endswith("did you mean 'database'?") for mistake in mistakes)


def test_a_value_of_any_length_is_shown_in_part(files: Files) -> None:
    report = files.report("agents: {a: {command: [x], health: {http: %s}}}" % ("x" * 5_000))
    assert len(report) < 500


def test_thousands_of_mistakes_are_counted_not_shown(files: Files) -> None:
    report = files.report("{" + ", ".join(f"k{n}: " for n in range(20_000)) + "}")

    assert report.endswith("... and 19500 more mistakes")
    assert len(report) < 300_000


def test_who_is_new_here_is_told_how_to_begin(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files.directory)
    assert (
        _message("supervisor.yaml") == "supervisor.yaml: no such file; `trio-supervisor init` writes one to start from"
    )
    files.write("supervisor.yaml", "")
    assert _message("web") == "web: no such file; agents are named after the file: supervisor.yaml web"
    assert _message("web.yaml") == "web.yaml: no such file"
