"""The files of a configuration: the one that is run and those that it includes, with their variables and defaults."""

import os
from collections.abc import Iterable, Mapping
from functools import partial

from attrs import define, field

from trio_supervisor.config import nodes
from trio_supervisor.config.compose import compose
from trio_supervisor.config.envfile import parse_env
from trio_supervisor.config.fields import Fields
from trio_supervisor.config.merge import merge_defaults
from trio_supervisor.config.mistakes import Mistake, MistakeError, Mistakes, did_you_mean
from trio_supervisor.config.shapes import items
from trio_supervisor.config.source import MissingError, Place, ReadError, Reference, Source, decode, read_bytes
from trio_supervisor.config.structure import reader
from trio_supervisor.errors import ConfigError

MAX_FILES = 100
USUAL = "supervisor.yaml"
"""What a file is called that nobody names."""


@define
class File:
    """One file, read."""

    source: Source
    root: nodes.Mapping
    fields: Fields
    env: dict[str, str]
    """What its files of variables, and those of the files round it, give to its agents; what is set already wins."""
    defaults: nodes.Mapping | None
    """Its own, on top of those of the file that includes it."""

    def section(self, name: str) -> nodes.Mapping | None:
        """A section that is a mapping, if it is there."""
        found = self.fields.values.get(name)
        return found if isinstance(found, nodes.Mapping) else None


@define
class Files:
    """Reads files, none of them twice, and collects their mistakes.

    An included file gets the variables and defaults of the file that includes it, under its own.
    """

    environ: Mapping[str, str]
    mistakes: Mistakes
    read: list[File] = field(factory=list)
    complete: bool = True
    """Whether every file could be read."""
    _first_named: dict[str, Place] = field(factory=dict)
    _open: list[tuple[str, str]] = field(factory=list)
    _variables: dict[str, dict[str, str]] = field(factory=dict)
    _count: int = 0

    def read_all(self, path: str) -> None:
        """Read the file that is run, then all that it includes; raises ConfigError when there is nothing to read."""
        try:
            data = read_bytes(path)
        except ReadError as error:
            meant = _near_file(path) or _first_steps(path) if isinstance(error, MissingError) else ""
            raise ConfigError(f"{path}: {error}{meant}") from None
        with self.mistakes.collected():
            self._file(self._source(data, path, path), os.path.realpath(path), None)

    def paths(self, path: str | os.PathLike[str]) -> tuple[str, ...]:
        """The absolute paths of all files that were read; `path`: of the first one."""
        return (os.path.abspath(path), *self._first_named, *self._variables)

    def read_agent(self, id: str, source: Source) -> None:
        """Read what one agent is, as if it stood under `agents` in a file by itself. Others may be beside it that are
        not known here.
        """
        source.variables = self.environ
        self.complete = False
        with self.mistakes.collected():
            node = compose(source, self.mistakes, what="it is empty: it needs at least `command:`")
            root = _under(source, "agents", _under(source, id, node))
            fields = reader("ROOT").read(root)
            self.mistakes.add(*fields.mistakes)
            self.read.append(File(source, root, fields, {}, None))

    def variables(self, references: Iterable[Reference]) -> dict[str, str]:
        """What files of variables say; a later one wins."""
        values: dict[str, str] = {}
        for reference in references:
            with self.mistakes.collected():
                values |= self._env_file(reference)
        return values

    def _file(self, source: Source, real: str, around: File | None) -> None:
        root = compose(source, self.mistakes)
        if not isinstance(root, nodes.Mapping):
            raise MistakeError(Mistake(Place(source, root.start, root.start + 1), "must be a mapping with `agents:`"))
        env = self._env(source, root, around)
        fields = reader("INCLUDED" if around else "ROOT").read(root)
        self.mistakes.add(*fields.mistakes)
        file = File(source, root, fields, env, around.defaults if around else None)
        own = file.section("defaults")
        if own is not None:
            self.mistakes.add(*reader("DEFAULTS").read(own).mistakes)
            file.defaults = merge_defaults(file.defaults, own)
        self.read.append(file)
        self._open.append((real, source.shown))
        self._includes(file)
        self._open.pop()

    def _env(self, source: Source, root: nodes.Mapping, around: File | None) -> dict[str, str]:
        """Read the files of variables first: the other values can't be looked at without them, their own names can."""
        env = dict(around.env) if around else {}
        source.variables = {**env, **self.environ}
        named = nodes.Mapping(source, root.start)
        named.entries = {name: entry for name, entry in root.entries.items() if name == "env_file"}
        fields = reader("INCLUDED").read(named)
        self.mistakes.add(*fields.mistakes)
        env |= self.variables(references(fields, "env_file"))
        env = {name: self.environ.get(name, value) for name, value in env.items()}
        source.variables = {**env, **self.environ}
        return env

    def _includes(self, file: File) -> None:
        named = file.root.get("include")
        included = references(file.fields, "include")
        if named is not None and len(included) < len(items(named)):
            self.complete = False
        for reference in included:
            if not self.mistakes.passed(partial(self._include, reference, file)):
                self.complete = False

    def _include(self, reference: Reference, around: File) -> None:
        real = os.path.realpath(reference.path)
        opened = [path for path, _ in self._open]
        if real in opened:
            cycle = [shown for _, shown in self._open[opened.index(real) :]]
            raise MistakeError(Mistake(reference.place, f"files include each other: {' -> '.join([*cycle, cycle[0]])}"))
        first = self._first_named.setdefault(real, reference.place)
        if first is not reference.place:
            raise MistakeError(
                Mistake(reference.place, f"{reference.shown} is included a second time, first at {first}")
            )
        if len(self._first_named) > MAX_FILES:
            raise MistakeError(Mistake(reference.place, f"more than {MAX_FILES} files"))
        self._file(self._source(_read(reference), reference.path, reference.shown), real, around)

    def _env_file(self, reference: Reference) -> dict[str, str]:
        if reference.path not in self._variables:
            try:
                data = _read(reference)
            except MissingError:
                return {}
            self._variables[reference.path] = {}
            source = self._source(data, reference.path, reference.shown, quotable=False)
            self._variables[reference.path] = parse_env(source)
        return self._variables[reference.path]

    def _source(self, data: bytes, path: str, shown: str, *, quotable: bool = True) -> Source:
        content, wrong_at = decode(data)
        directory = os.path.dirname(os.path.abspath(path))
        source = Source(shown, directory, content, self._count, quotable=quotable)
        self._count += 1
        if wrong_at is not None:
            utf_16 = ", but looks like UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
            raise MistakeError(Mistake(Place(source, wrong_at, wrong_at + 1), f"this is not UTF-8{utf_16}"))
        return source


