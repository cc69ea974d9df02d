"""Single values that the system has to understand: sizes, users, masks, limits, addresses, what stdin is."""

import ipaddress
import re
from collections.abc import Callable
from typing import TypeVar

from trio_supervisor.config.mistakes import Mistake, MistakeError, shown
from trio_supervisor.config.nodes import Node, Scalar, describe
from trio_supervisor.config.scalars import path, text, variable_name
from trio_supervisor.config.shapes import not_expected, scalar
from trio_supervisor.config.sizes import parse_size
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import DEFAULT_LISTEN, RLIMITS, UNLIMITED, Mount, Publish, Stdin, is_owned
from trio_supervisor.spec.container import parse_mount, parse_publish
from trio_supervisor.spec.presets import PRESETS

T = TypeVar("T")

OCTAL = "^(0o)?0?[0-7]{1,3}$"
"""Matches every umask. Also for the schema."""

_OCTAL = re.compile("(?:0o)?0?([0-7]{1,3})")
_NUMBER = re.compile("[0-9]{1,10}")


def size(node: Node) -> int:
    """A size with its unit, in bytes."""
    one = scalar(node, "a size such as 500M")
    value = one.value
    if type(value) in (int, float):
        raise MistakeError(Mistake(one.place, f"a size needs its unit, K, M, G or T: not {one.text}, but such as 500M"))
    return _size(one, "a size such as 500M")


def size_or_not(node: Node) -> int | None:
    """A size with its unit, in bytes; None for `unlimited`."""
    return None if isinstance(node, Scalar) and node.text == "unlimited" else size(node)


def _size(one: Scalar, expected: str) -> int:
    if not isinstance(one.value, str):
        raise not_expected(one, expected)
    try:
        return parse_size(one.text)
    except ValueError as error:
        raise MistakeError(Mistake(one.place, f"{describe(one)} is no size: {error}")) from None


def rlimit(node: Node) -> int:
    """A limit of setrlimit(2): a number, a size, or `unlimited`."""
    expected = "a number, a size such as 500M, or unlimited"
    one = scalar(node, expected)
    if one.text == "unlimited":
        return UNLIMITED
    value = one.value
    if type(value) is int and value >= 0:
        return value
    try:
        return _size(one, expected)
    except MistakeError:
        message = f"must be {expected}, not {describe(one)}"
        raise MistakeError(Mistake(one.place, message, written=one.text, known=("unlimited",))) from None


def rlimit_name(node: Node) -> str:
    """The name of a limit that this system has; it is a key."""
    one = scalar(node, "the name of a limit")
    if one.raw not in RLIMITS:
        message = f"{shown(one.raw)} is no limit of setrlimit(2): nofile, core, cpu, ..."
        raise MistakeError(Mistake(one.place, message, written=one.raw, known=tuple(RLIMITS)))
    return one.raw


def account(node: Node) -> str | int:
    """A user or a group, by name or number; whether there is one is seen at the start."""
    one = scalar(node, "a name or a number")
    if _NUMBER.fullmatch(one.text):
        return int(one.text)
    if not isinstance(one.value, str) or not one.text:
        raise not_expected(one, "a name or a number")
    return text(one)


def umask(node: Node) -> int:
    """A umask: octal digits, in quotes or not."""
    one = scalar(node, 'octal digits such as "022"')
    match = _OCTAL.fullmatch(one.text)
    if match is None:
        raise not_expected(one, 'octal digits such as "022", up to "777"')
    return int(match[1], 8)


def workspace(node: Node) -> bool | str:
    """Whether there is one, or its path, made absolute from the directory of the file."""
    value = scalar(node, "true, false or a path").value
    return value if isinstance(value, bool) else path(node)


def listen(node: Node) -> str:
    """The address to listen at; `true` is 127.0.0.1."""
    expected = "true, or an address such as 127.0.0.1"
    one = scalar(node, expected)
    if one.value is True:
        return DEFAULT_LISTEN
    try:
        return str(ipaddress.ip_address(one.text))
    except ValueError:
        pass
    message = f"must be {expected}, not {describe(one)}"
    local = one.text.lower() == "localhost"
    raise MistakeError(Mistake(one.place, message, written=DEFAULT_LISTEN if local else "", known=(DEFAULT_LISTEN,)))


def stdin(node: Node) -> Stdin:
    """What an agent reads. A bare `null` is the null device, too: hardly anybody knows that it needs quotes."""
    one = scalar(node, 'pipe, pty or "null"')
    if one.value is None:
        return Stdin.NULL
    known = tuple(kind.value for kind in Stdin)
    if one.text in known:
        return Stdin(one.text)
    message = f'must be pipe, pty or "null", not {describe(one)}'
    raise MistakeError(Mistake(one.place, message, written=one.text, known=known))


def preset(node: Node) -> str:
    """A kind of program."""
    one = scalar(node, "the name of a preset")
    if one.text in PRESETS:
        return one.text
    message = f"must be one of {', '.join(PRESETS)}, not {describe(one)}"
    raise MistakeError(Mistake(one.place, message, written=one.text, known=tuple(PRESETS)))


def secret_name(node: Node) -> str:
    """The variable that a secret becomes; it is a key."""
    name = variable_name(node)
    if is_owned(name):
        raise MistakeError(Mistake(node.place, f"{shown(name)} can't be a secret: only the supervisor sets it"))
    return name


def mount(node: Node) -> Mount:
    """A mount; a path is relative to the directory of its file."""
    return _parsed(node, lambda text: parse_mount(text, node.source.directory))


def publish(node: Node) -> Publish:
    """A published port."""
    return _parsed(node, parse_publish)


def _parsed(node: Node, parse: Callable[[str], T]) -> T:
    try:
        return parse(text(node))
    except SpecError as error:
        raise MistakeError(Mistake(node.place, str(error))) from None
