"""What only a file has: lists and mappings in several forms, and other files that are named."""

import math
import os
import re
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from functools import partial

from cattrs import Converter

from trio_supervisor.config import forms, keys
from trio_supervisor.config.fields import Read, Reader, instance, reader_of
from trio_supervisor.config.limit_values import pattern
from trio_supervisor.config.mistakes import Mistake, MistakeError, all_of, some_of
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence
from trio_supervisor.config.scalars import duration, one_of, path, text, whole
from trio_supervisor.config.shapes import items, mapping, not_expected, scalar
from trio_supervisor.config.source import Reference
from trio_supervisor.core.policy import Condition, Strategy
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import (
    Idle,
    Inherit,
    JournalLimits,
    Lifetime,
    LogFile,
    ProcessSpec,
    Progress,
    Quota,
    SignalStep,
)


def containers(made: Converter) -> dict[object, Read]:
    """How those types are read that only a file has; `made` structures what is in them."""
    return {
        forms.Agents: lambda node: mapping(node, "a mapping from names to agents"),
        forms.Command: partial(_command, made),
        forms.Defaults: lambda node: mapping(node, "a mapping of an agent's keys"),
        forms.Dependencies: partial(_dependencies, made),
        forms.EnvFiles: partial(_references, partial(_env_file, reader_of(made, keys.FILE))),
        forms.Includes: partial(_references, _include),
        forms.Inherited: _inherited,
        forms.Journal: partial(_journal, made),
        forms.Json: _json,
        forms.StatusCodes: _status_codes,
        forms.Logs: partial(_logs, made),
        forms.IdleLimit: partial(_limit, made, Idle),
        forms.LifetimeLimit: partial(_limit, made, Lifetime),
        forms.ProgressLimit: partial(_limit, made, Progress),
        forms.Quotas: partial(_quotas, made),
        forms.Stop: _stop(made),
        forms.StrategyOfFile: _strategy,
        forms.SubtreeStop: _subtree_stop(made),
    }


def _command(made: Converter, node: Node) -> object:
    if isinstance(node, Mapping):
        raise not_expected(node, "a list of program and arguments")
    return text(node) if isinstance(node, Scalar) else made.structure(node, tuple[str, ...])


def _dependencies(made: Converter, node: Node) -> dict[str, Condition]:
    if isinstance(node, Sequence):
        return dict.fromkeys(made.structure(node, tuple[str, ...]), Condition.READY)
    expected = "a mapping from agents to started, ready or finished, or a list of agents"
    return dict(made.structure(mapping(node, expected), _CONDITIONS))


# mypy takes this generic for one that could not be made.
_CONDITIONS: type[AnyMapping[str, Condition]] = AnyMapping[str, Condition]  # type: ignore[type-abstract]


def _stop(made: Converter) -> Read:
    short = instance(SignalStep, reader_of(made, keys.SHORT_STOP, {"wait": "is 'grace' where the stop is no list"}))

    def read(node: Node) -> object:
        if isinstance(node, Sequence):
            return all_of(partial(made.structure, item, forms.Step) for item in node.items)
        return (short(mapping(node, "{signal, grace}, or a list of steps")),)

    return read


def _subtree_stop(made: Converter) -> Read:
    misplaced = {"signal": "is for processes; a supervisor is told to stop its agents"}
    only = instance(SignalStep, reader_of(made, keys.SUBTREE_STOP, misplaced))
    return lambda node: (only(node),)


def _limit(made: Converter, kind: Callable[[float], object], node: Node) -> object:
    """A limit of a life: its time alone, or with more."""
    if isinstance(node, Mapping):
        return made.structure(node, kind)  # type: ignore[arg-type] # it is a class
    try:
        return kind(duration(node))
    except ValueError as error:
        raise MistakeError(Mistake(node.place, str(error))) from None


def _quotas(made: Converter, node: Node) -> tuple[Quota, ...]:
    return all_of(partial(_quota, made, item) for item in items(node))


def _quota(made: Converter, node: Node) -> Quota:
    return made.structure(node, Quota) if isinstance(node, Mapping) else Quota(pattern(node))


