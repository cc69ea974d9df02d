"""A look at one child: all that the machine knows of why it is as it is. It changes nothing."""

from trio_supervisor.core.child import Child
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.outlook import outlook
from trio_supervisor.core.reasons import by_intensity
from trio_supervisor.core.standing import Need, needs, standing
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.windows import windows_of
from trio_supervisor.record import record


@record
class Look:
    """What is seen at one moment."""

    standing: tuple[Ground, ...]
    """Each rule that it is subject to, with its numbers."""
    outlook: str
    """What comes next, in words."""
    needs: tuple[Need, ...]
    """What it depends on directly."""
    limits: tuple[Ground, ...]
    """The limits of restarts, and how much of them is used up."""


def look_at(tree: Tree, child: Child, now: float) -> Look:
    """Look at a child."""
    limits = [by_intensity(window, now, shared=window is tree.window) for window in windows_of(tree, child)]
    return Look(standing(tree, child, now), outlook(tree, child, now), needs(tree, child), tuple(limits))
