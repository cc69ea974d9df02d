"""From nodes to values and specs, by cattrs with strict hooks: no silent conversion, no mistake left out."""

import math
import os
from collections.abc import Callable, Iterable
from collections.abc import Mapping as AnyMapping
from enum import Enum
from functools import cache, partial
from types import MappingProxyType
from typing import TypeVar, get_args

import attrs
from cattrs import Converter

from trio_supervisor.config import forms, keys
from trio_supervisor.config.fields import Fields, Hook, Reader, build
from trio_supervisor.config.key import Key
from trio_supervisor.config.keys import KINDS, TABLES
from trio_supervisor.config.mistakes import Mistake, MistakeError
from trio_supervisor.config.nodes import Mapping, Node, Scalar, Sequence, describe
from trio_supervisor.config.scalars import SCALARS, not_expected, path, scalar, text
from trio_supervisor.config.source import Reference
from trio_supervisor.core.policy import Condition, Strategy
from trio_supervisor.spec import Health, Readiness, SignalStep, SupervisorSpec

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Read = Callable[[Node], object]


def mapping(node: Node, expected: str = "a mapping") -> Mapping:
    """The node as a mapping; raises MistakeError when it is something else."""
    if not isinstance(node, Mapping):
        raise not_expected(node, expected)
    return node


@cache
def converter() -> Converter:
    """The converter; what it structures are nodes, and what it raises is MistakeError."""
    made = Converter()
    plain = {kind: scalar_type.read for kind, scalar_type in SCALARS.items()}
    for kind, read in (plain | _CONTAINERS).items():
        made.register_structure_hook(kind, _hook(read))
    made.register_structure_hook_factory(_has_origin(tuple), _list_hook)
    made.register_structure_hook_factory(_has_origin(AnyMapping), _mapping_hook)
    made.register_structure_hook_factory(_is_enum, lambda kind: _hook(partial(_enum, kind)))
    # In the order of the tables: there a class stands below those that its attributes need.
    for cls in [cls for cls in TABLES if cls not in _PROBES]:
        made.register_structure_hook(cls, _hook(partial(_instance, cls, _reader(made, TABLES[cls]))))
    for probe, partly in _PROBES.items():
        made.register_structure_hook(probe, _hook(_probe(made, probe, partly=False)))
        made.register_structure_hook(partly, _hook(_probe(made, probe, partly=True)))
    return made


_PROBES: dict[type, object] = {Readiness: forms.PartialReadiness, Health: forms.PartialHealth}


@cache
def reader(table: str) -> Reader:
    """The reader for a table of `keys` that belongs to no single spec class, by its name."""
    made = _reader(converter(), getattr(keys, table), _MISPLACED.get(table, {}))
    related = tuple(_ONLY_SUBTREE) if table == "AGENT" else ()
    return attrs.evolve(made, related=related, either=_EITHER if "grace" in made.table else ())


_EITHER = (("stop", "grace"),)
_ONLY_SUBTREE = ("supervisor", "agents")
_OF_SUPERVISOR = {
    name: "stands under 'supervisor', beside 'agents'" for name in TABLES[SupervisorSpec] if name not in keys.AGENT
}
_MISPLACED = {
    "ROOT": dict.fromkeys(TABLES[SupervisorSpec], "stands under 'supervisor'"),
    "INCLUDED": {"supervisor": "stands only in the file that is run, not in one that is included"},
    "AGENT": _OF_SUPERVISOR,
    "SUBTREE": {
        **_OF_SUPERVISOR,
        **{name: "is for agents that are no supervisor" for name in keys.AGENT if name not in keys.SUBTREE},
    },
    "DEFAULTS": {
        **_OF_SUPERVISOR,
        **dict.fromkeys(_ONLY_SUBTREE, "can't stand in defaults, which are not for supervisors"),
    },
}


def _reader(
    made: Converter, table: AnyMapping[str, Key], misplaced: AnyMapping[str, str] = MappingProxyType({})
) -> Reader:
    return Reader(table, {name: made.get_structure_hook(key.type) for name, key in table.items()}, misplaced)


def _hook(read: Read) -> Hook:
    return lambda node, _: read(node)


def _some(reads: Iterable[Callable[[], T]]) -> tuple[tuple[T, ...], list[Mistake]]:
    """What those give that are right, and the mistakes of the others."""
    values: list[T] = []
    mistakes: list[Mistake] = []
    for read in reads:
        try:
            values.append(read())
        except MistakeError as error:
            mistakes += error.mistakes
    return tuple(values), mistakes


def _all(reads: Iterable[Callable[[], T]]) -> tuple[T, ...]:
    """What each gives; raises MistakeError with the mistakes of all."""
    values, mistakes = _some(reads)
    if mistakes:
        raise MistakeError(*mistakes)
    return values


# By the form of the type


def _has_origin(origin: object) -> Callable[[object], bool]:
    return lambda kind: getattr(kind, "__origin__", None) is origin


def _list_hook(kind: object, made: Converter) -> Hook:
    element = get_args(kind)[0]
    hook = made.get_structure_hook(element)

    def read(node: Node) -> tuple[object, ...]:
        if not isinstance(node, Sequence):
            raise not_expected(node, "a list")
        return _all(partial(hook, item, element) for item in node.items)

    return _hook(read)