def _logs(made: Converter, node: Node) -> tuple[LogFile, ...]:
    if isinstance(node, Sequence):
        return all_of(partial(made.structure, item, LogFile) for item in node.items)
    if isinstance(node, Mapping):
        return (made.structure(node, LogFile),)
    if type(node.value) is not bool:
        raise not_expected(node, "a mapping such as {file: agent.log}, a list of them, or true")
    return (LogFile(),) if node.value else ()


def _journal(made: Converter, node: Node) -> JournalLimits | None:
    if isinstance(node, Mapping):
        return made.structure(node, JournalLimits)
    if not isinstance(node, Scalar) or type(node.value) is not bool:
        raise not_expected(node, "a mapping such as {age: 30d, size: 50M}, or false")
    return JournalLimits() if node.value else None


def _inherited(node: Node) -> Inherit | tuple[str, ...]:
    if isinstance(node, Sequence):
        return all_of(partial(_pattern, item) for item in node.items)
    expected = f"{', '.join(one.value for one in Inherit)}, or a list of names"
    if not isinstance(node, Scalar):
        raise not_expected(node, expected)
    return one_of(tuple(Inherit), node, expected)


def _pattern(node: Node) -> str:
    name = text(node)
    try:
        ProcessSpec(("x",), inherit_env=(name,))
    except SpecError as error:
        raise MistakeError(Mistake(node.place, str(error))) from None
    return name


def _strategy(node: Node) -> Strategy:
    if isinstance(node, Scalar) and node.text == Strategy.SIMPLE_ONE_FOR_ONE.value:
        message = (
            f"{node.text} makes all agents of one template while the program runs; in a file each one is written: "
            "write one_for_one, and 'replicas' for several of a kind"
        )
        raise MistakeError(Mistake(node.place, message))
    return one_of(tuple(one for one in Strategy if one is not Strategy.SIMPLE_ONE_FOR_ONE), node)


def _reference(node: Scalar, *, required: bool = True) -> Reference:
    found = path(node)
    shown_as = os.path.normpath(os.path.join(os.path.dirname(node.source.shown), node.text))
    return Reference(found, shown_as, node.place, required)


def _env_file(reader: Reader, node: Node) -> Reference:
    if isinstance(node, Scalar):
        return _reference(node)
    fields = reader.read(mapping(node, "a path, or {path, required}"))
    named = fields.node.get("path")
    if named is None:
        fields.mistakes.append(Mistake(node.place, "needs a path"))
    if fields.mistakes or not isinstance(named, Scalar):
        raise MistakeError(*fields.mistakes)
    return _reference(named, required=fields.values.get("required", True) is True)


def _references(read: Callable[[Node], Reference], node: Node) -> tuple[Reference, ...]:
    """The files that are named; those that are named well can be read although others are not."""
    values, mistakes = some_of(partial(read, item) for item in items(node))
    if mistakes:
        raise MistakeError(*mistakes, usable=values)
    return values


def _include(node: Node) -> Reference:
    return _reference(scalar(node, "the path of a file"))


def _json(node: Node) -> object:
    if isinstance(node, Sequence):
        return [_json(item) for item in node.items]
    if isinstance(node, Mapping):
        return {name: _json(value) for name, (_, value) in node.entries.items()}
    value = node.value if node.plain else node.text
    if isinstance(value, float) and not math.isfinite(value):
        raise MistakeError(Mistake(node.place, f"{node.text} is no number in JSON"))
    return value


def _status_codes(node: Node) -> tuple[int, ...]:
    if not isinstance(node, Sequence):
        raise not_expected(node, "a list")
    spans = all_of(partial(_status_span, item) for item in node.items)
    return tuple(code for span in spans for code in span)


def _status_span(node: Node) -> range:
    if isinstance(node, Scalar) and (match := _SPAN.fullmatch(node.text)):
        first, last = int(match[1]), int(match[2])
        if first <= last:
            return range(first, last + 1)
    code = whole(node)
    return range(code, code + 1)


_SPAN = re.compile(r"\s*([0-9]{3})\s*-\s*([0-9]{3})\s*")