def _under(source: Source, key: str, node: nodes.Node) -> nodes.Mapping:
    around = nodes.Mapping(source, 0)
    around.entries[key] = (nodes.Scalar(source, 0, 1, key, plain=False), node)
    around.size, around.depth = node.size + 1, node.depth + 1
    return around


def references(fields: Fields, name: str) -> tuple[Reference, ...]:
    """The files that a key names."""
    found = fields.values.get(name, ())
    return found if isinstance(found, tuple) else ()


def _read(reference: Reference) -> bytes:
    """The content; raises MissingError where the file may be missing and is, MistakeError for all else."""
    try:
        return read_bytes(reference.path)
    except ReadError as error:
        if isinstance(error, MissingError) and not reference.required:
            raise
        raise MistakeError(Mistake(reference.place, f"can't read {reference.shown}: {error}")) from None


def _first_steps(path: str) -> str:
    """What somebody may have to know who is new here."""
    if path == USUAL:
        return "; `trio-supervisor init` writes one to start from"
    if not any(each in path for each in "./") and os.path.exists(USUAL):
        return f"; agents are named after the file: {USUAL} {path}"
    return ""


def _near_file(path: str) -> str:
    try:
        files = [name for name in os.listdir(os.path.dirname(path) or ".") if name.endswith((".yaml", ".yml"))]
    except (OSError, ValueError):
        return ""
    return did_you_mean(os.path.basename(path), files)
