"""A configuration from its file to a `SupervisorSpec`: all that is wrong with it at once, or none of it."""

import os
from collections.abc import Mapping, Sequence

import attrs
from attrs import frozen

from trio_supervisor.config.agents import Draft, read_agents
from trio_supervisor.config.dependencies import check_dependencies, needed
from trio_supervisor.config.footguns import find_footguns
from trio_supervisor.config.include import Files
from trio_supervisor.config.mistakes import Mistake, Mistakes, did_you_mean, shown
from trio_supervisor.config.ports import check_exec, check_port_use, check_ports
from trio_supervisor.errors import UnknownAgentError
from trio_supervisor.spec import SupervisorSpec


@frozen
class Loaded:
    """A configuration that can be used."""

    spec: SupervisorSpec
    """With the agents that are to run."""
    path: str
    """The real path of its file."""
    disabled: tuple[str, ...]
    """The agents that `enabled: false` leaves out."""
    warnings: tuple[str, ...]
    """What is hardly meant, a line each, with its place."""


def load(path: str | os.PathLike[str], *, environ: Mapping[str, str], only: Sequence[str] = ()) -> Loaded:
    """Read a file and all that it includes.

    `environ` is what `${VAR}` stands for, before any `env_file`. With `only`, just these agents run and what they
    depend on; naming a disabled agent enables it. An agent that is enabled must not depend on one that is not.

    Raises:
        ConfigError: with every mistake, its file, line and column.
        UnknownAgentError: `only` names an agent that is not there.
    """
    mistakes, warnings = Mistakes(), Mistakes()
    files = Files(environ, mistakes)
    files.read_all(os.fspath(path))
    drafts = read_agents(files)
    disabled = {draft.id for draft in drafts.values() if not draft.enabled and draft.id not in only}
    _check_all(files, drafts, disabled)
    mistakes.raise_if_any()
    _check_names(only, drafts)

    running = needed(drafts, only) if only else drafts.keys() - disabled
    spec = _spec(files, [draft for draft in drafts.values() if draft.id in running], warnings)
    return Loaded(spec, os.path.realpath(path), tuple(name for name in drafts if name in disabled), warnings.heads())


def _check_all(files: Files, drafts: dict[str, Draft], disabled: set[str]) -> None:
    mistakes = files.mistakes
    enabled = [draft for draft in drafts.values() if draft.id not in disabled]
    check_dependencies(drafts, drafts.keys() - disabled, mistakes, complete=files.complete)
    check_ports(enabled, mistakes)
    for draft in drafts.values():
        check_port_use(draft, mistakes)
        check_exec(draft, mistakes)
    if files.read and not drafts and not mistakes:
        mistakes.add(Mistake(files.read[0].root.place, "there are no agents: write them under `agents:`"))


def _check_names(only: Sequence[str], drafts: dict[str, Draft]) -> None:
    unknown = [f"there is no agent {shown(name)}{did_you_mean(name, drafts)}" for name in only if name not in drafts]
    if unknown:
        raise UnknownAgentError("\n".join(unknown))


def _spec(files: Files, running: list[Draft], warnings: Mistakes) -> SupervisorSpec:
    root = files.read[0]
    supervisor = root.fields.values.get("supervisor", SupervisorSpec())
    assert isinstance(supervisor, SupervisorSpec)
    for draft in running:
        if draft.spec is not None:
            find_footguns(draft, draft.spec, supervisor, root.root, warnings)
    return attrs.evolve(supervisor, children=tuple(draft.spec for draft in running if draft.spec is not None))
