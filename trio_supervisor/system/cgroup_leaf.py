"""The leaf of a supervisor: where it steps aside to when its own cgroup gives controllers to others; the way back."""

import os
from contextlib import suppress

from trio_supervisor.system.cgroup import remove, write
from trio_supervisor.system.cgroup_places import members


def leave(leaf: str) -> bool:
    """Undo the step into the leaf: by its path alone, for whoever clears up after a supervisor; True: it is gone.

    Only an empty group can have given its controllers away, so all that it gives have come after the step.
    """
    own = os.path.dirname(leaf)
    if not os.path.isdir(leaf):
        return True
    try:
        for controller in words(own + "/cgroup.subtree_control"):
            write(own + "/cgroup.subtree_control", "-" + controller)
        for pid in members(leaf):
            with suppress(ProcessLookupError):
                write(own + "/cgroup.procs", str(pid))
    except OSError:
        return False
    return remove(leaf)


def words(path: str) -> list[str]:
    """The words in a file of a group; none where it can't be read."""
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []
