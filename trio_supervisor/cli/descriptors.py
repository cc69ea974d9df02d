"""The limit of open files that a run begins with (getrlimit(2), RLIMIT_NOFILE)."""

import resource

from trio_supervisor.errors import ConfigError

NEEDED = 64
"""So many a run needs. With one agent that has nothing it takes 23, with a port, a log and probes 30. For many the
limit is raised as they come (`inheritance`).
"""


def make_sure_of_them() -> None:
    """Raise the soft limit where it is lower.

    Raises:
        ConfigError: the hard one is lower, too. Somewhere the run would fail, for want of what it can't name.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < NEEDED:
        raise ConfigError(
            f"the limit of open files is {hard} (ulimit -Hn), and a run needs at least {NEEDED}: raise the hard limit "
            "(limits.conf, LimitNOFILE= of a unit, --ulimit nofile= of a container)"
        )
    if resource.RLIM_INFINITY != soft < NEEDED:
        resource.setrlimit(resource.RLIMIT_NOFILE, (NEEDED, hard))
