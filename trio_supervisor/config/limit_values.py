"""Single values of limits and budgets: shares, rates, patterns, the names of accounts."""

import re

from trio_supervisor.config.mistakes import Mistake, MistakeError
from trio_supervisor.config.nodes import Node, describe
from trio_supervisor.config.rates import parse_rate
from trio_supervisor.config.scalars import text
from trio_supervisor.config.shapes import not_expected, scalar
from trio_supervisor.spec import Rate

NAME = "^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
PERCENT = r"^[0-9]+(\.[0-9]+)?\s*%$"

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")


def share(node: Node) -> float:
    """A part of something."""
    expected = "a share such as 10%, or 0.1"
    one = scalar(node, expected)
    if match := _PERCENT.fullmatch(one.text):
        return float(match[1]) / 100
    value = one.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise not_expected(node, expected)
    return float(value)


def rate(node: Node) -> Rate:
    """So much per time."""
    one = scalar(node, "an amount per time such as 5/h")
    try:
        return parse_rate(one.text)
    except ValueError as error:
        raise MistakeError(Mistake(one.place, f"{describe(one)} is no rate: {error}")) from None


def pattern(node: Node) -> str:
    """A regular expression."""
    written = text(node)
    try:
        re.compile(written.encode())
    except re.error as error:
        raise MistakeError(Mistake(node.place, f"is not a regular expression: {error}")) from None
    return written


def account_name(node: Node) -> str:
    """The name of an account."""
    written = text(node)
    if not re.fullmatch(NAME, written):
        message = f"the name of an account has 1 to 64 letters, digits and hyphens, not {written[:80]!r}"
        raise MistakeError(Mistake(node.place, message))
    return written
