"""What is of no child: a short command of the supervisor itself (a hook), and secrets that are sent somewhere."""

import os
from collections.abc import Mapping, Sequence

from trio_supervisor.commands import Completed
from trio_supervisor.runtimes.process.command import capture_command, run_command
from trio_supervisor.runtimes.process.current import current_environ
from trio_supervisor.runtimes.process.environment import inherited
from trio_supervisor.runtimes.process.secrets import resolve
from trio_supervisor.spec import Inherit, Secret
from trio_supervisor.system import lineage
from trio_supervisor.vault import current_vault, secret_sources


async def look_up(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """The values of secrets by name, as they are now; from here on they are hidden wherever they are said.

    Raises:
        StartError: some can't be had.
    """
    found = await resolve(
        secrets, os.environ, lambda command, within: capture_command(command, None, os.environ, within)
    )
    current_vault().add(map(os.fsencode, found.values()))
    return found


async def run_outside(
    command: Sequence[str], cwd: str | None, env: Mapping[str, str], stdin: bytes, within: float
) -> Completed:
    """Run a command in the environment of the supervisor and `env`, without the secrets of children. See `run_command`.

    Raises:
        ProbeError: it can't be run.
    """
    environ = current_environ()
    whole = inherited(Inherit.ALL, environ, secret_sources()) | dict(env)
    if outer := environ.get(lineage.VARIABLE):
        whole[lineage.VARIABLE] = outer
    return await run_command(command, cwd, whole, within, stdin=stdin)
