"""What processes get in their environment: secrets that are written twice, names that only the supervisor may set."""

from collections.abc import Iterable, Iterator

from trio_supervisor.config.drafts import Draft
from trio_supervisor.config.include import Files, references
from trio_supervisor.config.mistakes import Mistake, Mistakes, shown
from trio_supervisor.config.nodes import Mapping, Scalar, Sequence
from trio_supervisor.config.source import Place, Reference
from trio_supervisor.spec import is_owned


def set_env(draft: Draft, given: dict[str, str]) -> None:
    """Put the variables together: `given` by files, then those that are written; a secret takes the place of a given
    one, and is a mistake beside a written one.
    """
    values = draft.fields.values
    written, secrets = values.get("env"), values.get("secrets")
    written = written if isinstance(written, dict) else {}
    secrets = secrets if isinstance(secrets, dict) else {}
    node = draft.node.get("secrets")
    for name in [name for name in secrets if name in written]:
        del secrets[name]
        key = node.entries[name][0] if isinstance(node, Mapping) else draft.key
        message = f"secret {shown(name)} is in 'env' too: write it in one place"
        draft.fields.mistakes.append(Mistake(key.place, message, agent=draft.if_elsewhere(key.place)))
    values["env"] = {name: value for name, value in given.items() if name not in secrets} | written


def warn_of_owned(draft: Draft, files: Files, warnings: Mistakes) -> None:
    """Warn of variables for an agent that it does not get, as only the supervisor sets them."""
    found = [*_written(draft), *_in_files(references(draft.fields, "env_file"), files)]
    for place, name, where in found:
        warnings.add(Mistake(place, f"{where}: {_ignored(name)}", agent=draft.if_elsewhere(place)))


def warn_of_owned_for_all(files: Files, warnings: Mistakes) -> None:
    """The same for what the files of variables of whole files say."""
    for file in files.read:
        for place, name, where in _in_files(references(file.fields, "env_file"), files):
            warnings.add(Mistake(place, f"{where}: {_ignored(name)}"))


def _ignored(name: str) -> str:
    return f"{shown(name)} is ignored for agents: only the supervisor sets it"


def _written(draft: Draft) -> Iterator[tuple[Place, str, str]]:
    env, inherited = draft.node.get("env"), draft.node.get("inherit_env")
    for name, (key, _) in env.entries.items() if isinstance(env, Mapping) else ():
        if is_owned(name):
            yield key.place, name, "env"
    for item in inherited.items if isinstance(inherited, Sequence) else ():
        if isinstance(item, Scalar) and is_owned(item.text.removesuffix("*")):
            yield item.place, item.text, "inherit_env"


def _in_files(named: Iterable[Reference], files: Files) -> Iterator[tuple[Place, str, str]]:
    for reference in named:
        for name in files.variables((reference,)):
            if is_owned(name):
                yield reference.place, name, reference.shown
