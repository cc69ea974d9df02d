"""The vault of the present Trio run: the secrets of all children, and what is not to be inherited because of them."""

from collections.abc import Iterable, Iterator, Mapping

import trio

from trio_supervisor.redaction import Vault
from trio_supervisor.spec import (
    ChildSpec,
    CommandHook,
    ContainerSpec,
    HookKind,
    Hooks,
    ProcessSpec,
    RemoteSpec,
    Secret,
    SecretEnv,
    SecretHeader,
    SupervisorSpec,
    WebHook,
)

_current: "trio.lowlevel.RunVar[Vault]" = trio.lowlevel.RunVar("trio_supervisor.vault")
_sources: "trio.lowlevel.RunVar[set[str]]" = trio.lowlevel.RunVar("trio_supervisor.vault.sources")


def current_vault() -> Vault:
    """The one vault of this Trio run."""
    try:
        return _current.get()
    except LookupError:
        vault = Vault()
        _current.set(vault)
        return vault


def redact(text: str) -> str:
    """The text without any secret that a child of this Trio run has or had."""
    return current_vault().redact(text)


def has_secrets() -> bool:
    """Whether there is anything to redact."""
    return bool(current_vault())


def secret_sources() -> set[str]:
    """Variables of ours that are a secret of some child: no child inherits them. To be added to."""
    try:
        return _sources.get()
    except LookupError:
        sources: set[str] = set()
        _sources.set(sources)
        return sources


def note_secret_sources(spec: SupervisorSpec | ChildSpec) -> None:
    """Add the variables that are secrets of this child, or of the children of this supervisor."""
    if names := _names(spec):
        secret_sources().update(names)


def _names(spec: SupervisorSpec | ChildSpec) -> set[str]:
    if isinstance(spec, SupervisorSpec):
        children = spec.children if spec.template is None else (spec.template,)
        return set().union(*map(_names, children))
    secrets: list[Secret] = [] if spec.hooks is None else list(_of_hooks(spec.hooks))
    if isinstance(spec.run, SupervisorSpec):
        return _variables(secrets) | _names(spec.run)
    if isinstance(spec.run, ProcessSpec | ContainerSpec):
        secrets += spec.run.secrets.values()
    if isinstance(spec.run, RemoteSpec):
        secrets += _of_headers(spec.run.headers)
    return _variables(secrets)


def _of_hooks(hooks: Hooks) -> Iterator[Secret]:
    for hook in (hook for kind in HookKind for hook in hooks.of(kind)):
        if isinstance(hook, CommandHook):
            yield from hook.secrets.values()
        if isinstance(hook, WebHook):
            yield from _of_headers(hook.headers)
            if not isinstance(hook.url, str):
                yield hook.url


def _of_headers(headers: Mapping[str, str | SecretHeader]) -> list[Secret]:
    return [value.secret for value in headers.values() if isinstance(value, SecretHeader)]


def _variables(secrets: Iterable[Secret]) -> set[str]:
    return {source.env for source in secrets if isinstance(source, SecretEnv)}
