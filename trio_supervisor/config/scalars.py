"""Single values of the file: how each type is read, strictly."""

import math
import os
import re
from enum import Enum
from signal import Signals
from typing import TypeVar

import attrs

from trio_supervisor.config.durations import parse_duration
from trio_supervisor.config.mistakes import Mistake, MistakeError
from trio_supervisor.config.nodes import Node, Scalar, describe
from trio_supervisor.config.shapes import not_expected, scalar
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import DEFAULT_PORT_RANGE, Port, SignalStep, StopStep, TaskSpec

E = TypeVar("E", bound=Enum)

_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_PORTS = re.compile(r"([0-9]{1,5})(?:\s*-\s*([0-9]{1,5}))?")
_YES_OR_NO = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def text(node: Node) -> str:
    """Text. A number or a truth value is none unless it is in quotes, or came out of a variable."""
    one = scalar(node, "text")
    if one.plain and not one.has_variables and not isinstance(one.value, str):
        expected = "text" if one.value is None else f'text: write "{one.raw}" in quotes'
        raise MistakeError(Mistake(one.place, f"must be {expected}"))
    if "\0" in one.text:
        raise MistakeError(Mistake(one.place, "can't hold a NUL byte"))
    return one.text


def boolean(node: Node) -> bool:
    """`true` or `false`, and nothing that only looks like it."""
    one = scalar(node, "true or false")
    if type(one.value) is bool:
        return one.value
    meant = _YES_OR_NO.get(one.text.lower())
    raise MistakeError(
        Mistake(
            one.place,
            f"must be true or false, not {describe(one)}",
            written=meant or "",
            known=(meant,) if meant else (),
        )
    )


def whole(node: Node) -> int:
    """A whole number."""
    value = scalar(node, "a whole number").value
    if type(value) is not int:
        raise not_expected(node, "a whole number")
    return value


def number(node: Node) -> float:
    """A number that is finite."""
    value = scalar(node, "a number").value
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise not_expected(node, "a number")
    return float(value)


def duration(node: Node) -> float:
    """A duration with its unit, in seconds; 0 needs none."""
    one = scalar(node, "a duration such as 30s")
    value = one.value
    if type(value) is int and value == 0:
        return 0.0
    if type(value) in (int, float) and 0 < value < math.inf:  # type: ignore[operator]
        raise MistakeError(Mistake(one.place, f"a duration needs its unit: write {one.text}s"))
    if not isinstance(value, str):
        raise not_expected(one, "a duration such as 30s")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise MistakeError(Mistake(one.place, f"{describe(one)} is no duration: {error}")) from None


def limit(node: Node) -> float:
    """A duration, or `infinity`."""
    return math.inf if _is_word(node, "infinity") else _or_word(node, "infinity")


def grace(node: Node) -> tuple[StopStep, ...]:
    """How long an agent may take to end, as the steps of its stop: OTP's `shutdown`."""
    if _is_word(node, "kill"):
        return ()
    return (SignalStep(wait=math.inf if _is_word(node, "infinity") else _or_word(node, "kill", "infinity")),)


def _is_word(node: Node, word: str) -> bool:
    return isinstance(node, Scalar) and node.text == word


def _or_word(node: Node, *words: str) -> float:
    """A duration where a word may stand too."""
    try:
        return duration(node)
    except MistakeError as error:
        written = node.text if isinstance(node, Scalar) else ""
        raise MistakeError(*(attrs.evolve(one, written=written, known=words) for one in error.mistakes)) from None


def one_of(members: tuple[E, ...], node: Node, expected: str = "") -> E:
    """A word of several."""
    known = tuple(one.value for one in members)
    expected = expected or f"one of {', '.join(known)}"
    written = scalar(node, expected)
    if written.text not in known:
        message = f"must be {expected}, not {describe(written)}"
        raise MistakeError(Mistake(written.place, message, written=written.text, known=known))
    return members[known.index(written.text)]


def replicas(node: Node) -> int:
    """A number of copies, at least one."""
    value = whole(node)
    if value < 1:
        raise MistakeError(Mistake(node.place, f"replicas must be >= 1, not {value}; `enabled: false` leaves it out"))
    return value


def signal(node: Node) -> Signals:
    """A signal by its name, with or without SIG."""
    one = scalar(node, "the name of a signal")
    name = one.text if one.text.startswith("SIG") else f"SIG{one.text}"
    if name in Signals.__members__:
        return Signals[name]
    known = tuple(name.removeprefix("SIG") for name in Signals.__members__)
    raise MistakeError(
        Mistake(
            one.place, f"must be the name of a signal such as TERM, not {describe(one)}", written=one.text, known=known
        )
    )


def version(node: Node) -> int:
    """The only version that there is."""
    value = whole(node)
    if value != 1:
        raise MistakeError(Mistake(node.place, f"must be 1: this program does not know version {value}"))
    return value


def port(node: Node) -> Port:
    """`auto`, a number, or a range."""
    expected = "auto, a number, or a range such as 19001-19100"
    one = scalar(node, expected)
    if one.text == "auto":
        return Port(*DEFAULT_PORT_RANGE)
    match = _PORTS.fullmatch(one.text)
    if match is None:
        raise MistakeError(
            Mistake(one.place, f"must be {expected}, not {describe(one)}", written=one.text, known=("auto",))
        )
    try:
        return Port(int(match[1]), int(match[2] or match[1]))
    except SpecError as error:
        raise MistakeError(Mistake(one.place, str(error))) from None


def path(node: Node) -> str:
    """A path, made absolute from the directory of the file in which it stands."""
    written = text(node)
    if not written:
        raise MistakeError(Mistake(node.place, "must be a path, not ''"))
    if written == "~" or written.startswith("~/"):
        raise MistakeError(Mistake(node.place, "'~' is not replaced in a path: write ${HOME}"))
    return os.path.normpath(os.path.join(node.source.directory, written))


def address(node: Node) -> str:
    """Where a TCP probe connects; a port may be written as a number."""
    one = scalar(node, "a port, or host:port")
    return one.text if type(one.value) is int else text(one)


def function(node: Node) -> TaskSpec:
    """An async function, imported from the directory of the file in which it stands."""
    return TaskSpec(function_name(node), path=node.source.directory)


def function_name(node: Node) -> str:
    """The name of an async function."""
    written = text(node)
    if not _FUNCTION.fullmatch(written):
        raise not_expected(node, "package.module:function")
    return written


def variable_name(node: Node) -> str:
    """The name of an environment variable; as a key it is always text."""
    name = scalar(node, "the name of a variable").raw
    if not name or "=" in name or "\0" in name:
        raise MistakeError(Mistake(node.place, "the name of a variable can't be empty or hold '=' or NUL"))
    return name
