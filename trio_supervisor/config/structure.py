"""From nodes to values and specs, by cattrs with strict hooks: no silent conversion, no mistake left out."""

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from enum import Enum
from functools import cache, partial
from typing import get_args

import attrs
from cattrs import Converter

from trio_supervisor.config import forms, keys
from trio_supervisor.config.containers import containers
from trio_supervisor.config.fields import Hook, Read, Reader, instance, reader_of
from trio_supervisor.config.kinds import hooks, kinds
from trio_supervisor.config.mistakes import all_of
from trio_supervisor.config.nodes import Node, Scalar, Sequence
from trio_supervisor.config.scalar_types import SCALARS
from trio_supervisor.config.scalars import one_of
from trio_supervisor.config.shapes import mapping, not_expected
from trio_supervisor.config.tables import TABLES
from trio_supervisor.spec import (
    Budget,
    CallHook,
    CommandHook,
    Health,
    Hooks,
    Readiness,
    SecretHeader,
    Startup,
    SupervisorSpec,
    WebHook,
)


@cache
def converter() -> Converter:
    """The converter; what it structures are nodes, and what it raises is MistakeError."""
    made = Converter()
    for kind, scalar_type in SCALARS.items():
        made.register_structure_hook(kind, _hook(scalar_type.read))
    made.register_structure_hook_factory(_has_origin(tuple), _list_hook)
    made.register_structure_hook_factory(_has_origin(AnyMapping), _mapping_hook)
    made.register_structure_hook_factory(_is_enum, lambda kind: _hook(partial(_enum, kind)))
    for kind, read in containers(made).items():
        made.register_structure_hook(kind, _hook(read))
    # In the order of the tables: there a class stands below those that its attributes need.
    for cls in [cls for cls in TABLES if cls not in _OF_SEVERAL_KINDS]:
        made.register_structure_hook(cls, _hook(instance(cls, reader_of(made, TABLES[cls]), _SOME_OF.get(cls, ()))))
    for kind, read in kinds(made).items():
        made.register_structure_hook(kind, _hook(read))
    made.register_structure_hook(forms.HooksOfFile, _hook(hooks(made)))
    made.register_structure_hook(Hooks, _hook(instance(Hooks, reader_of(made, TABLES[Hooks]))))
    return made


@cache
def reader(table: str) -> Reader:
    """The reader for a table of `keys` that belongs to no single spec class, by its name."""
    made = reader_of(converter(), getattr(keys, table), _MISPLACED.get(table, {}))
    related = tuple(_ONLY_SUBTREE) if table == "AGENT" else ()
    return attrs.evolve(made, related=related, either=_EITHER if "grace" in made.table else ())


_OF_SEVERAL_KINDS = (Startup, Readiness, Health, SecretHeader, CommandHook, WebHook, CallHook, Hooks)
"""What is read by its kind, and what needs that."""
_EITHER = (("stop", "grace"),)
_SOME_OF: dict[type, tuple[str, ...]] = {Budget: ("usd", "restarts")}
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


def _hook(read: Read) -> Hook:
    return lambda node, _: read(node)


# By the form of the type


def _has_origin(origin: object) -> Callable[[object], bool]:
    return lambda kind: getattr(kind, "__origin__", None) is origin


def _list_hook(kind: object, made: Converter) -> Hook:
    element = get_args(kind)[0]
    hook = made.get_structure_hook(element)

    def read(node: Node) -> tuple[object, ...]:
        if not isinstance(node, Sequence):
            raise not_expected(node, "a list")
        return all_of(partial(hook, item, element) for item in node.items)

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
        values = all_of(partial(pair, key, value) for key, value in entries.values())
        return dict(zip(entries, values, strict=True))

    return _hook(read)


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _enum(kind: type[Enum], node: Node) -> Enum:
    return one_of(tuple(kind), node)
