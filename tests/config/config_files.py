"""A directory with configuration files, for tests: writes them, loads them, gives the mistakes in them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from attrs import field, frozen

from trio_supervisor.config.load import load
from trio_supervisor.config.loaded import Loaded
from trio_supervisor.errors import ConfigError
from trio_supervisor.spec import ChildSpec, ProcessSpec

_HEAD = re.compile(r"\S+:\d+:\d+: ")


@frozen
class Files:
    """Files in one directory; `main.yaml` is the one that is run."""

    directory: Path
    environ: dict[str, str] = field(factory=dict)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, text: str | bytes, only: Sequence[str] = ()) -> Loaded:
        return load(self.write("main.yaml", text), environ=self.environ, only=only)

    def children(self, text: str | bytes, only: Sequence[str] = ()) -> Mapping[str, ChildSpec]:
        """The agents that are to run, by name."""
        return {child.id: child for child in self.load(text, only).spec.children}

    def child(self, text: str | bytes) -> ChildSpec:
        """The only agent."""
        (child,) = self.load(text).spec.children
        return child

    def process(self, text: str | bytes) -> ProcessSpec:
        """What the only agent runs."""
        run = self.child(text).run
        assert isinstance(run, ProcessSpec)
        return run

    def processes(self, text: str | bytes) -> Mapping[str, ProcessSpec]:
        """What those agents run that are processes, by name."""
        return {name: child.run for name, child in self.children(text).items() if isinstance(child.run, ProcessSpec)}

    def report(self, text: str | bytes) -> str:
        """The whole report on a file with mistakes, without the name of the directory."""
        with pytest.raises(ConfigError) as caught:
            self.load(text)
        return str(caught.value).replace(f"{self.directory}/", "")

    def mistakes(self, text: str | bytes) -> list[str]:
        """The first line of each mistake; `main.yaml:` is left out."""
        heads = [line for line in self.report(text).splitlines() if _HEAD.match(line)]
        return [head.removeprefix("main.yaml:") for head in heads]
