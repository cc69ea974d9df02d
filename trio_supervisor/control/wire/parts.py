"""The parts that schemas are made of: simple ones, and what makes one of others."""

from collections.abc import Mapping, Sequence

from trio_supervisor.control.api import State
from trio_supervisor.control.wire.forms import Form

TIME: Form = {"type": "string", "format": "date-time"}
NUMBER: Form = {"type": "integer"}
WORDS: Form = {"type": "string"}
TRUTH: Form = {"type": "boolean"}


def ref(name: str) -> Form:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: Mapping[str, Form], required: Sequence[str] = ()) -> Form:
    """An object that has these properties and no others."""
    form: dict[str, object] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**form, "required": list(required)} if required else form


def whole(properties: Mapping[str, Form], optional: Sequence[str] = ()) -> Form:
    """An object that has all of these properties, but perhaps the optional ones."""
    return object_of(properties, [name for name in properties if name not in optional])


def or_null(schema: Form) -> Form:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(name: str) -> Form:
    """A list of what has that schema."""
    return {"type": "array", "items": ref(name)}


STATE: Form = {"enum": [each.value for each in State]}
