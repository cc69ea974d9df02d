"""Durations: what is one, what is none, and back to text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_supervisor.config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("24h", 86400.0),
        ("30d", 2592000.0),
        ("1d12h", 129600.0),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("1h2m3s4ms", 3723.004),
        ("90m", 5400.0),
    ],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "s",
        "30 s",
        "-30s",
        "+1s",
        "30sec",
        "1w",
        "30S",
        "5m1h",
        "1s1s",
        "1e3s",
        ".5s",
        "5.s",
        "1h30",
        "30s\n",
        "inf",
        "٣s",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a duration such as 500ms, 30s, 5m, 1h30m or 24h"):
        parse_duration(text)


def test_a_duration_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        parse_duration("9" * 400 + "h")


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**11))
def test_text_of_a_duration_is_read_as_the_same_duration(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (0.5, "500ms"), (30.0, "30s"), (5400.0, "1h30m"), (3600.004, "1h4ms")]
)
def test_the_text_of_a_duration_is_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
