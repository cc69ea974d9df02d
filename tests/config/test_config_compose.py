"""From text to a tree: places are the parser's, with libyaml and without it."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.config_files import Files
from trio_supervisor.config import compose
from trio_supervisor.config.source import Source

_LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]


@settings(deadline=None)
@given(text=st.text(alphabet="a\N{LATIN SMALL LETTER E WITH ACUTE}\U0001f600 \n\r\x85\u2028\u2029", max_size=40))
@pytest.mark.parametrize("loader", _LOADERS)
def test_line_and_column_of_an_index_are_those_of_the_parser(loader: type[yaml.SafeLoader], text: str) -> None:
    source = Source("x", "/", f'- "{text}"\n-   k')
    events = yaml.parse(source.text, Loader=loader)

    marks: list[Any] = [event.start_mark for event in events if isinstance(event, yaml.ScalarEvent)]

    assert [source.position(mark.index) for mark in marks] == [(mark.line + 1, mark.column + 1) for mark in marks]
    assert source.line(source.position(marks[-1].index)[0]) == "-   k"


@pytest.mark.parametrize("loader", _LOADERS)
def test_the_parser_without_libyaml_gives_the_same(
    files: Files, monkeypatch: pytest.MonkeyPatch, loader: type[yaml.SafeLoader]
) -> None:
    monkeypatch.setattr(compose, "_Loader", loader)

    text = "x-a: é\r\nagents:\n  a: &a {command: [x, 'no', no, \"${A:-b}\"], restart: temporary}\n"

    assert files.process(text).command == ("x", "no", "no", "b")
    assert files.mistakes(f"{text}  a: {{command: []}}\n  b: !t [*a]\n") == [
        "4:3: duplicate key 'a', first on line 3",
        "5:6: tag '!t' is not supported",
        "5:6: must be a mapping of an agent's keys, not a list",
    ]
    assert files.mistakes(f"{text}  b: *c\n") == ["4:6: there is no anchor '&c' before this"]
    assert files.mistakes(f"{text}  b: [\n")[0].startswith("5:1: this is no YAML: ")


def test_a_key_that_only_looks_like_a_merge_is_a_key(files: Files) -> None:
    assert files.process("agents: {a: {command: [x], env: {'<<': y}}}").env == {"<<": "y"}


def test_text_tags_and_styles_are_text(files: Files) -> None:
    run = files.process("""
agents:
  a:
    command:
      - !!str 5
      - ! 6
      - "7"
      - '8'
      - |
        9
      - >-
        10
        11
""")
    assert run.command == ("5", "6", "7", "8", "9\n", "10 11")
