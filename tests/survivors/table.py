"""The table of survivors that is printed after the tests: a line for each end of each bad case."""

from collections.abc import Callable

import pytest
from attrs import astuple, frozen

PROPERTY = "survivors"
"""The name under which a row travels with the report of its test, from a worker of pytest-xdist too."""
_HEADINGS = ("case", "end", "survivors", "seconds")


@frozen
class Row:
    """What was alive after an end."""

    case: str
    end: str
    survivors: int
    seconds: float
    """From the end, to nobody being alive or to the patience's end."""


Record = Callable[[Row], None]


def recorder(node: pytest.Item) -> Record:
    """Takes in the rows of a test."""
    return lambda row: node.user_properties.append((PROPERTY, list(astuple(row))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if any of its rows was made."""
    rows = _rows(terminalreporter)
    if not rows:
        return
    lines = [_HEADINGS, *((one.case, one.end, str(one.survivors), f"{one.seconds:.2f}") for one in rows)]
    case, end = (max(len(line[column]) for line in lines) for column in (0, 1))
    terminalreporter.write_sep("=", "what outlives the supervisor")
    for name, how, survivors, seconds in lines:
        terminalreporter.write_line(f"{name:<{case}} | {how:<{end}} | {survivors:>9} | {seconds:>7}")
    terminalreporter.write_line(f"{sum(one.survivors for one in rows)} survivors in {len(rows)} rows")


def _rows(terminalreporter: pytest.TerminalReporter) -> list[Row]:
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    values = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    return sorted((Row(*value) for value in values if isinstance(value, list)), key=astuple)
