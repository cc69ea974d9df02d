"""When there is colour, and whose is which."""

import pytest

from trio_supervisor.cli.style import Palette, Style, detect


@pytest.mark.parametrize(
    ("terminal", "env", "colour"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"TERM": "xterm", "FORCE_COLOR": "0"}, False),
        (False, {"FORCE_COLOR": ""}, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_depends_on_the_terminal_and_two_variables(terminal: bool, env: dict[str, str], colour: bool) -> None:
    assert detect(terminal=terminal, env=env).colour is colour


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("utf-8", True), ("UTF8", True), ("ascii", False), ("iso8859-15", False)]
)
def test_signs_beyond_ascii_need_utf_8(encoding: str, unicode: bool) -> None:
    assert detect(terminal=True, env={}, encoding=encoding).unicode is unicode


def test_paint_does_nothing_without_colour() -> None:
    assert Style(colour=False).paint("x", "31") == "x"
    assert Style(colour=True).paint("x", "31") == "\x1b[31mx\x1b[0m"


def test_a_colour_belongs_to_a_name_whatever_its_place() -> None:
    names = ["researcher", "worker", "flaky", "ticker"]

    forward, backward = Palette(names), Palette(reversed(names))

    assert [forward.code(name) for name in names] == [backward.code(name) for name in names]
    assert Palette(["researcher"]).code("researcher") == Palette().code("researcher")


def test_ten_names_have_ten_colours_and_more_share_them() -> None:
    palette = Palette(f"agent-{n}" for n in range(10))

    assert len({palette.code(f"agent-{n}") for n in range(10)}) == 10
    assert palette.code("agent-10") in {palette.code(f"agent-{n}") for n in range(10)}
