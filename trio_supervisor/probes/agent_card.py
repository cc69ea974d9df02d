"""What an A2A agent card must hold: the required fields of protocol 1.0, of 0.3, or of what came before.

1.0: the fields of `AgentCard`, `AgentInterface` and `AgentSkill` in a2a.proto whose `field_behavior` is REQUIRED.
0.3: the `required` lists in a2a.json. Before 0.3 the card was at another path, and could do without `protocolVersion`.
"""

from collections.abc import Iterator, Mapping

from trio_supervisor.record import record

Fields = Mapping[str, type]

_COMMON: Fields = {
    "name": str,
    "description": str,
    "version": str,
    "capabilities": dict,
    "defaultInputModes": list,
    "defaultOutputModes": list,
    "skills": list,
}
_OF_EACH: Mapping[str, Fields] = {
    "skills": {"id": str, "name": str, "description": str, "tags": list},
    "supportedInterfaces": {"url": str, "protocolBinding": str, "protocolVersion": str},
}
_KINDS: Mapping[type, str] = {str: "a text", dict: "an object", list: "a list"}


@record
class Edition:
    """A version of the protocol, as far as cards differ."""

    version: str
    fields: Fields


V1_0 = Edition("1.0", {**_COMMON, "supportedInterfaces": list})
V0_3 = Edition("0.3", {**_COMMON, "url": str, "protocolVersion": str})
V0_2 = Edition("0.2", {**_COMMON, "url": str})


def edition_of(card: Mapping[str, object], *, old_path: bool) -> Edition:
    """The version that a card follows, or means to."""
    if "supportedInterfaces" in card or not card.keys() & {"url", "protocolVersion"}:
        return V1_0
    return V0_2 if old_path and "protocolVersion" not in card else V0_3


def faults(card: Mapping[str, object], edition: Edition) -> Iterator[str]:
    """Each field that is missing or of the wrong kind, in words."""
    yield from _faults(card, edition.fields, "")


def _faults(value: object, fields: Fields, prefix: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{prefix.rstrip('.')} is not an object"
        return
    for name, kind in fields.items():
        if name not in value:
            yield f"{prefix}{name} is missing"
        elif not isinstance(value[name], kind):
            yield f"{prefix}{name} is not {_KINDS[kind]}"
        elif name in _OF_EACH:
            for index, item in enumerate(value[name]):
                yield from _faults(item, _OF_EACH[name], f"{prefix}{name}[{index}].")
