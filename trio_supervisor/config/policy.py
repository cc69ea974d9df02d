"""What containers of a file may be given, and whether those that are written keep to it."""

from trio_supervisor.config.drafts import Draft, Group
from trio_supervisor.config.include import Files
from trio_supervisor.config.mistakes import Mistake, Mistakes
from trio_supervisor.config.nodes import Mapping, Node
from trio_supervisor.spec import ContainerPolicy, ContainerSpec


def read_policy(files: Files) -> ContainerPolicy:
    """That of the file that is run; mistakes in it are noted where it is read."""
    found = files.read[0].fields.values.get("containers") if files.read else None
    return found if isinstance(found, ContainerPolicy) else ContainerPolicy()


def check_policy(files: Files, root: Group, mistakes: Mistakes) -> None:
    """Note what is not allowed, of each container all of it."""
    policy = read_policy(files)
    for draft in root.walk():
        if draft.spec is not None and isinstance(draft.spec.run, ContainerSpec):
            _check(draft, draft.spec.run, policy, mistakes)


def _check(draft: Draft, run: ContainerSpec, policy: ContainerPolicy, mistakes: Mistakes) -> None:
    for name, message in policy.faults(run):
        place = _node(draft, name).place
        mistakes.add(Mistake(place, message, agent=draft.if_elsewhere(place)))


def _node(draft: Draft, name: str) -> Node:
    """What is written of a key, as far as it is in the file."""
    container = draft.node.get("container")
    found = container.get(name) if isinstance(container, Mapping) else None
    return found or draft.node.get(name) or container or draft.key
