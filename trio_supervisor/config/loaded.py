"""What becomes of a configuration file."""

from attrs import frozen

from trio_supervisor.spec import ContainerSpec, SupervisorSpec


@frozen
class Loaded:
    """A configuration that can be used."""

    spec: SupervisorSpec
    """The root supervisor, with the agents that are to run."""
    path: str
    """The real path of its file."""
    disabled: tuple[str, ...]
    """The paths of the agents and supervisors that `enabled: false` leaves out."""
    warnings: tuple[str, ...]
    """What is hardly meant, a line each, with its place."""
    agents: tuple[str, ...] = ()
    """The paths of the agents that are to run, of all supervisors, without these themselves."""
    files: tuple[str, ...] = ()
    """The absolute paths of all files that were read."""

    @property
    def has_containers(self) -> bool:
        """Whether an agent is to live in a container."""
        return _has_containers(self.spec)


def _has_containers(spec: SupervisorSpec) -> bool:
    runs = (child.run for child in (*spec.children, *filter(None, (spec.template,))))
    return any(
        _has_containers(run) if isinstance(run, SupervisorSpec) else isinstance(run, ContainerSpec) for run in runs
    )
