"""What is to become of one supervisor and its children when its spec is another one."""

from trio_supervisor.record import record
from trio_supervisor.spec import ChildSpec, SupervisorSpec


@record
class Change:
    """A new spec, and how the children that are there already come to it. Nobody is started or stopped by that."""

    spec: SupervisorSpec
    """With all of its children."""
    at_once: tuple[ChildSpec, ...] = ()
    """By these their present lives go, too."""
    later: tuple[ChildSpec, ...] = ()
    """By these their next lives go."""