def _mapping_hook(kind: object, made: Converter) -> Hook:
    key_kind, value_kind = get_args(kind)
    # A key of type str is any text; it is not looked at as a value would be, where 8080 needs quotes.
    key_hook = None if key_kind is str else made.get_structure_hook(key_kind)
    value_hook = made.get_structure_hook(value_kind)

    def pair(key: Scalar, value: Node) -> object:
        if key_hook is not None:
            key_hook(key, key_kind)
        return value_hook(value, value_kind)

    def read(node: Node) -> dict[str, object]:
        entries = mapping(node).entries
        values = _all(partial(pair, key, value) for key, value in entries.values())
        return dict(zip(entries, values, strict=True))

    return _hook(read)


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _enum(kind: type[Enum], node: Node) -> Enum:
    return _one_of(tuple(kind), node)


def _one_of(members: tuple[E, ...], node: Node) -> E:
    known = tuple(one.value for one in members)
    written = scalar(node, f"one of {', '.join(known)}")
    if written.text not in known:
        message = f"must be one of {', '.join(known)}, not {describe(written)}"
        raise MistakeError(Mistake(written.place, message, written=written.text, known=known))
    return members[known.index(written.text)]


def _instance(cls: type[T], its_reader: Reader, node: Node) -> T:
    fields = its_reader.read(mapping(node))
    return _made(build(cls, its_reader.table, fields), fields)


def _made(value: T | None, fields: Fields) -> T:
    if fields.mistakes or value is None:
        raise MistakeError(*fields.mistakes)
    return value


# Probes


def _probe(made: Converter, probe: type, *, partly: bool) -> Read:
    """How a probe is read, whose kind is the one key that names it. In `defaults` the kind may be missing."""
    own, every = TABLES[probe], keys.probe_keys(probe)
    any_kind = _reader(made, every)
    readers = {
        kind: _reader(made, {**TABLES[cls], **own}, dict.fromkeys(every, f"does not go with '{kind}'"))
        for kind, cls in KINDS.items()
    }

    def read(node: Node) -> object:
        written = mapping(node)
        kinds = [name for name in written.entries if name in KINDS]
        fields = (readers[kinds[0]] if len(kinds) == 1 else any_kind).read(written)
        if len(kinds) > 1:
            second = written.entries[kinds[1]][0]
            fields.mistakes.append(Mistake(second.place, f"a probe has one kind; '{kinds[0]}' stands here too"))
        if not kinds and not partly and not fields.mistakes:
            fields.mistakes.append(Mistake(written.place, f"needs one of {', '.join(KINDS)}: how is it asked?"))
        cls = KINDS[kinds[0]] if kinds else next(iter(KINDS.values()))
        check = build(cls, TABLES[cls], fields)
        return _made(build(probe, own, fields, check=check), fields)

    return read


# What only a file has


def items(node: Node) -> list[Node]:
    """The items of a list; a value that is none is its only item."""
    return node.items if isinstance(node, Sequence) else [node]


def _command(node: Node) -> object:
    if isinstance(node, Mapping):
        raise not_expected(node, "a list of program and arguments")
    return text(node) if isinstance(node, Scalar) else converter().structure(node, tuple[str, ...])


def _dependencies(node: Node) -> dict[str, Condition]:
    if isinstance(node, Sequence):
        return dict.fromkeys(converter().structure(node, tuple[str, ...]), Condition.READY)
    expected = "a mapping from agents to started, ready or finished, or a list of agents"
    return dict(converter().structure(mapping(node, expected), _CONDITIONS))


# mypy takes this generic for one that could not be made.
_CONDITIONS: type[AnyMapping[str, Condition]] = AnyMapping[str, Condition]  # type: ignore[type-abstract]


def _stop(node: Node) -> tuple[SignalStep, ...]:
    return (converter().structure(node, SignalStep),)


def _subtree_stop(node: Node) -> tuple[SignalStep, ...]:
    misplaced = {"signal": "is for processes; a supervisor is told to stop its agents"}
    return (_instance(SignalStep, _reader(converter(), keys.SUBTREE_STOP, misplaced), node),)


def _strategy(node: Node) -> Strategy:
    if isinstance(node, Scalar) and node.text == Strategy.SIMPLE_ONE_FOR_ONE.value:
        message = (
            f"{node.text} makes all agents of one template while the program runs; in a file each one is written: "
            "write one_for_one, and 'replicas' for several of a kind"
        )
        raise MistakeError(Mistake(node.place, message))
    return _one_of(tuple(one for one in Strategy if one is not Strategy.SIMPLE_ONE_FOR_ONE), node)


def _reference(node: Scalar, *, required: bool = True) -> Reference:
    found = path(node)
    shown_as = os.path.normpath(os.path.join(os.path.dirname(node.source.shown), node.text))
    return Reference(found, shown_as, node.place, required)


def _env_file(node: Node) -> Reference:
    if isinstance(node, Scalar):
        return _reference(node)
    fields = reader("FILE").read(mapping(node, "a path, or {path, required}"))
    named = fields.node.get("path")
    if named is None:
        fields.mistakes.append(Mistake(node.place, "needs a path"))
    if fields.mistakes or not isinstance(named, Scalar):
        raise MistakeError(*fields.mistakes)
    return _reference(named, required=fields.values.get("required", True) is True)


def _references(read: Callable[[Node], Reference], node: Node) -> tuple[Reference, ...]:
    """The files that are named; those that are named well can be read although others are not."""
    values, mistakes = _some(partial(read, item) for item in items(node))
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


_CONTAINERS: dict[object, Read] = {
    forms.Agents: lambda node: mapping(node, "a mapping from names to agents"),
    forms.Command: _command,
    forms.Defaults: lambda node: mapping(node, "a mapping of an agent's keys"),
    forms.Dependencies: _dependencies,
    forms.EnvFiles: partial(_references, _env_file),
    forms.Includes: partial(_references, _include),
    forms.Json: _json,
    forms.Stop: _stop,
    forms.StrategyOfFile: _strategy,
    forms.SubtreeStop: _subtree_stop,
}
