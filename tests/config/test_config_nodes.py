"""The types of plain scalars: those of YAML 1.2, not those of 1.1."""

import math

import pytest

from trio_supervisor.config.nodes import resolve


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "y", "n", "No", "22:22", "1_000", "2026-11-21", "0b1", "+", ".", "-", "1.2.3", "e5"],
)
def test_what_only_yaml_1_1_takes_for_something_else_is_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", -math.inf),
        (".Inf", math.inf),
    ],
)
def test_plain_text_resolves_by_the_core_schema(text: str, value: object) -> None:
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_no_value_has_five_forms(text: str) -> None:
    assert resolve(text) is None


def test_not_a_number_is_a_float() -> None:
    value = resolve(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_number_with_thousands_of_digits_is_no_trap() -> None:
    assert resolve("9" * 5000) == math.inf
