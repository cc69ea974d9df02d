"""A configuration from its file to a `SupervisorSpec`: all that is wrong with it at once, or none of it."""

import os
from collections.abc import Container, Mapping, Sequence

import attrs

from trio_supervisor.config.accounts import check_accounts, read_accounts
from trio_supervisor.config.agents import read_agents
from trio_supervisor.config.dependencies import check_dependencies
from trio_supervisor.config.drafts import Group
from trio_supervisor.config.environment import warn_of_owned, warn_of_owned_for_all
from trio_supervisor.config.explain import explain
from trio_supervisor.config.footguns import find_footguns
from trio_supervisor.config.include import Files
from trio_supervisor.config.loaded import Loaded
from trio_supervisor.config.log_footguns import warn_of_shared_logs
from trio_supervisor.config.mistakes import Mistake, Mistakes
from trio_supervisor.config.policy import check_policy, read_policy
from trio_supervisor.config.ports import check_exec, check_port_use, check_ports
from trio_supervisor.config.selection import (
    build_supervisor,
    check_names,
    disabled,
    give_outside,
    mark_named,
    select,
    take_outside,
)
from trio_supervisor.config.source import Source
from trio_supervisor.config.supervisors import check_significant, warn_of_auto_shutdown
from trio_supervisor.errors import ConfigError


def load(path: str | os.PathLike[str], *, environ: Mapping[str, str], only: Sequence[str] = ()) -> Loaded:
    """Read a file and all that it includes.

    `environ` is what `${VAR}` stands for, before any `env_file`. With `only`, just these agents run (`web`), those of
    these supervisors (`team`) or in them (`team/planner`), and what they depend on; naming a disabled one enables it.
    An agent that is enabled must not depend on one that is not.

    Raises:
        ConfigError: with every mistake, its file, line and column.
        UnknownAgentError: `only` names an agent that is not there.
    """
    warnings = Mistakes()
    files, root = _read(path, environ, only)
    running = select(root, only)
    _warn(files, root, running, warnings)
    agents = tuple(name for draft in root.walk() if draft.inner is None for name in draft.paths if name in running)
    spec = build_supervisor(root, running)
    spec = attrs.evolve(spec, accounts=read_accounts(files), containers=read_policy(files))
    return Loaded(spec, os.path.realpath(path), disabled(root), warnings.heads(), agents, files.paths(path))


def load_agent(text: str, agent: str, *, directory: str, environ: Mapping[str, str]) -> Loaded:
    """Read what one agent is, in YAML (of which JSON is a part): the mapping that stands under its name in a file.

    `agent`: its path; `directory`: where relative paths in it begin. What it depends on in its own supervisor is not
    looked for. The spec that results has it as its child, or its replicas.

    Raises:
        ConfigError: with every mistake, its line and column.
    """
    mistakes, warnings = Mistakes(), Mistakes()
    files = Files(environ, mistakes)
    files.read_agent(agent.rpartition("/")[2], Source(agent, directory, text))
    root = read_agents(files)
    _check_all(files, root)
    mistakes.raise_if_any()
    outside = take_outside(root)
    running = select(root, ())
    _warn(files, root, running, warnings)
    spec = build_supervisor(root, running)
    children = tuple(give_outside(child, outside) for child in spec.children)
    if not children:
        raise ConfigError(f"{agent}: 'enabled: false' leaves it out; leave that out, or add it without starting it")
    return Loaded(attrs.evolve(spec, children=children), "", (), warnings.heads())


def explained(path: str | os.PathLike[str], *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The lines of the file written out, with every default and where each value comes from. Raises ConfigError."""
    files, root = _read(path, environ, ())
    return tuple(explain(root, files.read[0].root))


def _read(path: str | os.PathLike[str], environ: Mapping[str, str], only: Sequence[str]) -> tuple[Files, Group]:
    mistakes = Mistakes()
    files = Files(environ, mistakes)
    files.read_all(os.fspath(path))
    root = read_agents(files)
    mark_named(root, only)
    _check_all(files, root)
    check_policy(files, root, mistakes)
    mistakes.raise_if_any()
    check_names(root, only)
    return files, root


def _check_all(files: Files, root: Group) -> None:
    mistakes = files.mistakes
    check_dependencies(root, mistakes, complete=files.complete)
    check_accounts(files, root, mistakes)
    check_ports(root.walk(running=True), mistakes)
    for draft in root.walk():
        check_port_use(draft, mistakes)
        check_exec(draft, mistakes)
        check_significant(draft, mistakes)
    if files.read and not root.drafts and not mistakes:
        mistakes.add(Mistake(files.read[0].root.place, "there are no agents: write them under `agents:`"))


def _warn(files: Files, root: Group, running: Container[str], warnings: Mistakes) -> None:
    warn_of_owned_for_all(files, warnings)
    warn_of_auto_shutdown(root, warnings)
    warn_of_shared_logs(root, running, warnings)
    for draft in root.walk():
        if any(path in running for path in draft.paths):
            find_footguns(draft, warnings)
            warn_of_owned(draft, files, warnings)
            if draft.inner is not None:
                warn_of_auto_shutdown(draft.inner, warnings)
