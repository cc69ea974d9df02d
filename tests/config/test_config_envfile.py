"""Files of variables: their form, their mistakes, whom they reach and who wins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.config_files import Files
from trio_supervisor.config.envfile import parse_env
from trio_supervisor.config.mistakes import MistakeError
from trio_supervisor.config.source import Source


def _parse(text: str) -> dict[str, str]:
    return parse_env(Source(".env", "/", text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("A=b c # comment", "b c"),
        ("A=b#c", "b#c"),
        ("A=#fff", "#fff"),
        ("A= # comment", ""),
        ("A=b=c", "b=c"),
        ("A='b # c'", "b # c"),
        ("A=' b\\n' # comment", " b\\n"),
        ('A="b\\n\\t\\\\\\"\\$ \\x"', 'b\n\t\\"$ \\x'),
        ('A="b #c"', "b #c"),
        ("A='one\ntwo'", "one\ntwo"),
        ('A="one\ntwo"\n', "one\ntwo"),
        ("A=$B ${C}", "$B ${C}"),
        ("A=it's", "it's"),
        ("A=b\r\n", "b"),
        ("\n# comment\n\nA=b\n\n", "b"),
        ("A=first\nA=b", "b"),
    ],
)
def test_a_variable_has_one_of_the_usual_forms(text: str, value: str) -> None:
    assert _parse(text) == {"A": value}


def test_variables_stand_on_lines_of_their_own() -> None:
    assert _parse("A=1\nexport B='2'\n\n# C=3\nD=\"4\n5\"  # D\nE.f-g=6") == {
        "A": "1",
        "B": "2",
        "D": "4\n5",
        "E.f-g": "6",
    }


def test_all_wrong_lines_are_named_and_no_value_is_shown(files: Files) -> None:
    files.write(".env", "A=1\nsecret: one\n1B=secret\nC='secret\nD=secret' x\nE=\"secret\n")
    report = files.report("env_file: .env\nagents: {a: {command: [x]}}\n")

    assert report.splitlines() == [
        ".env:2:1: this line is not NAME=value",
        ".env:3:1: '1B' can't be the name of a variable",
        ".env:5:10: only a comment can follow the closing quote",
        ".env:6:3: this quote is not closed",
    ]


def test_a_file_of_variables_that_is_no_text_is_refused(files: Files) -> None:
    files.write(".env", b"A=\xff")
    assert files.mistakes("env_file: .env\nagents: {a: {command: [x]}}\n") == [".env:1:3: this is not UTF-8"]


def test_a_nul_byte_in_a_value_is_refused() -> None:
    with pytest.raises(MistakeError) as caught:
        _parse("A=a\0b")
    assert [mistake.message for mistake in caught.value.mistakes] == ["the value of A holds a NUL byte"]


@settings(deadline=None)
@given(st.text(alphabet="AB=#'\"\\\n\r \texport$", max_size=60))
def test_any_text_gives_variables_or_mistakes(text: str) -> None:
    found: object
    try:
        found = [*_parse(text)]
    except MistakeError as error:
        found = error.mistakes
    significant = [line for line in text.split("\n") if line.strip() and not line.strip().startswith("#")]
    assert bool(found) == bool(significant)


@settings(deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), st.text(st.characters(exclude_characters="'\0\r")))
)
def test_what_is_written_in_single_quotes_is_read_again(values: dict[str, str]) -> None:
    assert _parse("".join(f"{name}='{value}'\n" for name, value in values.items())) == values


# Whom they reach


def test_the_file_of_the_top_reaches_values_and_every_process(files: Files) -> None:
    files.write("conf/.env", "MODEL=small\nKEY=k\n")
    runs = files.processes("""
env_file: conf/.env
agents:
  a: {command: [x, "${MODEL}"]}
  b: {command: [x], env: {KEY: own}}
  c: {task: "m:f"}
""")

    assert runs["a"].command == ("x", "small")
    assert runs["a"].env == {"MODEL": "small", "KEY": "k"}
    assert runs["b"].env == {"MODEL": "small", "KEY": "own"}


def test_what_is_set_already_wins_over_the_file_of_the_top(files: Files) -> None:
    files.write(".env", "MODEL=small\n")
    files.environ["MODEL"] = "big"
    run = files.process("env_file: .env\nagents: {a: {command: [x, '${MODEL}']}}\n")

    assert (run.command, run.env) == (("x", "big"), {"MODEL": "big"})


def test_the_file_of_an_agent_reaches_only_its_own_process(files: Files) -> None:
    files.write("top.env", "A=top\nB=top\nC=top\n")
    files.write("own.env", "B=own\nC=own\n")
    files.environ.update(B="environment", NOT_SET="default")
    runs = files.processes("""
env_file: top.env
agents:
  a: {command: [x, "${B}"], env_file: own.env, env: {C: env}}
  b: {command: [x]}
""")

    assert runs["a"].command == ("x", "environment")
    assert runs["a"].env == {"A": "top", "B": "own", "C": "env"}
    assert runs["b"].env == {"A": "top", "B": "environment", "C": "top"}


def test_of_several_files_the_last_wins(files: Files) -> None:
    files.write("1.env", "A=1\nB=1\n")
    files.write("2.env", "B=2\n")
    assert files.process("env_file: [1.env, {path: 2.env}]\nagents: {a: {command: [x]}}\n").env == {"A": "1", "B": "2"}


def test_a_file_may_be_missing_if_it_says_so(files: Files) -> None:
    missing = "{path: no.env, required: false}"
    assert files.process(f"env_file: {missing}\nagents: {{a: {{command: [x], env_file: [{missing}]}}}}\n").env == {}


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("no.env", "1:11: can't read no.env: no such file"),
        ("[sub/no.env]", "1:12: can't read sub/no.env: no such file"),
        ("{path: no.env}", "1:18: can't read no.env: no such file"),
        ("{path: conf, required: false}", "1:18: can't read conf: is a directory, not a file"),
        ("{required: false}", "1:11: env_file: needs a path"),
        ("{path: a, requird: false}", "1:21: unknown key 'requird'; did you mean 'required'?"),
        ("5", '1:11: env_file: must be text: write "5" in quotes'),
        (
            "${DIRECTORY}/.env",
            "1:11: env_file: variable DIRECTORY is not set; ${DIRECTORY:-default} gives it a default",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake_where_it_is_named(files: Files, written: str, mistake: str) -> None:
    files.write("conf/.env", "")
    assert files.mistakes(f"env_file: {written}\nagents: {{a: {{command: [x]}}}}\n") == [mistake]


def test_the_name_of_a_file_may_hold_variables_of_the_environment(files: Files) -> None:
    files.write("dev.env", "A=1\n")
    files.environ["STAGE"] = "dev"
    assert files.process("env_file: ${STAGE}.env\nagents: {a: {command: [x]}}\n").env == {"A": "1"}


def test_a_file_that_many_agents_name_is_read_once(files: Files) -> None:
    files.write("bad.env", "oops\n")
    agents = "".join(f"  a{n}: {{command: [x]}}\n" for n in range(5))
    assert files.mistakes(f"defaults: {{env_file: bad.env}}\nagents:\n{agents}") == [
        "bad.env:1:1: this line is not NAME=value"
    ]
