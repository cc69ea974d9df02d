"""Variables in values: which are replaced, from where, and what stays as it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.config_files import Files
from trio_supervisor.config.variables import expand
from trio_supervisor.spec import Http, Port, ProcessSpec, SignalStep

_VARIABLES = {"A": "1", "EMPTY": "", "REF": "${A}", "_x9": "2"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${A}", "1"),
        ("a${A}b${_x9}c", "a1b2c"),
        ("${EMPTY}", ""),
        ("${A:-d}", "1"),
        ("${UNSET:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${UNSET:-}", ""),
        ("${UNSET:-http://h:{port}/?a={id}}", "http://h:{port}/?a={id}"),
        ("${UNSET:-${A}}", "1"),
        ("${UNSET:-x${NONE:-y}z}", "xyz"),
        ("${A:?needed}", "1"),
        ("${REF}", "${A}"),
        ("$${A}", "${A}"),
        ("$${A", "${A"),
        ("$$${A}", "$${A}"),
    ],
)
def test_braces_that_name_a_variable_are_replaced(text: str, expanded: str) -> None:
    assert expand(text, _VARIABLES) == (expanded, [])


@pytest.mark.parametrize(
    "text",
    [
        "$A",
        "$1",
        "$(x)",
        "$$",
        "$",
        "${1}",
        "${}",
        "${ A}",
        "${#A}",
        "${!A}",
        "${@}",
        "{A}",
        "$ {A}",
        "$\n{A}",
        "${-A}",
    ],
)
def test_everything_else_belongs_to_the_shell(text: str) -> None:
    assert expand(text, _VARIABLES) == (text, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NO}", "variable NO is not set; ${NO:-default} gives it a default"),
        ("${NO:?}", "variable NO is not set: it is needed here"),
        ("${EMPTY:?give me one}", "variable EMPTY is not set: give me one"),
        (
            "${A-x}",
            "only ${A}, ${A:-default} and ${A:?message} are known; write $${ for a ${ that is meant for the shell",
        ),
        (
            "${A%x}",
            "only ${A}, ${A:-default} and ${A:?message} are known; write $${ for a ${ that is meant for the shell",
        ),
        (
            "${A.b}",
            "only ${A}, ${A:-default} and ${A:?message} are known; write $${ for a ${ that is meant for the shell",
        ),
        ("${A", "${A has no closing brace; write $${ for a literal ${"),
        ("${A:-{}", "${A has no closing brace; write $${ for a literal ${"),
        ("${N:-" * 9 + "x" + "}" * 9, "defaults stand more than 8 deep in defaults"),
    ],
)
def test_what_cannot_be_replaced_is_explained(text: str, message: str) -> None:
    _, problems = expand(text, _VARIABLES)
    assert [problem.message for problem in problems] == [message]


def test_all_problems_of_a_text_are_found() -> None:
    _, problems = expand("${X} ${A} ${Y:?why} ${Z:-${W}}", _VARIABLES)
    assert [problem.fragment for problem in problems] == ["${X", "${Y", "${W"]


def test_variables_can_not_blow_up_a_value() -> None:
    text, problems = expand("${A}" * 1_000, {"A": "x" * 100_000})

    assert len(text) < 3_000_000
    assert [problem.message for problem in problems] == ["variables make this value longer than 1 MiB"]


@settings(deadline=None)
@given(st.text(alphabet="${}:-?AB \n", max_size=60))
def test_any_text_is_expanded_or_has_a_problem(text: str) -> None:
    expanded, problems = expand(text, {"A": "a"})

    if "${" not in text:
        assert (expanded, problems) == (text, [])
    assert all(problem.fragment in text for problem in problems)


# In the file


def test_a_mistake_with_a_variable_has_the_place_of_the_variable(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a:
    command:
      - sh
      - |
        echo ${ONE}
        echo $TWO ${THREE:?three is needed}
    env: {A: "x${FOUR}"}
""") == [
        "6:14: variable ONE is not set; ${ONE:-default} gives it a default",
        "7:19: variable THREE is not set: three is needed",
        "8:16: variable FOUR is not set; ${FOUR:-default} gives it a default",
    ]


def test_a_variable_that_is_not_set_is_a_mistake_wherever_it_stands(files: Files) -> None:
    mistakes = files.mistakes("""\
agents:
  a: ${X}
  b: {command: [x], port: "${X}", depends_on: ["${X}"], health: {tcp: "${X}", period: "${X}"}}
  c: {restart: "${X}", stop: {signal: "${X}"}, task: "${X}"}
""")

    unset = ["2:6", "3:28", "3:49", "3:72", "3:88", "4:17", "4:40", "4:55"]
    assert mistakes == [f"{place}: variable X is not set; ${{X:-default}} gives it a default" for place in unset]


def test_a_variable_gives_what_its_key_takes(files: Files) -> None:
    files.environ.update(PORT="8080", NUMBER="5", ON="true", TIME="3s", TEXT="123", NOTHING="")
    child = files.child("""
agents:
  a:
    command: [x, "${TEXT}", '${NOTHING}']
    env:
      A: ${NUMBER}
      B: ${NOTHING}
      C: ${UNSET:-null}
    port: ${PORT}
    enabled: ${ON}
    cwd: ${NOTHING}
    health: {tcp: "${PORT}", failures: "${NUMBER}", timeout: "${TIME}"}
""")

    env = {"A": "5", "B": "", "C": "null"}
    assert child.run == ProcessSpec(("x", "123", ""), cwd=str(files.directory), env=env)
    assert child.port == Port(8080, 8080)
    assert child.health is not None
    assert (child.health.failures, child.health.timeout) == (5, 3.0)


def test_a_default_has_the_type_that_its_key_takes(files: Files) -> None:
    child = files.child("agents:\n  a:\n    command: [x]\n    port: ${PORT:-8080}\n    stop: {grace: '${GRACE:-5s}'}\n")
    assert (child.port, child.stop) == (Port(8080, 8080), (SignalStep(wait=5.0),))


def test_a_value_of_a_variable_is_checked_like_any_other(files: Files) -> None:
    files.environ.update(PORT="80 80", NUL="a\0b")
    assert files.mistakes("agents:\n  a:\n    command: ['${NUL}']\n    port: ${PORT}\n    enabled: ${E:-yes}\n") == [
        "3:15: can't hold a NUL byte",
        "4:11: port: must be auto, a number, or a range such as 19001-19100, not '80 80'",
        "5:14: enabled: must be true or false, not 'yes'; did you mean 'true'?",
    ]


def test_nothing_is_replaced_in_keys_and_comments(files: Files) -> None:
    run = files.process("# ${NO}\nagents:\n  a: # ${NO}\n    command: [x]\n    env: {'${NO}': '1'}\n")
    assert run.env == {"${NO}": "1"}


def test_a_variable_in_json_keeps_its_quotes_in_mind(files: Files) -> None:
    files.environ["N"] = "5"
    child = files.child("""
agents:
  a:
    command: [x]
    port: auto
    health:
      http: /
      json:
        text: "${N}"
        number: ${N}
""")
    assert child.health is not None
    assert isinstance(child.health.check, Http)
    assert child.health.check.json == {"text": "5", "number": 5}
