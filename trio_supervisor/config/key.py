"""One key of a mapping: its name, what it takes, the words that explain it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args, get_type_hints

import attrs
from attrs import field, frozen

from trio_supervisor.record import defaults as record_defaults
from trio_supervisor.record import is_record


@frozen
class Key:
    """One key of a mapping."""

    name: str
    """As it is written in the file."""
    type: object
    """What the value is structured as; without None, see `nullable`."""
    about: str
    """For people."""
    attribute: str = field(default=attrs.Factory(lambda self: self.name, takes_self=True), kw_only=True)
    """The attribute of the spec class that it fills."""
    required: bool = field(default=False, kw_only=True)
    """The attribute has no default."""
    default: object = field(default=None, kw_only=True)
    nullable: bool = field(default=False, kw_only=True)
    """`null` is as good as not given, and takes away what `defaults` says."""
    takes_null: bool = field(default=False, kw_only=True)
    """`null` is a value like others, which the type reads."""
    example: object = field(default=None, kw_only=True)
    """A value that is surely right."""


_NONE: Mapping[str, object] = MappingProxyType({})


def keys_of(
    cls: type,
    about: Mapping[str, str],
    *,
    types: Mapping[str, object] = _NONE,
    names: Mapping[str, str] = MappingProxyType({}),
    examples: Mapping[str, object] = _NONE,
) -> dict[str, Key]:
    """The keys that stand for fields of a spec class: those that `about` has words for."""
    hints, defaults = get_type_hints(cls), _defaults(cls)
    keys = {}
    for name, words in about.items():
        kind, nullable = _without_none(hints[name])
        key = Key(
            names.get(name, name),
            types.get(name, kind),
            words,
            attribute=name,
            required=name not in defaults,
            default=defaults.get(name),
            nullable=nullable,
            example=examples.get(name),
        )
        keys[key.name] = key
    return keys


def _defaults(cls: type) -> dict[str, object]:
    """The defaults of all fields that have one."""
    if is_record(cls):
        return {name: _made(value) for name, value in record_defaults(cls).items()}
    return {one.name: _made(one.default) for one in attrs.fields(cls) if one.default is not attrs.NOTHING}


def _made(default: object) -> object:
    """A default that is made anew for each instance, once."""
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type,attr-defined]


def _without_none(hint: object) -> tuple[object, bool]:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    nullable = type(None) in get_args(hint)
    return (kinds[0] if nullable and len(kinds) == 1 else hint), nullable
