"""Mappings with fixed keys: read value by value, and made a spec, so that all mistakes are found."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import attrs
from attrs import define, field, frozen
from cattrs import Converter

from trio_supervisor.config import nodes
from trio_supervisor.config.key import Key
from trio_supervisor.config.mistakes import Mistake, MistakeError, shown
from trio_supervisor.config.nodes import Node, Scalar, is_absent, is_null
from trio_supervisor.config.shapes import mapping
from trio_supervisor.config.source import Place

T = TypeVar("T")
Hook = Callable[[Node, object], object]
Read = Callable[[Node], object]


@define
class Fields:
    """What a mapping holds: the values that are right, by field of the spec class, and the mistakes."""

    node: nodes.Mapping
    values: dict[str, object] = field(factory=dict)
    mistakes: list[Mistake] = field(factory=list)


@frozen
class Reader:
    """Reads mappings that have the same fixed keys; `x-` keys are free."""

    table: Mapping[str, Key]
    hooks: Mapping[str, Hook]
    misplaced: Mapping[str, str] = attrs.Factory(dict)
    """Keys that are known but have no place here, and what to say of them."""
    related: tuple[str, ...] = ()
    """Keys that make another mapping of this one, and so may be meant by what is unknown."""
    either: tuple[tuple[str, str], ...] = ()
    """Pairs of keys that do not go together."""

    def read(self, node: nodes.Mapping) -> Fields:
        """Read the values, whatever is wrong with some of them."""
        fields = Fields(node)
        for name, (key_node, value) in node.entries.items():
            key = self.table.get(name)
            if key is not None:
                self._value(fields, key, key_node, value)
            elif not name.startswith("x-"):
                fields.mistakes.append(self._unknown(name, key_node))
        for one, other in self.either:
            if not (is_absent(node.get(one)) or is_absent(node.get(other))):
                place = node.entries[other][0].place
                fields.mistakes.append(Mistake(place, f"'{other}' does not go with '{one}': write only one of them"))
        return fields

    def _value(self, fields: Fields, key: Key, key_node: Scalar, value: Node) -> None:
        try:
            if key.takes_null or not is_null(value):
                fields.values[key.attribute] = self.hooks[key.name](value, key.type)
            elif not key.nullable:
                fields.mistakes.append(Mistake(key_node.place, f"{key.name} has no value"))
        except MistakeError as error:
            if error.usable is not None:
                fields.values[key.attribute] = error.usable
            fields.mistakes += (_named(mistake, key.name, value) for mistake in error.mistakes)

    def _unknown(self, name: str, key_node: Scalar) -> Mistake:
        if name in self.misplaced:
            return Mistake(key_node.place, f"{shown(name)} {self.misplaced[name]}")
        return Mistake(key_node.place, f"unknown key {shown(name)}", written=name, known=(*self.table, *self.related))


def reader_of(made: Converter, table: Mapping[str, Key], misplaced: Mapping[str, str] = MappingProxyType({})) -> Reader:
    """A reader for a table of keys, whose values `made` structures."""
    return Reader(table, {name: made.get_structure_hook(key.type) for name, key in table.items()}, misplaced)


def _named(mistake: Mistake, name: str, value: Node) -> Mistake:
    """With the name of the key in front, where the mistake is with its whole value."""
    elsewhere = mistake.place.start != value.start or mistake.place.source is not value.source
    if elsewhere or mistake.message.startswith(name):
        return mistake
    return attrs.evolve(mistake, message=f"{name}: {mistake.message}")


def build(make: Callable[..., T], table: Mapping[str, Key], fields: Fields, **more: object) -> T | None:
    """Make a spec of its fields. What the class refuses joins the mistakes, each at the value that is to blame.

    A value that is refused or was wrong before is replaced by one that is surely right: the others are judged too.
    """
    values = {key.attribute: key.example for key in table.values() if key.required} | more
    values |= {key.attribute: fields.values[key.attribute] for key in table.values() if key.attribute in fields.values}
    while True:
        try:
            return make(**values)
        except ValueError as error:
            guilty = _guilty(make, table, fields, values, str(error))
            fields.mistakes.append(Mistake(_place(fields.node, guilty), _short(str(error))))
            if guilty is None:
                return None
            values = _replaced(values, guilty)
            fields.values.pop(guilty.attribute)


def made_of(value: T | None, fields: Fields) -> T:
    """What was built, if nothing was wrong; raises MistakeError with all that was."""
    if fields.mistakes or value is None:
        raise MistakeError(*fields.mistakes)
    return value


def instance(cls: Callable[..., object], reader: Reader, some_of: tuple[str, ...] = ()) -> Read:
    """How a mapping is read that becomes a spec; of the keys in `some_of` it needs at least one."""

    def read(node: Node) -> object:
        fields = reader.read(mapping(node))
        missing = [key.name for key in reader.table.values() if key.required and key.name not in fields.node.entries]
        if missing and not fields.mistakes:
            fields.mistakes.append(Mistake(fields.node.place, f"needs {' and '.join(map(repr, missing))}"))
        if some_of and all(is_absent(fields.node.get(name)) for name in some_of):
            fields.mistakes.append(Mistake(fields.node.place, f"needs {' or '.join(map(repr, some_of))}"))
        return made_of(build(cls, reader.table, fields), fields)

    return read


def _short(message: str) -> str:
    """A message that may hold a value of any length."""
    return message if len(message) <= 200 else message[:197] + "..."


def _guilty(
    make: Callable[..., object], table: Mapping[str, Key], fields: Fields, values: dict[str, object], message: str
) -> Key | None:
    """The key without whose value the class would not say this."""
    for key in table.values():
        if key.attribute not in fields.values:
            continue
        try:
            make(**_replaced(values, key))
        except ValueError as other:
            if str(other) == message:
                continue
        return key
    return None


def _replaced(values: dict[str, object], key: Key) -> dict[str, object]:
    others = {name: value for name, value in values.items() if name != key.attribute}
    return others | {key.attribute: key.example} if key.required else others


def _place(node: nodes.Mapping, key: Key | None) -> Place:
    value = None if key is None else node.get(key.name)
    return node.place if value is None else value.place
