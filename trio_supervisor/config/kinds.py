"""Mappings of several kinds, where one key says which: probes, the steps of a stop, secrets."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from attrs import frozen
from cattrs import Converter

from trio_supervisor.config import forms, nodes
from trio_supervisor.config.fields import Fields, Read, Reader, build, made_of, reader_of
from trio_supervisor.config.key import Key
from trio_supervisor.config.mistakes import Mistake, MistakeError, all_of
from trio_supervisor.config.nodes import Node, Scalar, Sequence
from trio_supervisor.config.scalars import text
from trio_supervisor.config.shapes import mapping
from trio_supervisor.config.tables import HOOK_KINDS, PROBE_KINDS, SECRET_KINDS, STEP_KINDS, TABLES, keys_of_all
from trio_supervisor.errors import SpecError
from trio_supervisor.spec import (
    Call,
    CallHook,
    CommandHook,
    ContainerSpec,
    Health,
    Readiness,
    SecretHeader,
    Startup,
    WebHook,
)
from trio_supervisor.spec.hooks import check_target


def kinds(made: Converter) -> dict[object, Read]:
    """How those types are read that are of several kinds."""
    return {
        Startup: _probe(made, Startup, partly=False),
        Readiness: _probe(made, Readiness, partly=False),
        Health: _probe(made, Health, partly=False),
        forms.PartialStartup: _probe(made, Startup, partly=True),
        forms.PartialReadiness: _probe(made, Readiness, partly=True),
        forms.PartialHealth: _probe(made, Health, partly=True),
        forms.PartialContainer: _partial_container(made),
        forms.Step: _step(made),
        forms.SecretOfFile: _secret(made),
        forms.HeaderOfFile: _header(made),
        forms.UrlOrSecret: _url(made),
    }


def _partial_container(made: Converter) -> Read:
    """How what containers have in common is read: in `defaults` the image may be missing."""
    table = TABLES[ContainerSpec]
    reader = reader_of(made, table)

    def read(node: Node) -> object:
        fields = reader.read(mapping(node))
        return made_of(build(ContainerSpec, table, fields), fields)

    return read


@frozen
class _Kinds:
    """Reads mappings whose kind is the one key that names it."""

    readers: Mapping[str, Reader]
    any_kind: Reader
    rule: str
    """That there is one kind, in words."""
    question: str
    """What a mapping without a kind leaves open."""

    def read(self, written: nodes.Mapping, *, partly: bool = False) -> tuple[str, Fields]:
        """The kind and what there is of it; with `partly` the kind may be missing, and is any."""
        named = [name for name in written.entries if name in self.readers]
        fields = (self.readers[named[0]] if len(named) == 1 else self.any_kind).read(written)
        if len(named) > 1:
            second = written.entries[named[1]][0]
            fields.mistakes.append(Mistake(second.place, f"{self.rule}; '{named[0]}' stands here too"))
        if not named and not partly and not fields.mistakes:
            message = f"needs one of {', '.join(self.readers)}: {self.question}"
            fields.mistakes.append(Mistake(written.place, message))
        return (named or [*self.readers])[0], fields


def _kinds(
    made: Converter,
    classes: Mapping[str, type],
    rule: str,
    question: str,
    own: Mapping[str, Key] = MappingProxyType({}),
    misplaced: Mapping[str, str] = MappingProxyType({}),
) -> _Kinds:
    every = keys_of_all(classes, own)
    readers = {
        kind: reader_of(
            made, {**TABLES[cls], **own}, {**dict.fromkeys(every, f"does not go with '{kind}'"), **misplaced}
        )
        for kind, cls in classes.items()
    }
    return _Kinds(readers, reader_of(made, every, misplaced), rule, question)


def _probe(made: Converter, probe: type, *, partly: bool) -> Read:
    """How a probe is read. In `defaults` the kind may be missing."""
    own = TABLES[probe]
    several = _kinds(made, PROBE_KINDS, "a probe has one kind", "how is it asked?", own)

    def read(node: Node) -> object:
        kind, fields = several.read(mapping(node), partly=partly)
        cls = PROBE_KINDS[kind]
        # A function is imported from the directory of the file in which it is named.
        more = {"path": node.source.directory} if cls is Call else {}
        check = build(cls, TABLES[cls], fields, **more)
        return made_of(build(probe, own, fields, check=check), fields)

    return read


def _step(made: Converter) -> Read:
    several = _kinds(made, STEP_KINDS, "a step does one thing", "what is done?", misplaced=_OF_SHORT_STOP)

    def read(node: Node) -> object:
        kind, fields = several.read(mapping(node, "a step such as {signal: TERM, wait: 5s}"))
        cls: type[object] = STEP_KINDS[kind]
        return made_of(build(cls, TABLES[cls], fields), fields)

    return read


_OF_SHORT_STOP = {"grace": "is 'wait' in a list of steps"}


def _secret(made: Converter) -> Read:
    several = _kinds(made, SECRET_KINDS, "a secret has one source", "where does it come from?")

    def read(node: Node) -> object:
        if isinstance(node, Scalar):
            # It is not repeated: perhaps it is the secret itself.
            raise MistakeError(Mistake(node.place, "must say where the secret comes from: {env}, {file} or {command}"))
        kind, fields = several.read(mapping(node))
        cls: type[object] = SECRET_KINDS[kind]
        return made_of(build(cls, TABLES[cls], fields), fields)

    return read


def _header(made: Converter) -> Read:
    own = TABLES[SecretHeader]
    several = _kinds(made, SECRET_KINDS, "a secret has one source", "where does it come from?", own)

    def read(node: Node) -> object:
        if isinstance(node, Scalar):
            return text(node)
        kind, fields = several.read(mapping(node, "a text, or where a secret comes from: {env}, {file} or {command}"))
        cls: type[object] = SECRET_KINDS[kind]
        secret = build(cls, TABLES[cls], fields)
        return made_of(build(SecretHeader, own, fields, secret=secret), fields)

    return read


def _url(made: Converter) -> Read:
    secret = _secret(made)

    def read(node: Node) -> object:
        if not isinstance(node, Scalar):
            return secret(mapping(node, "a URL, or where a secret comes from: {env}, {file} or {command}"))
        written = text(node)
        try:
            check_target(written)
        except SpecError as error:
            raise MistakeError(Mistake(node.place, str(error))) from None
        return written

    return read


def hooks(made: Converter) -> Read:
    """How one hook, or a list of them, is read; `made` knows all other kinds already."""
    several = _kinds(made, HOOK_KINDS, "a hook does one thing", "what is called?")

    def one(node: Node) -> object:
        kind, fields = several.read(mapping(node, "a hook such as {command: [./alert]}, {url: ...} or {call: ...}"))
        cls: type[CommandHook | WebHook | CallHook] = HOOK_KINDS[kind]
        # It runs in, or is imported from, the directory of the file in which it is named.
        more = {CommandHook: {"cwd": node.source.directory}, CallHook: {"path": node.source.directory}}
        return made_of(build(cls, TABLES[cls], fields, **more.get(cls, {})), fields)

    def read(node: Node) -> object:
        return all_of(partial(one, item) for item in node.items) if isinstance(node, Sequence) else one(node)

    return read
