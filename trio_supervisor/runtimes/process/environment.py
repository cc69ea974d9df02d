"""The environment of a child: inherited, then what the spec says, then what the supervisor tells it."""

import os
from collections.abc import Mapping

from trio_supervisor.runtimes.base import Launch
from trio_supervisor.spec import ProcessSpec, expand


def child_environment(process: ProcessSpec, launch: Launch, port: int | None) -> dict[str, str]:
    """The whole environment of a life.

    The AGENT_* values of the supervisor always win. AGENT_PORT is never inherited: it would be the port of somebody
    else. All other variables (PYTHONUNBUFFERED too) are left as they are.
    """
    env = os.environ.copy()
    env.pop("AGENT_PORT", None)
    env.update(_expanded(process.env, launch, port))
    if port is not None:
        env["AGENT_PORT"] = str(port)
    env["AGENT_ID"] = launch.child
    env["AGENT_GENERATION"] = str(launch.generation)
    env["AGENT_RESTART_COUNT"] = str(launch.restart_count)
    env["AGENT_RESTART_REASON"] = launch.restart_reason
    return env


def child_command(process: ProcessSpec, launch: Launch, port: int | None) -> tuple[str, ...]:
    """Program and arguments, with the placeholders replaced, and the shell in front where one is wanted."""
    command = tuple(expand(word, launch.child, port) for word in process.command)
    return ("/bin/sh", "-c", *command) if process.shell else command


def _expanded(env: Mapping[str, str], launch: Launch, port: int | None) -> dict[str, str]:
    return {name: expand(value, launch.child, port) for name, value in env.items()}
